/* The threads of GNU OpenMP, which oneDNN shares a convolution among where the batch is too small
 * for each to have images of its own. Our own loops run on them meanwhile: two sets of threads
 * would take each other's cores. */
#ifndef SUPCON_ONEDNN_POOL_H
#define SUPCON_ONEDNN_POOL_H

/* Calls body(context) once on each of `threads` threads of the caller's team, the caller being one,
 * and returns when all have. */
void scd_parallel(int threads, void (*body)(void *context), void *context);

/* Whether the calling thread's loops are to run so; sets it, and returns what it was. */
int scd_uses_team(void);
int scd_use_team(int uses);
#endif
