/* exp and log1p of one f32, written so that a loop around them becomes vector instructions: no
 * branches, no calls. */
#ifndef SUPCON_LOSS_MATH_H
#define SUPCON_LOSS_MATH_H
#include "kernel.h"

#include <stdint.h>
#include <string.h>

/* exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2; exp(r) = 1 + r + r^2 q(r) with the
 * minimax q of degree 4 (relative error 3e-9 before rounding). ln 2 is subtracted in two parts, the
 * first short enough for n times it to be exact (Cody and Waite). Adding 1.5 * 2^23 rounds to the
 * nearest integer and leaves it in the low bits. */
INLINE float exp_f32(float x) {
  const float low = -87.0f, high = 88.0f, magic = 12582912.0f;
  float c = x < low ? low : x;
  c = c > high ? high : c;
  const float t = c * 1.44269504f + magic, n = t - magic;
  const float r = (c - n * 0.693145752f) - n * 1.42860677e-6f;
  float q = 0.00138131441f;
  q = q * r + 0.00836941879f;
  q = q * r + 0.0416684560f;
  q = q * r + 0.166665152f;
  q = q * r + 0.49999994f;
  const float p = (q * r) * r + r + 1.0f;
  uint32_t exponent, bits;
  memcpy(&exponent, &t, 4);
  memcpy(&bits, &p, 4);
  bits += exponent << 23;
  float y;
  memcpy(&y, &bits, 4);
  return x < low ? 0.0f : y;
}

/* log(1 + x), 0 <= x <= 1: 2 artanh(t) with t = x / (2 + x) <= 1/3, by its series up to t^13. */
INLINE float log1p_f32(float x) {
  const float t = x / (2.0f + x), u = t * t;
  float p = 1.0f / 13;
  p = p * u + 1.0f / 11;
  p = p * u + 1.0f / 9;
  p = p * u + 1.0f / 7;
  p = p * u + 1.0f / 5;
  p = p * u + 1.0f / 3;
  return 2.0f * t + 2.0f * t * (u * p);
}
#endif
