/* What every function says of hostile numbers. Each call of a list is made over and over, with one
 * or two of its numbers replaced by what no caller can mean; whatever the status, its sentence must
 * hold no number that was not given, but for true bounds (Tests/Soak/messages.h). */
#include "../Soak/messages.h"
#include "test.h"

static const int64_t hostile[] = {0,         -1,        1LL << 31,     (1LL << 31) + 1, 1LL << 40,
                                  1LL << 62, INT64_MAX, INT64_MIN,     INT32_MAX,       INT32_MIN,
                                  1LL << 33, -3,        INT64_MAX / 2, (1LL << 61) + 1, 1LL << 56};
enum { HOSTILE = sizeof hostile / sizeof *hostile };

static int seen, first, second; /* which numbers of the call are hostile */
static int64_t first_value, second_value;

/* A number of the call: its usual value, or a hostile one. */
static int64_t number(int64_t usual) {
  const int at = seen++;
  return given(at == first ? first_value : at == second ? second_value : usual);
}
/* The same for a count of what a buffer holds: never one that the buffer could be read for. */
static int64_t count(int64_t usual) {
  const int64_t value = number(usual);
  return value > usual && value <= 1LL << 31 ? given(-7) : value;
}
/* The same for a step between pixels, which may be negative. */
static int64_t stride(int64_t usual) {
  const int64_t value = number(usual);
  return value >= 1LL << 61 || value < -(1LL << 61) ? value : given(usual);
}
static int32_t number32(int32_t usual) { return (int32_t)given((int32_t)number(usual)); }
static double real(double usual) {
  const int at = seen++;
  static const double reals[] = {NAN, -NAN, INFINITY, -INFINITY, -1e300, 1e300, 0, -1};
  const double value = at == first ? reals[(uint64_t)first_value % 8] : usual;
  given_double((double)(float)value);
  given_double(value);
  return value;
}

static void judge(supcon_status status, const char *call) {
  if (status == SUPCON_OK) {
    ++passed;
    return;
  }
  const char *fault = fault_of_message(supcon_last_error(), status, strlen(data_folder));
  EXPECT(status != SUPCON_STATUS_INTERNAL && !fault, "%.60s…: %s: \"%s\"", call, fault,
         supcon_last_error());
}
#define SAYS(call) judge((call), #call)
#define MAKES(type, call) \
  do {                    \
    type *made = NULL;    \
    SAYS(call);           \
    type##_free(made);    \
  } while (0)

enum { ROWS = 6, WIDE = 4, ROOM = 4096 };
static float x[ROOM], y[ROOM];
static double d[ROOM], e[ROOM];
static int64_t classes[ROOM], found[ROOM];
static uint8_t bits[ROOM];
static supcon_context *context; /* of a small memory limit, so that no plan is long made */
static supcon_dataset *dataset;
static supcon_model *model;

static supcon_images hostile_images(void) {
  supcon_images images;
  supcon_images_init(&images, pixels, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, 2, SIDE, SIDE, 1);
  images.count = count(2);
  images.height = count(SIDE);
  images.width = count(SIDE);
  images.channels = count(1);
  images.element_type = number32(SUPCON_ELEMENT_U8);
  images.image_stride = stride(SIDE * SIDE);
  images.row_stride = stride(SIDE);
  images.column_stride = stride(1);
  images.channel_stride = stride(1);
  return images;
}
static int fill(const int64_t *indices, int64_t images, uint8_t *out, void *user_data) {
  (void)indices, (void)images, (void)out, (void)user_data;
  return 1;
}

