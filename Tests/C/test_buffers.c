/* One rule for buffers: NULL is no question but an argument error, whatever the capacity, unless
 * the header says that it may be NULL; and one that is too small is a shape error that says what is
 * needed, and is not written to. */
#include "test.h"

#define RULE(call, least)                                                        \
  do {                                                                           \
    for (int at = 0; at < 4; ++at) {                                             \
      const int64_t capacity = (const int64_t[]){0, -1, 1 << 20, INT64_MAX}[at]; \
      void *buffer = NULL;                                                       \
      REFUSES(call, ARGUMENT, "NULL");                                           \
      (void)capacity, (void)buffer;                                              \
    }                                                                            \
    unsigned char bytes[4096], before[4096];                                     \
    memset(bytes, 0x5a, sizeof bytes);                                           \
    memcpy(before, bytes, sizeof bytes);                                         \
    for (int at = 0; at < 3; ++at) {                                             \
      const int64_t capacity = (const int64_t[]){least - 1, 0, INT64_MIN}[at];   \
      void *buffer = bytes;                                                      \
      char needed[32];                                                           \
      snprintf(needed, sizeof needed, "expected %d", (int)(least));              \
      REFUSES(call, ARGUMENT | SHAPE, needed);                                   \
    }                                                                            \
    EXPECT(memcmp(bytes, before, sizeof bytes) == 0, "written to: " #call);      \
  } while (0)

void test_buffers(void) {
  supcon_images images = all_images();
  supcon_dataset *dataset = NULL, *targeted = NULL;
  supcon_model *model = NULL;
  WORKS(supcon_dataset_from_images(&images, labels, NULL, &dataset));
  double targets[IMAGES] = {0};
  WORKS(supcon_dataset_with_targets(dataset, targets, 1, &targeted));
  supcon_model_options options;
  supcon_model_options_init(&options);
  options.width = 2;
  options.channels = 1;
  options.image_height = options.image_width = SIDE;
  WORKS(supcon_model_create(NULL, &options, &model));
  const int row = (int)supcon_model_output_dimension(model, SUPCON_OUTPUT_ENCODER);
  images.count = 3;

  RULE(supcon_dataset_get_labels(dataset, buffer, capacity), IMAGES);
  RULE(supcon_dataset_get_class_labels(dataset, buffer, capacity), CLASSES);
  RULE(supcon_dataset_get_targets(targeted, buffer, capacity), IMAGES);
  RULE(supcon_model_embed(model, &images, NULL, buffer, capacity), 3 * row);
  RULE(supcon_model_embed_dataset(model, dataset, NULL, buffer, capacity), IMAGES * row);

  /* Those whose size the other arguments say. */
  float rows[6] = {1, 0, 0, 1, 1, 1};
  int64_t classes[3] = {0, 1, 1};
  uint8_t sets[3] = {1, 0, 1};
  REFUSES(supcon_augment(NULL, &images, NULL, 0, 0, 0, 8, 8, NULL), ARGUMENT, "NULL");
  REFUSES(supcon_augment_dataset(NULL, dataset, classes, 3, NULL, 0, 0, 0, 8, 8, NULL), ARGUMENT,
          "NULL");
  REFUSES(supcon_ood_scores(NULL, rows, 3, NULL, 0, 2, NULL, NULL), ARGUMENT, "NULL");
  REFUSES(supcon_alignment(NULL, rows, classes, 3, 2, NULL), ARGUMENT, "NULL");
  REFUSES(supcon_uniformity(NULL, rows, 3, 2, NULL), ARGUMENT, "NULL");
  REFUSES(supcon_mask_from_multilabel(NULL, sets, 3, 1, SUPCON_RULE_ANY, NULL), ARGUMENT, "NULL");
  REFUSES(supcon_mask_from_values(NULL, targets, 3, 1, 1, NULL), ARGUMENT, "NULL");
  REFUSES(supcon_dataset_get_info(dataset, NULL), ARGUMENT, "NULL");
  REFUSES(supcon_model_get_info(model, NULL), ARGUMENT, "NULL");

  /* Those that may be NULL: not wanted, whatever their capacity. */
  WORKS(supcon_loss(NULL, rows, 3, 1, 2, classes, NULL, NULL, NULL, NULL, NULL));
  WORKS(supcon_evaluate(NULL, rows, classes, 3, rows, classes, 3, 2, NULL, NULL, NULL, NULL, -1,
                        NULL, -1));

  /* Lists that no memory holds. */
  for (int at = 0; at < 3; ++at) {
    const int64_t count = (const int64_t[]){INT64_MAX, 1LL << 40, (1LL << 31) + 1}[at];
    supcon_dataset *made = NULL;
    const char *paths[] = {"a.png"};
    REFUSES_HANDLE(supcon_dataset_subset(dataset, classes, count, &made), made, ARGUMENT, "count");
    REFUSES_HANDLE(supcon_dataset_from_files(paths, count, NULL, NULL, &made), made, ARGUMENT,
                   "count");
    REFUSES_HANDLE(supcon_dataset_from_cifar(paths, count, 10, NULL, &made), made, ARGUMENT,
                   "count");
    REFUSES(supcon_augment_dataset(NULL, dataset, classes, count, NULL, 0, 0, 0, 8, 8, rows),
            ARGUMENT, "count");
  }
  supcon_model_free(model);
  supcon_dataset_free(targeted);
  supcon_dataset_free(dataset);
}
