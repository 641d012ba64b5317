/* train: trains an image encoder with the supervised contrastive loss, fits a linear classifier on
 * it, and saves both as one safetensors file.
 *
 *   train [options] MODEL DATA...
 *
 *   MODEL   the file to write
 *   DATA    a folder with a folder per class (JPEG, PNG), or two IDX files: images and labels
 *
 * A callback draws a progress bar. Ctrl-C stops after the step at hand and keeps what was learned;
 * a second Ctrl-C ends the program at once. */
#define _POSIX_C_SOURCE 200809L
#include "common.h"

#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <unistd.h>

static const char usage[] =
    "usage: train [options] MODEL.safetensors FOLDER\n"
    "       train [options] MODEL.safetensors IMAGES.idx LABELS.idx\n"
    "  --architecture NAME  resnet18 (default), resnet34, resnet50, resnet101, resnet152, "
    "resnet200\n"
    "  --width N            channels of the first stage (default 64; 16 is small and quick)\n"
    "  --size N             images are resized to N × N (default: their own size, or 224 where "
    "they differ)\n"
    "  --epochs N           (default 100)\n"
    "  --batch N            images per step (default 256)\n"
    "  --rate X             learning rate of a batch of 256 (default 0.1)\n"
    "  --temperature X      of the loss (default 0.1)\n"
    "  --augmentation NAME  simclr (default), crop_flip or none\n"
    "  --seed N             (default 0)\n"
    "  --checkpoints PATH   a folder for checkpoints; a run that finds one there goes on from it\n"
    "  --threads N          threads that compute (default: all)\n";

/* The run that Ctrl-C stops. A signal handler may only do little; supcon_trainer_cancel() is made
 * for being called from one. */
static supcon_trainer *volatile running;

static void interrupt(int number) {
  supcon_trainer_cancel(running);
  signal(number, SIG_DFL);
}

/* What the callback needs to know. */
struct progress {
  int terminal;    /* whether stderr is one: a bar is redrawn there, else each epoch gets a line */
  int has_learned; /* whether there was a step */
};

static void print_time(double seconds) {
  if (!(seconds >= 0) || seconds > 1e7) return; /* not known yet */
  long whole = lround(seconds);
  if (whole >= 3600)
    fprintf(stderr, "%ld:%02ld:%02ld left", whole / 3600, whole / 60 % 60, whole % 60);
  else fprintf(stderr, "%ld:%02ld left", whole / 60, whole % 60);
}

/* Called by supcon_trainer_run() after every step and every epoch, on our own thread. Returning
 * something else than 0 would stop the run. */
static int on_event(const supcon_event *event, void *user_data) {
  struct progress *progress = user_data;
  enum { BAR = 24 };
  switch (event->kind) {
    case SUPCON_EVENT_STEP: {
      progress->has_learned = 1;
      if (!progress->terminal) break;
      const int done = event->steps > 0 ? (int)(event->step * BAR / event->steps) : BAR;
      fprintf(stderr, "\repoch %lld/%lld [", (long long)event->epoch, (long long)event->epochs);
      for (int i = 0; i < BAR; ++i) fputc(i < done ? '#' : '.', stderr);
      fprintf(stderr, "] loss %.4f  rate %.4f  %.0f images/s  ", event->loss, event->learning_rate,
              event->images_per_second);
      print_time(event->seconds_left);
      fputs("\x1b[K", stderr); /* clears what a longer line left */
      break;
    }
    case SUPCON_EVENT_EPOCH:
      fprintf(stderr, "%sepoch %lld/%lld  loss %.4f  rate %.4f  %.0f images/s",
              progress->terminal ? "\r\x1b[K" : "", (long long)event->epoch,
              (long long)event->epochs, event->loss, event->learning_rate,
              event->images_per_second);
      if (!isnan(event->knn_accuracy)) fprintf(stderr, "  kNN %.2f %%", 100 * event->knn_accuracy);
      if (!isnan(event->alignment)) fprintf(stderr, "  alignment %.3f", event->alignment);
      if (!isnan(event->uniformity)) fprintf(stderr, "  uniformity %.3f", event->uniformity);
      fputs("  ", stderr);
      print_time(event->seconds_left);
      fputc('\n', stderr);
      break;
    case SUPCON_EVENT_WARNING:
      fprintf(stderr, "%sWarning: %s\n", progress->terminal ? "\r\x1b[K" : "", event->message);
      break;
    default:
      break; /* kinds that later versions add */
  }
  return 0;
}