static void losses(void) {
  SAYS(supcon_loss(context, x, count(ROWS), count(1), count(WIDE), classes, NULL, NULL, NULL, NULL,
                   y));
  SAYS(supcon_loss_weighted(context, x, count(ROWS), count(1), count(WIDE), classes, NULL, x, NULL,
                            NULL, NULL, y));
  SAYS(supcon_loss_queue(context, x, count(2), count(WIDE), x, count(1), classes, x, count(3),
                         classes, number32(0), NULL, NULL, NULL, y));
  SAYS(supcon_mask_from_multilabel(context, bits, count(ROWS), count(3), number32(0), y));
  SAYS(supcon_mask_from_values(context, d, count(ROWS), count(2), real(1), y));
}
static void made_datasets(void) {
  const char *paths[] = {"a.png", "b.png"};
  const void *data[] = {bits, bits};
  const int64_t sizes[] = {count(8), 8};
  const supcon_images images = hostile_images();
  MAKES(supcon_dataset, supcon_dataset_from_images(&images, NULL, NULL, &made));
  MAKES(supcon_dataset, supcon_dataset_from_files(paths, count(2), NULL, NULL, &made));
  MAKES(supcon_dataset, supcon_dataset_from_cifar(paths, count(2), number32(10), NULL, &made));
  MAKES(supcon_dataset, supcon_dataset_from_callback(fill, NULL, number(9), number(8), number(8),
                                                     number(1), NULL, &made));
  MAKES(supcon_dataset,
        supcon_dataset_from_encoded(data, sizes, NULL, count(2), NULL, NULL, &made));
}
static void changed_datasets(void) {
  const int64_t some[] = {number(0), number(1)};
  const char *names[] = {"a", "b", "c"};
  MAKES(supcon_dataset, supcon_dataset_subset(dataset, some, count(2), &made));
  MAKES(supcon_dataset, supcon_dataset_with_targets(dataset, d, count(2), &made));
  MAKES(supcon_dataset, supcon_dataset_with_class_names(dataset, names, count(3), &made));
  MAKES(supcon_dataset, supcon_dataset_with_classes(dataset, names, count(3), &made));
  MAKES(supcon_dataset, supcon_dataset_with_label_noise(dataset, real(.3), 1, &made));
  MAKES(supcon_dataset, supcon_dataset_per_class(dataset, number(2), 1, &made));
  MAKES(supcon_dataset, supcon_dataset_long_tailed(dataset, real(3), 1, &made));
  MAKES(supcon_dataset,
        supcon_dataset_corrupt(dataset, number32(1), number32(1), 1, number(8), number(8), &made));
  supcon_dataset *part = NULL, *rest = NULL;
  SAYS(supcon_dataset_split(dataset, real(.5), 1, &part, &rest));
  supcon_dataset_free(part);
  supcon_dataset_free(rest);
  SAYS(supcon_dataset_get_labels(dataset, found, number(ROOM)));
  SAYS(supcon_dataset_get_class_labels(dataset, found, number(ROOM)));
  SAYS(supcon_dataset_get_targets(dataset, d, number(ROOM)));
}
static void views(void) {
  const int64_t some[] = {number(0), number(1)};
  const supcon_images images = hostile_images();
  SAYS(supcon_augment(context, &images, NULL, 0, number(0), number(0), count(8), count(8), y));
  SAYS(supcon_augment_dataset(context, dataset, some, count(2), NULL, 0, number(0), number(0),
                              count(8), count(8), y));
  SAYS(supcon_corrupt(context, &images, number32(1), number32(1), 0, bits));
  supcon_embed_options options;
  supcon_embed_options_init(&options);
  options.batch_size = number32(4);
  options.output = number32(0);
  SAYS(supcon_model_embed(model, &images, &options, y, number(ROOM)));
  SAYS(supcon_model_embed_dataset(model, dataset, &options, NULL, number(ROOM)));
  SAYS(supcon_model_reset_head(model, number32(2), number32(0), number32(16), 0));
  SAYS(supcon_model_reset_classifier(model, number32(3)));
}
static void measures(void) {
  supcon_evaluate_options how;
  supcon_evaluate_options_init(&how);
  how.method = number32(0);
  how.k = number32(2);
  how.iterations = count(3) > INT32_MAX ? -3 : (int32_t)count(3);
  (void)given(how.iterations);
  SAYS(supcon_evaluate(context, x, classes, count(ROWS), x, classes, count(ROWS), count(WIDE), &how,
                       NULL, found, y, number(ROOM), found, number(ROOM)));
  supcon_retrieval_scores retrieval;
  supcon_retrieval_scores_init(&retrieval);
  SAYS(supcon_retrieval(context, x, classes, count(ROWS), x, classes, count(ROWS), count(WIDE),
                        &retrieval));
  supcon_calibration_options calibration;
  supcon_calibration_options_init(&calibration);
  calibration.bins = number32(5) > 64 ? -9 : (int32_t)number(5) % 64;
  (void)given(calibration.bins);
  supcon_calibration_scores calibrated;
  supcon_calibration_scores_init(&calibrated);
  SAYS(supcon_calibration(x, classes, count(ROWS), count(WIDE), &calibration, &calibrated, NULL,
                          NULL, NULL));
  supcon_corruption_scores corruption;
  supcon_corruption_scores_init(&corruption);
  SAYS(supcon_corruption_error(d, e, count(2), count(3), real(NAN), real(NAN), &corruption, NULL,
                               NULL));
  double value;
  SAYS(supcon_alignment(context, x, classes, count(ROWS), count(WIDE), &value));
  SAYS(supcon_uniformity(context, x, count(ROWS), count(WIDE), &value));
  supcon_ood_options strange;
  supcon_ood_options_init(&strange);
  strange.k = number32(2);
  SAYS(supcon_ood_scores(context, x, count(ROWS), x, count(ROWS), count(WIDE), &strange, y));
  SAYS(supcon_ood_scores(context, x, count(1), NULL, 0, count(WIDE), &strange, y));
  supcon_detection_scores detection;
  supcon_detection_scores_init(&detection);
  SAYS(supcon_detection(x, count(ROWS), x, count(ROWS), &detection));
  supcon_nearest_options nearest;
  supcon_nearest_options_init(&nearest);
  nearest.k = number32(2);
  SAYS(supcon_nearest(context, x, count(ROWS), x, count(ROWS), count(WIDE), &nearest, found, y));
  SAYS(supcon_nearest(context, x, count(1), NULL, 0, count(WIDE), &nearest, found, y));
}
static int first_trial(const supcon_trial *trial, void *unused) {
  (void)trial, (void)unused;
  return 1;
}
static supcon_train_options short_run(void) {
  supcon_train_options options = small_train_options();
  options.batch_size = 4;
  return options;
}
static void searches(void) {
  supcon_train_options options = short_run();
  supcon_search_options search;
  supcon_search_options_init(&search);
  search.trial = first_trial;
  search.seconds = real(-2);
  options.epochs = number32(1);
  options.batch_size = number32(4);
  options.views = number32(2);
  options.learning_rate = real(.1);
  double rate = 0;
  SAYS(supcon_find_learning_rate(context, model, dataset, &options, NULL, &search, &rate));
}
static void presets(void) {
  static char long_name[40000];
  memset(long_name, 'a', sizeof long_name - 1);
  const char *names[] = {NULL,      "",         " ",    "\n",
                         "paper\t", "\xFF\xFE", "%n%s", long_name + sizeof long_name - 300,
                         long_name};
  supcon_model_options model_options;
  supcon_train_options options;
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
    supcon_model_options_init(&model_options);
    supcon_train_options_init(&options);
    SAYS(supcon_preset(names[i], &model_options, &options));
    (void)supcon_preset_description(names[i]);
  }
  const char *known = supcon_preset_name(0);
  model_options.struct_size = (uint32_t)number32(sizeof model_options);
  options.struct_size = (uint32_t)number32(sizeof options);
  if (model_options.struct_size > sizeof model_options)
    model_options.struct_size = (uint32_t)given(3);
  if (options.struct_size > sizeof options) options.struct_size = (uint32_t)given(5);
  SAYS(supcon_preset(known, &model_options, NULL));
  SAYS(supcon_preset(known, NULL, &options));
}
static void others(void) {
  SAYS(supcon_set_log_callback(NULL, number32(1), NULL));
  supcon_context_options how;
  supcon_context_options_init(&how);
  how.threads = number32(1);
  how.memory_limit = number(0);
  MAKES(supcon_context, supcon_context_create(&how, &made));
  (void)supcon_dataset_class_name(dataset, number(0));
  (void)supcon_dataset_path(dataset, number(0));
  (void)supcon_dataset_skipped(dataset, number(0));
  (void)supcon_model_class_name(model, number(0));
  (void)supcon_model_output_dimension(model, number32(0));
  (void)supcon_preset_name(number(0));
}

