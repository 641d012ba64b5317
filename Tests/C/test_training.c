/* Training: the events of a run, stopping it from outside and inside, and what is refused. */
#include "test.h"

struct log {
  int steps, epochs, warnings, bad, stop_at;
  supcon_status inside; /* of embedding while the model is trained */
  supcon_model *model;
  supcon_trainer *trainer;
};

static int on_event(const supcon_event *event, void *user_data) {
  struct log *log = user_data;
  log->bad += event->struct_size < sizeof *event || event->epoch < 1 ||
              event->epoch > event->epochs || !event->message;
  if (event->kind == SUPCON_EVENT_WARNING) ++log->warnings;
  if (event->kind == SUPCON_EVENT_EPOCH) ++log->epochs;
  if (event->kind != SUPCON_EVENT_STEP) return 0;
  log->bad += event->step < 1 || event->step > event->steps || !isfinite(event->loss) ||
              !(event->learning_rate > 0) || !(event->seconds_left >= 0);
  if (++log->steps == 1 && log->model) {
    float row[64];
    supcon_images one = all_images();
    one.count = 1;
    log->inside = supcon_model_embed(log->model, &one, NULL, row, 64);
  }
  if (log->steps == log->stop_at && log->trainer) supcon_trainer_cancel(log->trainer);
  return log->steps == log->stop_at && !log->trainer ? 7 : 0;
}

static void running(void) {
  supcon_model *model = small_model();
  supcon_dataset *dataset = small_dataset();
  supcon_trainer *trainer = NULL;
  supcon_train_options options = small_train_options();
  WORKS(supcon_trainer_create(NULL, model, dataset, &options, &trainer));
  EXPECT(supcon_trainer_memory(trainer) > 0, "a step takes %lld bytes",
         (long long)supcon_trainer_memory(trainer));
  EXPECT(supcon_trainer_batch_size(trainer) == options.batch_size, "a batch has %lld images",
         (long long)supcon_trainer_batch_size(trainer));
  supcon_dataset_free(dataset); /* the trainer keeps it alive */
  struct log log = {.model = model};
  WORKS(supcon_trainer_run(trainer, on_event, &log));
  EXPECT(log.steps == 6 && log.epochs == 2 && log.bad == 0, "%d steps, %d epochs, %d bad events",
         log.steps, log.epochs, log.bad);
  EXPECT(log.inside == SUPCON_STATUS_STATE, "embedding during training: %s",
         supcon_status_name(log.inside));
  REFUSES(supcon_trainer_run(trainer, NULL, NULL), STATE, "");
  REFUSES(supcon_trainer_run(NULL, NULL, NULL), ARGUMENT, "trainer");
  supcon_trainer_free(trainer);
  supcon_model_free(model);
}

/* The images are fewer than the 256 of a batch that nobody chose. */
static void default_options(void) {
  supcon_model *model = small_model();
  supcon_dataset *dataset = small_dataset();
  supcon_trainer *trainer = NULL;
  supcon_train_options options;
  supcon_train_options_init(&options);
  EXPECT(options.batch_size == 0, "batch_size is %d", options.batch_size);
  WORKS(supcon_trainer_create(NULL, model, dataset, NULL, &trainer));
  supcon_trainer_free(trainer);
  options.epochs = 2;
  options.stop_on_collapse = 0;
  WORKS(supcon_trainer_create(NULL, model, dataset, &options, &trainer));
  struct log log = {0};
  WORKS(supcon_trainer_run(trainer, on_event, &log));
  EXPECT(log.steps == 2 && log.epochs == 2, "%d steps, %d epochs", log.steps, log.epochs);
  supcon_trainer_free(trainer);
  supcon_dataset_free(dataset);
  supcon_model_free(model);
}

static int on_knn(const supcon_event *event, void *user_data) {
  if (event->kind == SUPCON_EVENT_EPOCH) *(double *)user_data = event->knn_accuracy;
  return 0;
}

