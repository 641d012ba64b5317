/* bf16 is the upper half of an f32. Both directions are plain integer work, which every vector unit
 * can do. */
#ifndef SUPCON_BF16_H
#define SUPCON_BF16_H
#include "kernel.h"

#include <stdint.h>
#include <string.h>

typedef uint16_t bf16;

INLINE float bf16_to_f32(bf16 x) {
  uint32_t bits = (uint32_t)x << 16;
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

/* Rounds to nearest, ties to even; a NaN stays one. */
INLINE bf16 f32_to_bf16(float f) {
  uint32_t bits;
  memcpy(&bits, &f, 4);
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return (bf16)(f == f ? rounded : (bits >> 16) | 0x40);
}
#endif
