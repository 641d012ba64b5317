#include "ckernels_optimizer.h"
#include "clones.h"

SUPCON_CLONES void sc_sgd(float *restrict w, const float *restrict g, float *restrict v, int64_t n, float rate, float momentum, float decay, int nesterov) {
  if (nesterov) {
    for (int64_t i = 0; i < n; i++) {
      const float d = g[i] + decay * w[i];
      v[i] = momentum * v[i] + d;
      w[i] -= rate * (d + momentum * v[i]);
    }
  } else {
    for (int64_t i = 0; i < n; i++) {
      v[i] = momentum * v[i] + (g[i] + decay * w[i]);
      w[i] -= rate * v[i];
    }
  }
}
