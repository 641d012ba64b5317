/* These functions compute the gradient of a convolution's weights. In bf16 they do so by
 * AVX512-BF16's VDPBF16PS, each lane of which adds two products to a sum in f32. The two come from
 * two images at the same pixel, so that pairs stay pairs however a tap shifts the pixels:
 *
 *     dw[o, i, tap] += x[2p, q + tap, i] dy[2p, q, o] + x[2p + 1, q + tap, i] dy[2p + 1, q, o]
 *
 * over the pairs p and the output pixels q whose tap lies inside the image. In f32 each image
 * stands for a pair, which takes as many bytes. */
#ifndef SUPCON_CKERNELS_PAIRS_H
#define SUPCON_CKERNELS_PAIRS_H
#include <stdint.h>

/* This describes a convolution of one group on `pairs` pairs of images, or images in f32 if
 * `single` is 1. Its inputs are a multiple of SC_PAIR_INPUTS, its outputs one of `block`, which is
 * 16, 32 or 64. */
typedef struct {
  int64_t height, width, out_height, out_width, kernel, stride, padding, pairs, block, single;
} sc_pair_shape;
enum { SC_PAIR_INPUTS = 16 };

/* Returns 1 if this CPU has these products, and not AMX, which is faster. Packing and adding need
 * them. */
int sc_has_pair_products(void);
/* Returns the number of columns in a row of packed dy: blocks of 16 outputs have a column of zeros
 * at either end where three taps are computed at once. */
int64_t sc_pair_gradient_columns(const sc_pair_shape *shape);
/* Packs pair number `pair` of x into to [inputs / 16, height, width, pairs, 16, 2]; its rows and
 * pixels are `row` and `pixel` elements apart. `second` may be NULL: zeros, or f32. `to` begins at
 * a multiple of 64 bytes, here and below. */
void sc_pair_pack_input(const sc_pair_shape *shape, const void *first, const void *second,
                        int64_t inputs, int64_t row, int64_t pixel, int64_t pair, uint16_t *to);
/* Packs pair number `pair` of dy, [out_height, out_width, outputs] each, into
 * to [outputs / block, out_height, gradient columns, pairs, block, 2]. */
void sc_pair_pack_gradient(const sc_pair_shape *shape, const void *first, const void *second,
                           int64_t outputs, int64_t pair, uint16_t *to);
/* Adds the products of 16 packed inputs and a block of packed dy to sums [kernel², 16, block]. */
void sc_pair_add_products(const sc_pair_shape *shape, const uint16_t *x, const uint16_t *dy,
                          float *sums);
/* Stores the sum over `parts` sums, `part_stride` floats apart, added in their order:
 * dw[o * inputs * kernel² + i * kernel² + tap] for o < block and i < 16. */
void sc_pair_store(const sc_pair_shape *shape, const float *sums, int64_t parts,
                   int64_t part_stride, int64_t inputs, float *dw);
#endif
