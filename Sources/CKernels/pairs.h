/* For kernels that need AVX512-BF16. */
#ifndef SUPCON_PAIRS_H
#define SUPCON_PAIRS_H
#include "kernel.h"

#include <immintrin.h>

#define FOR_PAIRS __attribute__((target("avx512f,avx512bw,avx512bf16"), min_vector_width(512)))
#define INLINE_FOR_PAIRS FOR_PAIRS INLINE

enum { LANES = 16, PAIR = 2 };

/* Transposes rows [16][16] of 32-bit numbers. */
INLINE_FOR_PAIRS void transpose(__m512i *rows) {
  __m512i t[LANES];
  /* Pairs of rows, then pairs of pairs, within each quarter of a vector. */
  for (int i = 0; i < LANES; i += 2) {
    t[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < LANES; i += 4)
    for (int j = 0; j < 2; j++) {
      rows[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
      rows[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
    }
  /* Row 4 k + j has columns j, j + 4, j + 8 and j + 12 of rows 4 k to 4 k + 3. */
  for (int j = 0; j < 4; j++) {
    const __m512i a = _mm512_shuffle_i32x4(rows[j], rows[j + 4], 0x88),
                  b = _mm512_shuffle_i32x4(rows[j], rows[j + 4], 0xdd),
                  c = _mm512_shuffle_i32x4(rows[j + 8], rows[j + 12], 0x88),
                  d = _mm512_shuffle_i32x4(rows[j + 8], rows[j + 12], 0xdd);
    t[j] = _mm512_shuffle_i32x4(a, c, 0x88);
    t[j + 4] = _mm512_shuffle_i32x4(b, d, 0x88);
    t[j + 8] = _mm512_shuffle_i32x4(a, c, 0xdd);
    t[j + 12] = _mm512_shuffle_i32x4(b, d, 0xdd);
  }
  for (int i = 0; i < LANES; i++) rows[i] = t[i];
}
#endif
