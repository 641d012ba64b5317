/* What hosts do to a library, each in a process of its own.
 *   misuse CASE FOLDER [ROUNDS]
 * CASE: reentry, fork, locale, rounding, stacks, threads, again, flat, folder. */
#define _GNU_SOURCE
#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "soak.h"

static supcon_model *model;
static supcon_dataset *dataset;
static float reference[COUNT * 16];

static void embed_all(float *rows) {
  supcon_images images = small_images();
  WORKS(supcon_model_embed(model, &images, NULL, rows, COUNT * 16));
}

/* Every function that a callback may think of: a status, and not a lock that waits for itself. */
static void call_everything(void) {
  static int depth;
  if (depth) return;
  ++depth;
  float *rows = malloc(sizeof reference);
  supcon_images images = small_images();
  supcon_status status = supcon_model_embed(model, &images, NULL, rows, COUNT * 16);
  DEMAND(status == SUPCON_OK || status == SUPCON_STATUS_STATE, "status %d", status);
  status = supcon_model_save(model, "/nowhere/at/all");
  DEMAND(status == SUPCON_STATUS_IO || status == SUPCON_STATUS_STATE, "status %d", status);
  status = supcon_model_reset_head(model, SUPCON_HEAD_LINEAR, 0, 16, 0);
  DEMAND(status == SUPCON_OK || status == SUPCON_STATUS_STATE, "status %d", status);
  status = supcon_model_reset_classifier(model, 0);
  DEMAND(status == SUPCON_OK || status == SUPCON_STATUS_STATE, "status %d", status);
  supcon_model *other = small_model(NULL);
  supcon_train_options train = small_train_options();
  train.epochs = 1;
  supcon_trainer *trainer = NULL;
  WORKS(supcon_trainer_create(NULL, other, dataset, &train, &trainer));
  WORKS(supcon_trainer_run(trainer, NULL, NULL)); /* a run within a run */
  supcon_trainer_free(trainer);
  supcon_model_free(other);
  WORKS(supcon_loss(NULL, reference, COUNT, 1, 16, labels, NULL, NULL, NULL, NULL, rows));
  free(rows);
  --depth;
}

static int events, batches, phases, messages;
static int on_event(const supcon_event *event, void *user_data) {
  (void)event;
  (void)user_data;
  if (events++ < 3) call_everything();
  return 0;
}
static int on_batch(const int64_t *indices, int64_t count, uint8_t *to, void *user_data) {
  (void)user_data;
  if (batches++ < 3) call_everything();
  for (int64_t i = 0; i < count; ++i)
    memcpy(to + i * SIDE * SIDE, pixels + indices[i] * SIDE * SIDE, SIDE * SIDE);
  return 0;
}
static int on_progress(int32_t phase, int64_t done, int64_t total, void *user_data) {
  (void)phase;
  (void)done;
  (void)total;
  (void)user_data;
  if (phases++ < 3) call_everything();
  return 0;
}
static void on_log(int32_t level, const char *message, void *user_data) {
  (void)level;
  (void)message;
  (void)user_data;
  if (messages++ < 3) call_everything();
}

static void reentry(void) {
  WORKS(supcon_set_log_callback(on_log, SUPCON_LOG_DEBUG, NULL));
  supcon_dataset *made = NULL;
  WORKS(supcon_dataset_from_callback(on_batch, NULL, COUNT, SIDE, SIDE, 1, labels, &made));
  supcon_model_options options = small_model_options();
  options.stem = SUPCON_STEM_AUTO;
  supcon_model *own = NULL;
  WORKS(supcon_model_create(NULL, &options, &own));
  supcon_train_options train = small_train_options();
  supcon_trainer *trainer = NULL;
  WORKS(supcon_trainer_create(NULL, own, made, &train, &trainer));
  WORKS(supcon_trainer_run(trainer, on_event, NULL));
  supcon_classifier_options fit;
  supcon_classifier_options_init(&fit);
  fit.progress = on_progress;
  WORKS(supcon_model_fit_classifier(own, made, &fit, NULL));
  WORKS(supcon_set_log_callback(NULL, SUPCON_LOG_DEBUG, NULL));
  DEMAND(events && batches && phases && messages, "%d %d %d %d", events, batches, phases, messages);
  supcon_trainer_free(trainer);
  supcon_model_free(own);
  supcon_dataset_free(made);
}

