/* Optimizers' updates on plain arrays of n parameters. */
#ifndef SUPCON_CKERNELS_OPTIMIZER_H
#define SUPCON_CKERNELS_OPTIMIZER_H
#include <stdint.h>

/* d = g + decay w;  v = momentum v + d;  w -= rate (nesterov ? d + momentum v : v). */
void sc_sgd(float *w, const float *g, float *v, int64_t n, float rate, float momentum, float decay,
            int nesterov);

/* squares[0] = Σ w², squares[1] = Σ (g + decay w)², in double. */
void sc_lars_norms(const float *w, const float *g, int64_t n, float decay, double *squares);
/* d = rate (g + decay w);  v = momentum v + d;  w -= nesterov ? momentum v + d : v.  rate:
 * including the trust ratio. */
void sc_lars(float *w, const float *g, float *v, int64_t n, float rate, float momentum, float decay,
             int nesterov);
/* d = g + decay w;  s = rho s + (1 - rho) d²;  v = momentum v + rate d / √(s + epsilon);  w -= v.
 */
void sc_rmsprop(float *w, const float *g, float *s, float *v, int64_t n, float rate, float rho,
                float momentum, float epsilon, float decay);
/* m = beta1 m + (1 - beta1) g;  s = beta2 s + (1 - beta2) g²;  w = shrink w - rate m /
 * (root_correction √s + epsilon). */
void sc_adamw(float *w, const float *g, float *m, float *s, int64_t n, float shrink, float rate,
              float beta1, float beta2, float root_correction, float epsilon);

/* a += fraction (w - a): a moving average. */
void sc_move_towards(float *a, const float *w, int64_t n, float fraction);
/* sum += factor g. */
void sc_accumulate(float *sum, const float *g, float factor, int64_t n);
#endif