/* Each number of each call by itself, and with each later number of the same kind. */
static void walk(void (*calls)(void)) {
  first = second = -1;
  seen = 0;
  calls();
  const int numbers = seen;
  for (first = 0; first < numbers; ++first)
    for (int value = 0; value < HOSTILE; ++value) {
      first_value = second_value = hostile[value];
      for (second = first; second < numbers && second < first + 6; ++second) {
        forget_given();
        seen = 0;
        calls();
      }
    }
}

/* Options of every kind, each word of which becomes others. Pointers are put back as NULL. */
static supcon_status use_loss(void *options) {
  return supcon_loss(context, x, ROWS, 1, WIDE, classes, NULL, options, NULL, NULL, y);
}
static supcon_status use_dataset(void *options) {
  supcon_images images;
  supcon_images_init(&images, pixels, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, 2, SIDE, SIDE, 1);
  supcon_dataset *made = NULL;
  const supcon_status status = supcon_dataset_from_images(&images, NULL, options, &made);
  supcon_dataset_free(made);
  return status;
}
static supcon_status use_augmentation(void *options) {
  supcon_images images;
  supcon_images_init(&images, pixels, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, 1, SIDE, SIDE, 1);
  return supcon_augment(context, &images, options, 0, 0, 0, 8, 8, y);
}
static supcon_status use_model(void *options) {
  ((supcon_model_options *)options)->architecture = "resnet18";
  supcon_model *made = NULL;
  const supcon_status status = supcon_model_create(context, options, &made);
  supcon_model_free(made);
  return status;
}
static supcon_status use_load(void *options) {
  ((supcon_load_options *)options)->architecture = NULL;
  supcon_model *made = NULL;
  const supcon_status status =
      supcon_model_load(context, data_path("messages.safetensors"), options, &made);
  supcon_model_free(made);
  return status;
}
static supcon_status use_classifier(void *options) {
  ((supcon_classifier_options *)options)->progress = NULL;
  if (((supcon_classifier_options *)options)->iterations > 3)
    ((supcon_classifier_options *)options)->iterations = 3;
  return supcon_model_fit_classifier(model, dataset, options, NULL);
}
static supcon_status use_training(void *bytes) {
  supcon_train_options *options = bytes;
  static const int32_t epochs[] = {1, 2, 3};
  options->loss = NULL;
  options->augmentation = options->augmentation_second = NULL;
  options->checkpoint_folder = options->feature_cache_folder = NULL;
  options->milestones = options->milestone_count ? epochs : NULL;
  options->unfreeze_epochs = options->unfreeze_epoch_count ? epochs : NULL;
  options->image_size_schedule = options->image_size_schedule_count ? epochs : NULL;
  /* The list has three entries; counts that it could be read for are not tried. */
  int64_t *counts[] = {&options->milestone_count, &options->unfreeze_epoch_count,
                       &options->image_size_schedule_count};
  for (int i = 0; i < 3; ++i)
    if (*counts[i] > 3 && *counts[i] <= 1LL << 31) *counts[i] = given(3);
  supcon_trainer *made = NULL;
  const supcon_status status = supcon_trainer_create(context, model, dataset, options, &made);
  supcon_trainer_free(made);
  return status;
}

