/* Each kind of work that the library does on data of the caller's, as functions that take a context
 * and give the status of the first call that failed. None depends on another. */
#ifndef SUPCON_WORKS_H
#define SUPCON_WORKS_H

#include <sys/stat.h>

#include "soak.h"

enum {
  DIMENSION = 48,
  NEIGHBORS = 40,
  MANY = 1500,
  FILES = 1200,
  OUT = 16,
  BATCH = 64,
  MASKED = 2000
};

/* The rows that are measured; how many times the width of a model that is trained. */
static int rows_count = 3000, scale = 1;
static const char *work_folder;
static int64_t *neighbors;
static float *similarities;
static float *features, *gradient, *masks;
static int64_t *classes, *indices;
static double *values;
static uint8_t *dots, *bits;
static supcon_images many_images;
static supcon_dataset *many;
static char model_file[4200], idx_file[4200], cifar_file[4200], picture_file[4200];
static const char *picture_paths[FILES], *class_names[10];
static const void *picture_data[FILES];
static int64_t picture_sizes[FILES];
static void *picture;

static inline void big_endian(uint8_t *to, uint32_t value) {
  for (int i = 0; i < 4; ++i) to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Makes what the works read; `fixtures` is a folder with the picture rgb8.png. */
static inline void prepare_works(const char *folder, const char *fixtures) {
  work_folder = folder;
  mkdir(folder, 0777);
  snprintf(model_file, sizeof model_file, "%.4000s/model.safetensors", folder);
  snprintf(idx_file, sizeof idx_file, "%.4000s/images.idx", folder);
  snprintf(cifar_file, sizeof cifar_file, "%.4000s/cifar.bin", folder);
  snprintf(picture_file, sizeof picture_file, "%.4000s/rgb8.png", fixtures);
  const size_t numbers = (size_t)rows_count * DIMENSION;
  features = calloc(numbers, sizeof *features), gradient = calloc(numbers, sizeof *gradient);
  neighbors = calloc((size_t)rows_count * NEIGHBORS, sizeof *neighbors);
  similarities = calloc((size_t)rows_count * NEIGHBORS, sizeof *similarities);
  masks = calloc(MASKED * MASKED, sizeof *masks);
  classes = calloc((size_t)rows_count, sizeof *classes),
  indices = calloc((size_t)rows_count, sizeof *indices);
  values = calloc((size_t)rows_count, sizeof *values);
  dots = calloc(MANY, SIDE * SIDE), bits = calloc((size_t)rows_count, 10);
  uint64_t random = 7;
  for (size_t i = 0; i < numbers; ++i) features[i] = (float)below(&random, 1000) / 1000 - .5f;
  for (int i = 0; i < rows_count; ++i) {
    classes[i] = i % 10, indices[i] = i % MANY, values[i] = i % 7;
    bits[i * 10 + i % 10] = 1;
    features[i * DIMENSION + i % 10] += 2;
  }
  for (int i = 0; i < MANY * SIDE * SIDE; ++i) dots[i] = (uint8_t)below(&random, 256);
  supcon_images_init(&many_images, dots, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, MANY, SIDE, SIDE, 1);
  WORKS(supcon_dataset_from_images(&many_images, classes, NULL, &many));

  uint8_t *bytes = calloc(16 + MANY * SIDE * SIDE, 1);
  const uint32_t head[] = {0x803, MANY, SIDE, SIDE};
  for (int i = 0; i < 4; ++i) big_endian(bytes + 4 * i, head[i]);
  write_file(idx_file, bytes, 16 + MANY * SIDE * SIDE);
  free(bytes);
  bytes = calloc(FILES, 3073);
  write_file(cifar_file, bytes, FILES * 3073);
  free(bytes);
  size_t size = 0;
  picture = read_file(picture_file, &size);
  DEMAND(picture, "%s", picture_file);
  for (int i = 0; i < FILES; ++i) {
    picture_paths[i] = picture_file;
    picture_data[i] = picture, picture_sizes[i] = (int64_t)size;
  }
  for (int i = 0; i < 10; ++i)
    class_names[i] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009" + 2 * i;
  supcon_model *model = small_model(NULL);
  WORKS(supcon_model_save(model, model_file));
  supcon_model_free(model);
}

typedef supcon_status work(supcon_context *context);

#define TRY(call)                           \
  do {                                      \
    const supcon_status tried_ = (call);    \
    if (tried_ != SUPCON_OK) return tried_; \
  } while (0)

/* ------------------------------------------------------------------------------------ models */

static inline supcon_status with_model(supcon_context *context, supcon_model **model,
                                       int classes_) {
  supcon_model_options options = small_model_options();
  options.classes = classes_;
  return supcon_model_create(context, &options, model);
}
#define MODEL_WORK(name, classes_, call)                                   \
  static inline supcon_status name(supcon_context *context) {              \
    supcon_model *model = NULL;                                            \
    supcon_status status = with_model(context, &model, classes_);          \
    DEMAND((status == SUPCON_OK) == (model != NULL), "status %d", status); \
    if (status == SUPCON_OK) status = (call);                              \
    supcon_model_free(model);                                              \
    return status;                                                         \
  }
MODEL_WORK(create_model, 0, SUPCON_OK)
MODEL_WORK(save_model, 0, supcon_model_save(model, model_file))
MODEL_WORK(embed_images, 0, supcon_model_embed(model, &many_images, NULL, gradient, MANY *OUT))
MODEL_WORK(embed_dataset, 0, supcon_model_embed_dataset(model, many, NULL, gradient, MANY *OUT))
MODEL_WORK(reset_head, 0, supcon_model_reset_head(model, SUPCON_HEAD_MLP, 0, 128, 0))
MODEL_WORK(reset_classifier, 0, supcon_model_reset_classifier(model, 1000))
MODEL_WORK(fit_classifier, 0, supcon_model_fit_classifier(model, many, NULL, NULL))
MODEL_WORK(quantize, 0, supcon_model_quantize(model, many))

static inline supcon_status load_model(supcon_context *context) {
  supcon_model *model = NULL;
  TRY(supcon_model_load(context, model_file, NULL, &model));
  supcon_model_free(model);
  return SUPCON_OK;
}
static inline supcon_status embed_with(const supcon_model *model, const supcon_images *images) {
  supcon_embed_options options;
  supcon_embed_options_init(&options);
  options.output = SUPCON_OUTPUT_PROBABILITIES;
  options.batch_size = 256;
  return supcon_model_embed(model, images, &options, gradient, MANY * 10);
}
MODEL_WORK(embed_probabilities, 10, embed_with(model, &many_images))
static inline supcon_status embed_resized(const supcon_model *model) {
  supcon_images images;
  supcon_images_init(&images, dots, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, 2, 100, 200, 1);
  return supcon_model_embed(model, &images, NULL, gradient, 2 * OUT);
}
MODEL_WORK(embed_large_images, 0, embed_resized(model))
static inline supcon_status embed_from(const supcon_model *model, int in_memory) {
  supcon_dataset *dataset = NULL;
  supcon_dataset_options options;
  supcon_dataset_options_init(&options);
  options.channels = 1;
  supcon_status status =
      in_memory ? supcon_dataset_from_encoded(picture_data, picture_sizes, NULL, 100, NULL,
                                              &options, &dataset)
                : supcon_dataset_from_files(picture_paths, 100, NULL, &options, &dataset);
  if (status == SUPCON_OK)
    status = supcon_model_embed_dataset(model, dataset, NULL, gradient, 100 * OUT);
  supcon_dataset_free(dataset);
  return status;
}
MODEL_WORK(embed_files, 0, embed_from(model, 0))
MODEL_WORK(embed_encoded, 0, embed_from(model, 1))

/* ---------------------------------------------------------------------------------- training */

static inline supcon_status train_with(supcon_context *context, supcon_train_options train,
                                       int classes_, int precision) {
  supcon_model *model = NULL;
  supcon_trainer *trainer = NULL;
  supcon_model_options options = small_model_options();
  options.classes = classes_;
  options.precision = precision;
  options.width *= scale;
  supcon_status status = supcon_model_create(context, &options, &model);
  if (status == SUPCON_STATUS_UNSUPPORTED) return SUPCON_OK; /* a CPU without bf16 */
  if (status == SUPCON_OK) status = supcon_trainer_create(context, model, many, &train, &trainer);
  if (status == SUPCON_OK) status = supcon_trainer_run(trainer, NULL, NULL);
  supcon_trainer_free(trainer);
  supcon_model_free(model);
  return status;
}
#define TRAIN_WORK(name, classes_, precision, ...)            \
  static inline supcon_status name(supcon_context *context) { \
    supcon_train_options train = small_train_options();       \
    train.epochs = 1;                                         \
    train.batch_size = BATCH * scale;                         \
    train.images_per_class = 0;                               \
    __VA_ARGS__;                                              \
    return train_with(context, train, classes_, precision);   \
  }
#define F32 SUPCON_PRECISION_F32
TRAIN_WORK(train, 0, F32, )
TRAIN_WORK(train_bf16, 0, SUPCON_PRECISION_BF16, )
TRAIN_WORK(train_simclr, 0, F32, train.objective = SUPCON_OBJECTIVE_SIMCLR)
TRAIN_WORK(train_cross_entropy, 0, F32, train.objective = SUPCON_OBJECTIVE_CROSS_ENTROPY)
TRAIN_WORK(train_linear, 0, F32, train.objective = SUPCON_OBJECTIVE_LINEAR)
TRAIN_WORK(train_joint, 0, F32, train.joint_classifier = 1)
TRAIN_WORK(train_chunks, 0, F32, train.chunk_size = 16)
TRAIN_WORK(train_queue, 0, F32, train.queue_mode = SUPCON_QUEUE_POSITIVES_AND_NEGATIVES,
           train.queue_size = 2048)
TRAIN_WORK(train_cached, 0, F32, train.freeze_stages = 3, train.feature_cache = 1)
TRAIN_WORK(train_ema_adamw, 0, F32, train.optimizer = SUPCON_OPTIMIZER_ADAMW, train.ema_decay = .9,
           train.restore_best = 1)
TRAIN_WORK(train_checkpoints, 0, F32, train.checkpoint_folder = work_folder)

static int after_one(const supcon_trial *trial, void *unused) {
  (void)trial, (void)unused;
  return 1;
}
static inline supcon_status find_rate(supcon_context *context) {
  supcon_model *model = NULL;
  supcon_train_options train = small_train_options();
  train.batch_size = BATCH;
  supcon_search_options how;
  supcon_search_options_init(&how);
  how.trial = after_one;
  double rate;
  TRY(with_model(context, &model, 0));
  const supcon_status status =
      supcon_find_learning_rate(context, model, many, &train, NULL, &how, &rate);
  supcon_model_free(model);
  return status == SUPCON_STATUS_CANCELED ? SUPCON_OK : status;
}

/* ---------------------------------------------------------------------------------- data sets */

#define DATASET_WORK(name, call)                                                     \
  static inline supcon_status name(supcon_context *context) {                        \
    (void)context;                                                                   \
    supcon_dataset *made = NULL;                                                     \
    const supcon_status status = (call);                                             \
    DEMAND((status == SUPCON_OK) == (made != NULL), "%s: status %d", #name, status); \
    supcon_dataset_free(made);                                                       \
    return status;                                                                   \
  }
DATASET_WORK(from_images, supcon_dataset_from_images(&many_images, classes, NULL, &made))
DATASET_WORK(from_files, supcon_dataset_from_files(picture_paths, FILES, classes, NULL, &made))
DATASET_WORK(from_encoded, supcon_dataset_from_encoded(picture_data, picture_sizes, NULL, FILES,
                                                       classes, NULL, &made))
DATASET_WORK(from_idx, supcon_dataset_from_idx(idx_file, NULL, NULL, &made))
DATASET_WORK(from_cifar,
             supcon_dataset_from_cifar((const char *[]){cifar_file}, 1, 10, NULL, &made))
DATASET_WORK(subset, supcon_dataset_subset(many, indices, rows_count, &made))
DATASET_WORK(with_labels, supcon_dataset_with_labels(many, classes, &made))
DATASET_WORK(with_targets, supcon_dataset_with_targets(many, values, 1, &made))
DATASET_WORK(with_classes, supcon_dataset_with_classes(many, class_names, 10, &made))
DATASET_WORK(label_noise, supcon_dataset_with_label_noise(many, .3, 1, &made))
DATASET_WORK(per_class, supcon_dataset_per_class(many, 120, 1, &made))
static inline supcon_status split(supcon_context *context) {
  (void)context;
  supcon_dataset *first = NULL, *second = NULL;
  const supcon_status status = supcon_dataset_split(many, .5, 1, &first, &second);
  supcon_dataset_free(first);
  supcon_dataset_free(second);
  return status;
}
static inline supcon_status augment(supcon_context *context) {
  supcon_images images = many_images;
  images.count = 500;
  return supcon_augment(context, &images, NULL, 1, 0, 0, 16, 16, gradient);
}
static inline supcon_status augment_dataset(supcon_context *context) {
  return supcon_augment_dataset(context, many, indices, 500, NULL, 1, 0, 0, 16, 16, gradient);
}
static inline supcon_status corrupt(supcon_context *context) {
  return supcon_corrupt(context, &many_images, 1, 3, 1, (uint8_t *)gradient);
}
static inline supcon_status augment_corrupted(supcon_context *context) {
  supcon_dataset *made = NULL;
  TRY(supcon_dataset_corrupt(many, 5, 3, 1, 32, 32, &made));
  const supcon_status status =
      supcon_augment_dataset(context, made, indices, 100, NULL, 1, 0, 0, 16, 16, gradient);
  supcon_dataset_free(made);
  return status;
}

/* ------------------------------------------------------------------------- losses and measures */

#define WORK(name, ...) \
  static inline supcon_status name(supcon_context *context) { __VA_ARGS__; }
#define OPTIONS(type, name) \
  type name;                \
  type##_init(&name)

WORK(loss, return supcon_loss(context, features, rows_count, 1, DIMENSION, classes, NULL, NULL,
                              NULL, NULL, gradient))
WORK(loss_one_positive, OPTIONS(supcon_loss_options, how); how.positives_cap = 1; how.normalize = 1;
     return supcon_loss(context, features, rows_count, 1, DIMENSION, classes, NULL, &how, NULL,
                        NULL, gradient))
WORK(loss_queue, return supcon_loss_queue(context, features, 500, DIMENSION, features, 1, classes,
                                          features + 500 * DIMENSION, 2000, classes, 1, NULL, NULL,
                                          NULL, gradient))
WORK(mask, return supcon_mask_from_multilabel(context, bits, MASKED, 10, 0, masks))
static inline supcon_status evaluated(supcon_context *context, int32_t method) {
  OPTIONS(supcon_evaluate_options, how);
  how.method = method;
  how.iterations = 5;
  OPTIONS(supcon_scores, scores);
  return supcon_evaluate(context, features, classes, rows_count, features, classes, rows_count,
                         DIMENSION, &how, &scores, NULL, gradient, rows_count * 10, NULL, 0);
}
WORK(evaluate_linear, return evaluated(context, SUPCON_METHOD_LINEAR))
WORK(evaluate_neighbors, return evaluated(context, SUPCON_METHOD_KNN))
WORK(evaluate_prototypes, return evaluated(context, SUPCON_METHOD_PROTOTYPES))
WORK(retrieval, OPTIONS(supcon_retrieval_scores, scores);
     return supcon_retrieval(context, features, classes, rows_count, features, classes, rows_count,
                             DIMENSION, &scores))
WORK(nearest, OPTIONS(supcon_nearest_options, how); how.k = NEIGHBORS;
     return supcon_nearest(context, features, rows_count, NULL, 0, DIMENSION, &how, neighbors,
                           similarities))
WORK(ood, OPTIONS(supcon_ood_options, how); how.k = 10;
     return supcon_ood_scores(context, features, rows_count, features, rows_count, DIMENSION, &how,
                              gradient))
WORK(alignment, double value;
     return supcon_alignment(context, features, classes, rows_count, DIMENSION, &value))
WORK(uniformity, double value;
     return supcon_uniformity(context, features, rows_count, DIMENSION, &value))
WORK(detection, (void)context; OPTIONS(supcon_detection_scores, scores);
     return supcon_detection(features, rows_count, gradient, rows_count, &scores))

/* `heeds`: a context's memory limit concerns it. */
static const struct {
  const char *name;
  work *run;
  int heeds;
} works[] = {
#define HEEDS(name) {#name, name, 1}
#define TAKES_NONE(name) {#name, name, 0}
    HEEDS(create_model),
    HEEDS(load_model),
    HEEDS(save_model),
    HEEDS(embed_images),
    HEEDS(embed_dataset),
    HEEDS(embed_probabilities),
    HEEDS(embed_large_images),
    HEEDS(embed_files),
    HEEDS(embed_encoded),
    HEEDS(reset_head),
    HEEDS(reset_classifier),
    HEEDS(fit_classifier),
    HEEDS(quantize),
    HEEDS(train),
    HEEDS(train_bf16),
    HEEDS(train_simclr),
    HEEDS(train_cross_entropy),
    HEEDS(train_linear),
    HEEDS(train_joint),
    HEEDS(train_chunks),
    HEEDS(train_queue),
    HEEDS(train_cached),
    HEEDS(train_ema_adamw),
    HEEDS(train_checkpoints),
    HEEDS(find_rate),
    TAKES_NONE(from_images),
    TAKES_NONE(from_files),
    TAKES_NONE(from_encoded),
    TAKES_NONE(from_idx),
    TAKES_NONE(from_cifar),
    TAKES_NONE(subset),
    TAKES_NONE(with_labels),
    TAKES_NONE(with_targets),
    TAKES_NONE(with_classes),
    TAKES_NONE(label_noise),
    TAKES_NONE(per_class),
    TAKES_NONE(split),
    HEEDS(augment),
    HEEDS(augment_dataset),
    HEEDS(augment_corrupted),
    HEEDS(corrupt),
    HEEDS(loss),
    HEEDS(loss_one_positive),
    HEEDS(loss_queue),
    HEEDS(mask),
    HEEDS(evaluate_linear),
    HEEDS(evaluate_neighbors),
    HEEDS(evaluate_prototypes),
    HEEDS(retrieval),
    HEEDS(nearest),
    HEEDS(ood),
    HEEDS(alignment),
    HEEDS(uniformity),
    TAKES_NONE(detection),
#undef HEEDS
#undef TAKES_NONE
};
enum { WORK_COUNT = sizeof works / sizeof *works };
#endif
