/* These functions pack weights as pairs of bf16, in the orders that oneDNN's convolutions take on
 * CPUs with AVX512-BF16. oneDNN's own reorders take about twice as long. */
#ifndef SUPCON_CKERNELS_PACK_H
#define SUPCON_CKERNELS_PACK_H
#include <stdint.h>

/* This describes an order of weights [outputs, inputs, taps]. A row holds `lanes` numbers of one
 * channel dimension, each beside its pair: the next number of the other dimension. `rows` rows,
 * with one pair after another, are a block; rows is 1, 8 or 16. Outputs and lanes are multiples of
 * 16, inputs of 32, and the dimension with pairs fills its blocks. */
typedef struct {
  int64_t outputs, inputs, taps, lanes, rows;
  /* The elements between neighboring rows of lanes, blocks of rows, and taps. */
  int64_t lane_stride, row_stride, tap_stride;
  int pairs_of_outputs; /* 1: pairs of outputs, and lanes of inputs; 0: the reverse */
} sc_order;

/* Packs part number `part` of `parts` of the weights, f32, which different threads may do; zeros
 * fill the last row of lanes. The CPU has AVX512-BF16 (sc_has_bf16_pairs).
 * Each number is rounded to the nearest, ties to even, and one below 1.2e-38 to 0. */
void sc_pack(const sc_order *order, const float *weights, uint16_t *packed, int part, int parts);
#endif
