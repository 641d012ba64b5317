/* Random sequences of valid and invalid calls.
 *   calls FOLDER COUNT [FIRST]
 * Sequence number n, FIRST on, is a function of n alone: a dozen handles, 40 calls whose arguments
 * are mostly sensible and now and then hostile: NULL, counts and sizes that no memory holds,
 * options with words of any value. Whatever happens is a status: an out-handle is there exactly
 * after OK, no status is internal, and the message is a sentence without a number that overflowed
 * (messages.h). */
#include <math.h>
#include <sys/stat.h>

#include "messages.h"
#include "soak.h"

enum { KEPT = 6, BUFFER = 1 << 16 };
static supcon_dataset *datasets[KEPT];
static supcon_model *models[KEPT];
static supcon_context *contexts[2];
static float floats[BUFFER], written[BUFFER];
static int64_t integers[BUFFER], indices[BUFFER];
static uint8_t bytes[BUFFER];
static char folder[4096];
static uint64_t state;
static int64_t statuses[12], calls;

static int chance(uint64_t of) { return below(&state, of) == 0; }
static supcon_status took(supcon_status status) {
  DEMAND(status >= 0 && status < 12 && status != SUPCON_STATUS_INTERNAL, "status %d", status);
  if (status != SUPCON_OK) {
    const char *fault = fault_of_message(supcon_last_error(), status, strlen(folder));
    DEMAND(!fault, "%s", fault);
  }
  ++statuses[status];
  ++calls;
  return status;
}
static void *or_null(void *pointer) { return chance(20) ? NULL : pointer; }

/* 1 to most, or what no caller can mean: buffers hold `most`, so nothing between may be asked for.
 */
static int64_t number(int64_t most) {
  static const int64_t hostile[] = {0,         -1,        INT64_MIN, INT64_MAX, INT64_MAX / 2,
                                    1LL << 62, 1LL << 40, -3,        1LL << 33};
  const int64_t drawn = chance(25) ? hostile[below(&state, sizeof hostile / sizeof *hostile)]
                                   : 1 + (int64_t)below(&state, (uint64_t)most);
  (void)given((int32_t)drawn); /* as where a number is an int32_t */
  return given(drawn);
}

/* Some words of an options struct become any others; pointers in it are the caller's to put back.
 */
static void disturb(void *options, size_t size) {
  static const int32_t words[] = {
      0,          -1,         1,          2,          3,          7,          INT32_MAX,  INT32_MIN,
      0x7FC00000, 0x7F800000, 0x3F800000, 0x3DCCCCCD, 0x3FF00000, 0x3FE00000, 0x40000000, 16};
  if (!chance(3)) return;
  for (uint64_t times = 1 + below(&state, 3); times > 0; --times) {
    const int32_t word = words[below(&state, sizeof words / sizeof *words)];
    const size_t at = 4 * below(&state, size / 4);
    memcpy((char *)options + at, &word, 4);
    given_word((char *)options + at, 0);
    if (at / 8 * 8 + 8 <= size) given_word((char *)options + at / 8 * 8, 1);
  }
}

static void *one_of(void *kept) {
  void **handles = kept;
  for (int tries = 0; tries < 20; ++tries) {
    void *found = handles[below(&state, KEPT)];
    if (found) return or_null(found);
  }
  return NULL;
}
static supcon_dataset *dataset(void) { return one_of(datasets); }
static supcon_model *model(void) { return one_of(models); }
static supcon_context *context(void) { return contexts[below(&state, 2)]; }

static void keep_dataset(supcon_status status, supcon_dataset **out) {
  supcon_dataset *made = *out;
  DEMAND((took(status) == SUPCON_OK) == (made != NULL), "status %d", status);
  if (!made) return;
  supcon_dataset **place = &datasets[below(&state, KEPT)];
  supcon_dataset_free(*place);
  *place = made;
}
static void keep_model(supcon_status status, supcon_model **out) {
  supcon_model *made = *out;
  DEMAND((took(status) == SUPCON_OK) == (made != NULL), "status %d", status);
  if (!made) return;
  supcon_model **place = &models[below(&state, KEPT)];
  supcon_model_free(*place);
  *place = made;
}

