/* The kernels of evaluation: lengths, a softmax and its gradient, and vectors in f64. */
#ifndef SUPCON_CKERNELS_EVALUATION_H
#define SUPCON_CKERNELS_EVALUATION_H
#include <stdint.h>

/* sum of x² in f64: it is finite if and only if all elements are. */
double sc_sum_of_squares(const float *x, int64_t count);
/* y = factor x, the product in f64. y may be x. */
void sc_scale_f32(const float *x, double factor, float *y, int64_t count);
/* sum[i] += factor x[i]. */
void sc_add_scaled_f32_to_f64(const float *x, double factor, double *sum, int64_t count);

/* sum of x y; y += factor x; x *= factor. */
double sc_dot_f64(const double *x, const double *y, int64_t count);
void sc_add_scaled_f64(const double *x, double factor, double *y, int64_t count);
void sc_scale_f64(double *x, double factor, int64_t count);

/* Softmax regression on the logits z[c][r] + bias[c] of `rows` rows, z [classes, rows] with rows
 * `stride` apart: returns the sum over rows of part (log Σ exp(z) − z[label]), overwrites z by part
 * (softmax(z) − one-hot(label)), and adds the sum of that over rows to bias_gradient[c]. labels: 0
 * to classes − 1; parts: [rows]. */
double sc_softmax_residual(float *z, int64_t stride, int64_t rows, int64_t classes,
                           const float *bias, const int32_t *labels, const float *parts,
                           double *bias_gradient);

/* sum over rows and columns of exp(−scale |a_r − b_c|²) with |a − b|² = square_a[r] + square_b[c] −
 * 2 dot[r][c]. upper: only columns after the row (c > r). */
double sc_gaussian_sum(const float *dots, int64_t stride, int64_t rows, int64_t columns,
                       const float *square_a, const float *square_b, float scale, int upper);
#endif
