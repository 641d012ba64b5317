#include "ckernels_image.h"
#include "kernel.h"

INLINE int64_t reflected(int64_t i, int64_t n) { return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i; }

/* 64 sums at a time stay in registers for the whole kernel. */
#define BLOCK 64
typedef float lanes __attribute__((vector_size(64), aligned(4)));

SC_KERNEL(void, sc_blur,
          (const float *in, int64_t height, int64_t width, const float *weights, int64_t radius,
           float *row, float *out),
          (in, height, width, weights, radius, row, out)) {
  for (int64_t y = 0; y < height; y++) {
    float *middle = row + radius; /* row y, blurred vertically, followed by BLOCK spare floats */
    for (int64_t x = 0; x < width; x += BLOCK) {
      if (width - x >= BLOCK) {
        const lanes *m = (const lanes *)(in + y * width + x);
        lanes s0 = m[0] * weights[0], s1 = m[1] * weights[0], s2 = m[2] * weights[0],
              s3 = m[3] * weights[0];
        for (int64_t k = 1; k <= radius; k++) {
          const lanes *a = (const lanes *)(in + reflected(y - k, height) * width + x),
                      *b = (const lanes *)(in + reflected(y + k, height) * width + x);
          s0 += (a[0] + b[0]) * weights[k], s1 += (a[1] + b[1]) * weights[k],
              s2 += (a[2] + b[2]) * weights[k], s3 += (a[3] + b[3]) * weights[k];
        }
        lanes *d = (lanes *)(middle + x);
        d[0] = s0, d[1] = s1, d[2] = s2, d[3] = s3;
      } else {
        for (int64_t i = x; i < width; i++) middle[i] = in[y * width + i] * weights[0];
        for (int64_t k = 1; k <= radius; k++) {
          const float *a = in + reflected(y - k, height) * width,
                      *b = in + reflected(y + k, height) * width;
          for (int64_t i = x; i < width; i++) middle[i] += (a[i] + b[i]) * weights[k];
        }
      }
    }
    for (int64_t k = 1; k <= radius; k++) {
      middle[-k] = middle[reflected(-k, width)];
      middle[width - 1 + k] = middle[reflected(width - 1 + k, width)];
    }
    for (int64_t x = 0; x < width; x += BLOCK) {
      const lanes *m = (const lanes *)(middle + x);
      lanes sums[4] = {m[0] * weights[0], m[1] * weights[0], m[2] * weights[0], m[3] * weights[0]};
      for (int64_t k = 1; k <= radius; k++) {
        const lanes *a = (const lanes *)(middle + x - k), *b = (const lanes *)(middle + x + k);
        for (int j = 0; j < 4; j++) sums[j] += (a[j] + b[j]) * weights[k];
      }
      const int64_t n = width - x < BLOCK ? width - x : BLOCK;
      for (int64_t i = 0; i < n; i++) out[y * width + x + i] = ((const float *)sums)[i];
    }
  }
}
