/* Filters on one plane of f32 [height][width], for corruptions (image_filter.c). */
#ifndef SUPCON_CKERNELS_FILTER_H
#define SUPCON_CKERNELS_FILTER_H
#include <stdint.h>

/* The ways in which a plane continues beyond its border: aaaa|abcd|dddd, dcba|abcd|dcba,
 * dcb|abcd|cba. */
enum { SC_BORDER_NEAREST = 0, SC_BORDER_SYMMETRIC = 1, SC_BORDER_REFLECT = 2 };
/* Returns the pixel that stands for pixel i of n. */
int64_t sc_border(int64_t i, int64_t n, int border);

/* Applies a symmetric kernel, weights[0 … 2 radius], horizontally and vertically. scratch: height *
 * width + width + 2 radius floats. in may be out. */
void sc_separable(const float *in, int64_t height, int64_t width, const float *weights,
                  int64_t radius, int border, float *scratch, float *out);
/* Applies a kernel of side × side (odd). row: width + side floats of scratch. */
void sc_convolve(const float *in, int64_t height, int64_t width, const float *kernel, int64_t side,
                 int border, float *row, float *out);
/* out[y][x] += weight * in[y - dy][x - dx], with the border extended. */
void sc_add_shifted(const float *in, int64_t height, int64_t width, int64_t dy, int64_t dx,
                    float weight, float *out);
/* out[y][x] = in[sy][sx], bilinear; sy, sx: [height][width], in pixels. */
void sc_remap(const float *in, int64_t height, int64_t width, const float *sy, const float *sx,
              int border, float *out);
#endif
