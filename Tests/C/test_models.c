/* Models in memory: what they are, what they make of images, and what is refused. */
#include "test.h"

static void making(void) {
  supcon_model *model = NULL;
  supcon_model_options options = small_model_options();
  WORKS(supcon_model_create(NULL, &options, &model));
  supcon_model_info info;
  supcon_model_info_init(&info);
  WORKS(supcon_model_get_info(model, &info));
  EXPECT(strcmp(info.architecture, "resnet18") == 0 && info.stem == SUPCON_STEM_CIFAR &&
             info.width == 8 && info.channels == 1 && info.image_height == SIDE &&
             info.head == SUPCON_HEAD_MLP && info.projection_dim == 16 && info.classes == 0 &&
             info.precision == SUPCON_PRECISION_F32 && info.embedding_dim == 64 &&
             info.parameters > 0 && info.zero_init_last_gamma == SUPCON_ZERO_INIT_OFF,
         "%s, stem %d, width %d, output %d", info.architecture, info.stem, info.width,
         info.embedding_dim);
  REFUSES(supcon_model_get_info(NULL, &info), ARGUMENT, "model");
  REFUSES(supcon_model_get_info(model, NULL), ARGUMENT, "info");
  info.struct_size = 0;
  REFUSES(supcon_model_get_info(model, &info), ARGUMENT, "struct_size");
  EXPECT(!supcon_model_class_name(model, 0) && !supcon_model_class_name(model, -1),
         "a model without a classifier has class names");
  supcon_model_free(model);

#define REFUSES_MODEL(change, statuses, word)                                           \
  do {                                                                                  \
    options = small_model_options();                                                    \
    change;                                                                             \
    REFUSES_HANDLE(supcon_model_create(NULL, &options, &model), model, statuses, word); \
  } while (0)
  REFUSES_MODEL(options.architecture = "vgg16", ARGUMENT, "vgg16");
  REFUSES_MODEL(options.architecture = "", ARGUMENT, "");
  REFUSES_MODEL(options.stem = 3, ARGUMENT, "stem");
  REFUSES_MODEL(options.width = 0, ARGUMENT, "width");
  REFUSES_MODEL(options.width = -8, ARGUMENT, "-8");
  REFUSES_MODEL(options.width = INT32_MAX, ARGUMENT | MEMORY, "");
  REFUSES_MODEL(options.channels = 5, ARGUMENT, "5");
  REFUSES_MODEL(options.image_height = 0, ARGUMENT, "0");
  REFUSES_MODEL(options.image_width = INT32_MIN, ARGUMENT, "-2147483648");
  REFUSES_MODEL(options.normalize_features = 2, ARGUMENT, "normalize_features");
  REFUSES_MODEL((options.architecture = "resnext50_32x4d", options.width = 8), ARGUMENT,
                "16 or more");
  REFUSES_MODEL(options.zero_init_last_gamma = 3, ARGUMENT, "zero_init_last_gamma");
  REFUSES_MODEL(options.head = 6, ARGUMENT, "head");
  REFUSES_MODEL(options.head_hidden = -1, ARGUMENT, "-1");
  REFUSES_MODEL(options.projection_dim = 0, ARGUMENT, "projection_dim");
  REFUSES_MODEL(options.classes = -2, ARGUMENT, "-2");
  REFUSES_MODEL(options.precision = 3, ARGUMENT, "precision");
  REFUSES_MODEL(options.mean[0] = NAN, ARGUMENT, "mean");
  REFUSES_MODEL(options.std[0] = 0, ARGUMENT, "std");
  for (uint32_t size = 0; size < sizeof options; size += 4)
    REFUSES_MODEL(options.struct_size = size, ARGUMENT, "struct_size");
  REFUSES(supcon_model_create(NULL, NULL, NULL), ARGUMENT, "model");
}

