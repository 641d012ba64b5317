/* The published recipes: their names, their numbers against a table of their own, and that each of
 * them trains. */
#include "test.h"

static const struct row {
  const char *name, *architecture;
  int32_t objective, batch, epochs, optimizer, schedule, head, augmentation, side;
  double rate, reference, decay, warmup;
  float temperature;
} rows[] = {
    {"cifar-pytorch", "resnet50", SUPCON_OBJECTIVE_SUPCON, 1024, 1000, SUPCON_OPTIMIZER_SGD,
     SUPCON_SCHEDULE_COSINE, SUPCON_HEAD_MLP, SUPCON_AUGMENTATION_SIMCLR, 32, 0.5, 0, 1e-4, 10,
     0.1f},
    {"cifar-linear", "resnet50", SUPCON_OBJECTIVE_LINEAR, 512, 100, SUPCON_OPTIMIZER_SGD,
     SUPCON_SCHEDULE_STEP, SUPCON_HEAD_MLP, SUPCON_AUGMENTATION_CROP_FLIP, 32, 5, 0, 0, 0, 0},
    {"cifar-cross-entropy", "resnet50", SUPCON_OBJECTIVE_CROSS_ENTROPY, 1024, 500,
     SUPCON_OPTIMIZER_SGD, SUPCON_SCHEDULE_COSINE, SUPCON_HEAD_NONE, SUPCON_AUGMENTATION_CROP_FLIP,
     32, 0.8, 0, 1e-4, 10, 0},
    {"cifar-simclr", "resnet50", SUPCON_OBJECTIVE_SIMCLR, 1024, 1000, SUPCON_OPTIMIZER_SGD,
     SUPCON_SCHEDULE_COSINE, SUPCON_HEAD_MLP, SUPCON_AUGMENTATION_SIMCLR, 32, 0.5, 0, 1e-4, 10,
     0.5f},
    {"cifar-simclr-linear", "resnet50", SUPCON_OBJECTIVE_LINEAR, 512, 100, SUPCON_OPTIMIZER_SGD,
     SUPCON_SCHEDULE_STEP, SUPCON_HEAD_MLP, SUPCON_AUGMENTATION_CROP_FLIP, 32, 1, 0, 0, 0, 0},
    {"imagenet-r50", "resnet50", SUPCON_OBJECTIVE_SUPCON, 6144, 350, SUPCON_OPTIMIZER_LARS,
     SUPCON_SCHEDULE_COSINE, SUPCON_HEAD_LINEAR, SUPCON_AUGMENTATION_AUTOAUGMENT_IMAGENET, 224, 0.4,
     256, 1e-3, 12, 0.1f},
    {"imagenet-r50-linear", "resnet50", SUPCON_OBJECTIVE_LINEAR, 6144, 90, SUPCON_OPTIMIZER_RMSPROP,
     SUPCON_SCHEDULE_EXPONENTIAL, SUPCON_HEAD_LINEAR, SUPCON_AUGMENTATION_AUTOAUGMENT_IMAGENET, 224,
     0.05, 256, 1e-6, 12, 0},
    {"imagenet-r200", "resnet200", SUPCON_OBJECTIVE_SUPCON, 4096, 700, SUPCON_OPTIMIZER_LARS,
     SUPCON_SCHEDULE_COSINE, SUPCON_HEAD_LINEAR, SUPCON_AUGMENTATION_STACKED_RANDAUGMENT, 224, 0.2,
     256, 1e-4, 12, 0.1f},
    {"imagenet-r200-linear", "resnet200", SUPCON_OBJECTIVE_LINEAR, 4096, 90,
     SUPCON_OPTIMIZER_RMSPROP, SUPCON_SCHEDULE_EXPONENTIAL, SUPCON_HEAD_LINEAR,
     SUPCON_AUGMENTATION_STACKED_RANDAUGMENT, 224, 0.05, 256, 1e-6, 12, 0},
    {"memory-r50", "resnet50", SUPCON_OBJECTIVE_SUPCON, 256, 200, SUPCON_OPTIMIZER_SGD,
     SUPCON_SCHEDULE_COSINE, SUPCON_HEAD_MLP, SUPCON_AUGMENTATION_SIMCLR, 224, 0.03, 256, 1e-4, 0,
     0.1f},
};
enum { ROWS = sizeof rows / sizeof *rows };

static void names(void) {
  EXPECT(supcon_preset_count() == ROWS, "%lld presets, %d here", (long long)supcon_preset_count(),
         ROWS);
  for (int i = 0; i < ROWS; ++i) {
    const char *name = supcon_preset_name(i);
    EXPECT(name && strcmp(name, rows[i].name) == 0 && name == supcon_preset_name(i),
           "number %d is %s", i, name ? name : "NULL");
    const char *description = supcon_preset_description(rows[i].name);
    EXPECT(description && strlen(description) > 40 &&
               description == supcon_preset_description(rows[i].name),
           "%s", description ? description : "NULL");
  }
  EXPECT(!supcon_preset_name(ROWS) && !supcon_preset_name(-1) && !supcon_preset_name(INT64_MAX),
         "names beyond the last");
  EXPECT(!supcon_preset_description("cifar") && !supcon_preset_description(NULL),
         "descriptions of nothing");
}

