/* One walk through the library while the system says no to one request of a kind.
 *   faults WORK FOLDER [count]     WORK: load, save, embed, train, loss, data, evaluate
 * Every call ends with a status; after a failure the same work goes through, and FOLDER holds no
 * temporary file. Run with interpose.so preloaded; prints the number of requests and what came
 * out. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <math.h>
#include <sys/stat.h>

#include "soak.h"

static char model_path[4200], checkpoints[4200];
static supcon_model *model;
static supcon_dataset *dataset;
static float *features, *gradient;
enum { ROWS = 1024, DIMENSION = 32 };

static supcon_status prepare(void) {
  supcon_images images = small_images();
  static uint8_t large[64 * 64 * 64];
  supcon_images_init(&images, large, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, 64, 64, 64, 1);
  WORKS(supcon_dataset_from_images(&images, NULL, NULL, &dataset));
  model = small_model(NULL);
  WORKS(supcon_model_save(model, model_path));
  features = calloc(ROWS * DIMENSION, sizeof *features);
  gradient = calloc(ROWS * DIMENSION, sizeof *gradient);
  uint64_t random = 7;
  for (int i = 0; i < ROWS * DIMENSION; ++i) features[i] = (float)below(&random, 1000) / 1000 - .5f;
  return SUPCON_OK;
}

/* What a work computes: where it says OK, whatever was refused, the first time's numbers. */
enum { MOST_NUMBERS = ROWS * DIMENSION };
static float found[MOST_NUMBERS];
static int numbers;
static void note(const float *values, int count) {
  for (int i = 0; i < count; ++i) found[i] = values[i];
  numbers = count;
}

static supcon_status walk(const char *work) {
  supcon_status status = SUPCON_OK;
  if (!strcmp(work, "load")) {
    supcon_model *loaded = NULL;
    status = supcon_model_load(NULL, model_path, NULL, &loaded);
    DEMAND((status == SUPCON_OK) == (loaded != NULL), "status %d", status);
    supcon_model_free(loaded);
  } else if (!strcmp(work, "save")) {
    status = supcon_model_save(model, model_path);
  } else if (!strcmp(work, "embed")) {
    static float rows[64 * 16];
    status = supcon_model_embed_dataset(model, dataset, NULL, rows, 64 * 16);
    note(rows, 64 * 16);
  } else if (!strcmp(work, "train")) {
    supcon_dataset *own = NULL;
    supcon_images images = small_images();
    supcon_model *fresh = NULL;
    supcon_trainer *trainer = NULL;
    supcon_model_options options = small_model_options();
    supcon_train_options train = small_train_options();
    train.checkpoint_folder = checkpoints;
    train.optimizer = SUPCON_OPTIMIZER_ADAMW;
    train.ema_decay = 0.9;
    status = supcon_dataset_from_images(&images, labels, NULL, &own);
    if (status == SUPCON_OK) status = supcon_model_create(NULL, &options, &fresh);
    if (status == SUPCON_OK) status = supcon_trainer_create(NULL, fresh, own, &train, &trainer);
    if (status == SUPCON_OK) status = supcon_trainer_run(trainer, NULL, NULL);
    /* Whatever ended the run: the model is there and can be used. */
    if (fresh && status != SUPCON_OK) {
      float row[16];
      images.count = 1;
      const supcon_status after = supcon_model_embed(fresh, &images, NULL, row, 16);
      DEMAND(after == SUPCON_OK || after == SUPCON_STATUS_MEMORY, "after a failed run: %d", after);
    }
    supcon_trainer_free(trainer);
    supcon_model_free(fresh);
    supcon_dataset_free(own);
  } else if (!strcmp(work, "loss")) {
    supcon_loss_options options;
    supcon_loss_options_init(&options);
    options.normalize = 1;
    static int64_t own[ROWS];
    for (int i = 0; i < ROWS; ++i) own[i] = i % 10;
    status =
        supcon_loss(NULL, features, ROWS, 1, DIMENSION, own, NULL, &options, NULL, NULL, gradient);
    note(gradient, ROWS * DIMENSION);
  } else if (!strcmp(work, "evaluate")) {
    static int64_t own[ROWS];
    for (int i = 0; i < ROWS; ++i) own[i] = i % 10;
    supcon_scores scores;
    supcon_scores_init(&scores);
    status = supcon_evaluate(NULL, features, own, ROWS, features, own, ROWS, DIMENSION, NULL,
                             &scores, NULL, NULL, 0, NULL, 0);
    note((const float[]){(float)scores.top1}, 1);
  } else {
    exit(2);
  }
  return status;
}

static int debris(const char *folder) {
  int found = 0;
  DIR *stream = opendir(folder);
  for (struct dirent *entry; stream && (entry = readdir(stream));)
    found += !strncmp(entry->d_name, ".supcon-", 8);
  if (stream) closedir(stream);
  return found;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  mkdir(argv[2], 0777);
  snprintf(model_path, sizeof model_path, "%.4000s/model.safetensors", argv[2]);
  snprintf(checkpoints, sizeof checkpoints, "%.4000s/checkpoints", argv[2]);
  prepare();
  void (*begin)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "fault_begin");
  long (*end)(void) = (long (*)(void))dlsym(RTLD_DEFAULT, "fault_end");
  if (!begin || !end) return 2;
  begin();
  const supcon_status status = walk(argv[1]);
  const long requests = end();
  static float first[MOST_NUMBERS];
  memcpy(first, found, sizeof first);
  char said[200];
  snprintf(said, sizeof said, "%.199s", status == SUPCON_OK ? "" : supcon_last_error());
  DEMAND(status != SUPCON_STATUS_INTERNAL, "status %d: %s", status, said);
  DEMAND(debris(argv[2]) == 0 && debris(checkpoints) == 0, "temporary files are left");
  WORKS(walk(argv[1])); /* and now it goes through */
  float largest = 0, apart = 0;
  for (int i = 0; i < numbers; ++i) {
    largest = fmaxf(largest, fabsf(found[i]));
    apart = fmaxf(apart, fabsf(found[i] - first[i]));
  }
  DEMAND(status != SUPCON_OK || apart <= 1e-5f * largest, "off by %g of %g", apart, largest);
  printf("%ld %s %s\n", requests, supcon_status_name(status), said);
  return 0;
}