static void embedding(void) {
  supcon_model *model = small_model();
  supcon_images images = all_images();
  supcon_embed_options options;
  enum { COLUMNS = 64, ROOM = IMAGES * COLUMNS };
  static float rows[ROOM], others[ROOM];
  EXPECT(supcon_model_output_dimension(model, SUPCON_OUTPUT_ENCODER) == COLUMNS, "%lld",
         (long long)supcon_model_output_dimension(model, SUPCON_OUTPUT_ENCODER));
  EXPECT(supcon_model_output_dimension(model, SUPCON_OUTPUT_PROJECTION) == 16,
         "the projection has another dimension");
  EXPECT(supcon_model_output_dimension(model, SUPCON_OUTPUT_LOGITS) == 0 &&
             supcon_model_output_dimension(model, 9) == 0,
         "an output that is not there");
  WORKS(supcon_model_embed(model, &images, NULL, rows, ROOM));
  for (int i = 0; i < IMAGES; ++i) {
    double length = 0;
    for (int j = 0; j < COLUMNS; ++j)
      length += (double)rows[i * COLUMNS + j] * (double)rows[i * COLUMNS + j];
    EXPECT(fabs(length - 1) < 1e-5, "row %d has length² %f", i, length);
  }
  /* One at a time, the same; from a view of the same pixels with other strides, mirrored, something
   * else. */
  supcon_embed_options_init(&options);
  options.batch_size = 1;
  WORKS(supcon_model_embed(model, &images, &options, others, ROOM));
  double largest = 0;
  for (int i = 0; i < ROOM; ++i) largest = fmax(largest, fabs((double)(rows[i] - others[i])));
  EXPECT(largest < 1e-5, "one image at a time differs by %g", largest);
  supcon_images mirrored = images;
  mirrored.data = pixels + SIDE - 1;
  mirrored.column_stride = -1;
  WORKS(supcon_model_embed(model, &mirrored, NULL, others, ROOM));
  EXPECT(memcmp(rows, others, sizeof rows) != 0, "mirrored images embed the same");

  rows[0] = 42;
  REFUSES(supcon_model_embed(model, &images, NULL, rows, ROOM - 1), SHAPE, "6143");
  REFUSES(supcon_model_embed(model, &images, NULL, rows, -1), ARGUMENT | SHAPE, "-1");
  REFUSES(supcon_model_embed(model, &images, NULL, NULL, ROOM), ARGUMENT, "embeddings");
  REFUSES(supcon_model_embed(NULL, &images, NULL, rows, ROOM), ARGUMENT, "model");
  REFUSES(supcon_model_embed(model, NULL, NULL, rows, ROOM), ARGUMENT, "images");
  REFUSES(supcon_model_embed_dataset(model, NULL, NULL, rows, ROOM), ARGUMENT, "dataset");
#define REFUSES_EMBED(change, statuses, word)                                          \
  do {                                                                                 \
    images = all_images();                                                             \
    supcon_embed_options_init(&options);                                               \
    change;                                                                            \
    REFUSES(supcon_model_embed(model, &images, &options, rows, ROOM), statuses, word); \
  } while (0)
  REFUSES_EMBED(options.output = 4, ARGUMENT, "output");
  REFUSES_EMBED(options.output = SUPCON_OUTPUT_LOGITS, STATE, "classifier");
  REFUSES_EMBED(options.output = SUPCON_OUTPUT_PROBABILITIES, STATE, "classifier");
  REFUSES_EMBED(options.normalize = 2, ARGUMENT, "normalize");
  REFUSES_EMBED(options.batch_size = -1, ARGUMENT, "-1");
  REFUSES_EMBED((images.channels = 3, images.width = 5), SHAPE, "3");
  REFUSES_EMBED(images.element_type = 3, TYPE, "3");
  for (uint32_t size = 0; size < sizeof options; size += 4)
    REFUSES_EMBED(options.struct_size = size, ARGUMENT, "struct_size");
  EXPECT(rows[0] == 42, "a failed call changed the embeddings");
  supcon_model_free(model);
}

static void classifying(void) {
  supcon_model *model = small_model();
  supcon_dataset *dataset = small_dataset(), *unlabeled = NULL;
  supcon_images images = all_images();
  WORKS(supcon_dataset_from_images(&images, NULL, NULL, &unlabeled));
  supcon_classifier_options options;
  supcon_classifier_options_init(&options);
  REFUSES(supcon_model_fit_classifier(model, unlabeled, NULL, NULL), STATE, "labels");
  REFUSES(supcon_model_fit_classifier(NULL, dataset, NULL, NULL), ARGUMENT, "model");
  REFUSES(supcon_model_fit_classifier(model, NULL, NULL, NULL), ARGUMENT, "dataset");
  options.iterations = 0;
  REFUSES(supcon_model_fit_classifier(model, dataset, &options, NULL), ARGUMENT, "iterations");
  supcon_classifier_options_init(&options);
  options.l2 = -2;
  REFUSES(supcon_model_fit_classifier(model, dataset, &options, NULL), ARGUMENT, "l2");
  supcon_classifier_options_init(&options);
  options.struct_size = 4;
  REFUSES(supcon_model_fit_classifier(model, dataset, &options, NULL), ARGUMENT, "struct_size");

  float l2 = 0;
  WORKS(supcon_model_fit_classifier(model, dataset, NULL, &l2));
  EXPECT(l2 == 5.0F / IMAGES, "l2 is %g; too few images to choose", l2);
  EXPECT(supcon_model_output_dimension(model, SUPCON_OUTPUT_PROBABILITIES) == CLASSES,
         "no probabilities");
  EXPECT(supcon_model_class_name(model, 1) && strcmp(supcon_model_class_name(model, 1), "1") == 0,
         "class 1 is not called 1");
  static float probabilities[IMAGES * CLASSES];
  supcon_embed_options embed;
  supcon_embed_options_init(&embed);
  embed.output = SUPCON_OUTPUT_PROBABILITIES;
  WORKS(supcon_model_embed(model, &images, &embed, probabilities, IMAGES * CLASSES));
  int right = 0;
  for (int i = 0; i < IMAGES; ++i) {
    const float *p = probabilities + i * CLASSES;
    EXPECT(fabs((double)(p[0] + p[1] + p[2]) - 1) < 1e-5, "the probabilities of image %d make %f",
           i, (double)(p[0] + p[1] + p[2]));
    right += p[labels[i]] >= p[0] && p[labels[i]] >= p[1] && p[labels[i]] >= p[2];
  }
  EXPECT(right >= IMAGES * 9 / 10, "%d of %d right", right,
         IMAGES); /* ramps are told apart even by a random encoder's features */
  supcon_dataset_free(unlabeled);
  supcon_dataset_free(dataset);
  supcon_model_free(model);
}

