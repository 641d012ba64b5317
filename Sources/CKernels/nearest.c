#include "ckernels_nearest.h"
#include "kernel.h"

#include <math.h>

SC_KERNEL(double, sc_dot_f32, (const float *x, const float *y, int64_t count), (x, y, count)) {
#pragma clang fp reassociate(on)
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += (double)x[i] * (double)y[i];
  return sum;
}

SC_KERNEL(void, sc_dot_rows,
          (const float *queries, int64_t query_count, const float *rows, int64_t count,
           int64_t dimension, float *dots, int64_t stride),
          (queries, query_count, rows, count, dimension, dots, stride)) {
  for (int64_t r = 0; r < count; r += 4) {
    /* Four rows at a time; past the end, the last one is repeated. */
    const float *row[4];
    for (int64_t j = 0; j < 4; j++) row[j] = rows + (r + j < count ? r + j : count - 1) * dimension;
    const float *a = row[0], *b = row[1], *c = row[2], *d = row[3];
    for (int64_t q = 0; q < query_count; q++) {
#pragma clang fp reassociate(on)
      const float *x = queries + q * dimension;
      float sums[4] = {0};
      for (int64_t i = 0; i < dimension; i++) {
        sums[0] += x[i] * a[i];
        sums[1] += x[i] * b[i];
        sums[2] += x[i] * c[i];
        sums[3] += x[i] * d[i];
      }
      for (int64_t j = 0; j < 4 && r + j < count; j++) dots[q * stride + r + j] = sums[j];
    }
  }
}

/* Returns whether a comes after b in the order of nearness. */
INLINE int behind(sc_neighbor a, sc_neighbor b) {
  return a.similarity < b.similarity || (a.similarity == b.similarity && a.index > b.index);
}

/* Moves `entry` down from the root of a heap whose root comes after all others. */
INLINE void sink(sc_neighbor *heap, int64_t count, sc_neighbor entry) {
  int64_t at = 0;
  for (;;) {
    int64_t child = 2 * at + 1;
    if (child >= count) break;
    if (child + 1 < count && behind(heap[child + 1], heap[child])) child++;
    if (!behind(heap[child], entry)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = entry;
}

/* Moves `entry` up from the end of a heap of *held entries, which has space for it. */
INLINE void rise(sc_neighbor *heap, int64_t *held, sc_neighbor entry) {
  int64_t at = (*held)++;
  while (at > 0 && behind(entry, heap[(at - 1) / 2])) {
    heap[at] = heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  heap[at] = entry;
}

INLINE sc_neighbor neighbor(float similarity, int32_t index) {
  return (sc_neighbor){similarity == similarity ? similarity : INFINITY, index};
}

#define BLOCK 32

SC_KERNEL(void, sc_nearest_scan,
          (const float *similarities, int64_t count, int32_t first, int32_t skip, int64_t k,
           sc_neighbor *heap, int64_t *held),
          (similarities, count, first, skip, k, heap, held)) {
  int64_t i = 0;
  for (; i < count && *held < k; i++) {
    const sc_neighbor entry = neighbor(similarities[i], first + (int32_t)i);
    if (entry.index != skip) rise(heap, held, entry);
  }
  /* Most blocks contain nothing larger than the heap's smallest, which one comparison over a block
   * shows. Equals come later, so they are not inserted. */
  while (i < count) {
    const int64_t end = count - i < BLOCK ? count : i + BLOCK;
    if (end - i == BLOCK) {
      const float least = heap[0].similarity;
      int any = 0;
      for (int j = 0; j < BLOCK; j++) any |= !(similarities[i + j] <= least);
      if (!any) {
        i = end;
        continue;
      }
    }
    for (; i < end; i++) {
      const sc_neighbor entry = neighbor(similarities[i], first + (int32_t)i);
      if (entry.similarity > heap[0].similarity && entry.index != skip) sink(heap, k, entry);
    }
  }
}
#undef BLOCK

void sc_nearest_merge(const sc_neighbor *entries, int64_t count, int64_t k, sc_neighbor *heap,
                      int64_t *held) {
  for (int64_t i = 0; i < count; i++)
    if (*held < k) rise(heap, held, entries[i]);
    else if (behind(heap[0], entries[i])) sink(heap, k, entries[i]);
}

void sc_nearest_sort(sc_neighbor *heap, int64_t held) {
  for (int64_t n = held - 1; n > 0; n--) {
    const sc_neighbor last = heap[n];
    heap[n] = heap[0];
    sink(heap, n, last);
  }
}
