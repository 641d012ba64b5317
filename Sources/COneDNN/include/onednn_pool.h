/* The pool of threads that oneDNN computes on (GNU OpenMP's), for our own loops too: two pools
 * would spin against each other on the same cores. */
#ifndef SUPCON_ONEDNN_POOL_H
#define SUPCON_ONEDNN_POOL_H

/* Calls body(context) once on each of `threads` threads of the caller's team, the caller being one,
 * and returns when all have. */
void scd_parallel(int threads, void (*body)(void *context), void *context);
#endif
