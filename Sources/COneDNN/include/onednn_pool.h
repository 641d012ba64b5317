/* The threads of GNU OpenMP, among which oneDNN shares a convolution if the batch is too small for
 * each to have its own images. Our own loops run on them meanwhile, since two sets of threads would
 * compete for the same cores. */
#ifndef SUPCON_ONEDNN_POOL_H
#define SUPCON_ONEDNN_POOL_H

/* Calls body(context) once on each of `threads` threads of the caller's team, the caller being one,
 * and returns when all have. */
void scd_parallel(int threads, void (*body)(void *context), void *context);

/* scd_uses_team returns whether the calling thread's loops run there; scd_use_team sets it, and
 * returns the previous setting. */
int scd_uses_team(void);
int scd_use_team(int uses);
#endif