static int fork_on_event(const supcon_event *event, void *user_data) {
  if (event->step != 2) return 0;
  const pid_t child = fork();
  if (child == 0) {
    float rows[COUNT * 16];
    supcon_images images = small_images();
    _exit(supcon_model_embed(model, &images, NULL, rows, COUNT * 16) == SUPCON_STATUS_FORK ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  DEMAND(status == 0, "the child ended with %d", status);
  ++*(int *)user_data;
  return 0;
}

static void fork_in_the_middle(void) {
  supcon_train_options train = small_train_options();
  supcon_model *own = small_model(NULL);
  supcon_trainer *trainer = NULL;
  int forks = 0;
  WORKS(supcon_trainer_create(NULL, own, dataset, &train, &trainer));
  WORKS(supcon_trainer_run(trainer, fork_on_event, &forks));
  DEMAND(forks > 0, "no fork");
  supcon_trainer_free(trainer);
  supcon_model_free(own);
}

/* Neither the decimal comma nor another rounding mode gets into files and numbers. */
static void same_bytes(const char *folder, const char *name) {
  char first[4200], second[4200];
  snprintf(first, sizeof first, "%.4000s/usual", folder);
  snprintf(second, sizeof second, "%.4000s/%s", folder, name);
  supcon_model *loaded = NULL;
  WORKS(supcon_model_save(model, second));
  size_t sizes[2] = {0, 0};
  uint8_t *bytes[2] = {read_file(first, &sizes[0]), read_file(second, &sizes[1])};
  DEMAND(sizes[0] && sizes[0] == sizes[1] && !memcmp(bytes[0], bytes[1], sizes[0]),
         "the files differ");
  free(bytes[0]);
  free(bytes[1]);
  WORKS(supcon_model_load(NULL, first, NULL, &loaded));
  supcon_model_info info;
  supcon_model_info_init(&info);
  WORKS(supcon_model_get_info(loaded, &info));
  DEMAND(info.std[0] > 0.2f && info.std[0] < 0.3f, "std is read as %g", (double)info.std[0]);
  supcon_model_free(loaded);
}

static void other_locale(const char *folder) {
  const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "tr_TR.UTF-8", "de_DE.utf8"};
  int found = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
    if (setlocale(LC_ALL, names[i])) {
      ++found;
      same_bytes(folder, "locale");
    }
  DEMAND(found > 0, "there is no locale with a decimal comma");
  printf("%d locales with a decimal comma; ", found);
}

static void other_rounding(const char *folder) {
  const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  for (int i = 0; i < 3; ++i) {
    fesetround(modes[i]);
    same_bytes(folder, "rounding");
    float rows[COUNT * 16];
    embed_all(rows);
    DEMAND(fegetround() == modes[i], "the rounding mode was changed");
    for (int at = 0; at < COUNT * 16; ++at)
      DEMAND(rows[at] - reference[at] < 1e-4f && reference[at] - rows[at] < 1e-4f, "element %d",
             at);
  }
  fesetround(FE_TONEAREST);
}

static void *work_in_thread(void *folder) {
  float *rows = malloc(sizeof reference);
  embed_all(rows);
  for (int at = 0; at < COUNT * 16; ++at)
    DEMAND(rows[at] - reference[at] < 1e-5f && reference[at] - rows[at] < 1e-5f, "element %d", at);
  char path[4200];
  snprintf(path, sizeof path, "%.4000s/by-%lx", (char *)folder, (unsigned long)pthread_self());
  WORKS(supcon_model_save(model, path));
  supcon_model *loaded = NULL;
  WORKS(supcon_model_load(NULL, path, NULL, &loaded));
  supcon_model_free(loaded);
  supcon_model *own = small_model(NULL);
  supcon_train_options train = small_train_options();
  train.epochs = 1;
  supcon_trainer *trainer = NULL;
  WORKS(supcon_trainer_create(NULL, own, dataset, &train, &trainer));
  WORKS(supcon_trainer_run(trainer, NULL, NULL));
  supcon_trainer_free(trainer);
  supcon_model_free(own);
  float gradient[COUNT * 16];
  WORKS(supcon_loss(NULL, reference, COUNT, 1, 16, labels, NULL, NULL, NULL, NULL, gradient));
  free(rows);
  return NULL;
}

static void in_threads(int count, size_t stack, char *folder) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (stack) pthread_attr_setstacksize(&attributes, stack);
  pthread_t threads[64];
  for (int i = 0; i < count; ++i)
    DEMAND(!pthread_create(&threads[i], &attributes, work_in_thread, folder), "no thread");
  for (int i = 0; i < count; ++i) pthread_join(threads[i], NULL);
}

