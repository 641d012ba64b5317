/* Structs of other sizes than ours, of programs that were built for an older or a newer header:
 * init and copy write no byte past the size they are given, and a struct that is larger than ours
 * is taken if what we do not know is 0. Structs that are read or filled at their own edge of memory
 * are Tests/ABI/program.c's. */
#include "test.h"

enum { ROOM = 512, GUARD = 0xa5 };

typedef void (*init_function)(void *, size_t);

static void guarded(const char *name, init_function init, size_t whole) {
  unsigned char ours[ROOM], bytes[ROOM];
  memset(ours, GUARD, sizeof ours);
  init(ours, whole);
  for (size_t size = 0; size <= whole + 64; ++size) {
    memset(bytes, GUARD, sizeof bytes);
    init(bytes, size);
    const size_t known = size < whole ? size : whole;
    int wrong = size >= 4 && memcmp(bytes + 4, ours + 4, known - 4) != 0;
    for (size_t i = known; size >= 4 && i < size; ++i) wrong += bytes[i] != 0;
    for (size_t i = size < 4 ? 0 : size; i < sizeof bytes; ++i) wrong += bytes[i] != GUARD;
    uint32_t told = 0;
    memcpy(&told, bytes, sizeof told);
    EXPECT(!wrong && (size < 4 || told == size), "%s_init_sized of %zu bytes: %d wrong, size %u",
           name, size, wrong, told);
  }
}

#define INIT(type) \
  static void init_##type(void *p, size_t size) { type##_init_sized(p, size); }
#define ALL(DO)                   \
  DO(supcon_context_options)      \
  DO(supcon_loss_options)         \
  DO(supcon_loss_result)          \
  DO(supcon_dataset_options)      \
  DO(supcon_dataset_info)         \
  DO(supcon_augmentation_options) \
  DO(supcon_model_options)        \
  DO(supcon_load_options)         \
  DO(supcon_model_info)           \
  DO(supcon_embed_options)        \
  DO(supcon_classifier_options)   \
  DO(supcon_train_options)        \
  DO(supcon_search_options)       \
  DO(supcon_evaluate_options)     \
  DO(supcon_scores)               \
  DO(supcon_retrieval_scores)     \
  DO(supcon_calibration_options)  \
  DO(supcon_calibration_scores)   \
  DO(supcon_corruption_scores)    \
  DO(supcon_ood_options)          \
  DO(supcon_detection_scores)     \
  DO(supcon_nearest_options)
ALL(INIT)
static void init_images(void *p, size_t size) {
  supcon_images_init_sized(p, size, pixels, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, 1, 2, 3, 4);
}
static void copy_loss(void *p, size_t size) {
  supcon_loss_options from;
  supcon_loss_options_init(&from);
  from.temperature = 0.25f;
  supcon_loss_options_copy_sized(p, size, &from);
}
static void copy_augmentation(void *p, size_t size) {
  supcon_augmentation_options from;
  supcon_augmentation_options_init(&from);
  from.fill = 0.25f;
  supcon_augmentation_options_copy_sized(p, size, &from);
}

/* Of a newer header: our struct and a field that we do not have. */
typedef struct later_loss_options {
  supcon_loss_options known;
  int64_t later;
} later_loss_options;
typedef struct later_loss_result {
  supcon_loss_result known;
  int64_t later;
} later_loss_result;

static void newer(void) {
  static const float features[] = {1, 0, 1, 0, 0, 1, 0, 1};
  static const int64_t classes[] = {0, 0, 1, 1};
  later_loss_options options;
  later_loss_result result;
  memset(&options, GUARD, sizeof options);
  memset(&result, GUARD, sizeof result);
  supcon_loss_options_init_sized(&options.known, sizeof options);
  supcon_loss_result_init_sized(&result.known, sizeof result);
  EXPECT(options.later == 0 && result.later == 0, "a field that the library lacks begins as 0");
  result.later = 7;
  WORKS(supcon_loss(NULL, features, 4, 1, 2, classes, NULL, &options.known, &result.known, NULL,
                    NULL));
  EXPECT(
      result.known.anchors == 4 && result.known.struct_size == sizeof result && result.later == 7,
      "what the library does not know is left alone");
  options.later = (int64_t)1 << 40;
  REFUSES(supcon_loss(NULL, features, 4, 1, 2, classes, NULL, &options.known, NULL, NULL, NULL),
          BIT(SUPCON_STATUS_UNSUPPORTED), "newer");
  /* Memory that nobody initialized is not believed to be a struct of four gigabytes. */
  options.known.struct_size = UINT32_MAX;
  REFUSES(supcon_loss(NULL, features, 4, 1, 2, classes, NULL, &options.known, NULL, NULL, NULL),
          ARGUMENT, "4294967295");
  result.known.struct_size = 4097;
  REFUSES(supcon_loss(NULL, features, 4, 1, 2, classes, NULL, NULL, &result.known, NULL, NULL),
          ARGUMENT, "4097");
}

static void copies(void) {
  supcon_loss_options to;
  supcon_loss_options_copy(&to, NULL);
  EXPECT(to.struct_size == sizeof to && to.temperature == 0.1f, "NULL copies as the defaults");
  supcon_train_options train;
  supcon_train_options_init(&train);
  WORKS(supcon_preset("cifar-simclr", NULL, &train));
  supcon_loss_options_copy(&to, train.loss);
  EXPECT(to.temperature == 0.5f, "temperature %g", (double)to.temperature);
}

void test_sizes(void) {
#define GUARDED(type) guarded(#type, init_##type, sizeof(type));
  ALL(GUARDED)
  guarded("supcon_images", init_images, sizeof(supcon_images));
  guarded("supcon_loss_options (copy)", copy_loss, sizeof(supcon_loss_options));
  guarded("supcon_augmentation_options (copy)", copy_augmentation,
          sizeof(supcon_augmentation_options));
  newer();
  copies();
}
