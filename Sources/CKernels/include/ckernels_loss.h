/* What the contrastive losses do to a tile of similarities while it is in cache, and the rows of
 * features before and after.
 *
 * A tile is a piece of the matrix s[anchor][contrast]. Every pair has a weight w: 0 is a negative,
 * more is a positive, less (-1) takes no part at all; an anchor and itself are no pair. Sums over a
 * tile's row are gathered in f32 and added to f64; sums down its columns likewise, 64 rows at a
 * time. */
#ifndef SUPCON_CKERNELS_LOSS_H
#define SUPCON_CKERNELS_LOSS_H
#include <stdint.h>

/* The largest number of columns of a tile. */
#define SC_LOSS_TILE 256

typedef struct sc_loss_tile {
  float *similarities; /* rows, `stride` apart; the gradients come out in the same place */
  int64_t stride, rows, columns;
  int64_t first_anchor, first_contrast; /* the tile's place */
  int64_t self_stride; /* anchor a is contrast a * self_stride; 0: anchors are no contrasts */
  const int32_t
      *classes; /* of every contrast: w is 1 for the same class, else 0; NULL if there is a mask */
  const int32_t *anchor_classes; /* of anchor a: [a * anchor_class_stride] */
  int64_t anchor_class_stride;
  int64_t neutral_from; /* contrasts from this one on take no part for anchors of their own class */
  const float *mask;    /* [samples, samples]; contrast c is a view of sample c / views */
  const double *mask_scale; /* [samples]: weighs a row of the mask to have the maximum 1 */
  int64_t samples, views;
  const int32_t *chosen; /* NULL, or of anchor a: [a * chosen_limit], chosen_count[a] contrasts in
                            order: positives that are not there take no part */
  const int32_t *chosen_count;
  int64_t chosen_limit;
} sc_loss_tile;

/* The combination of the terms of a pair. */
enum {
  SC_LOSS_OUT_ALL = 0, /* form out, all other contrasts in the denominator */
  SC_LOSS_IN_ALL = 1,
  SC_LOSS_OUT_NEGATIVES = 2, /* negatives alone in the denominator */
  SC_LOSS_IN_NEGATIVES = 3,
  SC_LOSS_OUT_ONE = 4 /* the positive at hand and the negatives */
};

/* Of each anchor, indexed by its number, so that tiles of different anchors never meet.
 *   sum               of exp(s - shift) over the denominator (OUT_ONE: its negatives); shift: the
 * greatest s there positive          forms out: of w s over the positives; forms in: of w exp(s -
 * positive_shift) Before the first tile: sums 0, shifts -FLT_MAX; they move as greater similarities
 * are met (Milakov and Gimelshein, arXiv:1805.02867). */
void sc_loss_sums(const sc_loss_tile *tile, int kind, float *shift, double *sum,
                  float *positive_shift, double *positive);

/* OUT_ONE's second look, with u = n - s, n the logarithm of the sum over the negatives, in two
 * parts: negatives[a] + rest[a] (-inf: this anchor has nothing to add). Adds to loss[a] the sum
 * over the positives of w log(1 + exp(u)), and to share[a] that of w / (1 + exp(-u)). */
void sc_loss_one_positive(const sc_loss_tile *tile, const float *negatives, const float *rest,
                          double *loss, double *share);

/* Turns s into dL/ds:   denominator: weight[a] exp(s - shift[a])
 *                       positives:  -w positive_weight[a] times 1 (out), exp(s - positive_shift[a])
 * (in), 1 / (1 + exp(-u)) (OUT_ONE) An anchor with itself: 0. */
void sc_loss_gradient(const sc_loss_tile *tile, int kind, const float *shift, const float *weight,
                      const float *positive_shift, const float *positive_weight,
                      const float *negatives, const float *rest);

/* The same two for tiles that serve both ways, where every contrast is an anchor (self_stride 1),
 * there are classes and no choice of positives, and |s| <= 40, so that nothing needs a shift. Each
 * pair is seen once: on the diagonal (first_anchor == first_contrast) only what is right of it
 * counts. */
void sc_loss_sums_both(const sc_loss_tile *tile, int kind, double *sum, double *positive);
/* s becomes dL/ds of the pair seen from both ends, which makes a symmetric matrix; on the diagonal
 * all of the tile. negative_sum: OUT_ONE only. */
void sc_loss_gradient_both(const sc_loss_tile *tile, int kind, const float *weight,
                           const float *positive_weight, const float *negative_sum);

/* Sum of squares of each row, in f64: not finite exactly if a value of the row is not. */
void sc_row_squares(const float *x, int64_t rows, int64_t dimension, double *squares);
/* Adds a part of a mask's row to its maximum, sum and number of positives; returns 1 if all of it
 * is finite and not below 0, else 0. */
int sc_mask_part(const float *w, int64_t n, float *maximum, double *sum, int64_t *positives);
/* g = factor (h - z (z.h)) with h = g + more; more NULL: h = g; z NULL: no projection. */
void sc_loss_finish_row(float *g, const float *more, const float *z, int64_t dimension,
                        double factor);

/* y = exp(x) within 1.5 units in the last place for -87 <= x <= 88; 0 below, exp(88) above. */
void sc_exp_f32(const float *x, float *y, int64_t n);
/* y = log(1 + x) within 3 units in the last place for 0 <= x <= 1. */
void sc_log1p_f32(const float *x, float *y, int64_t n);

/* Of one row of logits: its maximum (and where it first is), the sum of exp(x - maximum), the sum
 * of x: not finite exactly if a logit is not. */
void sc_softmax_row(const float *x, int64_t n, float *maximum, int64_t *place, double *exponentials,
                    double *sum);
/* g = factor exp(x - maximum) - offset. */
void sc_softmax_gradient_row(const float *x, int64_t n, float maximum, float factor, float offset,
                             float *g);
#endif
