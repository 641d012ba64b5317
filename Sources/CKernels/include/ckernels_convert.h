#ifndef SUPCON_CKERNELS_CONVERT_H
#define SUPCON_CKERNELS_CONVERT_H
#include <stdint.h>

/* These convert element by element; conversion to bf16 rounds to nearest, ties to even. */
void sc_f32_to_bf16(const float *from, uint16_t *to, int64_t n);
void sc_bf16_to_f32(const uint16_t *from, float *to, int64_t n);
#endif
