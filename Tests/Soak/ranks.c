/* Ranks that are threads of one process, whose gradients a thread of the library sums while the
 * backward pass goes on.
 *   ranks FOLDER ROUNDS
 * Each round trains twice, with other options in each round: with that thread and without it. All
 * ranks, and both runs, end with the same bytes. At the end of a round one rank's exchange fails,
 * at another operation each time, and all ranks end with an error. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>

#include "soak.h"

enum { MOST = 4 };

/* Where ranks exchange bytes: each leaves the address of its own, waits, reads, and waits again.
 * After a failure nobody is waited for. */
struct meeting {
  pthread_mutex_t lock;
  pthread_cond_t all_here;
  int world, arrived, is_broken;
  long generation;
  const void *bytes[MOST];
};

struct rank {
  struct meeting *meeting;
  int index, any_thread;
  long operations, fails_at; /* -1: at none */
  const char *folder;
  uint64_t random; /* of the round */
  char model[4200];
  supcon_status status;
  pthread_t thread;
};

static int meet(struct meeting *meeting) {
  pthread_mutex_lock(&meeting->lock);
  const long own = meeting->generation;
  if (++meeting->arrived == meeting->world) {
    meeting->arrived = 0;
    ++meeting->generation;
    pthread_cond_broadcast(&meeting->all_here);
  }
  while (meeting->generation == own && !meeting->is_broken)
    pthread_cond_wait(&meeting->all_here, &meeting->lock);
  const int failed = meeting->generation == own;
  pthread_mutex_unlock(&meeting->lock);
  return failed;
}

static int begin(struct rank *rank, const void *bytes) {
  struct meeting *meeting = rank->meeting;
  pthread_mutex_lock(&meeting->lock);
  meeting->bytes[rank->index] = bytes;
  if (rank->operations++ == rank->fails_at) {
    meeting->is_broken = 1;
    pthread_cond_broadcast(&meeting->all_here);
  }
  const int failed = meeting->is_broken;
  pthread_mutex_unlock(&meeting->lock);
  return failed || meet(meeting);
}

static int sum(float *values, int64_t count, void *user_data) {
  struct rank *rank = user_data;
  if (begin(rank, values)) return 1;
  float *sums = calloc((size_t)count, sizeof *sums);
  for (int from = 0; from < rank->meeting->world; ++from) {
    const float *other = rank->meeting->bytes[from];
    for (int64_t i = 0; i < count; ++i) sums[i] += other[i];
  }
  const int failed = meet(rank->meeting);
  if (!failed) memcpy(values, sums, (size_t)count * sizeof *sums);
  free(sums);
  return failed;
}
static int gather(const void *bytes, int64_t count, void *gathered, void *user_data) {
  struct rank *rank = user_data;
  if (begin(rank, bytes)) return 1;
  for (int from = 0; from < rank->meeting->world; ++from)
    memcpy((char *)gathered + from * count, rank->meeting->bytes[from], (size_t)count);
  return meet(rank->meeting);
}
static int exchange(const void *bytes, int64_t count, void *received, void *user_data) {
  struct rank *rank = user_data;
  if (begin(rank, bytes)) return 1;
  for (int from = 0; from < rank->meeting->world; ++from)
    memcpy((char *)received + from * count,
           (const char *)rank->meeting->bytes[from] + rank->index * count, (size_t)count);
  return meet(rank->meeting);
}
static int broadcast(void *bytes, int64_t count, int32_t root, void *user_data) {
  struct rank *rank = user_data;
  if (begin(rank, bytes)) return 1;
  if (root != rank->index) memcpy(bytes, rank->meeting->bytes[root], (size_t)count);
  return meet(rank->meeting);
}
static int barrier(void *user_data) {
  struct rank *rank = user_data;
  return begin(rank, NULL) || meet(rank->meeting);
}

