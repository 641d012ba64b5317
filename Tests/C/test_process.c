/* The library as a guest in a process: callbacks that call it, hosts that use up thread-local keys,
 * wrong handles, cancels from other threads and signal handlers, paths that are no UTF-8. */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

static int logged;

/* Calls the library, which logs in turn, and takes itself away. */
static void log_and_call(int32_t level, const char *message, void *user_data) {
  (void)level;
  (void)message;
  ++logged;
  supcon_model_options options = small_model_options();
  options.stem = SUPCON_STEM_AUTO;
  supcon_model *model = NULL;
  WORKS(supcon_model_create(NULL, &options, &model));
  supcon_model_free(model);
  if (user_data) WORKS(supcon_set_log_callback(NULL, SUPCON_LOG_DEBUG, NULL));
}

static void test_log(void) {
  supcon_model_options options = small_model_options();
  options.stem = SUPCON_STEM_AUTO; /* which is logged */
  supcon_model *model = NULL;
  WORKS(supcon_set_log_callback(log_and_call, SUPCON_LOG_DEBUG, NULL));
  WORKS(supcon_model_create(NULL, &options, &model));
  EXPECT(logged == 1, "%d messages", logged);
  supcon_model_free(model);
  WORKS(supcon_set_log_callback(log_and_call, SUPCON_LOG_DEBUG, &logged));
  WORKS(supcon_model_create(NULL, &options, &model));
  EXPECT(logged == 2, "%d messages", logged);
  supcon_model_free(model);
  WORKS(supcon_model_create(NULL, &options, &model));
  EXPECT(logged == 2, "%d messages after it took itself away", logged);
  supcon_model_free(model);
}

static void test_handles(void) {
  supcon_model *model = small_model();
  supcon_dataset *dataset = small_dataset();
  supcon_model_info info;
  supcon_model_info_init(&info);
  void *wrong[] = {dataset, &info, (char *)model + 1, (char *)model + 8};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
    REFUSES(supcon_model_get_info(wrong[i], &info), ARGUMENT, "model");
    supcon_model_free(wrong[i]); /* does nothing */
    EXPECT(supcon_model_class_name(wrong[i], 0) == NULL, "a name of no model");
    EXPECT(supcon_model_output_dimension(wrong[i], 0) == 0, "a dimension of no model");
  }
  supcon_trainer *trainer = NULL;
  REFUSES_HANDLE(supcon_trainer_create((supcon_context *)model, model, dataset, NULL, &trainer),
                 trainer, ARGUMENT, "context");
  supcon_trainer_cancel((supcon_trainer *)model);
  supcon_context_cancel((supcon_context *)model);
  WORKS(supcon_model_get_info(model, &info));
  supcon_dataset_free(dataset);
  supcon_model_free(model);
}

/* A host that has every key. */
static void *use_keys(void *argument) {
  (void)argument;
  static int mine;
  static pthread_key_t keys[2048];
  int count = 0;
  while (count < 2048 && pthread_key_create(&keys[count], NULL) == 0)
    pthread_setspecific(keys[count++], &mine);
  EXPECT(count > 0, "no keys");
  REFUSES(supcon_model_save(NULL, "x"), ARGUMENT, "model");
  for (int i = 0; i < count; ++i)
    EXPECT(pthread_getspecific(keys[i]) == &mine, "key %d was overwritten", i);
  for (int i = 0; i < count; ++i) pthread_key_delete(keys[i]);
  return NULL;
}

/* The longest sentence is cut at a whole character. */
static void test_long_error(void) {
  enum { LENGTH = 5000 };
  char path[2 * LENGTH + 8] = "/";
  for (int i = 0; i < LENGTH; ++i) memcpy(path + 1 + 2 * i, "ü", 2);
  supcon_model *model = NULL;
  REFUSES_HANDLE(supcon_model_load(NULL, path, NULL, &model), model, IO, "ü");
  const char *said = supcon_last_error();
  EXPECT(strlen(said) < 4096 && strlen(said) > 4000, "%zu bytes", strlen(said));
  EXPECT(strcmp(said + strlen(said) - 5, "ü…") == 0, "ends in %s", said + strlen(said) - 5);
}

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static supcon_context *running;
static double canceled_at, processor_then;
static void cancel_by_signal(int number) {
  (void)number;
  canceled_at = seconds(CLOCK_MONOTONIC);
  processor_then = seconds(CLOCK_PROCESS_CPUTIME_ID);
  supcon_context_cancel(running);
}
/* The seconds since the cancel; where other programs take the processor, those that it computed. */
static double seconds_since(void) {
  const double passed = seconds(CLOCK_MONOTONIC) - canceled_at;
  return passed < 10 ? fmin(passed, seconds(CLOCK_PROCESS_CPUTIME_ID) - processor_then) : passed;
}
static void *cancel_later(void *argument) {
  const struct timespec wait = {0, 300000000};
  nanosleep(&wait, NULL);
  if (argument) pthread_kill(*(pthread_t *)argument, SIGUSR1);
  else cancel_by_signal(0);
  return NULL;
}

