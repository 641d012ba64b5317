#include "ckernels_pack.h"

#if defined(__x86_64__)
#include "pairs.h"

enum { GROUP = 8 }; /* pairs, whose rows are equally far apart */

/* Loads one tap of 16 inputs. */
INLINE_FOR_PAIRS __m512 tap_of(const float *from, int64_t taps, __m512i places) {
  return taps == 1 ? _mm512_loadu_ps(from) : _mm512_i32gather_ps(places, from, 4);
}

/* Returns the place of 16 lanes in the row of a pair, the first of a group. */
static uint16_t *row_of(const sc_order *o, uint16_t *packed, int64_t lane, int64_t pair) {
  return packed + lane / o->lanes * o->lane_stride + pair / o->rows * o->row_stride +
         (lane % o->lanes + pair % o->rows * o->lanes) * PAIR;
}

/* Returns the elements between the rows of a group. */
static int64_t step_of(const sc_order *o) { return o->rows == 1 ? o->row_stride : o->lanes * PAIR; }

/* Packs 16 outputs as lanes, with all pairs of inputs; zeros if there are no such outputs. */
FOR_PAIRS static void pack_lanes(const sc_order *o, const float *weights, uint16_t *packed,
                                 int64_t output, __m512i places) {
  const int64_t step = step_of(o);
  for (int64_t i = 0; i < o->inputs; i += PAIR * LANES) {
    uint16_t *first = row_of(o, packed, output, i / PAIR),
             *second = row_of(o, packed, output, i / PAIR + GROUP);
    for (int64_t t = 0; t < o->taps; t++) {
      __m512i rows[LANES];
      for (int64_t k = 0; k < LANES; k++) {
        rows[k] = _mm512_setzero_si512();
        if (output >= o->outputs) continue;
        const float *from = weights + ((output + k) * o->inputs + i) * o->taps + t;
        rows[k] = (__m512i)_mm512_cvtne2ps_pbh(tap_of(from + LANES * o->taps, o->taps, places),
                                               tap_of(from, o->taps, places));
      }
      transpose(rows);
      for (int64_t k = 0; k < GROUP; k++) {
        _mm512_storeu_si512(first + t * o->tap_stride + k * step, rows[k]);
        _mm512_storeu_si512(second + t * o->tap_stride + k * step, rows[GROUP + k]);
      }
    }
  }
}

/* Packs 8 pairs of outputs, with all inputs as lanes. */
FOR_PAIRS static void pack_pairs(const sc_order *o, const float *weights, uint16_t *packed,
                                 int64_t output, __m512i places) {
  const int64_t lanes = (o->inputs + o->lanes - 1) / o->lanes * o->lanes, step = step_of(o),
                next = o->inputs * o->taps; /* weights between outputs */
  for (int64_t i = 0; i < lanes; i += LANES) {
    uint16_t *to = row_of(o, packed, i, output / PAIR);
    for (int64_t t = 0; t < o->taps; t++)
      for (int64_t k = 0; k < GROUP; k++) {
        __m512i pairs = _mm512_setzero_si512();
        if (i < o->inputs) {
          const float *from = weights + (output + k * PAIR) * next + i * o->taps + t;
          const __m256i low = (__m256i)_mm512_cvtneps_pbh(tap_of(from, o->taps, places)),
                        high = (__m256i)_mm512_cvtneps_pbh(tap_of(from + next, o->taps, places));
          pairs = _mm512_or_si512(_mm512_cvtepu16_epi32(low),
                                  _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
        }
        _mm512_storeu_si512(to + t * o->tap_stride + k * step, pairs);
      }
  }
}

FOR_PAIRS void sc_pack(const sc_order *o, const float *weights, uint16_t *packed, int part,
                       int parts) {
  int32_t numbers[LANES];
  for (int i = 0; i < LANES; i++) numbers[i] = (int32_t)(i * o->taps);
  const __m512i places = _mm512_loadu_si512(numbers);
  const int64_t whole = o->pairs_of_outputs ? LANES : o->lanes, /* outputs that are packed */
      groups = (o->outputs + whole - 1) / whole * whole / LANES;
  for (int64_t g = groups * part / parts; g < groups * (part + 1) / parts; g++) {
    if (o->pairs_of_outputs) pack_pairs(o, weights, packed, g * LANES, places);
    else pack_lanes(o, weights, packed, g * LANES, places);
  }
}
#else
void sc_pack(const sc_order *order, const float *weights, uint16_t *packed, int part, int parts) {}
#endif
