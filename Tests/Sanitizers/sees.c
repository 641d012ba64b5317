/* A host with a mistake that a sanitizer must see.
 *   sees short       the library reads features that are shorter than their counts say
 *   sees host        two threads of the host write one variable
 *   sees writes      the library writes rows that another thread of the host reads
 *   sees reads       the library reads images that another thread of the host writes
 *   sees calls       two calls of the library write the same rows
 * The thread sanitizer tells races by what orders two accesses, not by the clock. Where a mutex of
 * the library's lies between them it says nothing, even if that is chance; so each race here has
 * a relaxed flag between its accesses, which orders nothing, and happens in every run. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "../Soak/soak.h"

enum { IMAGES = 4, WIDTH = 16, HELD = IMAGES * SIDE * SIDE };

static atomic_int stage;
static supcon_model *model, *other_model;
static supcon_dataset *dataset;
static supcon_images images;
static supcon_embed_options plain; /* as it is, by one copy */
static float rows[IMAGES * WIDTH], sum;
static long variable;

static void enter(int next) {
  if (atomic_load_explicit(&stage, memory_order_relaxed) < next)
    atomic_store_explicit(&stage, next, memory_order_relaxed);
}
static void await(int wanted) {
  while (atomic_load_explicit(&stage, memory_order_relaxed) < wanted) sched_yield();
}

static void *write_variable(void *unused) {
  await(1);
  variable = 2;
  return unused;
}
static void *read_rows(void *unused) {
  await(1);
  for (int i = 0; i < IMAGES * WIDTH; ++i) sum += rows[i];
  return unused;
}
static void *write_images(void *unused) {
  await(1);
  for (int i = 0; i < HELD; ++i) pixels[i] = 1;
  return unused;
}

/* The other thread's call comes and goes between the two halves of ours. Each has a model of its
 * own, on one thread: the lock of a model's plans, and that of idle threads, would put one after
 * the other. */
static void *embed_images(void *unused) {
  await(1);
  WORKS(supcon_model_embed(other_model, &images, &plain, rows, IMAGES * WIDTH));
  enter(2);
  return unused;
}
static int fill(const int64_t *indices, int64_t count, uint8_t *out, void *unused) {
  (void)unused;
  for (int64_t i = 0; i < count; ++i)
    memcpy(out + i * SIDE * SIDE, pixels + indices[i] * SIDE * SIDE, SIDE * SIDE);
  enter(1);
  await(2);
  return 0;
}

static void meet(void *(*theirs)(void *), void (*ours)(void)) {
  pthread_t other;
  if (pthread_create(&other, NULL, theirs, NULL) != 0) exit(2);
  ours();
  enter(1);
  pthread_join(other, NULL);
}
static void our_variable(void) { variable = 1; }
static void our_images(void) {
  WORKS(supcon_model_embed(model, &images, &plain, rows, IMAGES * WIDTH));
}
static void our_dataset(void) {
  WORKS(supcon_model_embed_dataset(model, dataset, &plain, rows, IMAGES * WIDTH));
}

static void read_short(void) {
  float *features = calloc(COUNT * WIDTH - 1, sizeof *features);
  for (int i = 0; i < COUNT * WIDTH - 1; ++i) features[i] = (float)(i % 7);
  WORKS(supcon_loss(NULL, features, COUNT, 1, WIDTH, labels, NULL, NULL, NULL, NULL, NULL));
  free(features);
}

int main(int argc, char **argv) {
  const char *mistake = argc > 1 ? argv[1] : "";
  images = small_images();
  images.count = IMAGES;
  supcon_embed_options_init(&plain);
  plain.normalize = 0;
  supcon_context_options one;
  supcon_context_options_init(&one);
  one.threads = 1;
  supcon_context *context = NULL;
  WORKS(supcon_context_create(&one, &context));
  model = small_model(context);
  other_model = small_model(context);
  DEMAND(supcon_model_output_dimension(model, SUPCON_OUTPUT_ENCODER) == WIDTH, "16");
  WORKS(supcon_dataset_from_callback(fill, NULL, IMAGES, SIDE, SIDE, 1, NULL, &dataset));
  if (!strcmp(mistake, "short")) read_short();
  else if (!strcmp(mistake, "host")) meet(write_variable, our_variable);
  else if (!strcmp(mistake, "writes")) meet(read_rows, our_images);
  else if (!strcmp(mistake, "reads")) meet(write_images, our_images);
  else if (!strcmp(mistake, "calls")) meet(embed_images, our_dataset);
  else if (strcmp(mistake, "none")) return 2;
  supcon_dataset_free(dataset);
  supcon_model_free(other_model);
  supcon_model_free(model);
  supcon_context_free(context);
  printf("%ld %g\n", variable, (double)sum); /* so that no access is left out as useless */
  return 0;
}