static long resident(void) {
  long pages = 0, all = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file && fscanf(file, "%ld %ld", &all, &pages) != 2) pages = 0;
  if (file) fclose(file);
  return pages * sysconf(_SC_PAGESIZE) / 1024;
}

/* Create, embed, free; and runs: the memory that is taken stays the same. */
static void stays_flat(int rounds) {
  long early = 0;
  for (int i = 0; i < rounds; ++i) {
    supcon_model *own = small_model(NULL);
    supcon_images images = small_images();
    images.count = 1 + i % 3;
    float rows[3 * 16];
    WORKS(supcon_model_embed(own, &images, NULL, rows, 3 * 16));
    if (i % 100 == 0) {
      supcon_train_options train = small_train_options();
      train.epochs = 1;
      supcon_trainer *trainer = NULL;
      WORKS(supcon_trainer_create(NULL, own, dataset, &train, &trainer));
      WORKS(supcon_trainer_run(trainer, NULL, NULL));
      supcon_trainer_free(trainer);
    }
    supcon_model_free(own);
    if (i == rounds / 5) early = resident();
  }
  const long late = resident();
  printf("%d rounds, %ld kB after a fifth, %ld kB at the end; ", rounds, early, late);
  DEMAND(late - early < 2048, "grew by %ld kB", late - early);
}

/* The bytes of a run, after whatever else the process has done, with as many threads. */
static uint8_t *run_bytes(const char *folder, int threads, size_t *size) {
  char path[4200];
  snprintf(path, sizeof path, "%.4000s/run", folder);
  supcon_context_options how;
  supcon_context_options_init(&how);
  how.threads = threads;
  supcon_context *context = NULL;
  WORKS(supcon_context_create(&how, &context));
  supcon_model *own = small_model(context);
  supcon_train_options train = small_train_options();
  train.joint_classifier = 1;
  supcon_trainer *trainer = NULL;
  WORKS(supcon_trainer_create(context, own, dataset, &train, &trainer));
  WORKS(supcon_trainer_run(trainer, NULL, NULL));
  WORKS(supcon_model_save(own, path));
  supcon_trainer_free(trainer);
  supcon_model_free(own);
  supcon_context_free(context);
  return read_file(path, size);
}

static void same_again(const char *folder, int runs) {
  int differ = 0;
  size_t sizes[2] = {0, 0};
  uint8_t *first = run_bytes(folder, 2, &sizes[0]), *second;
  for (int i = 1; i < runs; ++i) {
    call_everything();
    second = run_bytes(folder, 2, &sizes[1]);
    DEMAND(sizes[0] && sizes[0] == sizes[1] && !memcmp(first, second, sizes[0]),
           "run %d gave another model", i + 1);
    free(second);
  }
  for (int threads = 1; threads < runs; threads *= 2) {
    second = run_bytes(folder, threads, &sizes[1]);
    differ += sizes[0] != sizes[1] || memcmp(first, second, sizes[0]);
    free(second);
  }
  free(first);
  printf("%d runs of 2 threads alike; of those of 1, 2, 4, … threads %d differ from them; ", runs,
         differ);
}

