#include "ckernels_pixels.h"
#include "kernel.h"

/* The number of elements in a piece, a multiple of 1, 2, 3 and 4 channels and of the widest vector.
 */
#define PIECE 48

#define NORMALIZE_ROW(NAME, T)                                                           \
  SC_KERNEL(void, NAME,                                                                  \
            (const T *from, int64_t width, int64_t channels, int64_t column_stride,      \
             int64_t channel_stride, const float *scale, const float *shift, float *to), \
            (from, width, channels, column_stride, channel_stride, scale, shift, to)) {  \
    if (channel_stride != 1 || column_stride != channels) {                              \
      for (int64_t c = 0; c < channels; c++)                                             \
        for (int64_t x = 0; x < width; x++)                                              \
          to[x * channels + c] =                                                         \
              from[x * column_stride + c * channel_stride] * scale[c] + shift[c];        \
      return;                                                                            \
    }                                                                                    \
    float scales[PIECE], shifts[PIECE];                                                  \
    for (int i = 0; i < PIECE; i++)                                                      \
      scales[i] = scale[i % channels], shifts[i] = shift[i % channels];                  \
    const int64_t n = width * channels;                                                  \
    int64_t i = 0;                                                                       \
    for (; i + PIECE <= n; i += PIECE) {                                                 \
      float piece[PIECE];                                                                \
      for (int j = 0; j < PIECE; j++) piece[j] = from[i + j] * scales[j] + shifts[j];    \
      for (int j = 0; j < PIECE; j++) to[i + j] = piece[j];                              \
    }                                                                                    \
    for (int j = 0; i < n; i++, j++) to[i] = from[i] * scales[j] + shifts[j];            \
  }

NORMALIZE_ROW(sc_normalize_row_u8, uint8_t)
NORMALIZE_ROW(sc_normalize_row_f32, float)
