/* Pooling on NHWC, f32 or bf16, one image a call. */
#ifndef SUPCON_CKERNELS_POOL_H
#define SUPCON_CKERNELS_POOL_H
#include <stdint.h>

#define SC_POOL_KERNELS(T, SUFFIX)                                                              \
  /* 3x3, stride 2, padding 1, to [(height+1)/2, (width+1)/2, channels]; where[] tells for each \
   * output which of the 9 inputs it is. */                                                     \
  void sc_max_pool_##SUFFIX(const T *x, int64_t height, int64_t width, int64_t channels, T *y,  \
                            uint8_t *where);                                                    \
  /* dx = the gradient of that; dy2 may be NULL, else dy + dy2 comes in. */                     \
  void sc_max_pool_gradient_##SUFFIX(const T *dy, const T *dy2, const uint8_t *where,           \
                                     int64_t height, int64_t width, int64_t channels, T *dx);   \
  /* y[c] = mean over the area of x [area, channels]. */                                        \
  void sc_average_pool_##SUFFIX(const T *x, int64_t area, int64_t channels, float *y);          \
  /* dx [area, channels] = dy[c] / area. */                                                     \
  void sc_average_pool_gradient_##SUFFIX(const float *dy, int64_t area, int64_t channels, T *dx);
SC_POOL_KERNELS(float, f32)
SC_POOL_KERNELS(uint16_t, bf16)
#undef SC_POOL_KERNELS

/* Computes rows first to end - 1 of that y, for inference. */
#define SC_MAX_POOL_ROWS(T, SUFFIX)                                                           \
  void sc_max_pool_rows_##SUFFIX(const T *x, int64_t height, int64_t width, int64_t channels, \
                                 int64_t first, int64_t end, T *y);
SC_MAX_POOL_ROWS(float, f32)
SC_MAX_POOL_ROWS(uint16_t, bf16)
SC_MAX_POOL_ROWS(uint8_t, u8)
#undef SC_MAX_POOL_ROWS
#endif
