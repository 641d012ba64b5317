/* A program of its time: compiled against the header of a released version (-include NUMBER.h), run
 * with today's library. Every struct ends where the next page may not be touched, so a library that
 * reads or writes past what this program's header knows ends it.
 *   program FOLDER     an empty folder for its files */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* `size` bytes of rubbish that end at a page without any access. */
static void *at_the_edge(size_t size) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE)) {
    perror("mmap");
    exit(2);
  }
  return memset(pages + page - size, 0xa5, size);
}
#define MAKE(type, name) type *name = at_the_edge(sizeof *name)

#define WORKS(call)                                                                             \
  do {                                                                                          \
    const supcon_status status_ = (call);                                                       \
    if (status_ != SUPCON_OK) {                                                                 \
      fprintf(stderr, "%s: %s: %s\n", #call, supcon_status_name(status_), supcon_last_error()); \
      exit(1);                                                                                  \
    }                                                                                           \
  } while (0)
#define EXPECT(condition)                                                   \
  do {                                                                      \
    if (!(condition)) {                                                     \
      fprintf(stderr, "line %d: %s does not hold\n", __LINE__, #condition); \
      exit(1);                                                              \
    }                                                                       \
  } while (0)

enum { IMAGES = 32, SIDE = 8, CLASSES = 2 };

static int hear(const supcon_event *event, void *user_data) {
  if (event->struct_size >= sizeof *event && event->kind == SUPCON_EVENT_EPOCH) ++*(int *)user_data;
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  uint8_t pixels[IMAGES * SIDE * SIDE];
  int64_t labels[IMAGES];
  for (int i = 0; i < IMAGES; ++i) {
    labels[i] = i % CLASSES;
    for (int p = 0; p < SIDE * SIDE; ++p)
      pixels[i * SIDE * SIDE + p] = (uint8_t)((i % CLASSES ? p % SIDE : p / SIDE) * 30 + i % 7);
  }

  supcon_context *context = NULL;
  MAKE(supcon_context_options, context_options);
  supcon_context_options_init(context_options);
  context_options->threads = 1;
  WORKS(supcon_context_create(context_options, &context));

  supcon_dataset *dataset = NULL;
  MAKE(supcon_images, images);
  supcon_images_init(images, pixels, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, IMAGES, SIDE, SIDE, 1);
  MAKE(supcon_dataset_options, dataset_options);
  supcon_dataset_options_init(dataset_options);
  dataset_options->copy = 1;
  WORKS(supcon_dataset_from_images(images, labels, dataset_options, &dataset));
  MAKE(supcon_dataset_info, dataset_info);
  supcon_dataset_info_init(dataset_info);
  WORKS(supcon_dataset_get_info(dataset, dataset_info));
  EXPECT(dataset_info->struct_size == sizeof *dataset_info && dataset_info->count == IMAGES);

  supcon_model *model = NULL;
  MAKE(supcon_model_options, model_options);
  supcon_model_options_init(model_options);
  model_options->width = 4;
  model_options->channels = 1;
  model_options->image_height = model_options->image_width = SIDE;
  WORKS(supcon_model_create(context, model_options, &model));

  MAKE(supcon_train_options, train_options);
  supcon_train_options_init(train_options);
  MAKE(supcon_loss_options, loss_options);
  MAKE(supcon_augmentation_options, augmentation);
  supcon_augmentation_options_init(augmentation);
  augmentation->kind = SUPCON_AUGMENTATION_CROP_FLIP;
  supcon_loss_options_init(loss_options);
  loss_options->temperature = 0.5f;
  train_options->epochs = 1;
  train_options->batch_size = 16;
  train_options->validation_fraction = 0;
  train_options->stop_on_collapse = 0;
  train_options->loss = loss_options;
  train_options->augmentation = augmentation;
  train_options->checkpoint_folder = argv[1];
  supcon_trainer *trainer = NULL;
  int epochs = 0;
  WORKS(supcon_trainer_create(context, model, dataset, train_options, &trainer));
  WORKS(supcon_trainer_run(trainer, hear, &epochs));
  EXPECT(epochs == 1);
  supcon_trainer_free(trainer);

  MAKE(supcon_search_options, search);
  supcon_search_options_init(search);
  search->seconds = 1e-9;
  double rate = -1;
  EXPECT(supcon_find_learning_rate(context, model, dataset, train_options, NULL, search, &rate) ==
             SUPCON_STATUS_STATE &&
         rate == -1);

  /* A recipe's own structs are of the library's size; copies are of this program's. */
  WORKS(supcon_preset("cifar-simclr", model_options, train_options));
  EXPECT(train_options->struct_size == sizeof *train_options);
  supcon_loss_options_copy(loss_options, train_options->loss);
  EXPECT(loss_options->struct_size == sizeof *loss_options && loss_options->temperature == 0.5f);
  supcon_augmentation_options_copy(augmentation, train_options->augmentation);
  EXPECT(augmentation->struct_size == sizeof *augmentation);

  float embeddings[IMAGES * 64];
  MAKE(supcon_embed_options, embed_options);
  supcon_embed_options_init(embed_options);
  const int64_t dimension = supcon_model_output_dimension(model, SUPCON_OUTPUT_ENCODER);
  EXPECT(dimension > 0 && dimension <= 64);
  WORKS(supcon_model_embed(model, images, embed_options, embeddings, IMAGES * dimension));
  MAKE(supcon_loss_result, result);
  supcon_loss_result_init(result);
  WORKS(supcon_loss(context, embeddings, IMAGES, 1, dimension, labels, NULL, loss_options, result,
                    NULL, NULL));
  EXPECT(result->anchors == IMAGES && result->struct_size == sizeof *result);

  MAKE(supcon_classifier_options, classifier_options);
  supcon_classifier_options_init(classifier_options);
  WORKS(supcon_model_fit_classifier(model, dataset, classifier_options, NULL));
  MAKE(supcon_model_info, model_info);
  supcon_model_info_init(model_info);
  WORKS(supcon_model_get_info(model, model_info));
  EXPECT(model_info->classes == CLASSES && model_info->embedding_dim == dimension);
  char path[4096];
  snprintf(path, sizeof path, "%s/model.safetensors", argv[1]);
  WORKS(supcon_model_save(model, path));
  supcon_model *loaded = NULL;
  MAKE(supcon_load_options, load_options);
  supcon_load_options_init(load_options);
  WORKS(supcon_model_load(context, path, load_options, &loaded));
  supcon_model_free(loaded);

  MAKE(supcon_evaluate_options, evaluate_options);
  supcon_evaluate_options_init(evaluate_options);
  MAKE(supcon_scores, scores);
  supcon_scores_init(scores);
  float probabilities[IMAGES * CLASSES];
  WORKS(supcon_evaluate(context, embeddings, labels, IMAGES, embeddings, labels, IMAGES, dimension,
                        evaluate_options, scores, NULL, probabilities, IMAGES * CLASSES, NULL, 0));
  EXPECT(scores->classes == CLASSES);
  MAKE(supcon_retrieval_scores, retrieval);
  supcon_retrieval_scores_init(retrieval);
  WORKS(supcon_retrieval(context, embeddings, labels, IMAGES, NULL, NULL, 0, dimension, retrieval));
  MAKE(supcon_calibration_options, calibration_options);
  supcon_calibration_options_init(calibration_options);
  MAKE(supcon_calibration_scores, calibration);
  supcon_calibration_scores_init(calibration);
  WORKS(supcon_calibration(probabilities, labels, IMAGES, CLASSES, calibration_options, calibration,
                           NULL, NULL, NULL));
  MAKE(supcon_ood_options, ood_options);
  supcon_ood_options_init(ood_options);
  ood_options->k = 3;
  float strangeness[IMAGES];
  WORKS(
      supcon_ood_scores(context, embeddings, IMAGES, NULL, 0, dimension, ood_options, strangeness));
  MAKE(supcon_detection_scores, detection);
  supcon_detection_scores_init(detection);
  WORKS(supcon_detection(strangeness, IMAGES, strangeness, IMAGES, detection));
  const double errors[] = {0.2, 0.4};
  MAKE(supcon_corruption_scores, corruption);
  supcon_corruption_scores_init(corruption);
  WORKS(supcon_corruption_error(errors, errors, 1, 2, 0.1, 0.1, corruption, NULL, NULL));
  EXPECT(corruption->mean == 1 && corruption->struct_size == sizeof *corruption);

  supcon_model_free(model);
  supcon_dataset_free(dataset);
  supcon_context_free(context);
  printf("a program of %d.%d.%d works with libsupcon %s\n", SUPCON_VERSION_MAJOR,
         SUPCON_VERSION_MINOR, SUPCON_VERSION_PATCH, supcon_version());
  return 0;
}