/* Images without labels, whose targets make positives, by every rule. */
static void targets(void) {
  double values[IMAGES][CLASSES];
  for (int i = 0; i < IMAGES; ++i)
    for (int class = 0; class < CLASSES; ++class)
      values[i][class] = labels[i] == class || (labels[i] == 2 && class == 0);
  supcon_dataset *images = small_dataset(), *bare = NULL, *dataset = NULL, *wrong = NULL;
  WORKS(supcon_dataset_with_labels(images, NULL, &bare));
  WORKS(supcon_dataset_with_targets(bare, *values, CLASSES, &dataset));
  values[9][1] = 0.25;
  WORKS(supcon_dataset_with_targets(bare, *values, CLASSES, &wrong));
  supcon_model *model = small_model();
  for (int32_t rule = SUPCON_POSITIVES_ANY; rule <= SUPCON_POSITIVES_KERNEL; ++rule) {
    supcon_train_options options = small_train_options();
    supcon_trainer *trainer = NULL;
    options.positives = rule;
    options.label_bandwidth = rule == SUPCON_POSITIVES_KERNEL ? 0.5 : 0;
    options.validation_fraction = 0.25;
    WORKS(supcon_trainer_create(NULL, model, dataset, &options, &trainer));
    double knn = NAN;
    WORKS(supcon_trainer_run(trainer, on_knn, &knn));
    EXPECT(knn >= 0 && knn <= 1, "rule %d: kNN@1 %g", (int)rule, knn);
    supcon_trainer_free(trainer);
    if (rule != SUPCON_POSITIVES_KERNEL)
      REFUSES_HANDLE(supcon_trainer_create(NULL, model, wrong, &options, &trainer), trainer,
                     ARGUMENT, "target 1 of image 9 is 0.25");
    options.images_per_class = 2;
    REFUSES_HANDLE(supcon_trainer_create(NULL, model, dataset, &options, &trainer), trainer, STATE,
                   "images_per_class");
  }
  supcon_model_free(model);
  supcon_dataset_free(wrong);
  supcon_dataset_free(dataset);
  supcon_dataset_free(bare);
  supcon_dataset_free(images);
}

/* Embeds all images after a run from the same weights, into rows [count]. Returns the images of a
 * batch, or 0 if this CPU or build cannot do it. */
static int64_t tuned(const supcon_train_options *options, float *rows, int64_t count) {
  supcon_model *model = small_model();
  supcon_dataset *dataset = small_dataset();
  supcon_trainer *trainer = NULL;
  const supcon_status status = supcon_trainer_create(NULL, model, dataset, options, &trainer);
  if (status == SUPCON_STATUS_UNSUPPORTED) {
    forget_error();
    supcon_dataset_free(dataset);
    supcon_model_free(model);
    return 0;
  }
  WORKS(status);
  const int64_t batch = supcon_trainer_batch_size(trainer);
  WORKS(supcon_trainer_run(trainer, NULL, NULL));
  const supcon_images images = all_images();
  WORKS(supcon_model_embed(model, &images, NULL, rows, count));
  supcon_trainer_free(trainer);
  supcon_dataset_free(dataset);
  supcon_model_free(model);
  return batch;
}

