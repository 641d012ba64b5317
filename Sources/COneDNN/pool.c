#include "onednn_pool.h"

#ifdef SUPCON_ONEDNN
/* The stable entry point of libgomp for `#pragma omp parallel`, which GCC itself calls. */
extern void GOMP_parallel(void (*body)(void *), void *context, unsigned threads, unsigned flags);

void scd_parallel(int threads, void (*body)(void *context), void *context) {
  GOMP_parallel(body, context, (unsigned)threads, 0);
}

static _Thread_local int uses_team;

int scd_uses_team(void) { return uses_team; }

int scd_use_team(int uses) {
  const int former = uses_team;
  uses_team = uses;
  return former;
}
#else
typedef int supcon_no_onednn;
#endif
