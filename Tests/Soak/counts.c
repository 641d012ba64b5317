/* What the number of threads, and of CPUs, does to results.
 *   counts FOLDER
 * Does each kind of work with 1, 2, 3, 4 and 8 threads, first on all CPUs and then on one alone: a
 * number of threads gives the same bytes on however many CPUs; and some kinds of work give them
 * with any number of threads. */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>

#include "soak.h"

enum { ROWS = 1500, QUERIES = 300, COLUMNS = 64, CLASSES = 5, IMAGES = 48, EDGE = 32 };
static float rows[ROWS * COLUMNS], results[ROWS * COLUMNS];
static int64_t classes[ROWS], indices[QUERIES * 10];
static uint8_t colors[IMAGES * EDGE * EDGE * 3];
static int64_t halves[IMAGES];
static char path[4200];

/* FNV-1a over everything that a work comes to. */
static uint64_t sum;
static void add(const void *bytes, size_t size) {
  const uint8_t *byte = bytes;
  for (size_t i = 0; i < size; ++i) sum = (sum ^ byte[i]) * 1099511628211u;
}

static void loss(supcon_context *context) {
  supcon_loss_options options;
  supcon_loss_options_init(&options);
  options.normalize = 1;
  supcon_loss_result result;
  supcon_loss_result_init(&result);
  WORKS(supcon_loss(context, rows, ROWS, 1, COLUMNS, classes, NULL, &options, &result, NULL,
                    results));
  add(&result.loss, sizeof result.loss);
  add(results, sizeof results);
}

static void evaluate(supcon_context *context, int32_t method) {
  supcon_evaluate_options options;
  supcon_evaluate_options_init(&options);
  options.method = method;
  const int64_t first = ROWS - QUERIES;
  WORKS(supcon_evaluate(context, rows, classes, first, rows + first * COLUMNS, classes + first,
                        QUERIES, COLUMNS, &options, NULL, NULL, results, QUERIES * CLASSES, NULL,
                        0));
  add(results, QUERIES * CLASSES * sizeof *results);
}
static void linear(supcon_context *context) { evaluate(context, SUPCON_METHOD_LINEAR); }
static void knn(supcon_context *context) { evaluate(context, SUPCON_METHOD_KNN); }
static void prototypes(supcon_context *context) { evaluate(context, SUPCON_METHOD_PROTOTYPES); }

static void nearest(supcon_context *context) {
  WORKS(supcon_nearest(context, rows, ROWS, rows, QUERIES, COLUMNS, NULL, indices, results));
  add(indices, sizeof indices);
  add(results, QUERIES * 10 * sizeof *results);
}

/* NULL where this CPU cannot compute in the precision. */
static supcon_model *network(supcon_context *context, int32_t precision) {
  supcon_model_options options;
  supcon_model_options_init(&options);
  options.width = 32;
  options.precision = precision;
  supcon_model *model = NULL;
  const supcon_status status = supcon_model_create(context, &options, &model);
  DEMAND(status == SUPCON_OK || status == SUPCON_STATUS_UNSUPPORTED, "status %d", status);
  return model;
}
static supcon_images color_images(void) {
  supcon_images images;
  supcon_images_init(&images, colors, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, IMAGES, EDGE, EDGE, 3);
  return images;
}

static void embed(supcon_context *context, int32_t precision) {
  supcon_model *model = network(context, precision);
  if (!model) return;
  const supcon_images images = color_images();
  WORKS(supcon_model_embed(model, &images, NULL, results, ROWS * COLUMNS));
  add(results, IMAGES * 256 * sizeof *results);
  supcon_model_free(model);
}
static void embed_f32(supcon_context *context) { embed(context, SUPCON_PRECISION_F32); }
static void embed_bf16(supcon_context *context) { embed(context, SUPCON_PRECISION_BF16); }

