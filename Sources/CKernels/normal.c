#include "ckernels_normal.h"
#include "kernel.h"

#include <string.h>

/* The numbers are equal on every machine, because no product is fused with a sum. */
#pragma clang fp contract(off)

#define LANES 16

/* ln u, 0 < u <= 1: u = 2^e m with m about 1, and ln m = 2 artanh((m - 1) / (m + 1)) by its series.
 */
INLINE float log_f32(float u) {
  int32_t bits;
  memcpy(&bits, &u, 4);
  const int32_t e = (bits - 0x3f3504f3) >> 23; /* m in [sqrt(1/2), sqrt(2)) */
  bits -= (int32_t)((uint32_t)e << 23);
  float m;
  memcpy(&m, &bits, 4);
  const float t = (m - 1.0f) / (m + 1.0f), s = t * t;
  float p = 1.0f / 9;
  p = p * s + 1.0f / 7;
  p = p * s + 1.0f / 5;
  p = p * s + 1.0f / 3;
  return (float)e * 0.693147181f + (2.0f * t + 2.0f * t * (s * p));
}

/* Cosine and sine of w / 2^32 turns: the nearest quarter turn, and Taylor's series of the rest,
 * which is at most an eighth. */
INLINE void turn_f32(uint32_t w, float *cosine, float *sine) {
  const uint32_t quarter = (w + 0x20000000u) >> 30;
  const float a = (float)(int32_t)(w - (quarter << 30)) * 1.46291808e-9f,
              s = a * a; /* 2 pi / 2^32 */
  const float c = 1.0f - s * (0.5f - s * (1.0f / 24 - s * (1.0f / 720 - s * (1.0f / 40320))));
  const float d =
      a * (1.0f - s * (1.0f / 6 - s * (1.0f / 120 - s * (1.0f / 5040 - s * (1.0f / 362880)))));
  const float x = quarter & 1 ? d : c, y = quarter & 1 ? c : d;
  *cosine = quarter == 1 || quarter == 2 ? -x : x;
  *sine = quarter >= 2 ? -y : y;
}

SC_KERNEL(void, sc_normals,
          (uint64_t key, uint64_t stream_low, uint32_t stream_high, float deviation, float *y,
           int64_t n),
          (key, stream_low, stream_high, deviation, y, n)) {
  for (int64_t first = 0; first < n; first += 4 * LANES) {
    uint32_t a[LANES], b[LANES], c[LANES], d[LANES];
    float numbers[4 * LANES];
    for (int i = 0; i < LANES; i++)
      a[i] = (uint32_t)(first / 4 + i), b[i] = (uint32_t)stream_low,
      c[i] = (uint32_t)(stream_low >> 32), d[i] = stream_high;
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
      for (int i = 0; i < LANES; i++) {
        const uint64_t p = (uint64_t)0xD2511F53u * a[i], q = (uint64_t)0xCD9E8D57u * c[i];
        a[i] = (uint32_t)(q >> 32) ^ b[i] ^ k0, b[i] = (uint32_t)q;
        c[i] = (uint32_t)(p >> 32) ^ d[i] ^ k1, d[i] = (uint32_t)p;
      }
    for (int i = 0; i < LANES; i++) {
      const float r = deviation * __builtin_elementwise_sqrt(
                                      -2.0f * log_f32((float)((a[i] >> 8) + 1) * 0x1p-24f));
      const float t = deviation * __builtin_elementwise_sqrt(
                                      -2.0f * log_f32((float)((c[i] >> 8) + 1) * 0x1p-24f));
      float cosine, sine;
      turn_f32(b[i], &cosine, &sine);
      numbers[i] = r * cosine, numbers[LANES + i] = r * sine;
      turn_f32(d[i], &cosine, &sine);
      numbers[2 * LANES + i] = t * cosine, numbers[3 * LANES + i] = t * sine;
    }
    memcpy(y + first, numbers, (size_t)(n - first < 4 * LANES ? n - first : 4 * LANES) * 4);
  }
}
