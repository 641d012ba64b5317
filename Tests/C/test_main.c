/* Walks the whole C interface as a caller would, and as a caller should not.
 *   api_test DATA_FOLDER              all tests
 *   api_test DATA_FOLDER full_disk    saving where nothing more may be written (run under `ulimit
 * -f`) */
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>

#include "test.h"

int passed, failed;
const char *data_folder;

const char *data_path(const char *name) {
  static char paths[16][1024];
  static unsigned next;
  char *path = paths[next++ % 16];
  snprintf(path, sizeof paths[0], "%s/%s", data_folder, name);
  return path;
}

const char *write_file(const char *name, const void *bytes, size_t count) {
  const char *path = data_path(name);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, count, file) != count || fclose(file)) {
    perror(path);
    exit(2);
  }
  return path;
}

supcon_images all_images(void) {
  supcon_images images;
  supcon_images_init(&images, pixels, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, IMAGES, SIDE, SIDE, 1);
  return images;
}

supcon_dataset *small_dataset(void) {
  supcon_images images = all_images();
  supcon_dataset *dataset = NULL;
  WORKS(supcon_dataset_from_images(&images, labels, NULL, &dataset));
  return dataset;
}

supcon_model_options small_model_options(void) {
  supcon_model_options options;
  supcon_model_options_init(&options);
  options.width = 8;
  options.channels = 1;
  options.image_height = options.image_width = SIDE;
  options.projection_dim = 16;
  options.precision = SUPCON_PRECISION_F32;
  return options;
}

supcon_train_options small_train_options(void) {
  supcon_train_options options;
  supcon_train_options_init(&options);
  options.epochs = 2;
  options.batch_size = 32;
  options.validation_fraction = 0;
  options.stop_on_collapse = 0;
  return options;
}

supcon_model *small_model(void) {
  supcon_model_options options = small_model_options();
  supcon_model *model = NULL;
  WORKS(supcon_model_create(NULL, &options, &model));
  return model;
}

/* Files cannot grow here: saving fails with a status, and leaves neither the file nor its
 * temporary. */
static void test_full_disk(void) {
  supcon_model *model = small_model();
  REFUSES(supcon_model_save(model, data_path("no_room/model.safetensors")), IO,
          "model.safetensors");
  supcon_model_free(model);
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  data_folder = argv[1];
  make_images();
  static const struct {
    const char *name;
    void (*run)(void);
  } tests[] = {{"general", test_general},
               {"sizes", test_sizes},
               {"buffers", test_buffers},
               {"messages", test_messages},
               {"loss", test_loss},
               {"datasets", test_datasets},
               {"files", test_files},
               {"augmentation", test_augmentation},
               {"models", test_models},
               {"model_files", test_model_files},
               {"training", test_training},
               {"search", test_search},
               {"presets", test_presets},
               {"allocations", test_allocations},
               {"evaluation", test_evaluation},
               {"measures", test_measures},
               {"threads", test_threads},
               {"process", test_process},
               {"isolation", test_isolation},
               {"fork", test_fork}};
  if (argc > 2 && strcmp(argv[2], "full_disk") == 0) test_full_disk();
  else
    for (size_t i = 0; i < sizeof tests / sizeof *tests; ++i) {
      if (argc > 2 && strcmp(argv[2], tests[i].name) != 0) continue;
      const int before = failed;
      tests[i].run();
      printf("%s %s\n", failed == before ? "ok    " : "FAILED", tests[i].name);
      fflush(stdout);
    }
  printf("%d passed, %d failed\n", passed, failed);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