/* Seconds within which a cancel ends a call; a sanitizer makes it several times slower. */
#ifdef SANITIZED
enum { SOON = 30 };
#else
enum { SOON = 1 };
#endif

/* Cancels what `call` does 0.3 s after it began; by_signal: in a handler on its own thread. */
#define CANCELED(by_signal, call)                                                       \
  do {                                                                                  \
    pthread_t self = pthread_self(), other;                                             \
    EXPECT(pthread_create(&other, NULL, cancel_later, (by_signal) ? &self : NULL) == 0, \
           "no thread");                                                                \
    REFUSES(call, BIT(SUPCON_STATUS_CANCELED), "cancel");                               \
    const double since = seconds_since();                                               \
    EXPECT(since < SOON, "it took %.2f s", since);                                      \
    pthread_join(other, NULL);                                                          \
  } while (0)

static void test_cancel(void) {
  struct sigaction action = {.sa_handler = cancel_by_signal, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  WORKS(supcon_context_create(NULL, &running));
  enum { ROWS = 40000, DIMENSION = 128 };
  float *features = malloc((size_t)ROWS * DIMENSION * sizeof *features);
  float *gradient = malloc((size_t)ROWS * DIMENSION * sizeof *gradient);
  int64_t *classes = malloc(ROWS * sizeof *classes);
  for (int64_t i = 0; i < (int64_t)ROWS * DIMENSION; ++i)
    features[i] = (float)((i * 2654435761u) % 1000) / 1000 - 0.5f;
  for (int i = 0; i < ROWS; ++i) classes[i] = i % 10;
  supcon_loss_options loss;
  supcon_loss_options_init(&loss);
  loss.normalize = 1;
  for (int form = 0; form < 2; ++form) {
    loss.anchors = form ? SUPCON_ANCHORS_FIRST : SUPCON_ANCHORS_ALL;
    CANCELED(form, supcon_loss(running, features, ROWS / 2, 2, DIMENSION, classes, NULL, &loss,
                               NULL, NULL, gradient));
  }
  loss.anchors = SUPCON_ANCHORS_ALL;
  loss.normalize = 0;
  CANCELED(0, supcon_loss_queue(running, features, 20000, DIMENSION, features, 1, classes, features,
                                ROWS, classes, 1, &loss, NULL, NULL, gradient));
  free(classes);
  free(gradient);

  supcon_model_options options = small_model_options();
  options.architecture = "resnet50";
  options.width = 64;
  options.image_height = options.image_width = 64;
  supcon_model *model = NULL;
  WORKS(supcon_model_create(running, &options, &model));
  enum { MANY = 2000 };
  uint8_t *bytes = calloc(MANY, 64 * 64);
  supcon_images images;
  supcon_images_init(&images, bytes, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, MANY, 64, 64, 1);
  float *rows = calloc(MANY, 2048 * sizeof *rows);
  supcon_embed_options embed;
  supcon_embed_options_init(&embed);
  CANCELED(0, supcon_model_embed(model, &images, &embed, rows, MANY * 2048));
  embed.batch_size = 64;
  CANCELED(1, supcon_model_embed(model, &images, &embed, rows, MANY * 2048));
  /* What begins after a cancel runs. */
  images.count = 1;
  WORKS(supcon_model_embed(model, &images, NULL, rows, 2048));
  supcon_model_free(model);
  free(rows);
  free(bytes);
  free(features);
  supcon_context_free(running);
}

/* Models and checkpoints under a name that is no UTF-8. */
static void test_raw_paths(void) {
  const char *path = data_path("bytes-\xFF\xFE.safetensors");
  supcon_model *model = small_model(), *loaded = NULL;
  WORKS(supcon_model_save(model, path));
  EXPECT(access(path, F_OK) == 0, "the model is not at its path");
  WORKS(supcon_model_load(NULL, path, NULL, &loaded));
  const char *folder = data_path("check-\xC0points");
  supcon_train_options options;
  supcon_train_options_init(&options);
  options.epochs = 1;
  options.batch_size = 16;
  options.stop_on_collapse = 0;
  options.checkpoint_folder = folder;
  supcon_dataset *dataset = small_dataset();
  supcon_trainer *trainer = NULL;
  WORKS(supcon_trainer_create(NULL, model, dataset, &options, &trainer));
  WORKS(supcon_trainer_run(trainer, NULL, NULL));
  char last[2048];
  snprintf(last, sizeof last, "%s/last.supcon", folder);
  EXPECT(access(last, F_OK) == 0, "the checkpoint is not in its folder");
  supcon_trainer_free(trainer);
  supcon_dataset_free(dataset);
  supcon_model_free(loaded);
  supcon_model_free(model);
}

void test_process(void) {
  test_log();
  test_handles();
  pthread_t thread;
  const int status = pthread_create(&thread, NULL, use_keys, NULL);
  if (status == 0) pthread_join(thread, NULL);
  EXPECT(status == 0, "no thread");
  test_long_error();
  test_raw_paths();
  test_cancel();
}
