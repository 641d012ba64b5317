#ifndef SUPCON_CKERNELS_NORMAL_H
#define SUPCON_CKERNELS_NORMAL_H
#include <stdint.h>

/* Fills y [n] with normal variates of the given deviation by Box and Muller, both of each pair,
 * from the stream of Philox-4x32-10 with this key whose counters are block, stream_low (two words),
 * stream_high. Sixteen blocks (a, b, c, d) at a time give 16 of radius(a) cos(b), 16 of radius(a)
 * sin(b), 16 of radius(c) cos(d), 16 of radius(c) sin(d), with radius(w) = sqrt(-2 ln((w / 2^8 + 1)
 * / 2^24)) and angles of w / 2^32 turns. */
void sc_normals(uint64_t key, uint64_t stream_low, uint32_t stream_high, float deviation, float *y,
                int64_t n);
#endif