/* Frozen stages whose output is cached train as without a cache; sizes in order and at random. */
static void fine_tuning(void) {
  static const int32_t unfrozen[] = {1}, sizes[] = {8, 10};
  static float rows[3][IMAGES * 64], again[IMAGES * 64];
  supcon_train_options options = small_train_options();
  (void)tuned(&options, rows[0], IMAGES * 64);
  options.freeze_stages = 3;
  options.unfreeze_epochs = unfrozen;
  options.unfreeze_epoch_count = 1;
  options.layer_decay = 0.8;
  options.freeze_norm = 1;
  (void)tuned(&options, rows[1], IMAGES * 64);
  options.feature_cache = 2;
  (void)tuned(&options, again, IMAGES * 64);
  EXPECT(memcmp(again, rows[1], sizeof again) == 0, "a cache of all epochs changes the run");
  options.freeze_int8 = 1;
  if (tuned(&options, again, IMAGES * 64) > 0)
    EXPECT(memcmp(again, rows[1], sizeof again) != 0, "int8 changes nothing");
  options = small_train_options();
  options.image_size_schedule = sizes;
  options.image_size_schedule_count = 2;
  /* Two epochs of two sizes are [8, 10] or [10, 8], and a seed has each of them. */
  int same = 0, other = 0;
  for (uint64_t seed = 0; seed < 8; seed++) {
    options.seed = seed;
    options.random_image_size = 0;
    (void)tuned(&options, rows[2], IMAGES * 64);
    options.random_image_size = 1;
    (void)tuned(&options, again, IMAGES * 64);
    *(memcmp(again, rows[2], sizeof again) == 0 ? &same : &other) += 1;
  }
  EXPECT(same > 0 && other > 0, "%d times in order, %d times not", same, other);
  for (int i = 0; i < 2; i++)
    EXPECT(memcmp(rows[i], rows[i + 1], sizeof again) != 0, "run %d is as the next", i);
  /* 5 images of each class, which is less than all images. */
  options = small_train_options();
  options.batch_size = 0;
  options.images_per_class = 5;
  const int64_t batch = tuned(&options, again, IMAGES * 64);
  EXPECT(batch == 5 * CLASSES, "a batch of %lld images", (long long)batch);
}

/* Each optimizer, in chunks and with an average; a chunk takes less memory than the batch. */
static void optimizers(void) {
  for (int32_t optimizer = SUPCON_OPTIMIZER_SGD; optimizer <= SUPCON_OPTIMIZER_ADAMW; optimizer++) {
    int64_t memory[2] = {0};
    for (int chunked = 0; chunked < 2; chunked++) {
      supcon_model *model = small_model();
      supcon_dataset *dataset = small_dataset();
      supcon_trainer *trainer = NULL;
      supcon_train_options options = small_train_options();
      options.optimizer = optimizer;
      options.schedule = SUPCON_SCHEDULE_EXPONENTIAL;
      options.ema_decay = 0.9;
      options.learning_rate = 0.001;
      options.chunk_size = chunked ? 8 : 0;
      WORKS(supcon_trainer_create(NULL, model, dataset, &options, &trainer));
      memory[chunked] = supcon_trainer_memory(trainer);
      WORKS(supcon_trainer_run(trainer, NULL, NULL));
      supcon_trainer_free(trainer);
      supcon_dataset_free(dataset);
      supcon_model_free(model);
    }
    EXPECT(memory[1] < memory[0], "a step in chunks takes %lld bytes, a whole one %lld",
           (long long)memory[1], (long long)memory[0]);
  }
}

/* By the callback, by supcon_trainer_cancel() during the run, and by the same before it. */
static void stopping(void) {
  supcon_dataset *dataset = small_dataset();
  for (int way = 0; way < 3; ++way) {
    supcon_model *model = small_model();
    supcon_trainer *trainer = NULL;
    supcon_train_options options = small_train_options();
    WORKS(supcon_trainer_create(NULL, model, dataset, &options, &trainer));
    struct log log = {.stop_at = 2, .trainer = way == 1 ? trainer : NULL};
    if (way == 2) supcon_trainer_cancel(trainer);
    REFUSES(supcon_trainer_run(trainer, on_event, &log), BIT(SUPCON_STATUS_CANCELED), "");
    EXPECT(log.steps == (way == 2 ? log.steps : 2) && log.steps <= 2, "%d steps instead of 2",
           log.steps);
    float row[64];
    supcon_images one = all_images();
    one.count = 1;
    WORKS(supcon_model_embed(model, &one, NULL, row, 64)); /* the model is free again */
    supcon_trainer_free(trainer);
    supcon_model_free(model);
  }
  supcon_dataset_free(dataset);
}

