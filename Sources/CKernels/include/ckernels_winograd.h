/* The transforms of Winograd's minimal filtering F(4×4, 3×3) (Lavin and Gray, "Fast algorithms for
 * convolutional neural networks", arXiv:1509.09308): with 6×6 tiles,
 *
 *     y = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ x B) ] A
 *
 * a 4×4 piece of a 3×3 convolution takes 36 multiplications instead of 144. A "plane" is one of the
 * 36 positions of a tile. x, y: one image, NHWC; channels are multiples of 16. */
#ifndef SUPCON_CKERNELS_WINOGRAD_H
#define SUPCON_CKERNELS_WINOGRAD_H
#include <stdint.h>

/* v[k * plane + c] = (Bᵀ x B)[k][c] of the 6×6 pixels from (top, left) on, which may lie outside:
 * zeros. */
void sc_winograd_input(const float *x, int64_t height, int64_t width, int64_t channels, int64_t top,
                       int64_t left, float *v, int64_t plane);
/* y = relu?(Aᵀ m A + bias + y) for the 4×4 pixels from (top, left) on, as far as they are inside;
 * bias may be NULL; add: 0 or 1, whether y counts. */
void sc_winograd_output(const float *m, int64_t plane, const float *bias, int add, int relu,
                        float *y, int64_t height, int64_t width, int64_t channels, int64_t top,
                        int64_t left);
/* m[k * plane + c] = (A dy Aᵀ)[k][c]: the output transform's gradient. */
void sc_winograd_output_gradient(const float *dy, int64_t height, int64_t width, int64_t channels,
                                 int64_t top, int64_t left, float *m, int64_t plane);
/* u [36, inputs, outputs] = G w Gᵀ for the inputs first to last - 1; w [outputs, inputs, 3, 3]. */
void sc_winograd_weights(const float *w, int64_t outputs, int64_t inputs, int64_t first,
                         int64_t last, float *u);
/* u [36, outputs, inputs]: the same of the filters turned by 180°, for the input's gradient; for
 * the outputs first to last - 1. */
void sc_winograd_turned_weights(const float *w, int64_t outputs, int64_t inputs, int64_t first,
                                int64_t last, float *u);
/* dw [outputs, inputs, 3, 3] = Gᵀ du G for the inputs first to last - 1; du [36, inputs, outputs].
 */
void sc_winograd_weight_gradient(const float *du, int64_t outputs, int64_t inputs, int64_t first,
                                 int64_t last, float *dw);
#endif