/* Of the exchanges between ranks none succeeds. */
static int no_sum(float *values, int64_t count, void *unused) {
  (void)values, (void)count, (void)unused;
  return 1;
}
static int no_bytes(const void *bytes, int64_t count, void *out, void *unused) {
  (void)bytes, (void)count, (void)out, (void)unused;
  return 1;
}
static int no_broadcast(void *bytes, int64_t count, int32_t root, void *unused) {
  (void)bytes, (void)count, (void)root, (void)unused;
  return 1;
}
static int no_barrier(void *unused) {
  (void)unused;
  return 1;
}
static int no_reason(char *text, int64_t capacity, void *unused) {
  (void)unused;
  if (capacity > 9) memcpy(text, "the wire", 9);
  return 0;
}
static supcon_status use_collectives(void *options) {
  supcon_collectives *host = options;
  if (host->all_reduce_sum) host->all_reduce_sum = no_sum;
  if (host->all_gather) host->all_gather = no_bytes;
  if (host->broadcast) host->broadcast = no_broadcast;
  if (host->barrier) host->barrier = no_barrier;
  if (host->all_to_all) host->all_to_all = no_bytes;
  if (host->describe_failure) host->describe_failure = no_reason;
  const supcon_train_options run = short_run();
  supcon_trainer *trainer = NULL;
  SAYS(supcon_trainer_create_distributed(context, model, dataset, &run, host, &trainer));
  supcon_trainer_free(trainer);
  supcon_dataset *joined = NULL;
  SAYS(supcon_dataset_join(dataset, host, &joined));
  supcon_dataset_free(joined);
  supcon_search_options search;
  supcon_search_options_init(&search);
  search.trial = first_trial;
  double rate;
  if (host->world != 1)
    SAYS(supcon_find_learning_rate(context, model, dataset, &run, host, &search, &rate));
  return supcon_collectives_fail(host, SUPCON_STATUS_MEMORY, "it is full");
}
static void failures(void) {
  supcon_collectives host;
  supcon_collectives_init(&host);
  host.rank = number32(0);
  host.world = number32(2);
  host.any_thread = number32(0);
  host.all_reduce_sum = no_sum;
  host.all_gather = no_bytes;
  host.broadcast = no_broadcast;
  host.barrier = no_barrier;
  SAYS(supcon_collectives_fail(&host, number32(SUPCON_STATUS_IO), "a disk\nis full"));
  SAYS(supcon_collectives_fail(&host, number32(SUPCON_STATUS_IO), NULL));
}
static supcon_status use_search(void *options) {
  supcon_search_options *search = options;
  search->trial = first_trial;
  const supcon_train_options run = short_run();
  double rate;
  return supcon_find_learning_rate(context, model, dataset, &run, NULL, search, &rate);
}

