#include "ckernels_image.h"
#include "kernel.h"

#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

int64_t sc_triangle_taps(double scale, int64_t size) {
  const double taps = scale > 1 ? ceil(2 * scale) : 2;
  return taps < (double)size ? (int64_t)taps : size;
}

SC_KERNEL(void, sc_triangle_weights,
          (double low, double scale, int64_t size, int flip, float factor, int64_t count,
           int64_t taps, int64_t pitch, int32_t *restrict start, float *restrict weights,
           float *restrict sums),
          (low, scale, size, flip, factor, count, taps, pitch, start, weights, sums)) {
  const double support = scale > 1 ? scale : 1, most = (double)(size - taps);
  const float inverse = (float)(1 / support);
  const double first = flip ? low + ((double)count - 0.5) * scale : low + 0.5 * scale,
               step = flip ? -scale : scale;
  /* Row 0 of the weights holds the distance of tap 0 until it is processed, which is last. */
  float *restrict offset = weights;
  for (int64_t x = 0; x < pitch; x++) {
    const double center = first + (double)(x < count ? x : count - 1) * step;
    double s = floor(center - support + 0.5);
    s = s < 0 ? 0 : s > most ? most : s;
    start[x] = (int32_t)s;
    offset[x] = (float)(s + 0.5 - center);
    sums[x] = 0;
  }
  for (int64_t k = taps - 1; k >= 0; k--) {
    float *restrict row = weights + k * pitch;
    for (int64_t x = 0; x < pitch; x++) {
      const float w = 1 - fabsf(offset[x] + (float)k) * inverse;
      row[x] = w > 0 ? w : 0;
      sums[x] += row[x];
    }
  }
  for (int64_t x = 0; x < pitch; x++) sums[x] = factor / sums[x];
  for (int64_t k = 0; k < taps; k++)
    for (int64_t x = 0; x < pitch; x++) weights[k * pitch + x] *= sums[x];
}

#define NAME(f) f##_portable
#include "image_resample_kernels.h"
#undef NAME

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("arch=x86-64-v3"))), apply_to = function)
#define NAME(f) f##_v3
#define AVX2
#include "image_resample_kernels.h"
#undef AVX2
#undef NAME
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("arch=x86-64-v4"))), apply_to = function)
#define NAME(f) f##_v4
#define AVX512
#include "image_resample_kernels.h"
#undef AVX512
#undef NAME
#pragma clang attribute pop

#endif

void sc_resample_rows(sc_resampler *r, int64_t first, int64_t last, float *out, int64_t plane) {
#if defined(__x86_64__)
  const int level = r->portable ? SC_BASELINE : current_level();
  if (level == SC_AVX512) return sc_resample_rows_v4(r, first, last, out, plane);
  if (level == SC_AVX2) return sc_resample_rows_v3(r, first, last, out, plane);
#endif
  sc_resample_rows_portable(r, first, last, out, plane);
}