int main(int argc, char **argv) {
  supcon_context_options context_options;
  supcon_model_options model_options;
  supcon_train_options train;
  supcon_loss_options loss;
  supcon_augmentation_options augmentation;
  supcon_context_options_init(&context_options);
  supcon_model_options_init(&model_options);
  supcon_train_options_init(&train);
  supcon_loss_options_init(&loss);
  supcon_augmentation_options_init(&augmentation);
  train.loss = &loss;
  train.augmentation = &augmentation;
  int32_t size = 0;

  static const struct option options[] = {{"architecture", required_argument, NULL, 'a'},
                                          {"width", required_argument, NULL, 'w'},
                                          {"size", required_argument, NULL, 's'},
                                          {"epochs", required_argument, NULL, 'e'},
                                          {"batch", required_argument, NULL, 'b'},
                                          {"rate", required_argument, NULL, 'r'},
                                          {"temperature", required_argument, NULL, 'T'},
                                          {"augmentation", required_argument, NULL, 'g'},
                                          {"seed", required_argument, NULL, 'S'},
                                          {"checkpoints", required_argument, NULL, 'c'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  static const char *const augmentations[] = {
      "none", "crop_flip", "simclr"}; /* in the order of SUPCON_AUGMENTATION_... */
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    switch (option) {
      case 'a':
        model_options.architecture = optarg;
        break;
      case 'w':
        model_options.width = whole_number("--width", optarg, 1, 4096);
        break;
      case 's':
        size = whole_number("--size", optarg, 1, 4096);
        break;
      case 'e':
        train.epochs = whole_number("--epochs", optarg, 1, 1000000);
        break;
      case 'b':
        train.batch_size = whole_number("--batch", optarg, 1, 1 << 20);
        break;
      case 'r':
        train.learning_rate = number("--rate", optarg);
        break;
      case 'T':
        loss.temperature = (float)number("--temperature", optarg);
        break;
      case 'g':
        for (augmentation.kind = 0;
             augmentation.kind < 3 && strcmp(augmentations[augmentation.kind], optarg) != 0;)
          ++augmentation.kind;
        if (augmentation.kind == 3)
          fail("--augmentation: %s is none of simclr, crop_flip, none", optarg);
        break;
      case 'S':
        train.seed = (uint64_t)whole_number("--seed", optarg, 0, INT32_MAX);
        model_options.seed = train.seed;
        break;
      case 'c':
        train.checkpoint_folder = optarg;
        train.resume = 1;
        break;
      case 't':
        context_options.threads = whole_number("--threads", optarg, 1, 1024);
        break;
      case 'h':
        fputs(usage, stdout);
        return EXIT_SUCCESS;
      default:
        fputs(usage, stderr);
        return 2;
    }
  }
  if (argc - optind < 2) {
    fputs(usage, stderr);
    return 2;
  }
  const char *model_path = argv[optind];

  supcon_dataset *dataset = open_dataset(argv + optind + 1, argc - optind - 1, 0);
  supcon_dataset_info info;
  supcon_dataset_info_init(&info);
  check(supcon_dataset_get_info(dataset, &info), "Asking the data set");
  report_skipped(dataset, info.skipped);
  if (!info.labeled)
    fail(
        "These images have no labels: name a folder with a folder per class, or an IDX file of "
        "labels after that of images");
  model_options.channels = (int32_t)info.channels;
  model_options.image_height = size ? size : info.height ? (int32_t)info.height : 224;
  model_options.image_width = size ? size : info.width ? (int32_t)info.width : 224;

  supcon_context *context = NULL;
  supcon_model *model = NULL;
  supcon_trainer *trainer = NULL;
  check(supcon_context_create(&context_options, &context), "Starting");
  check(supcon_model_create(context, &model_options, &model), "Making the model");
  check(supcon_trainer_create(context, model, dataset, &train, &trainer), "Planning the training");
  fprintf(stderr, "%lld images of %lld classes, %d × %d; a step takes %.2f GB of memory\n",
          (long long)info.count, (long long)info.classes, (int)model_options.image_height,
          (int)model_options.image_width, (double)supcon_trainer_memory(trainer) / 1e9);

  struct progress progress = {.terminal = isatty(STDERR_FILENO)};
  running = trainer;
  signal(SIGINT, interrupt);
  supcon_status status = supcon_trainer_run(trainer, on_event, &progress);
  signal(SIGINT, SIG_DFL);
  const int canceled = status == SUPCON_STATUS_CANCELED;
  if (status != SUPCON_OK && progress.terminal) fputc('\n', stderr);
  if (canceled) fputs("Stopped. What was learned so far is kept.\n", stderr);
  else if (status != SUPCON_OK && progress.has_learned)
    fprintf(stderr, "Training ended: %s\nWhat was learned so far is kept.\n", supcon_last_error());
  else check(status, "Training");

  check(supcon_model_fit_classifier(model, dataset, NULL, NULL), "Fitting the classifier");
  check(supcon_model_save(model, model_path), "Saving the model");
  printf("%s: saved\n", model_path);

  supcon_trainer_free(trainer);
  supcon_model_free(model);
  supcon_dataset_free(dataset);
  supcon_context_free(context);
  return canceled ? 128 + SIGINT : status == SUPCON_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
