/* Trains a small model on images in memory, with the ranks of MPI, and saves it at rank 0:
 *   mpirun -np N train OUTPUT SYNC [late|differs|dies|single|bf16|early|null|parts]
 * Without mpirun it is one process. With parts each rank has images of its own. Prints the status
 * at every rank: "rank 1: OK". */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "supcon_mpi.h"

enum { IMAGES = 36, SIDE = 12, CLASSES = 3 };

/* Rank 1 is killed in its third sum. */
static supcon_all_reduce_sum sum;
static int die_in_third(float *values, int64_t count, void *user_data) {
  static int calls;
  if (++calls == 3) raise(SIGKILL);
  return sum(values, count, user_data);
}

#define TRY(call)                                                                 \
  do {                                                                            \
    supcon_status status_ = (call);                                               \
    if (status_ != SUPCON_OK) {                                                   \
      printf("rank %d: %s: %s [of rank %d]\n", rank, supcon_status_name(status_), \
             supcon_last_error(), supcon_last_error_rank());                      \
      fflush(stdout);                                                             \
      struct timespec moment = {.tv_sec = 1};                                     \
      nanosleep(&moment, NULL); /* the others print too before all are ended */   \
      MPI_Abort(MPI_COMM_WORLD, 3);                                               \
    }                                                                             \
  } while (0)

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const char *fault = argc > 3 ? argv[3] : "";
  int level = strcmp(fault, "single") ? MPI_THREAD_SERIALIZED : MPI_THREAD_SINGLE;
  MPI_Init_thread(&argc, &argv, level, &level);
  supcon_collectives collectives;
  supcon_collectives_init(&collectives);
  supcon_mpi *mpi;
  if (supcon_mpi_create(MPI_COMM_WORLD, strcmp(fault, "late") ? 60 : 1, &collectives, &mpi) !=
      MPI_SUCCESS)
    return 2;
  const int rank = collectives.rank;
  if (collectives.any_thread != (level >= MPI_THREAD_SERIALIZED)) return 2;
  sum = collectives.all_reduce_sum;
  if (!strcmp(fault, "dies") && rank == 1) collectives.all_reduce_sum = die_in_third;

  static uint8_t pixels[IMAGES][SIDE][SIDE];
  static int64_t labels[IMAGES];
  uint32_t random = 1;
  for (int i = 0; i < IMAGES; ++i) {
    labels[i] = i % CLASSES;
    for (int y = 0; y < SIDE; ++y)
      for (int x = 0; x < SIDE; ++x) {
        random = random * 1664525u + 1013904223u;
        pixels[i][y][x] = (uint8_t)((x % (labels[i] + 2) ? 40 : 200) + (random >> 27));
      }
  }
  supcon_images images;
  supcon_images_init(&images, pixels, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, IMAGES, SIDE, SIDE, 1);
  supcon_dataset *dataset;
  const int64_t *own_labels = labels;
  if (!strcmp(fault, "parts")) {
    /* The last rank has most. */
    int first = 0, count = IMAGES;
    for (int i = 0; i < collectives.world; ++i) {
      first = i == 0 ? 0 : first + count;
      count = i + 1 < collectives.world ? IMAGES / 6 * (i + 1) : IMAGES - first;
      if (i == rank) break;
    }
    images.data = pixels[first];
    images.count = count;
    own_labels = labels + first;
  }
  TRY(supcon_dataset_from_images(&images, own_labels, NULL, &dataset));
  if (!strcmp(fault, "parts")) {
    supcon_dataset *joined, *back;
    TRY(supcon_dataset_join(dataset, &collectives, &joined));
    TRY(supcon_dataset_own_part(joined, &back));
    supcon_dataset_info info;
    supcon_dataset_info_init(&info);
    TRY(supcon_dataset_get_info(back, &info));
    if (info.count != images.count || info.classes != CLASSES) return 4;
    TRY(supcon_dataset_get_info(joined, &info));
    if (info.count != IMAGES || info.height != SIDE) return 4;
    supcon_dataset_free(back);
    supcon_dataset_free(dataset);
    dataset = joined;
  }

  supcon_context *context;
  supcon_context_options threads;
  supcon_context_options_init(&threads);
  threads.threads = 1;
  TRY(supcon_context_create(&threads, &context));
  supcon_model *model;
  supcon_model_options made;
  supcon_model_options_init(&made);
  made.width = 4;
  made.channels = 1;
  made.image_height = made.image_width = SIDE;
  made.precision = SUPCON_PRECISION_F32;
  made.seed = (uint64_t)rank; /* rank 0's weights count */
  TRY(supcon_model_create(context, &made, &model));

  supcon_train_options options;
  supcon_train_options_init(&options);
  options.epochs = 1;
  options.batch_size = 7;
  options.learning_rate = 2e-4;
  options.reference_batch = 0;
  options.validation_fraction = 0;
  options.sync_batch_norm = atoi(argv[2]);
  /* All images at once, so that a batch has the same images however they are spread. */
  if (!strcmp(fault, "parts")) options.batch_size = IMAGES, options.epochs = 3;
  if (!strcmp(fault, "differs") && rank == 1) options.learning_rate = 0.125;
  if (!strcmp(fault, "bf16")) options.gradient_precision = SUPCON_GRADIENT_PRECISION_BF16;
  if (!strcmp(fault, "early") && rank == 1) {
    TRY(supcon_collectives_fail(&collectives, SUPCON_STATUS_IO, "photos/ is not there"));
    printf("rank 1: told\n");
    fflush(stdout);
    struct timespec moment = {.tv_sec = 2};
    nanosleep(&moment, NULL);
    return 3;
  }
  if (!strcmp(fault, "null") && rank == 1) {
    supcon_model_free(model);
    model = NULL;
  }
  if (!strcmp(fault, "late") && rank == 1) {
    struct timespec moment = {.tv_sec = 4};
    nanosleep(&moment, NULL);
  }

  supcon_trainer *trainer;
  TRY(supcon_trainer_create_distributed(context, model, dataset, &options, &collectives, &trainer));
  TRY(supcon_trainer_run(trainer, NULL, NULL));
  supcon_trainer_free(trainer);
  if (rank == 0) TRY(supcon_model_save(model, argv[1]));
  printf("rank %d: OK\n", rank);
  supcon_model_free(model);
  supcon_dataset_free(dataset);
  supcon_context_free(context);
  supcon_mpi_free(mpi);
  return MPI_Finalize();
}
