/* Many threads on one model; errors that stay with their thread; and a forked child, which is told
 * so. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

enum { THREADS = 4, COLUMNS = 64, ROOM = IMAGES * COLUMNS };

static supcon_model *shared;
static float expected[ROOM];

/* Embeds all images a few times; gives the number of answers that were not as expected. */
static void *embed_often(void *argument) {
  intptr_t wrong = 0;
  const int own = *(const int *)argument;
  supcon_images images = all_images();
  float *rows = calloc(ROOM, sizeof *rows);
  for (int round = 0; round < 5; ++round) {
    /* Thread after thread another slice, so that the plans differ in size too. */
    images.count = IMAGES - own - round;
    wrong += supcon_model_embed(shared, &images, NULL, rows, ROOM) != SUPCON_OK;
    double largest = 0;
    for (int64_t i = 0; i < images.count * COLUMNS; ++i)
      largest = fmax(largest, fabs((double)(rows[i] - expected[i])));
    wrong += largest > 1e-5;
    wrong += supcon_model_embed(shared, &images, NULL, rows, own) !=
             SUPCON_STATUS_SHAPE; /* its own error … */
    char number[16];
    snprintf(number, sizeof number, "%d", own);
    wrong += strstr(supcon_last_error(), number) == NULL; /* … in its own words */
  }
  free(rows);
  return (void *)wrong;
}

void test_threads(void) {
  shared = small_model();
  supcon_images images = all_images();
  WORKS(supcon_model_embed(shared, &images, NULL, expected, ROOM));
  REFUSES(supcon_model_save(shared, data_path("nowhere/here")), IO, "nowhere");
  pthread_t threads[THREADS];
  int numbers[THREADS];
  for (int i = 0; i < THREADS; ++i) {
    numbers[i] = 11 * (i + 1);
    EXPECT(pthread_create(&threads[i], NULL, embed_often, &numbers[i]) == 0, "no thread");
  }
  for (int i = 0; i < THREADS; ++i) {
    void *wrong = NULL;
    pthread_join(threads[i], &wrong);
    EXPECT(wrong == NULL, "thread %d: %ld wrong answers", i, (long)(intptr_t)wrong);
  }
  EXPECT(strstr(supcon_last_error(), "nowhere"), "another thread's error: %s", supcon_last_error());
  supcon_model_free(shared);
}

/* What the child of a fork finds: the number of calls that did not return SUPCON_STATUS_FORK with a
 * message. */
static int in_child(const supcon_model *model, const supcon_dataset *dataset,
                    supcon_trainer *trainer) {
  int wrong = 0;
  supcon_context *context = NULL;
  supcon_dataset *other = NULL;
  supcon_model *loaded = NULL;
  supcon_dataset_info info;
  supcon_dataset_info_init(&info);
  supcon_images images = all_images();
  static float rows[ROOM];
  const supcon_status statuses[] = {
      supcon_context_create(NULL, &context),
      supcon_loss(NULL, rows, 4, 1, 2, labels, NULL, NULL, NULL, NULL, NULL),
      supcon_dataset_from_images(&images, labels, NULL, &other),
      supcon_dataset_get_info(dataset, &info),
      supcon_model_load(NULL, data_path("model.safetensors"), NULL, &loaded),
      supcon_model_embed(model, &images, NULL, rows, ROOM),
      supcon_model_save(model, data_path("child.safetensors")),
      supcon_trainer_run(trainer, NULL, NULL),
      supcon_evaluate(NULL, rows, labels, 4, rows, labels, 4, 2, NULL, NULL, NULL, NULL, 0, NULL,
                      0),
  };
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; ++i)
    if (statuses[i] != SUPCON_STATUS_FORK) {
      fprintf(stderr, "call %zu in a forked child: %s\n", i, supcon_status_name(statuses[i]));
      ++wrong;
    }
  return wrong + (supcon_last_error()[0] == '\0') + (context || other || loaded);
}

void test_fork(void) {
  supcon_model *model = small_model();
  supcon_dataset *dataset = small_dataset();
  supcon_trainer *trainer = NULL;
  supcon_train_options options;
  supcon_train_options_init(&options);
  options.batch_size = 32;
  options.validation_fraction = 0;
  WORKS(supcon_trainer_create(NULL, model, dataset, &options, &trainer));
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20); /* a child that hangs has failed */
    _exit(in_child(model, dataset, trainer));
  }
  int outcome = -1;
  EXPECT(child > 0 && waitpid(child, &outcome, 0) == child, "no child");
  EXPECT(WIFEXITED(outcome) && WEXITSTATUS(outcome) == 0, "the child ended with %d", outcome);
  supcon_images images = all_images();
  static float rows[ROOM];
  WORKS(supcon_model_embed(model, &images, NULL, rows, ROOM)); /* the parent goes on */
  supcon_trainer_free(trainer);
  supcon_dataset_free(dataset);
  supcon_model_free(model);
}