static void wrong_arguments(void) {
  supcon_model *model = small_model();
  supcon_dataset *dataset = small_dataset(), *unlabeled = NULL, *color = NULL;
  supcon_images images = all_images();
  WORKS(supcon_dataset_from_images(&images, NULL, NULL, &unlabeled));
  supcon_images_init(&images, pixels, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, IMAGES / 3, SIDE, SIDE,
                     3);
  WORKS(supcon_dataset_from_images(&images, labels, NULL, &color));
  supcon_trainer *trainer = NULL;
  supcon_train_options options;
  supcon_loss_options loss;
  supcon_augmentation_options augmentation;
  const int32_t milestones[] = {1, -1};
#define REFUSES_RUN(data, change, statuses, word)                                         \
  do {                                                                                    \
    options = small_train_options();                                                      \
    supcon_loss_options_init(&loss);                                                      \
    supcon_augmentation_options_init(&augmentation);                                      \
    change;                                                                               \
    REFUSES_HANDLE(supcon_trainer_create(NULL, model, data, &options, &trainer), trainer, \
                   statuses, word);                                                       \
  } while (0)
#define REFUSES_OPTION(change, word) REFUSES_RUN(dataset, change, ARGUMENT, word)
  REFUSES_OPTION(options.objective = 5, "objective");
  REFUSES_OPTION(options.margin = 0, "margin");
  REFUSES_OPTION(options.label_smoothing = 0.1, "label_smoothing");
  REFUSES_OPTION(options.mixup_alpha = 0.2, "mixup_alpha");
  REFUSES_OPTION((options.objective = SUPCON_OBJECTIVE_MAX_MARGIN, options.cutmix_alpha = 1),
                 "cutmix_alpha");
  REFUSES_OPTION(options.label_bandwidth = -1, "label_bandwidth");
  REFUSES_OPTION(options.label_bandwidth = 1, "label_bandwidth");
  REFUSES_OPTION(options.positives = SUPCON_POSITIVES_KERNEL, "label_bandwidth");
  REFUSES_OPTION(options.positives = 5, "positives");
  REFUSES_OPTION(
      (options.positives = SUPCON_POSITIVES_ANY, options.objective = SUPCON_OBJECTIVE_SIMCLR),
      "supcon only");
  REFUSES_OPTION(
      (options.positives = SUPCON_POSITIVES_ANY, options.queue_mode = SUPCON_QUEUE_NEGATIVES),
      "queue");
  REFUSES_OPTION(options.queue_mode = 3, "queue_mode");
  REFUSES_OPTION((options.queue_mode = SUPCON_QUEUE_NEGATIVES, options.queue_size = 1),
                 "queue_size");
  REFUSES_OPTION((options.queue_mode = SUPCON_QUEUE_NEGATIVES, options.key_momentum = 1),
                 "key_momentum");
  REFUSES_OPTION((options.loss = &loss, loss.positives_cap = -2), "positives_cap is -2");
  REFUSES_OPTION(options.joint_classifier = 2, "joint_classifier");
  REFUSES_OPTION(options.epochs = 0, "epochs");
  REFUSES_OPTION(options.batch_size = 1, "batch_size");
  REFUSES_OPTION(options.batch_size = -7, "-7");
  REFUSES_OPTION(options.views = 0, "views");
  REFUSES_OPTION(options.images_per_class = -1, "images_per_class");
  REFUSES_OPTION(options.images_per_class = 5, "5");
  REFUSES_OPTION(options.learning_rate = NAN, "learning_rate");
  REFUSES_OPTION(options.learning_rate = -0.5, "learning_rate");
  REFUSES_OPTION(options.reference_batch = -1, "reference_batch");
  REFUSES_OPTION(options.schedule = 4, "schedule");
  REFUSES_OPTION(options.momentum = 1.5, "momentum");
  REFUSES_OPTION(options.weight_decay = -1, "weight_decay");
  REFUSES_OPTION(options.warmup_steps = -2, "warmup_steps");
  REFUSES_OPTION(options.warmup_start = 2, "warmup_start");
  REFUSES_OPTION(options.warmup_epochs = -2, "warmup_epochs");
  REFUSES_OPTION(options.schedule_after_warmup = 2, "schedule_after_warmup");
  REFUSES_OPTION(options.freeze_stages = 5, "freeze_stages");
  REFUSES_OPTION(options.freeze_stages = -1, "freeze_stages");
  REFUSES_OPTION(options.freeze_norm = 2, "freeze_norm");
  REFUSES_OPTION(options.freeze_int8 = 2, "freeze_int8");
  REFUSES_OPTION(options.freeze_int8 = 1, "freeze_stages is 0");
  REFUSES_OPTION(options.layer_decay = 0, "layer_decay");
  REFUSES_OPTION(options.layer_decay = 1.5, "layer_decay");
  REFUSES_OPTION(options.feature_cache = 1, "freeze_stages is 0");
  REFUSES_OPTION(options.feature_cache_folder = "/tmp", "feature_cache_folder");
  REFUSES_OPTION(
      (options.image_size_schedule_count = 1, options.image_size_schedule = milestones + 1),
      "image_size_schedule is -1");
  REFUSES_OPTION(options.random_image_size = 2, "random_image_size is 2");
  REFUSES_OPTION(options.random_image_size = 1, "has 0 different sizes");
  REFUSES_OPTION(options.sync_batch_norm = 2, "sync_batch_norm");
  REFUSES_OPTION(options.min_lr = NAN, "min_lr");
  REFUSES_OPTION((options.schedule = SUPCON_SCHEDULE_STEP, options.milestone_count = 2),
                 "milestones");
  REFUSES_OPTION((options.schedule = SUPCON_SCHEDULE_STEP, options.milestone_count = 2,
                  options.milestones = milestones),
                 "-1");
  REFUSES_OPTION((options.schedule = SUPCON_SCHEDULE_STEP, options.milestone_count = 1,
                  options.milestones = milestones, options.gamma = -1),
                 "gamma");
  REFUSES_OPTION((loss.temperature = -1, options.loss = &loss), "temperature");
  REFUSES_OPTION((loss.reduction = SUPCON_REDUCTION_SUM, options.loss = &loss), "reduction");
  REFUSES_OPTION((loss.struct_size = 8, options.loss = &loss), "struct_size");
  REFUSES_OPTION((augmentation.kind = 8, options.augmentation = &augmentation), "8");
  REFUSES_OPTION(options.validation_fraction = 1, "validation_fraction");
  REFUSES_OPTION(options.validation_fraction = -0.1, "validation_fraction");
  REFUSES_OPTION(options.validation_every = 0, "validation_every");
  REFUSES_OPTION(options.patience = -1, "patience");
  REFUSES_OPTION(options.loader_threads = -1, "loader_threads");
  REFUSES_OPTION(options.optimizer = 4, "optimizer");
  REFUSES_OPTION(options.trust_coefficient = 0, "trust_coefficient");
  REFUSES_OPTION(options.rmsprop_decay = 1, "rmsprop_decay");
  REFUSES_OPTION(options.beta1 = NAN, "beta1");
  REFUSES_OPTION(options.beta2 = -1, "beta2");
  REFUSES_OPTION(options.epsilon = -0.5, "epsilon");
  REFUSES_OPTION(options.exponential_factor = 0, "exponential_factor");
  REFUSES_OPTION(options.exponential_epochs = -1, "exponential_epochs");
  REFUSES_OPTION(options.ema_decay = 1, "ema_decay");
  REFUSES_OPTION(options.chunk_size = 5, "divisor");
  for (uint32_t size = 0; size < sizeof options; size += 4)
    REFUSES_OPTION(options.struct_size = size, "struct_size");

  REFUSES_RUN(dataset, options.positives = SUPCON_POSITIVES_ANY, STATE, "targets");
  REFUSES_RUN(dataset, options.batch_size = IMAGES + 1, STATE | ARGUMENT, "97");
  REFUSES_RUN(unlabeled, (void)0, STATE, "labels");
  REFUSES_RUN(unlabeled, options.objective = SUPCON_OBJECTIVE_CROSS_ENTROPY, STATE, "labels");
  REFUSES_RUN(color, (void)0, SHAPE, "3");
  REFUSES_RUN(dataset, (options.checkpoint_folder = data_path("images.idx"), (void)0), IO,
              "images.idx");
  REFUSES_RUN(dataset,
              (write_file("empty/last.supcon", "not a checkpoint", 16),
               options.checkpoint_folder = data_path("empty"), options.resume = 1),
              FORMAT, "last.supcon");
  remove(data_path("empty/last.supcon"));
  options = small_train_options();
  REFUSES_HANDLE(supcon_trainer_create(NULL, NULL, dataset, &options, &trainer), trainer, ARGUMENT,
                 "model");
  REFUSES_HANDLE(supcon_trainer_create(NULL, model, NULL, &options, &trainer), trainer, ARGUMENT,
                 "dataset");
  REFUSES(supcon_trainer_create(NULL, model, dataset, &options, NULL), ARGUMENT, "trainer");

  supcon_context_options tight;
  supcon_context_options_init(&tight);
  tight.memory_limit = 4096;
  supcon_context *context = NULL;
  WORKS(supcon_context_create(&tight, &context));
  REFUSES_HANDLE(supcon_trainer_create(context, model, dataset, &options, &trainer), trainer,
                 MEMORY, "limit");
  supcon_context_free(context);
  /* A queue takes memory, which is counted. */
  int64_t memory[2];
  for (int queued = 0; queued < 2; queued++) {
    options = small_train_options();
    options.queue_mode = queued ? SUPCON_QUEUE_POSITIVES_AND_NEGATIVES : SUPCON_QUEUE_OFF;
    options.queue_size = 100000;
    WORKS(supcon_trainer_create(NULL, model, dataset, &options, &trainer));
    memory[queued] = supcon_trainer_memory(trainer);
    if (queued) WORKS(supcon_trainer_run(trainer, NULL, NULL));
    supcon_trainer_free(trainer);
  }
  EXPECT(memory[1] > memory[0] + 100000 * 4, "%lld bytes with a queue, %lld without",
         (long long)memory[1], (long long)memory[0]);
  supcon_dataset_free(color);
  supcon_dataset_free(unlabeled);
  supcon_dataset_free(dataset);
  supcon_model_free(model);
}

