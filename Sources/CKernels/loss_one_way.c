#include "ckernels_loss.h"
#include "kernel.h"
#include "loss_math.h"
#include <float.h>
#include <math.h>

/* Positives that were not chosen are ignored. */
INLINE void drop_others(const sc_loss_tile *tile, const int64_t anchor, float *restrict w) {
  const int32_t *chosen = tile->chosen + anchor * tile->chosen_limit;
  const int64_t count = tile->chosen_count[anchor], first = tile->first_contrast,
                end = first + tile->columns;
  int64_t low = 0, high = count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (chosen[middle] < first) low = middle + 1;
    else high = middle;
  }
  float kept[SC_LOSS_TILE];
  int64_t past = low;
  for (; past < count && chosen[past] < end; past++) kept[past - low] = w[chosen[past] - first];
  for (int64_t j = 0; j < tile->columns; j++) w[j] = w[j] > 0 ? -1 : w[j];
  for (int64_t k = low; k < past; k++) w[chosen[k] - first] = kept[k - low];
}

/* Computes the weights of a row's pairs, before a choice. */
INLINE void weigh_all(const sc_loss_tile *tile, const int64_t anchor, float *restrict w) {
  if (tile->classes) {
    const int32_t own = tile->anchor_classes[anchor * tile->anchor_class_stride],
                  *classes = tile->classes + tile->first_contrast;
    const int64_t neutral = tile->neutral_from - tile->first_contrast, n = tile->columns;
    for (int64_t j = 0; j < n; j++) w[j] = classes[j] == own ? 1 : 0;
    for (int64_t j = neutral < 0 ? 0 : neutral; j < n; j++) w[j] = -w[j];
    return;
  }
  const int64_t sample = anchor * tile->self_stride / tile->views;
  const float *row = tile->mask + sample * tile->samples;
  const double scale = tile->mask_scale[sample];
  int64_t other = tile->first_contrast / tile->views,
          left = tile->views - tile->first_contrast % tile->views;
  for (int64_t j = 0; j < tile->columns;) {
    /* A positive remains one, however small compared with the row's largest. */
    const float scaled = (float)(row[other] * scale),
                value = row[other] > 0 && scaled < 1e-30f ? 1e-30f : scaled;
    for (int64_t end = j + left < tile->columns ? j + left : tile->columns; j < end; j++)
      w[j] = value;
    left = tile->views;
    other++;
  }
}

INLINE void weigh_row(const sc_loss_tile *tile, const int64_t anchor, float *restrict w) {
  weigh_all(tile, anchor, w);
  if (tile->chosen) drop_others(tile, anchor, w);
}

/* Returns the position of the anchor itself in the tile's row; the row's length if it is not there.
 */
INLINE int64_t own_column(const sc_loss_tile *tile, const int64_t anchor) {
  if (tile->self_stride == 0) return tile->columns;
  const int64_t c = anchor * tile->self_stride - tile->first_contrast;
  return c < 0 || c >= tile->columns ? tile->columns : c;
}

#define LANES 64

/* Finds the largest s over the denominator, and over the positives for the inside form. */
INLINE void maxima(const float *restrict s, const float *restrict w, const int64_t n,
                   const int negatives, const int inside, float *most, float *positive_most) {
  float m[LANES], p[LANES];
  for (int l = 0; l < LANES; l++) m[l] = p[l] = -FLT_MAX;
  int64_t j = 0;
  for (; j + LANES <= n; j += LANES)
    for (int l = 0; l < LANES; l++) {
      const float v = s[j + l], d = w[j + l] < 0 || (negatives && w[j + l] > 0) ? -FLT_MAX : v,
                  e = w[j + l] > 0 ? v : -FLT_MAX;
      m[l] = d > m[l] ? d : m[l];
      if (inside) p[l] = e > p[l] ? e : p[l];
    }
  for (; j < n; j++) {
    const float v = s[j], d = w[j] < 0 || (negatives && w[j] > 0) ? -FLT_MAX : v,
                e = w[j] > 0 ? v : -FLT_MAX;
    m[0] = d > m[0] ? d : m[0];
    p[0] = e > p[0] ? e : p[0];
  }
  for (int l = 0; l < LANES; l++) {
    *most = m[l] > *most ? m[l] : *most;
    *positive_most = p[l] > *positive_most ? p[l] : *positive_most;
  }
}

