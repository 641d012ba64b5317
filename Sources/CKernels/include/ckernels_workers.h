/* The process's own threads for loops. */
#ifndef SUPCON_CKERNELS_WORKERS_H
#define SUPCON_CKERNELS_WORKERS_H
#include <stdint.h>

/* Calls body(context, worker, piece) once for each piece of 0 … pieces - 1 and returns when all are
 * done. The calling thread takes part as worker 0, up to threads - 1 others as workers 1, 2, …,
 * where each index belongs to one thread at a time; a free thread takes the next piece. A thread
 * that the system does not schedule delays others only in the middle of a piece. Called from within
 * a piece, it does all pieces on the calling thread. Any number of threads may call it at once; in
 * a forked child it starts threads anew. */
void sc_share(int64_t pieces, int32_t threads,
              void (*body)(void *context, int32_t worker, int64_t piece), void *context);
#endif