/* Collectives that count and fail: the second of two ranks never comes. */
static int operations;
static int fail_sum(float *values, int64_t count, void *user_data) {
  (void)values, (void)count, (void)user_data;
  return ++operations;
}
static int fail_gather(const void *bytes, int64_t count, void *gathered, void *user_data) {
  (void)bytes, (void)count, (void)gathered, (void)user_data;
  return ++operations;
}
static int fail_broadcast(void *bytes, int64_t count, int32_t root, void *user_data) {
  (void)bytes, (void)count, (void)root, (void)user_data;
  return ++operations;
}
static int fail_barrier(void *user_data) { return *(int *)user_data ? ++operations : 0; }
static int describe(char *text, int64_t capacity, void *user_data) {
  (void)user_data;
  snprintf(text, (size_t)capacity, "rank 1 is not there");
  return 0;
}

static void collectives(void) {
  supcon_model *model = small_model();
  supcon_dataset *dataset = small_dataset();
  supcon_trainer *trainer = NULL;
  supcon_train_options options = small_train_options();
  int fails_early = 1;
  supcon_collectives ranks;
  supcon_collectives_init(&ranks);
  EXPECT(ranks.struct_size == sizeof ranks && !ranks.world, "%u", ranks.struct_size);
#define REFUSES_RANKS(statuses, word)                                                      \
  REFUSES_HANDLE(                                                                          \
      supcon_trainer_create_distributed(NULL, model, dataset, &options, &ranks, &trainer), \
      trainer, statuses, word)
  REFUSES_RANKS(ARGUMENT, "all_reduce_sum is NULL");
  ranks.all_reduce_sum = fail_sum;
  ranks.all_gather = fail_gather;
  ranks.broadcast = fail_broadcast;
  REFUSES_RANKS(ARGUMENT, "barrier is NULL");
  ranks.barrier = fail_barrier;
  ranks.user_data = &fails_early;
  REFUSES_RANKS(ARGUMENT, "world is 0");
  ranks.world = 2;
  ranks.rank = 2;
  REFUSES_RANKS(ARGUMENT, "rank is 2");
  ranks.rank = -1;
  REFUSES_RANKS(ARGUMENT, "rank is -1");
  EXPECT(operations == 0, "%d operations", operations);
  ranks.rank = 0;
  ranks.any_thread = 2;
  REFUSES_RANKS(ARGUMENT, "any_thread is 2; expected 0 or 1");
  EXPECT(operations == 0 && supcon_last_error_rank() == -1, "%d operations", operations);
  ranks.any_thread = 1;
  REFUSES_RANKS(IO, "barrier failed (it returned 1)");
  REFUSES(supcon_collectives_fail(&ranks, SUPCON_STATUS_IO, "no data"), IO, "barrier failed");
  REFUSES(supcon_collectives_fail(NULL, SUPCON_STATUS_IO, "no data"), ARGUMENT, "collectives");
  ranks.describe_failure = describe;
  fails_early = 0;
  operations = 0;
  REFUSES_RANKS(IO, "all_gather failed (rank 1 is not there)");
  EXPECT(operations == 1, "%d operations, of which the first had failed", operations);
  EXPECT(supcon_last_error_rank() == -1, "rank %d", supcon_last_error_rank());
  ranks.struct_size = 8;
  REFUSES_RANKS(ARGUMENT, "struct_size");
  /* One rank has nobody to talk to. */
  supcon_collectives_init(&ranks);
  ranks.world = 1;
  ranks.all_reduce_sum = fail_sum;
  ranks.all_gather = fail_gather;
  ranks.broadcast = fail_broadcast;
  ranks.barrier = fail_barrier;
  ranks.user_data = &fails_early;
  operations = 0;
  WORKS(supcon_trainer_create_distributed(NULL, model, dataset, &options, &ranks, &trainer));
  WORKS(supcon_trainer_run(trainer, NULL, NULL));
  EXPECT(operations == 0, "%d operations", operations);
  supcon_trainer_free(trainer);
  supcon_dataset *joined = NULL, *part = NULL;
  REFUSES_HANDLE(supcon_dataset_join(dataset, NULL, &joined), joined, ARGUMENT, "collectives");
  REFUSES_HANDLE(supcon_dataset_join(NULL, &ranks, &joined), joined, ARGUMENT, "dataset");
  REFUSES(supcon_dataset_join(dataset, &ranks, NULL), ARGUMENT, "joined");
  REFUSES_HANDLE(supcon_dataset_own_part(NULL, &part), part, ARGUMENT, "dataset");
  WORKS(supcon_dataset_join(dataset, &ranks, &joined));
  WORKS(supcon_dataset_own_part(joined, &part));
  int64_t both[2][IMAGES];
  WORKS(supcon_dataset_get_labels(dataset, both[0], IMAGES));
  WORKS(supcon_dataset_get_labels(part, both[1], IMAGES));
  EXPECT(memcmp(both[0], both[1], sizeof both[0]) == 0, "the part of one rank is not all");
  supcon_dataset_free(part);
  supcon_dataset_free(joined);
  WORKS(supcon_collectives_fail(&ranks, SUPCON_STATUS_IO, NULL));
  EXPECT(operations == 0, "%d operations", operations);
  supcon_dataset_free(dataset);
  supcon_model_free(model);
}

void test_training(void) {
  running();
  default_options();
  targets();
  fine_tuning();
  optimizers();
  stopping();
  wrong_arguments();
  collectives();
}
