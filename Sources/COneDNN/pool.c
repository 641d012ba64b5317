#include "onednn_pool.h"

#ifdef SUPCON_ONEDNN
/* libgomp's stable entry for `#pragma omp parallel`: what GCC itself emits. */
extern void GOMP_parallel(void (*body)(void *), void *context, unsigned threads, unsigned flags);

void scd_parallel(int threads, void (*body)(void *context), void *context) {
  GOMP_parallel(body, context, (unsigned)threads, 0);
}
#else
typedef int supcon_no_onednn;
#endif