/* A folder of so many links to one image, four fifths of them in one class. */
static void large_folder(const char *folder, int entries) {
  static const uint8_t png[] = {
      0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48,
      0x44, 0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00,
      0x00, 0x3a, 0x7e, 0x9b, 0x55, 0x00, 0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78,
      0x9c, 0x63, 0x68, 0x00, 0x00, 0x00, 0x82, 0x00, 0x81, 0x77, 0xcd, 0x72, 0xb6, 0x00,
      0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
  char path[4200];
  snprintf(path, sizeof path, "%.4000s/image", folder);
  write_file(path, png, sizeof png);
  const char *const classes[] = {"large", "small"};
  for (int i = 0; i < 2; ++i) {
    snprintf(path, sizeof path, "%.4000s/all", folder);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%.4000s/all/%s", folder, classes[i]);
    mkdir(path, 0777);
  }
  for (int i = 0; i < entries; ++i) {
    snprintf(path, sizeof path, "%.4000s/all/%s/%d.png", folder, classes[i % 5 == 0], i);
    DEMAND(!symlink("../../image", path), "link %d", i);
  }
  snprintf(path, sizeof path, "%.4000s/all", folder);
  const double start = seconds();
  const long before = resident();
  supcon_dataset *all = NULL, *first = NULL, *second = NULL, *few = NULL;
  WORKS(supcon_dataset_from_folder(path, NULL, &all));
  printf("%d entries in %.1f s and %ld MB; ", entries, seconds() - start,
         (resident() - before) / 1024);
  supcon_dataset_info info;
  supcon_dataset_info_init(&info);
  WORKS(supcon_dataset_get_info(all, &info));
  DEMAND(info.count == entries && info.classes == 2, "%lld images", (long long)info.count);
  WORKS(supcon_dataset_split(all, 0.1, 1, &first, &second));
  WORKS(supcon_dataset_per_class(all, 100, 1, &few));
  supcon_model_options options = small_model_options();
  options.channels = 3;
  supcon_model *own = NULL;
  WORKS(supcon_model_create(NULL, &options, &own));
  float rows[200 * 16];
  WORKS(supcon_model_embed_dataset(own, few, NULL, rows, 200 * 16));
  supcon_train_options train = small_train_options();
  train.epochs = 1;
  train.images_per_class = 4;
  supcon_trainer *trainer = NULL;
  WORKS(supcon_trainer_create(NULL, own, few, &train, &trainer));
  WORKS(supcon_trainer_run(trainer, NULL, NULL));
  supcon_trainer_free(trainer);
  supcon_model_free(own);
  supcon_dataset_free(few);
  supcon_dataset_free(first);
  supcon_dataset_free(second);
  supcon_dataset_free(all);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const char *name = argv[1];
  const double start = seconds();
  char usual[4200];
  snprintf(usual, sizeof usual, "%.4000s/usual", argv[2]);
  dataset = small_dataset();
  model = small_model(NULL);
  embed_all(reference);
  WORKS(supcon_model_save(model, usual));
  if (!strcmp(name, "reentry")) reentry();
  else if (!strcmp(name, "fork")) fork_in_the_middle();
  else if (!strcmp(name, "locale")) other_locale(argv[2]);
  else if (!strcmp(name, "rounding")) other_rounding(argv[2]);
  else if (!strcmp(name, "stacks")) in_threads(4, 128 * 1024, argv[2]);
  else if (!strcmp(name, "threads")) in_threads(64, 0, argv[2]);
  else if (!strcmp(name, "again")) same_again(argv[2], argc > 3 ? atoi(argv[3]) : 9);
  else if (!strcmp(name, "folder")) large_folder(argv[2], argc > 3 ? atoi(argv[3]) : 1000);
  else if (!strcmp(name, "flat")) stays_flat(argc > 3 ? atoi(argv[3]) : 500);
  else return 2;
  printf("%s: fine, %.1f s\n", name, seconds() - start);
  return 0;
}