INLINE void sums_part(const float *restrict s, const float *restrict w, const int64_t n,
                      const int negatives, const int inside, const float shift,
                      const float positive_shift, double *restrict sum, double *restrict positive) {
#pragma clang fp reassociate(on)
  float d = 0;
  double p = 0;
  for (int64_t j = 0; j < n; j++) {
    const float e = exp_f32(s[j] - shift);
    d += w[j] < 0 || (negatives && w[j] > 0) ? 0 : e;
  }
  if (inside)
    for (int64_t j = 0; j < n; j++)
      p += w[j] > 0 ? (double)(w[j] * exp_f32(s[j] - positive_shift)) : 0;
  else
    for (int64_t j = 0; j < n; j++) p += w[j] > 0 ? (double)w[j] * (double)s[j] : 0;
  *sum += (double)d;
  *positive += p;
}

INLINE void sums(const sc_loss_tile *tile, const int negatives, const int inside, float *shift,
                 double *sum, float *positive_shift, double *positive) {
  float w[SC_LOSS_TILE];
  for (int64_t i = 0; i < tile->rows; i++) {
    const int64_t a = tile->first_anchor + i, own = own_column(tile, a),
                  rest = tile->columns - own - 1;
    const float *s = tile->similarities + i * tile->stride;
    weigh_row(tile, a, w);
    float most = shift[a], positive_most = positive_shift[a];
    maxima(s, w, own, negatives, inside, &most, &positive_most);
    if (rest > 0) maxima(s + own + 1, w + own + 1, rest, negatives, inside, &most, &positive_most);
    if (most > shift[a]) {
      sum[a] *= exp((double)shift[a] - (double)most);
      shift[a] = most;
    }
    if (inside && positive_most > positive_shift[a]) {
      positive[a] *= exp((double)positive_shift[a] - (double)positive_most);
      positive_shift[a] = positive_most;
    }
    sums_part(s, w, own, negatives, inside, most, positive_most, sum + a, positive + a);
    if (rest > 0)
      sums_part(s + own + 1, w + own + 1, rest, negatives, inside, most, positive_most, sum + a,
                positive + a);
  }
}

SC_KERNEL(void, sc_loss_sums,
          (const sc_loss_tile *tile, int kind, float *shift, double *sum, float *positive_shift,
           double *positive),
          (tile, kind, shift, sum, positive_shift, positive)) {
  switch (kind) {
    case SC_LOSS_OUT_ALL:
      sums(tile, 0, 0, shift, sum, positive_shift, positive);
      break;
    case SC_LOSS_IN_ALL:
      sums(tile, 0, 1, shift, sum, positive_shift, positive);
      break;
    case SC_LOSS_IN_NEGATIVES:
      sums(tile, 1, 1, shift, sum, positive_shift, positive);
      break;
    default:
      sums(tile, 1, 0, shift, sum, positive_shift, positive);
  }
}

/* u = n - s. It is a function so that the compiler does not add the two parts of n first. */
INLINE float above(const float negatives, const float rest, const float s) {
  return (negatives - s) + rest;
}

INLINE void one_positive_row(const float *restrict s, const float *restrict w, const int64_t n,
                             const float negatives, const float rest, double *restrict loss,
                             double *restrict fraction) {
#pragma clang fp reassociate(on)
  double l = 0, r = 0;
  for (int64_t j = 0; j < n; j++) {
    const float u = above(negatives, rest, s[j]), size = u < 0 ? -u : u, e = exp_f32(-size),
                q = 1 / (1 + e);
    l += (double)(w[j] * ((u > 0 ? u : 0) + log1p_f32(e)));
    r += (double)(w[j] * (u > 0 ? q : e * q));
  }
  *loss += l;
  *fraction += r;
}

