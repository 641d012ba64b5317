#include "ckernels_pairs.h"

#include "ckernels_machine.h"

#if defined(__x86_64__)
#include "pairs.h"

enum { INPUTS = SC_PAIR_INPUTS };

/* Returns whether the three taps of a row are computed at once. A block of 16 outputs is one
 * vector, by which a broadcast input would otherwise be multiplied only once. */
INLINE int by_rows(const sc_pair_shape *s) {
  return s->block == LANES && s->kernel == 3 && s->stride == 1 && s->padding == 1;
}

int64_t sc_pair_gradient_columns(const sc_pair_shape *s) {
  return s->out_width + (by_rows(s) ? 2 : 0);
}

/* Loads 16 channels of a pixel of bf16. */
INLINE_FOR_PAIRS __m512i load_bf16(const void *image, int64_t from) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)((const uint16_t *)image + from)));
}

/* Interleaves `channels` channels of two pixels, or copies those of one in f32. */
INLINE_FOR_PAIRS void pack(const sc_pair_shape *s, const void *first, const void *second,
                           int64_t from, int64_t channels, uint16_t *to) {
  for (int64_t c = 0; c < channels; c += LANES) {
    __m512i pairs;
    if (s->single) {
      pairs = _mm512_loadu_si512((const float *)first + from + c);
    } else {
      pairs = load_bf16(first, from + c);
      if (second)
        pairs = _mm512_or_si512(pairs, _mm512_slli_epi32(load_bf16(second, from + c), 16));
    }
    _mm512_store_si512(to + PAIR * c, pairs);
  }
}

FOR_PAIRS void sc_pair_pack_input(const sc_pair_shape *s, const void *first, const void *second,
                                  int64_t inputs, int64_t row, int64_t pixel, int64_t pair,
                                  uint16_t *to) {
  const int64_t step = s->pairs * INPUTS * PAIR;
  to += pair * INPUTS * PAIR;
  for (int64_t c = 0; c < inputs; c += INPUTS)
    for (int64_t i = 0; i < s->height; i++)
      for (int64_t j = 0; j < s->width; j++, to += step)
        pack(s, first, second, i * row + j * pixel + c, INPUTS, to);
}

FOR_PAIRS void sc_pair_pack_gradient(const sc_pair_shape *s, const void *first, const void *second,
                                     int64_t outputs, int64_t pair, uint16_t *to) {
  const int64_t columns = sc_pair_gradient_columns(s), margin = (columns - s->out_width) / 2,
                step = s->pairs * s->block * PAIR;
  for (int64_t o = 0; o < outputs; o += s->block)
    for (int64_t i = 0; i < s->out_height; i++) {
      uint16_t *row =
          to + (o / s->block * s->out_height + i) * columns * step + pair * s->block * PAIR;
      for (int64_t j = 0; j < s->out_width; j++)
        pack(s, first, second, (i * s->out_width + j) * outputs + o, s->block,
             row + (j + margin) * step);
      if (margin)
        for (int64_t c = 0; c < s->block * PAIR; c++) row[c] = row[(columns - 1) * step + c] = 0;
    }
}

/* A loop over pixels: the number of steps, and how far x and dy advance in each. */
typedef struct {
  int64_t count, x, dy;
} loop;

/* The places of x and dy, and three loops over them, from the outermost. */
typedef struct {
  const uint16_t *x, *dy;
  loop loops[3];
} walk;

INLINE_FOR_PAIRS __m512i broadcast(const uint16_t *pair) {
  return _mm512_set1_epi32(*(const int32_t *)(const void *)pair);
}

/* Returns sum + x dy, in f32 or over pairs. */
INLINE_FOR_PAIRS __m512 add_product(__m512 sum, __m512i x, __m512i dy, const int single) {
  return single ? _mm512_fmadd_ps((__m512)x, (__m512)dy, sum)
                : _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)dy);
}