static void words(const char *name, void *defaults, size_t size, supcon_status (*use)(void *)) {
  static const int32_t narrow[] = {
      0,         -1,         INT32_MAX,           INT32_MIN,  7,
      65537,     0x7FC00000, (int32_t)0xFFFFFFFF, 0x7F800000, (int32_t)0xFF800000,
      0x7FA00001};
  uint8_t options[1024];
  for (size_t at = 4; at + 4 <= size; at += 4)
    for (size_t i = 0; i < sizeof narrow / sizeof *narrow + HOSTILE; ++i) {
      const size_t wide =
          i < sizeof narrow / sizeof *narrow ? 0 : i - sizeof narrow / sizeof *narrow + 1;
      if (wide && (at % 8 || at + 8 > size)) break;
      memcpy(options, defaults, size);
      if (wide) memcpy(options + at, &hostile[wide - 1], 8);
      else memcpy(options + at, &narrow[i], 4);
      forget_given();
      given_word(options + at, at % 8 == 0);
      given_word(options + at / 8 * 8, 1);
      if (wide) given_word(options + at + 4, 0);
      judge(use(options), name);
    }
}
#define WORDS(type, use)                         \
  do {                                           \
    type options;                                \
    type##_init(&options);                       \
    words(#type, &options, sizeof options, use); \
  } while (0)

void test_messages(void) {
  for (int i = 0; i < ROOM; ++i) {
    x[i] = (float)(1 + i % 7) / 8;
    d[i] = e[i] = (double)(1 + i % 5) / 6;
    classes[i] = i % 2;
  }
  supcon_context_options how;
  supcon_context_options_init(&how);
  how.threads = 1;
  how.memory_limit = 1 << 24;
  WORKS(supcon_context_create(&how, &context));
  supcon_model_options small = small_model_options();
  small.width = 2;
  WORKS(supcon_model_create(context, &small, &model));
  supcon_images images = all_images();
  images.count = 12;
  WORKS(supcon_dataset_from_images(&images, labels, NULL, &dataset));
  WORKS(supcon_model_save(model, data_path("messages.safetensors")));
  walk(losses);
  walk(made_datasets);
  walk(changed_datasets);
  walk(views);
  walk(measures);
  walk(searches);
  presets();
  walk(failures);
  walk(others);
  WORKS(supcon_set_log_callback(NULL, SUPCON_LOG_INFO, NULL));
  WORDS(supcon_loss_options, use_loss);
  WORDS(supcon_dataset_options, use_dataset);
  WORDS(supcon_augmentation_options, use_augmentation);
  WORDS(supcon_model_options, use_model);
  WORDS(supcon_load_options, use_load);
  WORDS(supcon_classifier_options, use_classifier);
  WORDS(supcon_train_options, use_training);
  WORDS(supcon_search_options, use_search);
  WORDS(supcon_collectives, use_collectives);
  supcon_collectives host;
  supcon_collectives_init(&host);
  host.world = 2;
  host.all_reduce_sum = no_sum;
  host.all_gather = no_bytes;
  host.broadcast = no_broadcast;
  host.barrier = no_barrier;
  words("supcon_collectives", &host, sizeof host, use_collectives);
  supcon_model_free(model);
  supcon_dataset_free(dataset);
  supcon_context_free(context);
}
