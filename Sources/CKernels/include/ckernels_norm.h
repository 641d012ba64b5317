/* Batch normalization and the operations fused with it, on matrices [rows, channels] (NHWC, rows =
 * images * height * width), f32 or bf16. Statistics and sums are computed per block of rows in f32
 * and across blocks in f64. */
#ifndef SUPCON_CKERNELS_NORM_H
#define SUPCON_CKERNELS_NORM_H
#include <stdint.h>

#define SC_NORM_KERNELS(T, SUFFIX)                                                                 \
  /* mean[c] and m2[c] = sum of (x - mean)^2 over the rows; both overwritten. */                   \
  void sc_norm_moments_##SUFFIX(const T *x, int64_t rows, int64_t channels, double *mean,          \
                                double *m2);                                                       \
  /* y = relu?(scale[c] x + shift[c] + residual); residual may be NULL. */                         \
  void sc_norm_apply_##SUFFIX(const T *x, const T *residual, const float *scale,                   \
                              const float *shift, int relu, T *y, int64_t rows, int64_t channels); \
  /* g = dy + dy2, where the output was positive if relu (y if given, else scale[c] x + shift[c]); \
   * adds to sum_g[c] the sum of g and to sum_gx[c] that of g (x - mean[c]). Writes g unless it is \
   * NULL; it may be dy. dy2 and y may be NULL. */                                                 \
  void sc_norm_reduce_##SUFFIX(const T *dy, const T *dy2, const T *x, const T *y,                  \
                               const float *scale, const float *shift, const float *mean,          \
                               int relu, T *g, double *sum_g, double *sum_gx, int64_t rows,        \
                               int64_t channels);                                                  \
  /* dx = scale[c] g + factor[c] x + offset[c]; if relu, g counts only where scale[c] x + shift[c] \
   * > 0. dx may be g. */                                                                          \
  void sc_norm_input_gradient_##SUFFIX(                                                            \
      const T *g, const T *x, const float *scale, const float *shift, const float *factor,         \
      const float *offset, int relu, T *dx, int64_t rows, int64_t channels);
SC_NORM_KERNELS(float, f32)
SC_NORM_KERNELS(uint16_t, bf16)
#undef SC_NORM_KERNELS
#endif
