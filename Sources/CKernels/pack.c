#include "ckernels_pack.h"

#if defined(__x86_64__)
#include "pairs.h"

enum { GROUP = 8 }; /* rows that are equally far apart */

/* Loads one tap of 16 inputs. */
INLINE_FOR_PAIRS __m512 tap_of(const float *from, int64_t taps, __m512i places) {
  return taps == 1 ? _mm512_loadu_ps(from) : _mm512_i32gather_ps(places, from, 4);
}

/* Returns the place of 16 lanes in a row, the first of a group. */
static uint32_t *place_of(const sc_order *o, uint32_t *packed, int64_t lane, int64_t row) {
  return packed + lane / o->lanes * o->lane_stride + row / o->rows * o->row_stride +
         lane % o->lanes + row % o->rows * o->lanes;
}

/* Returns the distance between the rows of a group. */
static int64_t step_of(const sc_order *o) { return o->rows == 1 ? o->row_stride : o->lanes; }

/* Packs 16 outputs as lanes, with all inputs; zeros if there are no such outputs. */
INLINE_FOR_PAIRS void pack_columns(const sc_order *o, const float *weights, uint32_t *packed,
                                   int64_t output, __m512i places, const int pairs) {
  const int64_t step = step_of(o), width = pairs ? PAIR : 1;
  for (int64_t i = 0; i < o->inputs; i += LANES * width) {
    uint32_t *first = place_of(o, packed, output, i / width),
             *second = place_of(o, packed, output, i / width + GROUP);
    for (int64_t t = 0; t < o->taps; t++) {
      __m512i rows[LANES];
      for (int64_t k = 0; k < LANES; k++) {
        rows[k] = _mm512_setzero_si512();
        if (output >= o->outputs) continue;
        const float *from = weights + ((output + k) * o->inputs + i) * o->taps + t;
        const __m512 low = tap_of(from, o->taps, places);
        rows[k] = pairs ? (__m512i)_mm512_cvtne2ps_pbh(
                              tap_of(from + LANES * o->taps, o->taps, places), low)
                        : (__m512i)low;
      }
      transpose(rows);
      for (int64_t k = 0; k < GROUP; k++) {
        _mm512_storeu_si512(first + t * o->tap_stride + k * step, rows[k]);
        _mm512_storeu_si512(second + t * o->tap_stride + k * step, rows[GROUP + k]);
      }
    }
  }
}

/* Packs the rows of 16 outputs, with all inputs as lanes. */
INLINE_FOR_PAIRS void pack_rows(const sc_order *o, const float *weights, uint32_t *packed,
                                int64_t output, __m512i places, const int pairs) {
  const int64_t lanes = (o->inputs + o->lanes - 1) / o->lanes * o->lanes, step = step_of(o),
                next = o->inputs * o->taps, /* weights between outputs */
      width = pairs ? PAIR : 1;
  for (int64_t i = 0; i < lanes; i += LANES) {
    uint32_t *to = place_of(o, packed, i, output / width);
    for (int64_t t = 0; t < o->taps; t++)
      for (int64_t k = 0; k < LANES / width; k++) {
        __m512i row = _mm512_setzero_si512();
        if (i < o->inputs) {
          const float *from = weights + (output + k * width) * next + i * o->taps + t;
          const __m512 first = tap_of(from, o->taps, places);
          row = (__m512i)first;
          if (pairs) {
            const __m256i low = (__m256i)_mm512_cvtneps_pbh(first),
                          high = (__m256i)_mm512_cvtneps_pbh(tap_of(from + next, o->taps, places));
            row = _mm512_or_si512(_mm512_cvtepu16_epi32(low),
                                  _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
          }
        }
        _mm512_storeu_si512(to + t * o->tap_stride + k * step, row);
      }
  }
}

FOR_PAIRS static void pack_group(const sc_order *o, const float *weights, void *packed,
                                 int64_t output, __m512i places) {
  if (o->lanes_of_inputs && o->pairs) pack_rows(o, weights, packed, output, places, 1);
  else if (o->lanes_of_inputs) pack_rows(o, weights, packed, output, places, 0);
  else if (o->pairs) pack_columns(o, weights, packed, output, places, 1);
  else pack_columns(o, weights, packed, output, places, 0);
}

FOR_PAIRS void sc_pack(const sc_order *o, const float *weights, void *packed, int part, int parts) {
  int32_t numbers[LANES];
  for (int i = 0; i < LANES; i++) numbers[i] = (int32_t)(i * o->taps);
  const __m512i places = _mm512_loadu_si512(numbers);
  const int64_t whole = o->lanes_of_inputs ? LANES : o->lanes, /* outputs that are packed */
      groups = (o->outputs + whole - 1) / whole * whole / LANES;
  for (int64_t g = groups * part / parts; g < groups * (part + 1) / parts; g++)
    pack_group(o, weights, packed, g * LANES, places);
}
#else
void sc_pack(const sc_order *order, const float *weights, void *packed, int part, int parts) {}
#endif