static supcon_images some_images(void) {
  supcon_images images;
  const int64_t channels = 1 + (int64_t)below(&state, 4), side = 1 + (int64_t)below(&state, 12);
  const int is_f32 = chance(3);
  supcon_images_init(&images, is_f32 ? (void *)floats : (void *)bytes,
                     is_f32 ? SUPCON_ELEMENT_F32 : SUPCON_ELEMENT_U8,
                     chance(2) ? SUPCON_LAYOUT_HWC : SUPCON_LAYOUT_CHW, 1 + below(&state, 40), side,
                     side, channels);
  if (chance(30)) images.data = NULL;
  if (chance(30)) images.count = number(1);
  if (chance(30)) images.height = number(1);
  if (chance(30)) images.element_type = (int32_t)given((int32_t)draw(&state));
  if (chance(60)) images.struct_size = (uint32_t)given((int64_t)below(&state, sizeof images + 1));
  return images;
}

static int fill(const int64_t *at, int64_t count, uint8_t *to, void *user_data) {
  (void)user_data;
  memset(to, (int)(at[0] & 255), (size_t)count * 64);
  return chance(40);
}
static int few_events(const supcon_event *event, void *user_data) {
  (void)event;
  return --*(int *)user_data < 0;
}

static int few_trials(const supcon_trial *trial, void *user_data) {
  (void)trial;
  return --*(int *)user_data < 0;
}

static void make_dataset(void) {
  supcon_dataset *made = NULL;
  const supcon_images images = some_images();
  supcon_dataset_options options;
  supcon_dataset_options_init(&options);
  options.copy = 1;
  disturb(&options, sizeof options);
  options.copy &= ~(int32_t)2;
  (void)given(options.copy);
  const int64_t *labels = or_null(integers);
  if (chance(4))
    keep_dataset(supcon_dataset_from_callback(chance(20) ? NULL : fill, NULL, number(60),
                                              chance(20) ? given(-8) : 8, 8, 1, labels, &made),
                 &made);
  else keep_dataset(supcon_dataset_from_images(&images, labels, or_null(&options), &made), &made);
}

static void change_dataset(void) {
  supcon_dataset *made = NULL, *second = NULL;
  for (int i = 0; i < 64; ++i) indices[i] = chance(60) ? number(1) : (int64_t)below(&state, 30);
  static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
  static double targets[BUFFER];
  supcon_status status = SUPCON_OK;
  /* Labels and targets are read for each image, of which there are at most 60. */
  switch (below(&state, 9)) {
    case 0:
      status = supcon_dataset_subset(dataset(), or_null(indices), number(60), &made);
      break;
    case 1:
      status = supcon_dataset_split(dataset(), chance(9) ? NAN : .4, draw(&state), &made, &second);
      DEMAND((status == SUPCON_OK) == (second != NULL), "status %d", status);
      supcon_dataset_free(second);
      break;
    case 2:
      status = supcon_dataset_with_labels(dataset(), or_null(integers), &made);
      break;
    case 3:
      status = supcon_dataset_with_targets(dataset(), or_null(targets), number(8), &made);
      break;
    case 4:
      status = supcon_dataset_with_class_names(dataset(), names, number(8), &made);
      break;
    case 5:
      status = supcon_dataset_with_label_noise(dataset(), .3, draw(&state), &made);
      break;
    case 6:
      status = supcon_dataset_per_class(dataset(), number(9), draw(&state), &made);
      break;
    case 7:
      status = supcon_dataset_long_tailed(dataset(), chance(9) ? INFINITY : 4, 1, &made);
      break;
    default:
      status = supcon_dataset_corrupt(dataset(), (int32_t)below(&state, 25), (int32_t)number(6),
                                      draw(&state), chance(3) ? number(16) : 0,
                                      chance(3) ? number(16) : 0, &made);
  }
  keep_dataset(status, &made);
}

static void ask_dataset(void) {
  supcon_dataset *own = dataset();
  supcon_dataset_info info;
  supcon_dataset_info_init(&info);
  (void)took(supcon_dataset_get_info(own, &info));
  const int64_t at = number(4);
  (void)supcon_dataset_class_name(own, at);
  (void)supcon_dataset_path(own, at);
  (void)supcon_dataset_skipped(own, at);
  (void)took(supcon_dataset_get_labels(own, or_null(indices), chance(9) ? number(9) : BUFFER));
  (void)took(supcon_dataset_get_class_labels(own, or_null(indices), chance(9) ? 0 : BUFFER));
}

