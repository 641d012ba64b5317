/* These functions pack weights in the orders that oneDNN's convolutions take on CPUs with AVX-512:
 * as f32, or as pairs of bf16. oneDNN's own reorders take about twice as long. */
#ifndef SUPCON_CKERNELS_PACK_H
#define SUPCON_CKERNELS_PACK_H
#include <stdint.h>

/* This describes an order of weights [outputs, inputs, taps]. A row holds `lanes` numbers of one
 * channel dimension, at one channel of the other, or at a pair of neighbors: a number of bf16
 * stands beside that of the next channel. `rows` rows, of one channel or pair after another, are a
 * block; rows is 1 or 16, or with pairs 8. Outputs and lanes are multiples of 16, inputs too or,
 * with pairs, of 32, and blocks of rows are full. */
typedef struct {
  int64_t outputs, inputs, taps, lanes, rows;
  /* The distance, in units of 4 bytes, of neighboring rows of lanes, blocks of rows, and taps. */
  int64_t lane_stride, row_stride, tap_stride;
  int lanes_of_inputs; /* 1: lanes of inputs, and rows of outputs; 0: the reverse */
  int pairs;           /* 1: bf16, in pairs; 0: f32 */
} sc_order;

/* Packs part number `part` of `parts` of the weights, f32, which different threads may do; zeros
 * fill the last row of lanes. The CPU has AVX512-BF16 (sc_has_bf16_pairs). With pairs, numbers are
 * rounded to the nearest of bf16, ties to even, and those below 1.2e-38 to 0. */
void sc_pack(const sc_order *order, const float *weights, void *packed, int part, int parts);
#endif