static void numbers(const struct row *row) {
  supcon_model_options model;
  supcon_train_options train;
  supcon_model_options_init(&model);
  supcon_train_options_init(&train);
  WORKS(supcon_preset(row->name, &model, &train));
  EXPECT(model.struct_size == sizeof model && train.struct_size == sizeof train,
         "%s: sizes %u and %u", row->name, model.struct_size, train.struct_size);
  EXPECT(strcmp(model.architecture, row->architecture) == 0 && model.head == row->head &&
             model.projection_dim == 128 && model.width == 64,
         "%s: %s, head %d", row->name, model.architecture, model.head);
  EXPECT(model.image_height == row->side && model.image_width == row->side &&
             model.stem == (row->side == 32 ? SUPCON_STEM_CIFAR : SUPCON_STEM_IMAGENET),
         "%s: %d x %d, stem %d", row->name, model.image_height, model.image_width, model.stem);
  EXPECT(train.objective == row->objective && train.batch_size == row->batch &&
             train.epochs == row->epochs,
         "%s: objective %d, batch %d, epochs %d", row->name, train.objective, train.batch_size,
         train.epochs);
  EXPECT(
      train.optimizer == row->optimizer && train.schedule == row->schedule && train.momentum == 0.9,
      "%s: optimizer %d, schedule %d", row->name, train.optimizer, train.schedule);
  EXPECT(train.learning_rate == row->rate && train.reference_batch == row->reference &&
             train.weight_decay == row->decay,
         "%s: rate %g of %d, decay %g", row->name, train.learning_rate, train.reference_batch,
         train.weight_decay);
  EXPECT(train.warmup_steps == -1 && train.warmup_epochs == row->warmup, "%s: warm-up of %g epochs",
         row->name, train.warmup_epochs);
  EXPECT(train.augmentation && train.augmentation->kind == row->augmentation &&
             train.augmentation->struct_size == sizeof *train.augmentation,
         "%s", row->name);
  EXPECT(!train.augmentation_second && train.loss && train.loss->struct_size == sizeof *train.loss,
         "%s", row->name);
  if (row->temperature)
    EXPECT(train.loss->temperature == row->temperature, "%s: temperature %g", row->name,
           train.loss->temperature);
  if (row->schedule == SUPCON_SCHEDULE_STEP)
    EXPECT(train.milestone_count == 3 && train.milestones[0] == 60 && train.milestones[1] == 75 &&
               train.milestones[2] == 90 && train.gamma == 0.2,
           "%s: %lld milestones", row->name, (long long)train.milestone_count);
  else EXPECT(train.milestone_count == 0 && !train.milestones, "%s: milestones", row->name);
  EXPECT((train.queue_mode == SUPCON_QUEUE_POSITIVES_AND_NEGATIVES && train.queue_size == 8192) ==
             (strcmp(row->name, "memory-r50") == 0),
         "%s", row->name);
}

/* Two steps on gray images, narrow: what the caller changes is the caller's, what a preset points
 * to is still there. */
static void trains(const struct row *row) {
  supcon_model_options model_options = small_model_options();
  supcon_train_options train;
  supcon_train_options_init(&train);
  WORKS(supcon_preset(row->name, &model_options, NULL));
  EXPECT(model_options.width == 64 && train.batch_size == 0, "a NULL is left alone");
  WORKS(supcon_preset(row->name, NULL, &train));
  model_options.width = 4;
  model_options.channels = 1;
  model_options.image_height = model_options.image_width = SIDE;
  model_options.precision = SUPCON_PRECISION_F32;
  train.batch_size = IMAGES / 2;
  train.chunk_size = train.chunk_size ? IMAGES / 4 : 0;
  train.epochs = 1;
  train.stop_on_collapse = 0;
  supcon_loss_options loss = *train.loss;
  loss.temperature = 0.2f;
  train.loss = &loss;
  supcon_dataset *dataset = small_dataset();
  supcon_model *model = NULL;
  supcon_trainer *trainer = NULL;
  WORKS(supcon_model_create(NULL, &model_options, &model));
  WORKS(supcon_trainer_create(NULL, model, dataset, &train, &trainer));
  WORKS(supcon_trainer_run(trainer, NULL, NULL));
  supcon_trainer_free(trainer);
  supcon_model_free(model);
  supcon_dataset_free(dataset);
}

static void wrong_arguments(void) {
  supcon_model_options model = small_model_options();
  supcon_train_options train;
  supcon_train_options_init(&train);
  for (int i = 0; i < ROWS; ++i)
    REFUSES(supcon_preset("imagenet-r34", &model, &train), ARGUMENT, rows[i].name);
  REFUSES(supcon_preset("imagenet-r34", &model, &train), ARGUMENT, "imagenet-r34");
  REFUSES(supcon_preset("", &model, &train), ARGUMENT, "\"\"");
  REFUSES(supcon_preset(NULL, &model, &train), ARGUMENT, "name");
  WORKS(supcon_preset("memory-r50", NULL, NULL));
  train.struct_size = sizeof train - 4;
  REFUSES(supcon_preset("memory-r50", &model, &train), ARGUMENT, "struct_size");
  EXPECT(model.width == 8 && train.batch_size == 0, "a refused call changed the options");
  supcon_train_options_init(&train);
  model.struct_size = 0;
  REFUSES(supcon_preset("memory-r50", &model, &train), ARGUMENT, "struct_size");
  EXPECT(train.batch_size == 0 && train.queue_mode == SUPCON_QUEUE_OFF,
         "a refused call changed the options");
}

void test_presets(void) {
  names();
  for (int i = 0; i < ROWS; ++i) numbers(&rows[i]);
  for (int i = 0; i < ROWS; ++i) trains(&rows[i]);
  wrong_arguments();
}
