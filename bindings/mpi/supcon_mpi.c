/* The collectives of libsupcon over MPI: nonblocking operations, waited for until a deadline. */
#include "supcon_mpi.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The largest count of one MPI call, which takes an int; a test defines a smaller one. */
#ifndef MOST
#define MOST ((int64_t)1 << 28)
#endif
/* Seconds that waiting ranks have to report to each other. */
#define GRACE 5.0

struct supcon_mpi {
  MPI_Comm work;
  MPI_Comm alive; /* apart from what may still be under way after a failure */
  int rank, world;
  pthread_t owner; /* the thread that made this */
  double deadline;
  char word; /* 1, sent to show that this rank is alive */
  char failure[512];
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Yields during a short wait, sleeps during a long one. A thread of the library sleeps at once, and
 * leaves the cores to those that compute. */
static void pause_after(const supcon_mpi *mpi, double waited) {
  if (waited < 0.05 && pthread_equal(pthread_self(), mpi->owner)) sched_yield();
  else nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

/* Adds to the failure which ranks do not answer: every one that waits comes here and tells all
 * others. */
static void name_missing(supcon_mpi *mpi) {
  MPI_Request *requests = calloc(2 * (size_t)mpi->world, sizeof *requests);
  char *heard = calloc((size_t)mpi->world, 1);
  size_t used = strlen(mpi->failure);
  if (requests && heard) {
    for (int rank = 0; rank < mpi->world; ++rank) {
      requests[2 * rank] = requests[2 * rank + 1] = MPI_REQUEST_NULL;
      if (rank == mpi->rank) continue;
      MPI_Irecv(heard + rank, 1, MPI_CHAR, rank, 0, mpi->alive, &requests[2 * rank]);
      MPI_Isend(&mpi->word, 1, MPI_CHAR, rank, 0, mpi->alive, &requests[2 * rank + 1]);
    }
    double end = now() + (mpi->deadline < GRACE ? mpi->deadline : GRACE);
    int all = 0;
    while (!all && now() < end) {
      if (MPI_Testall(2 * mpi->world, requests, &all, MPI_STATUSES_IGNORE)) break;
      pause_after(mpi, 1);
    }
    const char *before = "nothing came from rank";
    for (int rank = 0; rank < mpi->world; ++rank) {
      if (rank == mpi->rank || heard[rank]) continue;
      used +=
          (size_t)snprintf(mpi->failure + used, sizeof mpi->failure - used, "%s %d", before, rank);
      before = ",";
      if (used + 16 > sizeof mpi->failure) break;
    }
    if (*before == 'n')
      snprintf(mpi->failure + used, sizeof mpi->failure - used,
               "all ranks are there, but have come to different operations");
  }
  /* Requests that are still open refer to this memory: it stays, as does mpi. */
}

/* Waits for an operation that has begun with `status`. */
static int finish(supcon_mpi *mpi, int status, MPI_Request *request, const char *name) {
  double begin = now();
  int done = 0;
  while (status == MPI_SUCCESS && !done) {
    status = MPI_Test(request, &done, MPI_STATUS_IGNORE);
    double waited = now() - begin;
    if (status == MPI_SUCCESS && !done && waited > mpi->deadline) {
      snprintf(mpi->failure, sizeof mpi->failure, "waited %g s in a %s; ", mpi->deadline, name);
      name_missing(mpi);
      return 1;
    }
    if (!done) pause_after(mpi, waited);
  }
  if (status != MPI_SUCCESS) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(status, text, &length);
    snprintf(mpi->failure, sizeof mpi->failure, "MPI: %.400s", text);
  }
  return status != MPI_SUCCESS;
}

static int64_t part(int64_t count, int64_t start) {
  return count - start < MOST ? count - start : MOST;
}

static int all_reduce_sum(float *values, int64_t count, void *user_data) {
  supcon_mpi *mpi = user_data;
  for (int64_t start = 0; start < count; start += MOST) {
    MPI_Request request;
    int status = MPI_Iallreduce(MPI_IN_PLACE, values + start, (int)part(count, start), MPI_FLOAT,
                                MPI_SUM, mpi->work, &request);
    if (finish(mpi, status, &request, "sum")) return 1;
  }
  return 0;
}

static int all_gather(const void *bytes, int64_t count, void *gathered, void *user_data) {
  supcon_mpi *mpi = user_data;
  MPI_Request request;
  if (count <= MOST) {
    int status = MPI_Iallgather(bytes, (int)count, MPI_BYTE, gathered, (int)count, MPI_BYTE,
                                mpi->work, &request);
    return finish(mpi, status, &request, "gather");
  }
  /* Each rank broadcasts its part straight into its place. */
  memcpy((char *)gathered + mpi->rank * count, bytes, (size_t)count);
  for (int rank = 0; rank < mpi->world; ++rank)
    for (int64_t start = 0; start < count; start += MOST) {
      int status = MPI_Ibcast((char *)gathered + rank * count + start, (int)part(count, start),
                              MPI_BYTE, rank, mpi->work, &request);
      if (finish(mpi, status, &request, "gather")) return 1;
    }
  return 0;
}

static int all_to_all(const void *bytes, int64_t count, void *received, void *user_data) {
  supcon_mpi *mpi = user_data;
  MPI_Request request;
  if (count <= MOST) {
    int status = MPI_Ialltoall(bytes, (int)count, MPI_BYTE, received, (int)count, MPI_BYTE,
                               mpi->work, &request);
    return finish(mpi, status, &request, "exchange");
  }
  for (int64_t start = 0; start < count; start += MOST) {
    /* Blocks of one part, `count` bytes apart. */
    MPI_Datatype column = MPI_DATATYPE_NULL, block = MPI_DATATYPE_NULL;
    int status = MPI_Type_contiguous((int)part(count, start), MPI_BYTE, &column);
    if (status == MPI_SUCCESS) status = MPI_Type_create_resized(column, 0, (MPI_Aint)count, &block);
    if (status == MPI_SUCCESS) status = MPI_Type_commit(&block);
    if (status == MPI_SUCCESS)
      status = MPI_Ialltoall((const char *)bytes + start, 1, block, (char *)received + start, 1,
                             block, mpi->work, &request);
    const int failed = finish(mpi, status, &request, "exchange");
    if (block != MPI_DATATYPE_NULL) MPI_Type_free(&block);
    if (column != MPI_DATATYPE_NULL) MPI_Type_free(&column);
    if (failed) return 1;
  }
  return 0;
}

static int broadcast(void *bytes, int64_t count, int32_t root, void *user_data) {
  supcon_mpi *mpi = user_data;
  for (int64_t start = 0; start < count; start += MOST) {
    MPI_Request request;
    int status = MPI_Ibcast((char *)bytes + start, (int)part(count, start), MPI_BYTE, root,
                            mpi->work, &request);
    if (finish(mpi, status, &request, "broadcast")) return 1;
  }
  return 0;
}

static int barrier(void *user_data) {
  supcon_mpi *mpi = user_data;
  MPI_Request request;
  return finish(mpi, MPI_Ibarrier(mpi->work, &request), &request, "barrier");
}

static int describe_failure(char *text, int64_t capacity, void *user_data) {
  supcon_mpi *mpi = user_data;
  snprintf(text, (size_t)capacity, "%s", mpi->failure);
  return 0;
}

/* Copies a communicator, which all ranks must come to before the deadline. */
static int copy(supcon_mpi *mpi, MPI_Comm communicator, MPI_Comm *out) {
  MPI_Request request;
  int status = MPI_Comm_idup(communicator, out, &request), done = 0;
  for (double end = now() + mpi->deadline; status == MPI_SUCCESS && !done;) {
    status = MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (status == MPI_SUCCESS && !done && now() > end) {
      mpi->failure[0] = 1; /* the request is open: nothing is freed */
      *out = MPI_COMM_NULL;
      return MPI_ERR_PENDING;
    }
    if (!done) pause_after(mpi, 1);
  }
  return status;
}

int supcon_mpi_create(MPI_Comm communicator, double deadline, supcon_collectives *collectives,
                      supcon_mpi **out) {
  if (!out) return MPI_ERR_ARG;
  *out = NULL;
  if (!collectives || !(deadline > 0)) return MPI_ERR_ARG;
  supcon_mpi *mpi = calloc(1, sizeof *mpi);
  if (!mpi) return MPI_ERR_NO_MEM;
  mpi->deadline = deadline;
  mpi->owner = pthread_self();
  mpi->word = 1;
  mpi->work = mpi->alive = MPI_COMM_NULL;
  int status = copy(mpi, communicator, &mpi->work);
  if (status == MPI_SUCCESS) status = copy(mpi, communicator, &mpi->alive);
  if (status == MPI_SUCCESS) status = MPI_Comm_set_errhandler(mpi->work, MPI_ERRORS_RETURN);
  if (status == MPI_SUCCESS) status = MPI_Comm_set_errhandler(mpi->alive, MPI_ERRORS_RETURN);
  if (status == MPI_SUCCESS) status = MPI_Comm_rank(mpi->work, &mpi->rank);
  if (status == MPI_SUCCESS) status = MPI_Comm_size(mpi->work, &mpi->world);
  int threads = MPI_THREAD_SINGLE;
  if (status == MPI_SUCCESS) status = MPI_Query_thread(&threads);
  if (status != MPI_SUCCESS) {
    supcon_mpi_free(mpi);
    return status;
  }
  memset(collectives, 0, sizeof *collectives);
  collectives->struct_size = sizeof *collectives;
  collectives->rank = mpi->rank;
  collectives->world = mpi->world;
  collectives->any_thread = threads >= MPI_THREAD_SERIALIZED;
  collectives->all_reduce_sum = all_reduce_sum;
  collectives->all_gather = all_gather;
  collectives->broadcast = broadcast;
  collectives->barrier = barrier;
  collectives->all_to_all = all_to_all;
  collectives->describe_failure = describe_failure;
  collectives->user_data = mpi;
  *out = mpi;
  return MPI_SUCCESS;
}

void supcon_mpi_free(supcon_mpi *mpi) {
  if (!mpi) return;
  /* Not after a failure: freeing waits for the others, and requests may be open. */
  if (mpi->failure[0]) return;
  if (mpi->work != MPI_COMM_NULL) MPI_Comm_free(&mpi->work);
  if (mpi->alive != MPI_COMM_NULL) MPI_Comm_free(&mpi->alive);
  free(mpi);
}
