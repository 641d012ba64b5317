/* The kernels of the contrastive losses, for a tile of similarities while it is in cache, and for
 * the rows of features before and after.
 *
 * A tile is a piece of the matrix s[anchor][contrast]. Every pair has a weight w: 0 is a negative,
 * more is a positive, and less (-1) is ignored; an anchor and itself are no pair. Sums over a
 * tile's row are computed in f32 and added to f64; sums down its columns likewise, 64 rows at a
 * time. */
#ifndef SUPCON_CKERNELS_LOSS_H
#define SUPCON_CKERNELS_LOSS_H
#include <stdint.h>

/* The largest number of columns of a tile. */
#define SC_LOSS_TILE 256

typedef struct sc_loss_tile {
  float *similarities; /* rows, `stride` apart; the gradients replace them */
  int64_t stride, rows, columns;
  int64_t first_anchor, first_contrast; /* the tile's position */
  int64_t self_stride; /* anchor a is contrast a * self_stride; 0: anchors are no contrasts */
  const int32_t
      *classes; /* of every contrast: w is 1 for the same class, else 0; NULL if there is a mask */
  const int32_t *anchor_classes; /* of anchor a: [a * anchor_class_stride] */
  int64_t anchor_class_stride;
  int64_t neutral_from; /* contrasts from this one on are ignored by anchors of their own class */
  const float *mask;    /* [samples, samples]; contrast c is a view of sample c / views */
  const double *mask_scale; /* [samples]: scales a row of the mask to a maximum of 1 */
  int64_t samples, views;
  const int32_t *chosen; /* NULL, or of anchor a: [a * chosen_limit], chosen_count[a] contrasts in
                            order: other positives are ignored */
  const int32_t *chosen_count;
  int64_t chosen_limit;
} sc_loss_tile;

/* The combination of the terms of a pair. */
enum {
  SC_LOSS_OUT_ALL = 0, /* form out, all other contrasts in the denominator */
  SC_LOSS_IN_ALL = 1,
  SC_LOSS_OUT_NEGATIVES = 2, /* negatives alone in the denominator */
  SC_LOSS_IN_NEGATIVES = 3,
  SC_LOSS_OUT_ONE = 4 /* the positive in question and the negatives */
};

/* Adds a tile to the values of its anchors, which lie at their indices, so that tiles of different
 * anchors do not overlap.
 *   sum       of exp(s - shift) over the denominator (OUT_ONE: its negatives)
 *   shift     the greatest s there
 *   positive  forms out: the sum of w s over the positives;
 *             forms in: that of w exp(s - positive_shift)
 * Before the first tile: sums 0, shifts -FLT_MAX; these grow as larger similarities occur (Milakov
 * and Gimelshein, arXiv:1805.02867). */
void sc_loss_sums(const sc_loss_tile *tile, int kind, float *shift, double *sum,
                  float *positive_shift, double *positive);

/* The second pass of OUT_ONE, with u = n - s, n the logarithm of the sum over the negatives, in two
 * parts: negatives[a] + rest[a] (-inf: this anchor has nothing to add). Adds to loss[a] the sum
 * over the positives of w log(1 + exp(u)), and to fraction[a] that of w / (1 + exp(-u)). */
void sc_loss_one_positive(const sc_loss_tile *tile, const float *negatives, const float *rest,
                          double *loss, double *fraction);

/* Turns s into dL/ds, the sum of two parts; that of an anchor with itself is 0.
 *   denominator  weight[a] exp(s - shift[a])
 *   positives    -w positive_weight[a] times 1 (out), exp(s - positive_shift[a]) (in) or
 *                1 / (1 + exp(-u)) (OUT_ONE) */
void sc_loss_gradient(const sc_loss_tile *tile, int kind, const float *shift, const float *weight,
                      const float *positive_shift, const float *positive_weight,
                      const float *negatives, const float *rest);

/* The two kernels for tiles that serve both ends, where every contrast is an anchor (self_stride
 * 1), there are classes and no choice of positives, and |s| <= 40, so that nothing needs a shift.
 * Each pair is processed once: on the diagonal (first_anchor == first_contrast) only pairs to the
 * right of it count. */
void sc_loss_sums_both(const sc_loss_tile *tile, int kind, double *sum, double *positive);
/* s becomes dL/ds of the pair seen from both ends, which makes a symmetric matrix; on the diagonal
 * all of the tile. negative_sum: OUT_ONE only. */
void sc_loss_gradient_both(const sc_loss_tile *tile, int kind, const float *weight,
                           const float *positive_weight, const float *negative_sum);

/* The sum of squares of each row, in f64; it is finite if and only if all elements of the row are.
 */
void sc_row_squares(const float *x, int64_t rows, int64_t dimension, double *squares);
/* Adds a part of a mask's row to its maximum, sum and number of positives; returns 1 if all of it
 * is finite and not below 0, else 0. */
int sc_mask_part(const float *w, int64_t n, float *maximum, double *sum, int64_t *positives);
/* The gradient of an L2 normalization, and of a loss that gathers it in two parts: g = factor (h -
 * z (z.h)) with h = g + more; more NULL: h = g; z NULL: no projection. */
void sc_l2_gradient(float *g, const float *more, const float *z, int64_t dimension, double factor);

/* y = exp(x) within 1.5 units in the last place for -87 <= x <= 88; 0 below, exp(88) above. */
void sc_exp_f32(const float *x, float *y, int64_t n);
/* y = log(1 + x) within 3 units in the last place for 0 <= x <= 1. */
void sc_log1p_f32(const float *x, float *y, int64_t n);

/* Computes, for one row of logits, its maximum (and the first index of it), the sum of exp(x -
 * maximum), and the sum of x, which is finite if and only if all logits are. */
void sc_softmax_row(const float *x, int64_t n, float *maximum, int64_t *argmax,
                    double *exponentials, double *sum);
/* g = factor exp(x - maximum) - offset. */
void sc_softmax_gradient_row(const float *x, int64_t n, float maximum, float factor, float offset,
                             float *g);
#endif