/* sums[i * block + o] += Σ x[i] dy[o] over the walk, for i < `inputs` and o < 16 `vectors`. */
INLINE_FOR_PAIRS void add_tap(const walk *w, float *sums, int64_t block, const int inputs,
                              const int vectors, const int single) {
  __m512 sum[16];
  for (int i = 0; i < inputs; i++)
    for (int v = 0; v < vectors; v++)
      sum[i * vectors + v] = _mm512_loadu_ps(sums + i * block + v * LANES);
  const loop *l = w->loops;
  for (int64_t a = 0; a < l[0].count; a++)
    for (int64_t b = 0; b < l[1].count; b++) {
      const uint16_t *x = w->x + a * l[0].x + b * l[1].x, *dy = w->dy + a * l[0].dy + b * l[1].dy;
      for (int64_t c = 0; c < l[2].count; c++, x += l[2].x, dy += l[2].dy) {
        __m512i d[4];
        for (int v = 0; v < vectors; v++) d[v] = _mm512_loadu_si512(dy + v * LANES * PAIR);
        for (int i = 0; i < inputs; i++) {
          const __m512i xi = broadcast(x + i * PAIR);
          for (int v = 0; v < vectors; v++)
            sum[i * vectors + v] = add_product(sum[i * vectors + v], xi, d[v], single);
        }
      }
    }
  for (int i = 0; i < inputs; i++)
    for (int v = 0; v < vectors; v++)
      _mm512_storeu_ps(sums + i * block + v * LANES, sum[i * vectors + v]);
}

/* The same for the three taps of a row, 8 inputs and 16 outputs; the walk is over pixels of x, and
 * begins at the dy of the first tap, one column after x. */
INLINE_FOR_PAIRS void add_row(const walk *w, float *sums, int64_t column, const int single) {
  enum { AT_ONCE = 8, TAP = INPUTS * LANES };
  __m512 sum[3][AT_ONCE];
  for (int t = 0; t < 3; t++)
    for (int i = 0; i < AT_ONCE; i++) sum[t][i] = _mm512_loadu_ps(sums + t * TAP + i * LANES);
  const loop *l = w->loops;
  for (int64_t a = 0; a < l[0].count; a++) {
    const uint16_t *x = w->x + a * l[0].x, *dy = w->dy + a * l[0].dy;
    for (int64_t c = 0; c < l[2].count; c++, x += l[2].x, dy += l[2].dy) {
      __m512i d[3];
      for (int t = 0; t < 3; t++) d[t] = _mm512_loadu_si512(dy - t * column);
      for (int i = 0; i < AT_ONCE; i++) {
        const __m512i xi = broadcast(x + i * PAIR);
        for (int t = 0; t < 3; t++) sum[t][i] = add_product(sum[t][i], xi, d[t], single);
      }
    }
  }
  for (int t = 0; t < 3; t++)
    for (int i = 0; i < AT_ONCE; i++) _mm512_storeu_ps(sums + t * TAP + i * LANES, sum[t][i]);
}

/* The output positions first to last - 1 whose tap lies inside. */
typedef struct {
  int64_t first, last;
} span;

static span inside(int64_t size, int64_t out, int64_t tap, const sc_pair_shape *s) {
  const int64_t shift = s->padding - tap; /* the tap of output o is at o * stride - shift */
  int64_t first = shift > 0 ? (shift + s->stride - 1) / s->stride : 0,
          last = size - 1 + shift < 0 ? 0 : (size - 1 + shift) / s->stride + 1;
  if (last > out) last = out;
  return (span){first, last > first ? last : first};
}

FOR_PAIRS static void add_by_rows(const sc_pair_shape *s, const uint16_t *x, const uint16_t *dy,
                                  float *sums) {
  const int64_t step = s->pairs * INPUTS * PAIR, columns = sc_pair_gradient_columns(s);
  for (int64_t r = 0; r < 3; r++) {
    const span rows = inside(s->height, s->out_height, r, s);
    walk w = {x + (rows.first + r - 1) * s->width * step,
              dy + (rows.first * columns + 2) * step,
              {{rows.last - rows.first, s->width * step, columns * step},
               {1, 0, 0},
               {s->width * s->pairs, INPUTS * PAIR, LANES * PAIR}}};
    for (int64_t i = 0; i < INPUTS; i += 8, w.x += 8 * PAIR) {
      float *to = sums + (3 * r * INPUTS + i) * LANES;
      if (s->single) add_row(&w, to, step, 1);
      else add_row(&w, to, step, 0);
    }
  }
}

#define ADD_TAP(inputs, vectors)                                                               \
  FOR_PAIRS static void add_tap_##inputs##x##vectors(const walk *w, float *sums, int single) { \
    if (single) add_tap(w, sums, vectors * LANES, inputs, vectors, 1);                         \
    else add_tap(w, sums, vectors * LANES, inputs, vectors, 0);                                \
  }
ADD_TAP(16, 1)
ADD_TAP(8, 2)
ADD_TAP(4, 4)