/* What the encoder made of the images is kept: a classifier is fitted on it, and predicts it. */
static void keeping_features(void) {
  supcon_model *model = small_model(), *other = small_model();
  supcon_dataset *dataset = small_dataset();
  enum { COLUMNS = 64 };
  static float features[IMAGES * COLUMNS], outputs[IMAGES * CLASSES], others[IMAGES * CLASSES];
  supcon_embed_options options;
  supcon_embed_options_init(&options);
  options.normalize = 0;
  WORKS(supcon_model_embed_dataset(model, dataset, &options, features, IMAGES * COLUMNS));
  float l2 = 0, l2_of_other = 0;
  WORKS(supcon_model_fit_classifier(model, dataset, NULL, &l2));
  WORKS(supcon_model_fit_classifier_on_features(other, dataset, features, IMAGES, COLUMNS, NULL,
                                                &l2_of_other));
  EXPECT(l2 == l2_of_other, "l2 is %g and %g", l2, l2_of_other);
  options.output = SUPCON_OUTPUT_PROBABILITIES;
  WORKS(supcon_model_embed_dataset(model, dataset, &options, outputs, IMAGES * CLASSES));
  WORKS(supcon_model_forward_head(other, features, IMAGES, COLUMNS, &options, others,
                                  IMAGES * CLASSES));
  double largest = 0;
  for (int i = 0; i < IMAGES * CLASSES; ++i)
    largest = fmax(largest, fabs((double)(outputs[i] - others[i])));
  EXPECT(largest < 1e-4, "probabilities of features differ by %g", largest);

  /* With the flipped images the features are of all, then of all flipped. */
  static float both[2 * IMAGES * COLUMNS];
  supcon_embed_options_init(&options);
  options.normalize = 0;
  WORKS(supcon_model_embed_dataset(model, dataset, &options, both, IMAGES * COLUMNS));
  options.flip = 1;
  WORKS(supcon_model_embed_dataset(model, dataset, &options, both + IMAGES * COLUMNS,
                                   IMAGES * COLUMNS));
  EXPECT(memcmp(both, features, sizeof features) == 0, "the features changed");
  EXPECT(memcmp(both + IMAGES * COLUMNS, features, sizeof features) != 0, "none is flipped");
  supcon_classifier_options fit;
  supcon_classifier_options_init(&fit);
  fit.flip = 1;
  WORKS(supcon_model_fit_classifier(model, dataset, &fit, &l2));
  WORKS(supcon_model_fit_classifier_on_features(other, dataset, both, 2 * (int64_t)IMAGES, COLUMNS,
                                                &fit, &l2_of_other));
  EXPECT(l2 == l2_of_other, "l2 is %g and %g", l2, l2_of_other);
  REFUSES(
      supcon_model_fit_classifier_on_features(other, dataset, both, IMAGES, COLUMNS, &fit, NULL),
      SHAPE, "two for each");
  fit.flip = 2;
  REFUSES(supcon_model_fit_classifier(model, dataset, &fit, NULL), ARGUMENT, "flip is 2");
  options.output = SUPCON_OUTPUT_PROBABILITIES;
  REFUSES(supcon_model_forward_head(other, features, IMAGES, COLUMNS, &options, others,
                                    IMAGES * CLASSES),
          ARGUMENT, "flip is 1; expected 0");
  options.flip = 0;

  outputs[0] = 42;
#define REFUSES_HEAD(given, rows, dimension, place, capacity, statuses, word)                  \
  REFUSES(supcon_model_forward_head(model, given, rows, dimension, &options, place, capacity), \
          statuses, word)
  REFUSES_HEAD(NULL, IMAGES, COLUMNS, outputs, IMAGES * CLASSES, ARGUMENT, "features");
  REFUSES_HEAD(features, 0, COLUMNS, outputs, IMAGES * CLASSES, ARGUMENT, "rows is 0");
  REFUSES_HEAD(features, (int64_t)1 << 62, COLUMNS, outputs, 0, ARGUMENT, "4611686018427387904");
  REFUSES_HEAD(features, IMAGES, COLUMNS - 1, outputs, IMAGES * CLASSES, SHAPE, "63");
  REFUSES_HEAD(features, IMAGES, COLUMNS, outputs, IMAGES * CLASSES - 1, SHAPE, "capacity");
  REFUSES_HEAD(features, IMAGES, COLUMNS, NULL, IMAGES * CLASSES, ARGUMENT, "outputs");
  features[COLUMNS + 3] = NAN;
  REFUSES_HEAD(features, IMAGES, COLUMNS, outputs, IMAGES * CLASSES, ARGUMENT, "features[1, 3]");
  EXPECT(outputs[0] == 42, "a failed call changed the outputs");
  REFUSES(supcon_model_fit_classifier_on_features(model, dataset, features, IMAGES, COLUMNS, NULL,
                                                  NULL),
          ARGUMENT, "features[1, 3]");
  REFUSES(supcon_model_fit_classifier_on_features(model, dataset, features, 1, COLUMNS, NULL, NULL),
          SHAPE, "1 features");
  supcon_dataset_free(dataset);
  supcon_model_free(other);
  supcon_model_free(model);
}

