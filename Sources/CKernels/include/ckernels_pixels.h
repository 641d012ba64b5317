/* Interleaved pixels for a network: y = x scale[c] + shift[c]. (sc_interleave in ckernels_image.h
 * does it on the way from planes.) */
#ifndef SUPCON_CKERNELS_PIXELS_H
#define SUPCON_CKERNELS_PIXELS_H
#include <stdint.h>

/* A row of `width` pixels by strides (in elements; any sign) → to [width, channels], channels 1
 * to 4. A dense image is one long row. */
void sc_normalize_row_u8(const uint8_t *from, int64_t width, int64_t channels,
                         int64_t column_stride, int64_t channel_stride, const float *scale,
                         const float *shift, float *to);
/* from and to may be the same memory. */
void sc_normalize_row_f32(const float *from, int64_t width, int64_t channels, int64_t column_stride,
                          int64_t channel_stride, const float *scale, const float *shift,
                          float *to);
#endif
