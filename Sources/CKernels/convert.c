#include "ckernels_convert.h"
#include "bf16.h"
#include "kernel.h"

SC_KERNEL(void, sc_f32_to_bf16, (const float *restrict from, uint16_t *restrict to, int64_t n),
          (from, to, n)) {
  for (int64_t i = 0; i < n; i++) to[i] = f32_to_bf16(from[i]);
}

SC_KERNEL(void, sc_bf16_to_f32, (const uint16_t *restrict from, float *restrict to, int64_t n),
          (from, to, n)) {
  for (int64_t i = 0; i < n; i++) to[i] = bf16_to_f32(from[i]);
}
