/* The kernels of pool.c for one element type: T, LOAD, STORE, NAME(f) are defined by the includer.
 */
#include "max_pool_kernel.h"

/* This kernel is for training, where the backward pass needs to know which of the nine was the
 * largest. max_pool_kernel.h, for inference, does not, and compares the nine at once. */
SC_KERNEL(void, NAME(sc_max_pool),
          (const T *restrict x, int64_t height, int64_t width, int64_t channels, T *restrict y,
           uint8_t *restrict where),
          (x, height, width, channels, y, where)) {
  const int64_t out_height = (height + 1) / 2, out_width = (width + 1) / 2;
  for (int64_t i = 0; i < out_height; i++)
    for (int64_t j = 0; j < out_width; j++) {
      T *yo = y + (i * out_width + j) * channels;
      uint8_t *wo = where + (i * out_width + j) * channels;
      int first = 1;
      for (int k = 0; k < 9; k++) {
        const int64_t r = 2 * i - 1 + k / 3, s = 2 * j - 1 + k % 3;
        if (r < 0 || r >= height || s < 0 || s >= width) continue;
        const T *xi = x + (r * width + s) * channels;
        if (first) {
          for (int64_t c = 0; c < channels; c++) yo[c] = xi[c];
          memset(wo, k, (size_t)channels);
        } else {
          for (int64_t c = 0; c < channels; c++) {
            const int larger = LOAD(xi[c]) > LOAD(yo[c]);
            yo[c] = larger ? xi[c] : yo[c];
            wo[c] = larger ? (uint8_t)k : wo[c];
          }
        }
        first = 0;
      }
    }
}

/* It gathers, since an input lies in at most four windows. */
SC_KERNEL(void, NAME(sc_max_pool_gradient),
          (const T *restrict dy, const T *restrict dy2, const uint8_t *restrict where,
           int64_t height, int64_t width, int64_t channels, T *restrict dx),
          (dy, dy2, where, height, width, channels, dx)) {
  const int64_t out_height = (height + 1) / 2, out_width = (width + 1) / 2;
  for (int64_t r = 0; r < height; r++)
    for (int64_t s = 0; s < width; s++) {
      T *d = dx + (r * width + s) * channels;
      for (int64_t c0 = 0; c0 < channels; c0 += 64) {
        const int64_t n = channels - c0 < 64 ? channels - c0 : 64;
        float sum[64] = {0};
        for (int64_t i = r / 2; i <= (r + 1) / 2 && i < out_height; i++)
          for (int64_t j = s / 2; j <= (s + 1) / 2 && j < out_width; j++) {
            const uint8_t k = (uint8_t)((r - 2 * i + 1) * 3 + (s - 2 * j + 1));
            const int64_t o = (i * out_width + j) * channels + c0;
            for (int64_t c = 0; c < n; c++) {
              const float g = LOAD(dy[o + c]) + (dy2 ? LOAD(dy2[o + c]) : 0);
              sum[c] += where[o + c] == k ? g : 0;
            }
          }
        for (int64_t c = 0; c < n; c++) d[c0 + c] = STORE(sum[c]);
      }
    }
}

SC_KERNEL(void, NAME(sc_average_pool),
          (const T *restrict x, int64_t area, int64_t channels, float *restrict y),
          (x, area, channels, y)) {
  for (int64_t c = 0; c < channels; c++) y[c] = 0;
  for (int64_t p = 0; p < area; p++)
    for (int64_t c = 0; c < channels; c++) y[c] += LOAD(x[p * channels + c]);
  for (int64_t c = 0; c < channels; c++) y[c] /= (float)area;
}

SC_KERNEL(void, NAME(sc_average_pool_gradient),
          (const float *restrict dy, int64_t area, int64_t channels, T *restrict dx),
          (dy, area, channels, dx)) {
  const float factor = 1 / (float)area;
  for (int64_t p = 0; p < area; p++)
    for (int64_t c = 0; c < channels; c++) dx[p * channels + c] = STORE(dy[c] * factor);
}