static void make_model(void) {
  supcon_model *made = NULL;
  supcon_model_options options = small_model_options();
  options.channels = 1 + (int32_t)below(&state, 4);
  options.classes = (int32_t)below(&state, 5);
  const char *architecture = options.architecture;
  disturb(&options, sizeof options);
  options.architecture = chance(20) ? "resnet19" : architecture;
  keep_model(supcon_model_create(context(), or_null(&options), &made), &made);
}

static void use_model(void) {
  supcon_model *own = model(), *made = NULL;
  char path[4200];
  snprintf(path, sizeof path, "%.4000s/%s", folder, chance(9) ? "no/where" : "model");
  supcon_embed_options options;
  supcon_embed_options_init(&options);
  disturb(&options, sizeof options);
  const supcon_images images = some_images();
  switch (below(&state, 8)) {
    case 0:
    case 1:
      (void)took(supcon_model_embed(own, &images, or_null(&options), or_null(written),
                                    chance(9) ? number(9) : BUFFER));
      break;
    case 2:
    case 3:
      (void)took(supcon_model_embed_dataset(own, dataset(), or_null(&options), or_null(written),
                                            chance(9) ? number(9) : BUFFER));
      break;
    case 4:
      (void)took(supcon_model_save(own, or_null(path)));
      break;
    case 5:
      /* Only what fits the scene's buffers. */
      keep_model(supcon_model_load(context(), or_null(path), NULL, &made), &made);
      own = model(); /* the former may have made room for it */
      break;
    case 6:
      (void)took(chance(2) ? supcon_model_reset_classifier(own, (int32_t)number(5))
                           : supcon_model_reset_head(own, (int32_t)number(5), (int32_t)number(3),
                                                     (int32_t)number(16), (uint64_t)number(9)));
      break;
    default:
      (void)took(supcon_model_fit_classifier(own, dataset(), NULL, NULL));
  }
  (void)supcon_model_class_name(own, number(5));
  (void)supcon_model_output_dimension(own, (int32_t)number(4));
}

static void train(void) {
  supcon_train_options options = small_train_options();
  options.epochs = 1;
  options.batch_size = 4;
  options.objective = (int32_t)below(&state, 5);
  supcon_augmentation_options augmentation;
  supcon_augmentation_options_init(&augmentation);
  disturb(&augmentation, sizeof augmentation);
  disturb(&options, sizeof options);
  options.loader_threads = 1 + (int32_t)below(&state, 3);
  supcon_loss_options loss;
  supcon_loss_options_init(&loss);
  disturb(&loss, sizeof loss);
  options.loss = chance(2) ? &loss : NULL;
  options.augmentation = chance(2) ? &augmentation : NULL;
  options.augmentation_second = chance(9) ? &augmentation : NULL;
  options.checkpoint_folder = chance(4) ? folder : NULL;
  options.feature_cache_folder = chance(4) ? folder : NULL;
  /* Pointers must be to something; counts may be anything without one. */
  static const int32_t epochs[] = {1, 2, 3};
  options.milestones = chance(4) ? epochs : NULL;
  options.milestone_count = options.milestones ? 3 : number(9);
  options.unfreeze_epochs = chance(4) ? epochs : NULL;
  options.unfreeze_epoch_count = options.unfreeze_epochs ? 3 : number(9);
  options.image_size_schedule = chance(4) ? epochs : NULL;
  options.image_size_schedule_count = options.image_size_schedule ? 3 : number(9);
  options.random_image_size = chance(4);
  supcon_trainer *trainer = NULL;
  const supcon_status status =
      supcon_trainer_create(context(), model(), dataset(), or_null(&options), &trainer);
  DEMAND((took(status) == SUPCON_OK) == (trainer != NULL), "status %d", status);
  if (chance(9)) supcon_trainer_cancel(trainer);
  (void)supcon_trainer_memory(trainer);
  int left = (int)below(&state, 12);
  if (trainer || chance(9)) (void)took(supcon_trainer_run(trainer, few_events, &left));
  if (chance(4)) (void)took(supcon_trainer_run(trainer, few_events, &left));
  supcon_trainer_free(trainer);
  if (!chance(6)) return;
  supcon_search_options search;
  supcon_search_options_init(&search);
  disturb(&search, sizeof search);
  search.trial = chance(2) ? few_trials : NULL;
  search.user_data = &left;
  if (chance(2)) search.seconds = 0.05;
  left = (int)below(&state, 3);
  double rate;
  (void)took(supcon_find_learning_rate(context(), model(), dataset(), or_null(&options), NULL,
                                       or_null(&search), chance(20) ? NULL : &rate));
}