static void train(supcon_context *context, int32_t precision) {
  supcon_model *model = network(context, precision);
  if (!model) return;
  const supcon_images images = color_images();
  supcon_dataset *dataset = NULL;
  WORKS(supcon_dataset_from_images(&images, halves, NULL, &dataset));
  supcon_train_options options = small_train_options();
  options.epochs = 1;
  options.batch_size = 16;
  supcon_trainer *trainer = NULL;
  WORKS(supcon_trainer_create(context, model, dataset, &options, &trainer));
  WORKS(supcon_trainer_run(trainer, NULL, NULL));
  WORKS(supcon_model_save(model, path));
  size_t size = 0;
  uint8_t *bytes = read_file(path, &size);
  DEMAND(bytes && size > 0, "no model");
  add(bytes, size);
  free(bytes);
  supcon_trainer_free(trainer);
  supcon_dataset_free(dataset);
  supcon_model_free(model);
}
static void train_f32(supcon_context *context) { train(context, SUPCON_PRECISION_F32); }
static void train_bf16(supcon_context *context) { train(context, SUPCON_PRECISION_BF16); }

/* Lets every thread that the process has, and those to come, run on these CPUs alone. */
static void confine(const cpu_set_t *cpus) {
  DIR *tasks = opendir("/proc/self/task");
  DEMAND(tasks, "no threads to see");
  for (struct dirent *task; (task = readdir(tasks));)
    if (task->d_name[0] != '.') (void)sched_setaffinity(atoi(task->d_name), sizeof *cpus, cpus);
  closedir(tasks);
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  snprintf(path, sizeof path, "%.4000s/model", argv[1]);
  uint64_t random = 1;
  for (int i = 0; i < ROWS; ++i) {
    classes[i] = i % CLASSES;
    for (int at = 0; at < COLUMNS; ++at)
      rows[i * COLUMNS + at] = (float)below(&random, 2001) / 1000 - 1 + 2 * (at == classes[i]);
  }
  for (size_t i = 0; i < sizeof colors; ++i) colors[i] = (uint8_t)draw(&random);
  for (int i = 0; i < IMAGES; ++i) halves[i] = i % 2;

  /* `any`: as docs/reliability.md promises, the same with any number of threads. */
  static const struct {
    const char *name;
    void (*work)(supcon_context *);
    int any;
  } works[] = {{"loss", loss, 1},
               {"linear", linear, 1},
               {"knn", knn, 1},
               {"prototypes", prototypes, 1},
               {"nearest", nearest, 1},
               {"embedding in f32", embed_f32, 0},
               {"embedding in bf16", embed_bf16, 0},
               {"training in f32", train_f32, 0},
               {"training in bf16", train_bf16, 0}};
  enum { KINDS = sizeof works / sizeof *works };
  static const int threads[] = {1, 2, 3, 4, 8};
  enum { COUNTS = sizeof threads / sizeof *threads };
  static uint64_t sums[2][KINDS][COUNTS];
  cpu_set_t all, one;
  DEMAND(!sched_getaffinity(0, sizeof all, &all), "no CPUs");
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
  for (int alone = 0; alone < 2; ++alone) {
    confine(alone ? &one : &all);
    for (int i = 0; i < KINDS; ++i)
      for (int at = 0; at < COUNTS; ++at) {
        supcon_context_options options;
        supcon_context_options_init(&options);
        options.threads = threads[at];
        supcon_context *context = NULL;
        DEMAND(supcon_context_create(&options, &context) == SUPCON_OK, "%d threads", threads[at]);
        sum = 14695981039346656037u;
        works[i].work(context);
        supcon_context_free(context);
        sums[alone][i][at] = sum;
        DEMAND(!alone || sum == sums[0][i][at], "%s with %d threads differs on one CPU",
               works[i].name, threads[at]);
        DEMAND(!works[i].any || sum == sums[0][i][0], "%s differs with %d threads", works[i].name,
               threads[at]);
      }
  }
  printf("alike on %d CPUs and on one; another number of threads changes", CPU_COUNT(&all));
  for (int i = 0; i < KINDS; ++i)
    for (int at = 1; at < COUNTS; ++at)
      if (sums[0][i][at] != sums[0][i][0]) {
        printf(" %s,", works[i].name);
        break;
      }
  puts(" nothing else");
  return 0;
}
