/* The search for nearest rows: products of a few rows with many, and the k largest of a stream of
 * similarities. */
#ifndef SUPCON_CKERNELS_NEAREST_H
#define SUPCON_CKERNELS_NEAREST_H
#include <stdint.h>

typedef struct sc_neighbor {
  float similarity;
  int32_t index;
} sc_neighbor;
/* dots[q * stride + r] = query q . row r, of `count` dense rows [count, dimension] and queries
 * [query_count, dimension]: for so few queries that reading the rows dominates. A product is summed
 * in an order that does not depend on the position of its row. */
void sc_dot_rows(const float *queries, int64_t query_count, const float *rows, int64_t count,
                 int64_t dimension, float *dots, int64_t stride);
/* sum of x y, in f64. */
double sc_dot_f32(const float *x, const float *y, int64_t count);

/* Keeps the k largest similarities so far in a heap with space for k, of which *held are used;
 * among equals the lowest index is kept. similarities[i] belongs to index first + i (call with
 * growing indices); the index `skip` is left out. NaN counts as infinity, so that any NaN is found
 * at the end. */
void sc_nearest_scan(const float *similarities, int64_t count, int32_t first, int32_t skip,
                     int64_t k, sc_neighbor *heap, int64_t *held);
/* Adds the `count` entries of another such heap, in any order. */
void sc_nearest_merge(const sc_neighbor *entries, int64_t count, int64_t k, sc_neighbor *heap,
                      int64_t *held);
/* Sorts such a heap: the most similar first, among equals the lowest index. */
void sc_nearest_sort(sc_neighbor *heap, int64_t held);
#endif