static void compute(void) {
  const int64_t rows = number(60), columns = number(16);
  float *x = chance(20) ? NULL : floats;
  double value = 0;
  switch (below(&state, 6)) {
    case 0: {
      supcon_loss_options options;
      supcon_loss_options_init(&options);
      disturb(&options, sizeof options);
      (void)took(supcon_loss(context(), x, rows, 1 + (int64_t)below(&state, 3), columns,
                             or_null(integers), NULL, or_null(&options), NULL, NULL,
                             or_null(written)));
      break;
    }
    case 1: {
      supcon_evaluate_options options;
      supcon_evaluate_options_init(&options);
      options.iterations = 5;
      disturb(&options, sizeof options);
      (void)took(supcon_evaluate(context(), x, or_null(integers), rows, floats, integers,
                                 number(60), columns, or_null(&options), NULL, or_null(indices),
                                 or_null(written), chance(9) ? number(9) : BUFFER, NULL, 0));
      break;
    }
    case 2: {
      supcon_retrieval_scores scores;
      supcon_retrieval_scores_init(&scores);
      (void)took(supcon_retrieval(context(), x, or_null(integers), rows, chance(2) ? NULL : floats,
                                  integers, number(60), columns, &scores));
      break;
    }
    case 3:
      (void)took(supcon_alignment(context(), x, or_null(integers), rows, columns, &value));
      break;
    case 4:
      (void)took(supcon_uniformity(context(), x, rows, columns, or_null(&value)));
      break;
    default: {
      supcon_images images = some_images();
      supcon_augmentation_options options;
      supcon_augmentation_options_init(&options);
      disturb(&options, sizeof options);
      images.count = 1;
      (void)took(supcon_augment(context(), &images, or_null(&options), draw(&state), number(9),
                                number(3), number(16), number(16), or_null(written)));
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  snprintf(folder, sizeof folder, "%s", argv[1]);
  mkdir(folder, 0777);
  const uint64_t count = strtoull(argv[2], NULL, 10),
                 first = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
  const double start = seconds();
  given_list = integers;
  given_list_count = BUFFER;
  supcon_context_options how;
  supcon_context_options_init(&how);
  how.threads = 2;
  how.memory_limit = 1 << 28;
  WORKS(supcon_context_create(&how, &contexts[0]));
  for (uint64_t n = first; n < first + count; ++n) {
    state = n * 0x9E3779B97F4A7C15u + 1;
    for (int i = 0; i < BUFFER; ++i) {
      floats[i] = (float)below(&state, 1000) / 1000;
      bytes[i] = (uint8_t)draw(&state);
      integers[i] = chance(9) ? (int64_t)draw(&state) : (int64_t)below(&state, 4);
    }
    if (chance(9)) floats[below(&state, 400)] = chance(2) ? NAN : INFINITY;
    for (int i = 0; i < 4; ++i) {
      make_dataset();
      make_model();
    }
    for (int step = 0; step < 40; ++step) {
      forget_given();
      given_double(NAN); /* among the pixels, rows and fractions */
      given_double(INFINITY);
      switch (below(&state, 8)) {
        case 0:
          make_dataset();
          break;
        case 1:
          change_dataset();
          break;
        case 2:
          ask_dataset();
          break;
        case 3:
          make_model();
          break;
        case 4:
        case 5:
          use_model();
          break;
        case 6:
          train();
          break;
        default:
          compute();
      }
    }
    for (int i = 0; i < KEPT; ++i) {
      supcon_dataset_free(datasets[i]);
      supcon_model_free(models[i]);
      datasets[i] = NULL;
      models[i] = NULL;
    }
  }
  printf("calls: %lld in %llu sequences, %.1f s:", (long long)calls, (unsigned long long)count,
         seconds() - start);
  for (int i = 0; i < 12; ++i)
    if (statuses[i]) printf(" %s %lld", supcon_status_name(i), (long long)statuses[i]);
  puts("");
  return 0;
}
