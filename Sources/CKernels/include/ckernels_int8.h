/* The kernels of int8 inference other than its convolutions. */
#ifndef SUPCON_CKERNELS_INT8_H
#define SUPCON_CKERNELS_INT8_H
#include <stdint.h>

/* to = round(from * factor), ties to even, within -127 to 127. */
void sc_f32_to_s8(const float *from, float factor, int8_t *to, int64_t n);
/* to = from * factor; bf16 rounds to nearest, ties to even. */
void sc_u8_to_f32(const uint8_t *from, float factor, float *to, int64_t n);
void sc_u8_to_bf16(const uint8_t *from, float factor, uint16_t *to, int64_t n);
/* y[c] = factor * the sum over the area of x [area, channels]; area below 2^24. */
void sc_average_pool_u8(const uint8_t *x, int64_t area, int64_t channels, float factor, float *y);

enum { SC_MAGNITUDES = 1 << 15 };
/* counts[b] += how many of x have the magnitude bits b, the upper 15 behind the sign: bins that are
 * 1/128 wide in proportion. */
void sc_count_magnitudes(const float *x, int64_t n, int64_t *counts);
#endif
