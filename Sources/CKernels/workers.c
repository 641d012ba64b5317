#define _GNU_SOURCE
#include "ckernels_workers.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ckernels_machine.h"

/* The time for which a thread polls for work before it sleeps, in ns. It is longer than the gaps
 * between a step's loops and the spread of their ends, but short enough not to waste a core that
 * others could use. */
enum { PATIENCE = 50000 };

/* Of a worker. Its owner, the thread that took it from the idle ones, makes IDLE or ASLEEP
 * ASSIGNED, takes that back (IDLE) if the worker has not begun, and makes RUNNING AWAITED when it
 * goes to sleep itself; the worker makes all other changes. */
enum { IDLE, ASLEEP, ASSIGNED, RUNNING, AWAITED };

struct loop {
  _Atomic int64_t next;
  int64_t pieces;
  void (*body)(void *, int32_t, int64_t);
  void *context;
};

struct worker {
  _Alignas(64) _Atomic uint32_t state;
  int32_t number;
  struct loop *loop;
  struct worker *next; /* among the idle ones, or the owner's */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct worker *idle;
static int32_t started, most;
static _Thread_local int inside;

/* The function of GNU OpenMP, if oneDNN is linked; oneDNN computes on the thread that calls it. */
extern void omp_set_num_threads(int) __attribute__((weak));

static void sleep_while(_Atomic uint32_t *state, uint32_t value) {
  syscall(SYS_futex, state, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake(_Atomic uint32_t *state) {
  syscall(SYS_futex, state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Polls until *state differs from `value`, or the time is up. */
static uint32_t look_while(_Atomic uint32_t *state, uint32_t value) {
  const int64_t end = nanoseconds() + PATIENCE;
  uint32_t found;
  do {
    for (int i = 0; i < 16; i++) {
      if ((found = atomic_load_explicit(state, memory_order_acquire)) != value) return found;
      relax();
    }
  } while (nanoseconds() < end);
  return found;
}

static int change(_Atomic uint32_t *state, uint32_t from, uint32_t to) {
  return atomic_compare_exchange_strong(state, &from, to);
}

static void take_pieces(struct loop *loop, int32_t number) {
  for (;;) {
    const int64_t piece = atomic_fetch_add_explicit(&loop->next, 1, memory_order_relaxed);
    if (piece >= loop->pieces) return;
    loop->body(loop->context, number, piece);
  }
}

static void *work(void *argument) {
  struct worker *self = argument;
  inside = 1;
  if (omp_set_num_threads) omp_set_num_threads(1);
  for (;;) {
    if (look_while(&self->state, IDLE) == IDLE && change(&self->state, IDLE, ASLEEP))
      while (atomic_load(&self->state) == ASLEEP) sleep_while(&self->state, ASLEEP);
    if (!change(&self->state, ASSIGNED, RUNNING)) continue;
    take_pieces(self->loop, self->number);
    if (atomic_exchange(&self->state, IDLE) == AWAITED) wake(&self->state);
  }
  return NULL;
}

/* In a forked child the threads do not exist. */
static void forget(void) {
  pthread_mutex_init(&lock, NULL);
  idle = NULL;
  started = 0;
}

/* Returns a new worker, or NULL. It receives no signals of the host's. */
static struct worker *start(void) {
  static int watches;
  if (!watches) watches = pthread_atfork(NULL, NULL, forget) == 0;
  struct worker *worker = aligned_alloc(64, sizeof *worker);
  if (!worker) return NULL;
  *worker = (struct worker){.state = IDLE};
  sigset_t all, former;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &former);
  pthread_t thread;
  const int status = pthread_create(&thread, NULL, work, worker);
  pthread_sigmask(SIG_SETMASK, &former, NULL);
  if (status != 0) {
    free(worker);
    return NULL;
  }
  pthread_detach(thread);
  started++;
  return worker;
}

/* Returns up to `wanted` workers, in a list. There are never more than the largest loop, or all
 * CPUs, can use, however many threads call. */
static struct worker *take(int32_t wanted) {
  struct worker *taken = NULL;
  pthread_mutex_lock(&lock);
  if (!most) most = (int32_t)sc_available_cpus() - 1;
  if (most < wanted) most = wanted;
  for (; wanted > 0; wanted--) {
    struct worker *worker = idle;
    if (worker) idle = worker->next;
    else if (started >= most || !(worker = start())) break;
    worker->next = taken;
    taken = worker;
  }
  pthread_mutex_unlock(&lock);
  return taken;
}

static void give_back(struct worker *taken) {
  pthread_mutex_lock(&lock);
  while (taken) {
    struct worker *worker = taken;
    taken = worker->next;
    worker->next = idle;
    idle = worker;
  }
  pthread_mutex_unlock(&lock);
}

/* Waits until the worker has finished its piece, or takes the piece back if it has not begun. */
static void await(struct worker *worker) {
  if (change(&worker->state, ASSIGNED, IDLE)) return;
  if (look_while(&worker->state, RUNNING) == RUNNING && change(&worker->state, RUNNING, AWAITED))
    while (atomic_load(&worker->state) == AWAITED) sleep_while(&worker->state, AWAITED);
}

void sc_share(int64_t pieces, int32_t threads, void (*body)(void *, int32_t, int64_t),
              void *context) {
  const int64_t useful = pieces < threads ? pieces : threads;
  struct loop loop = {.next = 0, .pieces = pieces, .body = body, .context = context};
  if (useful <= 1 || inside) return take_pieces(&loop, 0);
  struct worker *helpers = take((int32_t)useful - 1);
  int32_t number = 1;
  for (struct worker *helper = helpers; helper; helper = helper->next) {
    helper->loop = &loop;
    helper->number = number++;
    if (atomic_exchange(&helper->state, ASSIGNED) == ASLEEP) wake(&helper->state);
  }
  inside = 1;
  take_pieces(&loop, 0);
  inside = 0;
  for (struct worker *helper = helpers; helper; helper = helper->next) await(helper);
  give_back(helpers);
}