SC_KERNEL(void, sc_loss_one_positive,
          (const sc_loss_tile *tile, const float *negatives, const float *rest, double *loss,
           double *fraction),
          (tile, negatives, rest, loss, fraction)) {
  float w[SC_LOSS_TILE];
  for (int64_t i = 0; i < tile->rows; i++) {
    const int64_t a = tile->first_anchor + i, own = own_column(tile, a);
    if (negatives[a] == -INFINITY) continue;
    weigh_row(tile, a, w);
    if (own < tile->columns) w[own] = 0;
    for (int64_t j = 0; j < tile->columns; j++) w[j] = w[j] > 0 ? w[j] : 0;
    one_positive_row(tile->similarities + i * tile->stride, w, tile->columns, negatives[a], rest[a],
                     loss + a, fraction + a);
  }
}

INLINE void gradient_row(float *restrict s, const float *restrict w, const int64_t n,
                         const int kind, const float shift, const float weight,
                         const float positive_shift, const float positive_weight,
                         const float negatives, const float rest) {
  for (int64_t j = 0; j < n; j++) {
    const float v = s[j];
    const int positive = w[j] > 0;
    if (kind == SC_LOSS_OUT_ALL)
      s[j] = exp_f32(v - shift) * weight - (positive ? w[j] * positive_weight : 0);
    if (kind == SC_LOSS_IN_ALL)
      s[j] = exp_f32(v - shift) * weight -
             (positive ? w[j] * exp_f32(v - positive_shift) * positive_weight : 0);
    if (kind == SC_LOSS_OUT_NEGATIVES)
      s[j] = positive ? -w[j] * positive_weight : exp_f32(v - shift) * weight;
    if (kind == SC_LOSS_IN_NEGATIVES) {
      const float e = exp_f32(v - (positive ? positive_shift : shift));
      s[j] = positive ? -w[j] * e * positive_weight : e * weight;
    }
    if (kind == SC_LOSS_OUT_ONE) {
      const float u = above(negatives, rest, v), size = u < 0 ? u : -u,
                  e = exp_f32(positive ? size : v - shift), q = 1 / (1 + e);
      s[j] = positive ? -w[j] * positive_weight * (u > 0 ? q : e * q) : e * weight;
    }
    s[j] = w[j] < 0 ? 0 : s[j];
  }
}

INLINE void gradient(const sc_loss_tile *tile, const int kind, const float *shift,
                     const float *weight, const float *positive_shift, const float *positive_weight,
                     const float *negatives, const float *rest) {
  float w[SC_LOSS_TILE];
  for (int64_t i = 0; i < tile->rows; i++) {
    const int64_t a = tile->first_anchor + i, own = own_column(tile, a);
    float *s = tile->similarities + i * tile->stride;
    weigh_row(tile, a, w);
    gradient_row(s, w, tile->columns, kind, shift[a], weight[a], positive_shift[a],
                 positive_weight[a], kind == SC_LOSS_OUT_ONE ? negatives[a] : 0,
                 kind == SC_LOSS_OUT_ONE ? rest[a] : 0);
    if (own < tile->columns) s[own] = 0;
  }
}

SC_KERNEL(void, sc_loss_gradient,
          (const sc_loss_tile *tile, int kind, const float *shift, const float *weight,
           const float *positive_shift, const float *positive_weight, const float *negatives,
           const float *rest),
          (tile, kind, shift, weight, positive_shift, positive_weight, negatives, rest)) {
  switch (kind) {
    case SC_LOSS_OUT_ALL:
      gradient(tile, SC_LOSS_OUT_ALL, shift, weight, positive_shift, positive_weight, negatives,
               rest);
      break;
    case SC_LOSS_IN_ALL:
      gradient(tile, SC_LOSS_IN_ALL, shift, weight, positive_shift, positive_weight, negatives,
               rest);
      break;
    case SC_LOSS_OUT_NEGATIVES:
      gradient(tile, SC_LOSS_OUT_NEGATIVES, shift, weight, positive_shift, positive_weight,
               negatives, rest);
      break;
    case SC_LOSS_IN_NEGATIVES:
      gradient(tile, SC_LOSS_IN_NEGATIVES, shift, weight, positive_shift, positive_weight,
               negatives, rest);
      break;
    default:
      gradient(tile, SC_LOSS_OUT_ONE, shift, weight, positive_shift, positive_weight, negatives,
               rest);
  }
}