void sc_pair_add_products(const sc_pair_shape *s, const uint16_t *x, const uint16_t *dy,
                          float *sums) {
  if (by_rows(s)) {
    add_by_rows(s, x, dy, sums);
    return;
  }
  const int64_t x_step = s->pairs * INPUTS * PAIR, dy_step = s->pairs * s->block * PAIR,
                at_once = 16 * LANES / s->block;
  for (int64_t r = 0; r < s->kernel; r++)
    for (int64_t c = 0; c < s->kernel; c++) {
      const span rows = inside(s->height, s->out_height, r, s),
                 columns = inside(s->width, s->out_width, c, s);
      walk w = {x + ((rows.first * s->stride + r - s->padding) * s->width +
                     columns.first * s->stride + c - s->padding) *
                        x_step,
                dy + (rows.first * s->out_width + columns.first) * dy_step,
                {{rows.last - rows.first, s->stride * s->width * x_step, s->out_width * dy_step},
                 {columns.last - columns.first, s->stride * x_step, dy_step},
                 {s->pairs, INPUTS * PAIR, s->block * PAIR}}};
      if (w.loops[0].count == 0 || w.loops[1].count == 0) continue;
      /* The innermost loop is made long. */
      if (s->stride == 1) {
        w.loops[2].count *= w.loops[1].count;
        w.loops[1].count = 1;
      } else if (s->pairs == 1) {
        w.loops[2] = w.loops[1];
        w.loops[1].count = 1;
      }
      for (int64_t i = 0; i < INPUTS; i += at_once, w.x += at_once * PAIR) {
        float *to = sums + ((r * s->kernel + c) * INPUTS + i) * s->block;
        if (s->block == 64) add_tap_4x4(&w, to, (int)s->single);
        else if (s->block == 32) add_tap_8x2(&w, to, (int)s->single);
        else add_tap_16x1(&w, to, (int)s->single);
      }
    }
}

/* Returns the sums of 16 outputs over `parts` sums. */
INLINE_FOR_PAIRS __m512i add_parts(const float *sums, int64_t parts, int64_t part_stride) {
  __m512 sum = _mm512_loadu_ps(sums);
  for (int64_t p = 1; p < parts; p++)
    sum = _mm512_add_ps(sum, _mm512_loadu_ps(sums + p * part_stride));
  return _mm512_castps_si512(sum);
}

/* Whole lines of dw are written at once, or one after another: they are far apart, in places that
 * compete for the same lines of the cache. */
FOR_PAIRS void sc_pair_store(const sc_pair_shape *s, const float *sums, int64_t parts,
                             int64_t part_stride, int64_t inputs, float *dw) {
  const int64_t taps = s->kernel * s->kernel;
  const __m512i places =
      _mm512_mullo_epi32(_mm512_set1_epi32((int)taps),
                         _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
  for (int64_t o = 0; o < s->block; o += LANES)
    for (int64_t t = 0; t < taps; t++) {
      __m512i rows[INPUTS];
      for (int64_t i = 0; i < INPUTS; i++)
        rows[i] = add_parts(sums + (t * INPUTS + i) * s->block + o, parts, part_stride);
      transpose(rows);
      for (int64_t i = 0; i < LANES; i++) {
        float *to = dw + (o + i) * inputs * taps + t;
        if (taps == 1) _mm512_storeu_si512(to, rows[i]);
        else _mm512_i32scatter_epi32(to, places, rows[i], 4);
      }
    }
}

/* AMX multiplies bf16 several times faster. */
int sc_has_pair_products(void) {
  return sc_has_bf16_pairs() && !__builtin_cpu_supports("amx-bf16");
}
#else
int sc_has_pair_products(void) { return 0; }
int64_t sc_pair_gradient_columns(const sc_pair_shape *s) { return s->out_width; }
void sc_pair_pack_input(const sc_pair_shape *s, const void *first, const void *second,
                        int64_t inputs, int64_t row, int64_t pixel, int64_t pair, uint16_t *to) {}
void sc_pair_pack_gradient(const sc_pair_shape *s, const void *first, const void *second,
                           int64_t outputs, int64_t pair, uint16_t *to) {}
void sc_pair_add_products(const sc_pair_shape *s, const uint16_t *x, const uint16_t *dy,
                          float *sums) {}
void sc_pair_store(const sc_pair_shape *s, const float *sums, int64_t parts, int64_t part_stride,
                   int64_t inputs, float *dw) {}
#endif
