#include "ckernels_int8.h"
#include "bf16.h"
#include "kernel.h"

#include <string.h>

SC_KERNEL(void, sc_f32_to_s8,
          (const float *restrict from, float factor, int8_t *restrict to, int64_t n),
          (from, factor, to, n)) {
  for (int64_t i = 0; i < n; i++) {
    const float v = from[i] * factor, low = v > -127 ? v : -127, bounded = low < 127 ? low : 127;
    to[i] = (int8_t)__builtin_rintf(bounded);
  }
}

SC_KERNEL(void, sc_u8_to_f32,
          (const uint8_t *restrict from, float factor, float *restrict to, int64_t n),
          (from, factor, to, n)) {
  for (int64_t i = 0; i < n; i++) to[i] = from[i] * factor;
}

SC_KERNEL(void, sc_u8_to_bf16,
          (const uint8_t *restrict from, float factor, uint16_t *restrict to, int64_t n),
          (from, factor, to, n)) {
  for (int64_t i = 0; i < n; i++) to[i] = f32_to_bf16(from[i] * factor);
}

/* Apart from the float pools (pool_kernels.h): bytes are summed exactly, as integers, and
 * multiplied by a factor. */
SC_KERNEL(void, sc_average_pool_u8,
          (const uint8_t *restrict x, int64_t area, int64_t channels, float factor,
           float *restrict y),
          (x, area, channels, factor, y)) {
  for (int64_t c0 = 0; c0 < channels; c0 += 64) {
    const int64_t n = channels - c0 < 64 ? channels - c0 : 64;
    uint32_t sums[64] = {0};
    for (int64_t p = 0; p < area; p++)
      for (int64_t c = 0; c < n; c++) sums[c] += x[p * channels + c0 + c];
    for (int64_t c = 0; c < n; c++) y[c0 + c] = (float)sums[c] * factor;
  }
}

#define T uint8_t
#define LOAD(v) (v)
#define NAME(f) f##_u8
#include "max_pool_kernel.h"

void sc_count_magnitudes(const float *x, int64_t n, int64_t *counts) {
  for (int64_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, 4);
    counts[(bits & 0x7fffffff) >> 16]++;
  }
}
