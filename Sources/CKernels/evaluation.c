#include "ckernels_evaluation.h"
#include "kernel.h"

#include <math.h>
#include <string.h>

SC_KERNEL(double, sc_sum_of_squares, (const float *x, int64_t count), (x, count)) {
#pragma clang fp reassociate(on)
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += (double)x[i] * (double)x[i];
  return sum;
}

SC_KERNEL(void, sc_scale_f32, (const float *x, double factor, float *y, int64_t count),
          (x, factor, y, count)) {
#pragma clang loop vectorize(assume_safety)
  for (int64_t i = 0; i < count; i++) y[i] = (float)((double)x[i] * factor);
}

SC_KERNEL(void, sc_add_scaled_f32_to_f64,
          (const float *restrict x, double factor, double *restrict sum, int64_t count),
          (x, factor, sum, count)) {
  for (int64_t i = 0; i < count; i++) sum[i] += (double)x[i] * factor;
}

SC_KERNEL(double, sc_dot_f64, (const double *x, const double *y, int64_t count), (x, y, count)) {
#pragma clang fp reassociate(on)
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += x[i] * y[i];
  return sum;
}

SC_KERNEL(void, sc_add_scaled_f64,
          (const double *restrict x, double factor, double *restrict y, int64_t count),
          (x, factor, y, count)) {
  for (int64_t i = 0; i < count; i++) y[i] += factor * x[i];
}

SC_KERNEL(void, sc_scale_f64, (double *x, double factor, int64_t count), (x, factor, count)) {
  for (int64_t i = 0; i < count; i++) x[i] *= factor;
}

/* exp(x) for x ≤ 0 to 2 ulp; results below 2^-126 become about that. x = n ln 2 + r, |r| ≤ ln 2 / 2
 * (ln 2 in two parts, Cody and Waite), exp(r) by a polynomial with the coefficients of Cephes'
 * expf, and 2ⁿ assembled from bits. */
INLINE float exp_of_nonpositive(float x) {
  x = x < -87.0f ? -87.0f : x;
  const float shifted =
      x * 1.44269504f +
      12582912.0f; /* 1.5 · 2²³: rounds to an integer, which then lies in the low bits */
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  int32_t bits;
  memcpy(&bits, &shifted, 4);
  bits = (bits - 0x4b400000 + 127) << 23;
  float power;
  memcpy(&power, &bits, 4);
  return p * power;
}

#define STRIP 64

/* A strip of rows in the lanes of a vector, with three passes over the classes: for the maximum,
 * the sum, and the gradient. */
INLINE double softmax_strip(float *restrict z, int64_t stride, const int width, int64_t classes,
                            const float *restrict bias, const int32_t *restrict labels,
                            const float *restrict parts, double *restrict bias_gradient) {
  float most[STRIP], sum[STRIP] = {0}, right[STRIP];
  for (int r = 0; r < width; r++) {
    most[r] = z[r] + bias[0];
    right[r] = z[labels[r] * stride + r] + bias[labels[r]];
  }
  for (int64_t c = 1; c < classes; c++)
    for (int r = 0; r < width; r++) {
      const float v = z[c * stride + r] + bias[c];
      most[r] = v > most[r] ? v : most[r];
    }
  for (int64_t c = 0; c < classes; c++)
    for (int r = 0; r < width; r++) {
      const float e = exp_of_nonpositive(z[c * stride + r] + bias[c] - most[r]);
      z[c * stride + r] = e;
      sum[r] += e;
    }
  double loss = 0;
  for (int r = 0; r < width; r++) {
    loss += (double)parts[r] * (log((double)sum[r]) + ((double)most[r] - (double)right[r]));
    sum[r] = parts[r] / sum[r];
  }
  for (int64_t c = 0; c < classes; c++)
    for (int r = 0; r < width; r++) z[c * stride + r] *= sum[r];
  for (int r = 0; r < width; r++) z[labels[r] * stride + r] -= parts[r];
  for (int64_t c = 0; c < classes; c++) {
#pragma clang fp reassociate(on)
    float total = 0;
    for (int r = 0; r < width; r++) total += z[c * stride + r];
    bias_gradient[c] += (double)total;
  }
  return loss;
}

SC_KERNEL(double, sc_softmax_residual,
          (float *z, int64_t stride, int64_t rows, int64_t classes, const float *bias,
           const int32_t *labels, const float *parts, double *bias_gradient),
          (z, stride, rows, classes, bias, labels, parts, bias_gradient)) {
  double loss = 0;
  int64_t r = 0;
  for (; r + STRIP <= rows; r += STRIP)
    loss +=
        softmax_strip(z + r, stride, STRIP, classes, bias, labels + r, parts + r, bias_gradient);
  if (r < rows)
    loss += softmax_strip(z + r, stride, (int)(rows - r), classes, bias, labels + r, parts + r,
                          bias_gradient);
  return loss;
}
#undef STRIP

SC_KERNEL(double, sc_gaussian_sum,
          (const float *dots, int64_t stride, int64_t rows, int64_t columns, const float *square_a,
           const float *square_b, float scale, int upper),
          (dots, stride, rows, columns, square_a, square_b, scale, upper)) {
  double sum = 0;
  for (int64_t r = 0; r < rows; r++) {
#pragma clang fp reassociate(on)
    const float *d = dots + r * stride;
    const float a = square_a[r];
    float total = 0;
    for (int64_t c = upper ? r + 1 : 0; c < columns; c++) {
      const float square = a + square_b[c] - 2 * d[c];
      total += exp_of_nonpositive(-scale * (square > 0 ? square : 0));
    }
    sum += (double)total;
  }
  return sum;
}
