/* Signals are blocked while a kernel of oneDNN runs on the calling thread. Its generated code keeps
 * values below the stack pointer, where a signal handler places its frame: a handler that ran in
 * the middle of a matrix product (Ctrl-C's, a profiler's) corrupted the heap in six of eight runs
 * of Tests/C/test_process.c. A product or a piece of a convolution takes milliseconds. */
#ifndef SUPCON_ONEDNN_SIGNALS_H
#define SUPCON_ONEDNN_SIGNALS_H

#ifdef SUPCON_ONEDNN
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <signal.h>

typedef sigset_t scd_signals;

static inline scd_signals scd_hold_signals(void) {
  sigset_t all, former;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &former);
  return former;
}
static inline void scd_release_signals(scd_signals former) {
  pthread_sigmask(SIG_SETMASK, &former, NULL);
}
#endif
#endif
