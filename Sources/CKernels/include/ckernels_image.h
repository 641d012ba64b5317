/* Images: resampling, color, blur. An image is processed as planes of f32, [channels][pixels],
 * `plane` values apart. */
#ifndef SUPCON_CKERNELS_IMAGE_H
#define SUPCON_CKERNELS_IMAGE_H
#include <stdint.h>

/* ---- Resampling by a triangle filter whose support grows with the shrinking, first horizontally,
 * then vertically (image_resample.c). */

/* Returns the largest number of source pixels, of `size`, on which one output pixel depends; scale
 * = source pixels per output pixel. */
int64_t sc_triangle_taps(double scale, int64_t size);
/* Output pixel x of `count` depends on source pixels start[x] … start[x] + taps - 1 with weights[k
 * * pitch + x], which sum to factor. low: where output begins, in source pixels; flip: count the
 * output backwards. start and each row of weights have `pitch` entries, a multiple of 16; sums:
 * pitch floats of scratch. */
void sc_triangle_weights(double low, double scale, int64_t size, int flip, float factor,
                         int64_t count, int64_t taps, int64_t pitch, int32_t *start, float *weights,
                         float *sums);

typedef struct sc_resampler {
  const void *data; /* first pixel of the part that is used; strides in elements */
  int64_t is_float, row_stride, column_stride, channel_stride;
  int64_t width, height, channels;
  int64_t out_width;
  int64_t taps_x, taps_y, pitch_x, pitch_y;
  const int32_t *start_x, *start_y;
  const float *weights_x, *weights_y;
  int64_t row_pitch; /* at least width + 192: windows reach beyond the row's end */
  float *row;        /* [channels][row_pitch]: a source row */
  float *ring;       /* [taps_y][channels][pitch_x]: source rows, resampled horizontally */
  int64_t loaded;    /* source rows that have entered the ring; begin with 0 */
  int64_t portable;  /* 1: without the instructions chosen by hand (for tests) */
} sc_resampler;
/* Writes rows first … last - 1 of the output to out, [channels][rows][out_width]; rows must be
 * requested in order. */
void sc_resample_rows(sc_resampler *resampler, int64_t first, int64_t last, float *out,
                      int64_t plane);

/* ---- Color: in place on n pixels of `channels` planes (image_color.c). Results are clamped to
 * 0…1. */

/* p = factor p. */
void sc_brightness(float *p, int64_t plane, int64_t channels, int64_t n, float factor);
/* p = factor p + offset. */
void sc_contrast(float *p, int64_t plane, int64_t channels, int64_t n, float factor, float offset);
/* Returns the sum of the gray values (three channels: 0.2989 R + 0.587 G + 0.114 B), or of all
 * values. */
double sc_gray_sum(const float *p, int64_t plane, int64_t channels, int64_t n);
/* p = factor p + (1 - factor) gray; three channels. */
void sc_saturation(float *p, int64_t plane, int64_t n, float factor);
/* Hue in HSV turned by `turns` (0 ≤ turns < 1); three channels. */
void sc_hue(float *p, int64_t plane, int64_t n, float turns);
/* Every channel becomes the gray value; three channels. */
void sc_gray(float *p, int64_t plane, int64_t n);
/* out[i][c] = scale[c] p[c][i] + shift[c]. */
void sc_interleave(const float *p, int64_t plane, int64_t channels, int64_t n, const float *scale,
                   const float *shift, float *out);

/* ---- Blur: one plane through a symmetric kernel, weights[0] in the center and weights[1 … radius]
 * on both sides, with borders reflected without repeating the edge pixel (radius < height, width).
 * row: width + 2 radius + 64 floats of scratch (image_blur.c). */
void sc_blur(const float *in, int64_t height, int64_t width, const float *weights, int64_t radius,
             float *row, float *out);
#endif
