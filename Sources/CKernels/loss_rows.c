#include "ckernels_loss.h"
#include "kernel.h"
#include "loss_math.h"
#include <float.h>

SC_KERNEL(void, sc_row_squares,
          (const float *restrict x, int64_t rows, int64_t dimension, double *restrict squares),
          (x, rows, dimension, squares)) {
#pragma clang fp reassociate(on)
  for (int64_t i = 0; i < rows; i++) {
    double sum = 0;
    for (int64_t j = 0; j < dimension; j++)
      sum += (double)x[i * dimension + j] * (double)x[i * dimension + j];
    squares[i] = sum;
  }
}

SC_KERNEL(int, sc_mask_part,
          (const float *w, int64_t n, float *maximum, double *sum, int64_t *positives),
          (w, n, maximum, sum, positives)) {
#pragma clang fp reassociate(on)
  int bad = 0, count = 0;
  double all = 0;
  for (int64_t j = 0; j < n; j++) {
    bad |= !(w[j] >= 0 && w[j] <= FLT_MAX);
    count += w[j] > 0;
    all += (double)w[j];
  }
  float most = *maximum;
  for (int64_t j = 0; j < n; j++) most = w[j] > most ? w[j] : most;
  *maximum = most, *sum += all, *positives += count;
  return !bad;
}

SC_KERNEL(void, sc_l2_gradient,
          (float *restrict g, const float *restrict more, const float *restrict z,
           int64_t dimension, double factor),
          (g, more, z, dimension, factor)) {
#pragma clang fp reassociate(on)
  if (more)
    for (int64_t j = 0; j < dimension; j++) g[j] += more[j];
  double along = 0;
  if (z) {
    for (int64_t j = 0; j < dimension; j++) along += (double)g[j] * (double)z[j];
    for (int64_t j = 0; j < dimension; j++)
      g[j] = (float)(factor * ((double)g[j] - along * (double)z[j]));
  } else {
    for (int64_t j = 0; j < dimension; j++) g[j] = (float)(factor * (double)g[j]);
  }
}

SC_KERNEL(void, sc_exp_f32, (const float *restrict x, float *restrict y, int64_t n), (x, y, n)) {
  for (int64_t i = 0; i < n; i++) y[i] = exp_f32(x[i]);
}

SC_KERNEL(void, sc_log1p_f32, (const float *restrict x, float *restrict y, int64_t n), (x, y, n)) {
  for (int64_t i = 0; i < n; i++) y[i] = log1p_f32(x[i]);
}

SC_KERNEL(void, sc_softmax_row,
          (const float *restrict x, int64_t n, float *maximum, int64_t *argmax,
           double *exponentials, double *sum),
          (x, n, maximum, argmax, exponentials, sum)) {
#pragma clang fp reassociate(on)
  float most = -FLT_MAX;
  int64_t where = 0;
  double all = 0;
  for (int64_t i = 0; i < n; i++) all += (double)x[i];
  for (int64_t i = 0; i < n; i++)
    if (x[i] > most) most = x[i], where = i;
  double e = 0;
  for (int64_t i = 0; i < n; i++) e += (double)exp_f32(x[i] - most);
  *maximum = most, *argmax = where, *exponentials = e, *sum = all;
}

SC_KERNEL(void, sc_softmax_gradient_row,
          (const float *restrict x, int64_t n, float maximum, float factor, float offset,
           float *restrict g),
          (x, n, maximum, factor, offset, g)) {
  for (int64_t i = 0; i < n; i++) g[i] = exp_f32(x[i] - maximum) * factor - offset;
}
