/* Optimisers' updates on plain arrays of n parameters. */
#ifndef SUPCON_CKERNELS_OPTIMIZER_H
#define SUPCON_CKERNELS_OPTIMIZER_H
#include <stdint.h>

/* d = g + decay w;  v = momentum v + d;  w -= rate (nesterov ? d + momentum v : v). */
void sc_sgd(float *w, const float *g, float *v, int64_t n, float rate, float momentum, float decay, int nesterov);
#endif
