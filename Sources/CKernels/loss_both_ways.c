#include "ckernels_loss.h"
#include "kernel.h"
#include "loss_math.h"

/* The number of rows whose column sums are computed in f32. */
#define STRIP 64

/* Compares one row with columns from..<to, for its own sums and those of the columns. */
INLINE void sums_row(const float *restrict s, const int32_t *restrict classes, const int32_t own,
                     const int64_t from, const int64_t to, const int negatives, const int inside,
                     float *restrict column_sum, float *restrict column_positive,
                     double *restrict sum, double *restrict positive) {
#pragma clang fp reassociate(on)
  float d = 0, p = 0;
#pragma clang loop interleave_count(4)
  for (int64_t j = from; j < to; j++) {
    const float v = s[j], e = exp_f32(v);
    const int same = classes[j] == own;
    const float ed = negatives && same ? 0 : e, ep = same ? (inside ? e : v) : 0;
    d += ed;
    p += ep;
    column_sum[j] += ed;
    column_positive[j] += ep;
  }
  *sum += (double)d;
  *positive += (double)p;
}

INLINE void sums_both(const sc_loss_tile *tile, const int negatives, const int inside,
                      double *restrict sum, double *restrict positive) {
  const int64_t n = tile->columns;
  const int32_t *row_classes = tile->classes + tile->first_anchor,
                *classes = tile->classes + tile->first_contrast;
  double *row_sum = sum + tile->first_anchor, *row_positive = positive + tile->first_anchor;
  double *column_sum = sum + tile->first_contrast,
         *column_positive = positive + tile->first_contrast;
  const int diagonal = tile->first_anchor == tile->first_contrast;
  float cs[SC_LOSS_TILE], cp[SC_LOSS_TILE];
  for (int64_t start = 0; start < tile->rows; start += STRIP) {
    const int64_t end = start + STRIP < tile->rows ? start + STRIP : tile->rows;
    for (int64_t j = 0; j < n; j++) cs[j] = cp[j] = 0;
    for (int64_t i = start; i < end; i++)
      sums_row(tile->similarities + i * tile->stride, classes, row_classes[i], diagonal ? i + 1 : 0,
               n, negatives, inside, cs, cp, row_sum + i, row_positive + i);
    for (int64_t j = 0; j < n; j++)
      column_sum[j] += (double)cs[j], column_positive[j] += (double)cp[j];
  }
}

SC_KERNEL(void, sc_loss_sums_both,
          (const sc_loss_tile *tile, int kind, double *sum, double *positive),
          (tile, kind, sum, positive)) {
  switch (kind) {
    case SC_LOSS_OUT_ALL:
      sums_both(tile, 0, 0, sum, positive);
      break;
    case SC_LOSS_IN_ALL:
      sums_both(tile, 0, 1, sum, positive);
      break;
    case SC_LOSS_IN_NEGATIVES:
      sums_both(tile, 1, 1, sum, positive);
      break;
    default:
      sums_both(tile, 1, 0, sum, positive);
  }
}

INLINE void gradient_row(float *restrict s, const int32_t *restrict classes, const int32_t own,
                         const int64_t from, const int64_t to, const int kind, const float weight,
                         const float positive, const float negative_sum,
                         const float *restrict weights, const float *restrict positives,
                         const float *restrict negative_sums) {
  for (int64_t j = from; j < to; j++) {
    const float e = exp_f32(s[j]), a = weight + weights[j], b = positive + positives[j];
    const int same = classes[j] == own;
    if (kind == SC_LOSS_OUT_ALL) s[j] = e * a - (same ? b : 0);
    if (kind == SC_LOSS_IN_ALL) s[j] = e * (a - (same ? b : 0));
    if (kind == SC_LOSS_OUT_NEGATIVES) s[j] = same ? -b : e * a;
    if (kind == SC_LOSS_IN_NEGATIVES) s[j] = e * (same ? -b : a);
    if (kind == SC_LOSS_OUT_ONE) {
      const float there = positive * negative_sum / (e + negative_sum),
                  back = positives[j] * negative_sums[j] / (e + negative_sums[j]);
      s[j] = same ? -(there + back) : e * a;
    }
  }
}

INLINE void gradient_both(const sc_loss_tile *tile, const int kind, const float *weight,
                          const float *positive, const float *negative_sum) {
  const int64_t n = tile->columns, a = tile->first_anchor, c = tile->first_contrast;
  for (int64_t i = 0; i < tile->rows; i++) {
    float *s = tile->similarities + i * tile->stride;
    const int32_t own = tile->classes[a + i];
    const float w = weight[a + i], p = positive[a + i],
                m = kind == SC_LOSS_OUT_ONE ? negative_sum[a + i] : 0;
    if (a == c) {
      gradient_row(s, tile->classes + c, own, 0, i, kind, w, p, m, weight + c, positive + c,
                   negative_sum + c);
      s[i] = 0;
      gradient_row(s, tile->classes + c, own, i + 1, n, kind, w, p, m, weight + c, positive + c,
                   negative_sum + c);
    } else {
      gradient_row(s, tile->classes + c, own, 0, n, kind, w, p, m, weight + c, positive + c,
                   negative_sum + c);
    }
  }
}

SC_KERNEL(void, sc_loss_gradient_both,
          (const sc_loss_tile *tile, int kind, const float *weight, const float *positive,
           const float *negative_sum),
          (tile, kind, weight, positive, negative_sum)) {
  switch (kind) {
    case SC_LOSS_OUT_ALL:
      gradient_both(tile, SC_LOSS_OUT_ALL, weight, positive, negative_sum);
      break;
    case SC_LOSS_IN_ALL:
      gradient_both(tile, SC_LOSS_IN_ALL, weight, positive, negative_sum);
      break;
    case SC_LOSS_OUT_NEGATIVES:
      gradient_both(tile, SC_LOSS_OUT_NEGATIVES, weight, positive, negative_sum);
      break;
    case SC_LOSS_IN_NEGATIVES:
      gradient_both(tile, SC_LOSS_IN_NEGATIVES, weight, positive, negative_sum);
      break;
    default:
      gradient_both(tile, SC_LOSS_OUT_ONE, weight, positive, negative_sum);
  }
}