static void *train(void *argument) {
  struct rank *rank = argument;
  uint64_t random = rank->random;
  supcon_context_options how;
  supcon_context_options_init(&how);
  how.threads = 1;
  supcon_context *context = NULL;
  WORKS(supcon_context_create(&how, &context));
  supcon_model *model = small_model(context);
  supcon_dataset *dataset = small_dataset();
  supcon_train_options options = small_train_options();
  options.batch_size = 12;
  options.sync_batch_norm = (int32_t)below(&random, 2);
  options.joint_classifier = (int32_t)below(&random, 2);
  if (below(&random, 2)) options.gradient_precision = SUPCON_GRADIENT_PRECISION_BF16;
  if (below(&random, 3) == 0) {
    options.queue_mode = SUPCON_QUEUE_NEGATIVES;
    options.queue_size = 16;
  } else if (below(&random, 3) == 0) {
    options.chunk_size = 12 / rank->meeting->world;
  }
  supcon_collectives collectives;
  supcon_collectives_init(&collectives);
  collectives.rank = rank->index;
  collectives.world = rank->meeting->world;
  collectives.any_thread = rank->any_thread;
  collectives.all_reduce_sum = sum;
  collectives.all_gather = gather;
  if (below(&random, 2)) collectives.all_to_all = exchange;
  collectives.broadcast = broadcast;
  collectives.barrier = barrier;
  collectives.user_data = rank;
  supcon_trainer *trainer = NULL;
  rank->status =
      supcon_trainer_create_distributed(context, model, dataset, &options, &collectives, &trainer);
  if (rank->status == SUPCON_OK) rank->status = supcon_trainer_run(trainer, NULL, NULL);
  if (rank->fails_at < 0)
    DEMAND(rank->status == SUPCON_OK, "rank %d: %s", rank->index, supcon_status_name(rank->status));
  snprintf(rank->model, sizeof rank->model, "%.4000s/rank%d.safetensors", rank->folder,
           rank->index);
  WORKS(supcon_model_save(model, rank->model));
  supcon_trainer_free(trainer);
  supcon_dataset_free(dataset);
  supcon_model_free(model);
  supcon_context_free(context);
  return NULL;
}

/* Runs all ranks. Returns the largest number of operations of one. */
static long run(const char *folder, int world, int any_thread, uint64_t random, int failing,
                long fails_at, struct rank *ranks) {
  struct meeting meeting = {
      PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, world, 0, 0, 0, {0}};
  long operations = 0;
  for (int i = 0; i < world; ++i) {
    ranks[i] = (struct rank){.meeting = &meeting, .index = i, .any_thread = any_thread};
    ranks[i].folder = folder;
    ranks[i].random = random;
    ranks[i].fails_at = i == failing ? fails_at : failing < 0 ? -1 : (long)1 << 40;
    DEMAND(pthread_create(&ranks[i].thread, NULL, train, &ranks[i]) == 0, "no thread");
  }
  for (int i = 0; i < world; ++i) {
    pthread_join(ranks[i].thread, NULL);
    if (ranks[i].operations > operations) operations = ranks[i].operations;
  }
  return operations;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  small_images(); /* before there are other threads */
  const int rounds = atoi(argv[2]);
  long failures = 0;
  for (int round = 0; round < rounds; ++round) {
    uint64_t random = (uint64_t)round + 1, of_options = draw(&random);
    const int world = 2 + (int)below(&random, MOST - 1);
    struct rank ranks[MOST];
    uint8_t *first = NULL;
    size_t size = 0;
    long operations = 0;
    for (int any_thread = 0; any_thread < 2; ++any_thread) {
      operations = run(argv[1], world, any_thread, of_options, -1, -1, ranks);
      for (int i = 0; i < world; ++i) {
        size_t own = 0;
        uint8_t *bytes = read_file(ranks[i].model, &own);
        if (!first) first = bytes, size = own;
        else {
          DEMAND(own == size && memcmp(bytes, first, size) == 0, "round %d: rank %d of %d differs",
                 round, i, world);
          free(bytes);
        }
      }
    }
    free(first);
    const int failing = (int)below(&random, (uint64_t)world);
    run(argv[1], world, 1, of_options, failing, (long)below(&random, (uint64_t)operations), ranks);
    for (int i = 0; i < world; ++i)
      DEMAND(ranks[i].status == SUPCON_STATUS_IO, "round %d: rank %d: %s", round, i,
             supcon_status_name(ranks[i].status));
    ++failures;
  }
  printf(
      "%d rounds of 2 to %d ranks, the same bytes with a thread for the gradients and without;"
      " %ld exchanges that failed ended all ranks\n",
      rounds, MOST, failures);
  return 0;
}
