#include "ckernels_optimizer.h"

#include <math.h>

#include "kernel.h"

SC_KERNEL(void, sc_sgd,
          (float *restrict w, const float *restrict g, float *restrict v, int64_t n, float rate,
           float momentum, float decay, int nesterov),
          (w, g, v, n, rate, momentum, decay, nesterov)) {
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

SC_KERNEL(void, sc_lars_norms,
          (const float *restrict w, const float *restrict g, int64_t n, float decay,
           double *restrict squares),
          (w, g, n, decay, squares)) {
  double ww = 0, dd = 0;
  int64_t i = 0;
  /* Sixteen parallel sums let the compiler use vectors without changing the order given here. */
  double a[16] = {0}, b[16] = {0};
  for (; i + 16 <= n; i += 16)
    for (int k = 0; k < 16; k++) {
      const double d = g[i + k] + (double)decay * w[i + k];
      a[k] += (double)w[i + k] * w[i + k];
      b[k] += d * d;
    }
  for (; i < n; i++) {
    const double d = g[i] + (double)decay * w[i];
    ww += (double)w[i] * w[i];
    dd += d * d;
  }
  for (int k = 0; k < 16; k++) ww += a[k], dd += b[k];
  squares[0] = ww;
  squares[1] = dd;
}

SC_KERNEL(void, sc_lars,
          (float *restrict w, const float *restrict g, float *restrict v, int64_t n, float rate,
           float momentum, float decay, int nesterov),
          (w, g, v, n, rate, momentum, decay, nesterov)) {
  for (int64_t i = 0; i < n; i++) {
    const float d = rate * (g[i] + decay * w[i]);
    v[i] = momentum * v[i] + d;
    w[i] -= nesterov ? momentum * v[i] + d : v[i];
  }
}

SC_KERNEL(void, sc_rmsprop,
          (float *restrict w, const float *restrict g, float *restrict s, float *restrict v,
           int64_t n, float rate, float rho, float momentum, float epsilon, float decay),
          (w, g, s, v, n, rate, rho, momentum, epsilon, decay)) {
  for (int64_t i = 0; i < n; i++) {
    const float d = g[i] + decay * w[i];
    s[i] = rho * s[i] + (1 - rho) * (d * d);
    v[i] = momentum * v[i] + rate * d / sqrtf(s[i] + epsilon);
    w[i] -= v[i];
  }
}

SC_KERNEL(void, sc_adamw,
          (float *restrict w, const float *restrict g, float *restrict m, float *restrict s,
           int64_t n, float shrink, float rate, float beta1, float beta2, float root_correction,
           float epsilon),
          (w, g, m, s, n, shrink, rate, beta1, beta2, root_correction, epsilon)) {
  for (int64_t i = 0; i < n; i++) {
    m[i] = beta1 * m[i] + (1 - beta1) * g[i];
    s[i] = beta2 * s[i] + (1 - beta2) * (g[i] * g[i]);
    w[i] = w[i] * shrink - rate * m[i] / (sqrtf(s[i]) * root_correction + epsilon);
  }
}

SC_KERNEL(void, sc_move_towards,
          (float *restrict a, const float *restrict w, int64_t n, float fraction),
          (a, w, n, fraction)) {
  for (int64_t i = 0; i < n; i++) a[i] += fraction * (w[i] - a[i]);
}

SC_KERNEL(void, sc_accumulate,
          (float *restrict sum, const float *restrict g, float factor, int64_t n),
          (sum, g, factor, n)) {
  for (int64_t i = 0; i < n; i++) sum[i] += factor * g[i];
}