/* A new head is the one that a new model of the seed has, and the encoder stays as it is. */
static void changing_heads(void) {
  supcon_model_options options = small_model_options();
  options.seed = 7;
  supcon_model *whole = NULL, *model = NULL;
  WORKS(supcon_model_create(NULL, &options, &whole));
  options.head = SUPCON_HEAD_NONE;
  WORKS(supcon_model_create(NULL, &options, &model));
  EXPECT(supcon_model_output_dimension(model, SUPCON_OUTPUT_PROJECTION) == 0, "there is a head");
  WORKS(supcon_model_reset_head(model, SUPCON_HEAD_MLP, 0, 16, 7));
  supcon_images images = all_images();
  supcon_embed_options embed;
  supcon_embed_options_init(&embed);
  embed.output = SUPCON_OUTPUT_PROJECTION;
  static float expected[IMAGES * 16], found[IMAGES * 16];
  WORKS(supcon_model_embed(whole, &images, &embed, expected, IMAGES * 16));
  WORKS(supcon_model_embed(model, &images, &embed, found, IMAGES * 16));
  EXPECT(memcmp(expected, found, sizeof found) == 0, "another head than a new model's");

  supcon_dataset *dataset = small_dataset();
  WORKS(supcon_model_fit_classifier(model, dataset, NULL, NULL));
  supcon_dataset_free(dataset);
  WORKS(supcon_model_reset_head(model, SUPCON_HEAD_MLP3_BN, 24, 8, 1));
  supcon_model_info info;
  supcon_model_info_init(&info);
  WORKS(supcon_model_get_info(model, &info));
  EXPECT(info.head == SUPCON_HEAD_MLP3_BN && info.head_hidden == 24 && info.projection_dim == 8,
         "head %d, %d, %d", info.head, info.head_hidden, info.projection_dim);
  EXPECT(info.classes == CLASSES, "the classifier has %d classes", info.classes);
  REFUSES(supcon_model_reset_head(model, 6, 0, 16, 0), ARGUMENT, "head is 6");
  REFUSES(supcon_model_reset_head(model, SUPCON_HEAD_MLP, -1, 16, 0), ARGUMENT,
          "head_hidden is -1");
  REFUSES(supcon_model_reset_head(model, SUPCON_HEAD_MLP, 0, 0, 0), ARGUMENT,
          "projection_dim is 0");
  REFUSES(supcon_model_reset_head(NULL, SUPCON_HEAD_MLP, 0, 16, 0), ARGUMENT, "model");
  WORKS(supcon_model_get_info(model, &info));
  EXPECT(info.head == SUPCON_HEAD_MLP3_BN, "a failed call changed the head to %d", info.head);
  WORKS(supcon_model_reset_head(model, SUPCON_HEAD_NONE, 0, 16, 0));
  REFUSES(supcon_model_embed(model, &images, &embed, found, IMAGES * 16), STATE, "head");
  supcon_model_free(model);
  supcon_model_free(whole);
}

void test_models(void) {
  making();
  changing_heads();
  embedding();
  classifying();
  keeping_features();
}
