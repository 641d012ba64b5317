/* The operations of augmentation policies, on planes of f32, 0…1 (image_policy.c). */
#ifndef SUPCON_CKERNELS_POLICY_H
#define SUPCON_CKERNELS_POLICY_H
#include <stdint.h>

/* The pixel centered at (x, y) comes from the pixel nearest to matrix (x, y, 1); `fill` if that is
 * outside. matrix: two rows of three; index: `width` of scratch. */
void sc_affine(const float *in, int64_t plane, int64_t channels, int64_t height, int64_t width,
               const float *matrix, float fill, int64_t *index, float *out);
/* One plane: p + (1 - factor) (s - p), s a mean of 3×3 pixels in which the center counts five
 * times; the border is unchanged. */
void sc_sharpen(const float *in, int64_t height, int64_t width, float factor, float *out);
/* p = floor(levels p) / levels, 1 becoming the last level. */
void sc_posterize(float *p, int64_t n, float levels);
/* p = 1 - p where p >= threshold. */
void sc_solarize(float *p, int64_t n, float threshold);
/* Maps the smallest value of one plane to 0 and the largest to 1; a flat plane is unchanged. */
void sc_stretch(const float *in, int64_t n, float *out);
/* Spreads the 256 levels of one plane so that each has about as many pixels (Pillow's rule); it is
 * unchanged if there are too few pixels or levels. */
void sc_equalize(const float *in, int64_t n, float *out);

/* A displacement d(p) = affine (1, y, x) + sum of weight_k |p - k|² ln |p - k| over four points: a
 * thin-plate spline. */
typedef struct sc_spline {
  float y[4], x[4], weight_y[4], weight_x[4], affine_y[3], affine_x[3];
} sc_spline;
/* The pixel at p comes from p - d(p), bilinear, with the border extended. scratch: 2 width floats.
 */
void sc_warp(const float *in, int64_t plane, int64_t channels, int64_t height, int64_t width,
             const sc_spline *spline, float *scratch, float *out);
#endif
