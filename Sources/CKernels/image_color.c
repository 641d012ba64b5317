#include "ckernels_image.h"
#include "kernel.h"

#include <math.h>

/* Sixteen values at a time. */
#define LOOP _Pragma("clang loop vectorize_width(16) interleave_count(1)") for

/* Written so that a NaN becomes 0 and the compiler emits max and min instructions. */
INLINE float clamped(float v) {
  v = v > 0 ? v : 0;
  return v < 1 ? v : 1;
}
INLINE float smaller(float a, float b) { return a < b ? a : b; }
INLINE float larger(float a, float b) { return a > b ? a : b; }
INLINE float gray(float r, float g, float b) { return 0.2989f * r + 0.587f * g + 0.114f * b; }

SC_KERNEL(void, sc_brightness, (float *p, int64_t plane, int64_t channels, int64_t n, float factor),
          (p, plane, channels, n, factor)) {
  for (int64_t c = 0; c < channels; c++)
    LOOP(int64_t i = 0; i < n; i++) p[c * plane + i] = clamped(factor * p[c * plane + i]);
}

SC_KERNEL(void, sc_contrast,
          (float *p, int64_t plane, int64_t channels, int64_t n, float factor, float offset),
          (p, plane, channels, n, factor, offset)) {
  for (int64_t c = 0; c < channels; c++)
    LOOP(int64_t i = 0; i < n; i++) p[c * plane + i] = clamped(factor * p[c * plane + i] + offset);
}

SC_KERNEL(double, sc_gray_sum, (const float *p, int64_t plane, int64_t channels, int64_t n),
          (p, plane, channels, n)) {
  float lanes[64] = {0}, sum = 0;
  int64_t i = 0;
  if (channels == 3) {
    const float *g = p + plane, *b = p + 2 * plane;
    for (; i + 64 <= n; i += 64)
      for (int j = 0; j < 64; j++) lanes[j] += gray(p[i + j], g[i + j], b[i + j]);
    for (; i < n; i++) sum += gray(p[i], g[i], b[i]);
  } else {
    for (int64_t c = 0; c < channels; c++) {
      for (i = 0; i + 64 <= n; i += 64)
        for (int j = 0; j < 64; j++) lanes[j] += p[c * plane + i + j];
      for (; i < n; i++) sum += p[c * plane + i];
    }
  }
  double total = sum;
  for (int j = 0; j < 64; j++) total += lanes[j];
  return total;
}

SC_KERNEL(void, sc_saturation, (float *p, int64_t plane, int64_t n, float factor),
          (p, plane, n, factor)) {
  float *restrict r = p, *restrict g = p + plane, *restrict b = p + 2 * plane;
  LOOP(int64_t i = 0; i < n; i++) {
    const float rest = (1 - factor) * gray(r[i], g[i], b[i]);
    r[i] = clamped(factor * r[i] + rest);
    g[i] = clamped(factor * g[i] + rest);
    b[i] = clamped(factor * b[i] + rest);
  }
}

/* Value v and chroma c stay; the hue h, in sixths of a turn and times c, is shifted, so that
 * nothing is divided. With h within 0 … 6c the channels lie below v by 2c - |h - 3c|, |h - 2c| - c
 * and |h - 4c| - c, clamped to 0 … c: the usual formula of the six sectors, scaled by c. */
SC_KERNEL(void, sc_hue, (float *p, int64_t plane, int64_t n, float turns), (p, plane, n, turns)) {
  float *restrict r = p, *restrict g = p + plane, *restrict b = p + 2 * plane;
  const float shift = 6 * turns;
  LOOP(int64_t i = 0; i < n; i++) {
    const float red = r[i], green = g[i], blue = b[i];
    const float v = larger(larger(red, green), blue), c = v - smaller(smaller(red, green), blue),
                round = 6 * c;
    const float not_red = v == green ? 2 * c + (blue - red) : 4 * c + (red - green);
    float h = (v == red ? green - blue : not_red) + shift * c;
    h = h < 0 ? h + round : h;
    h = h >= round ? h - round : h;
    r[i] = v - smaller(larger(2 * c - fabsf(h - 3 * c), 0), c);
    g[i] = v - smaller(larger(fabsf(h - 2 * c) - c, 0), c);
    b[i] = v - smaller(larger(fabsf(h - 4 * c) - c, 0), c);
  }
}

SC_KERNEL(void, sc_gray, (float *p, int64_t plane, int64_t n), (p, plane, n)) {
  float *restrict r = p, *restrict g = p + plane, *restrict b = p + 2 * plane;
  LOOP(int64_t i = 0; i < n; i++) r[i] = g[i] = b[i] = gray(r[i], g[i], b[i]);
}

SC_KERNEL(void, sc_interleave,
          (const float *p, int64_t plane, int64_t channels, int64_t n, const float *scale,
           const float *shift, float *restrict out),
          (p, plane, channels, n, scale, shift, out)) {
  if (channels == 3) {
    const float *restrict r = p, *restrict g = p + plane, *restrict b = p + 2 * plane;
    const float r1 = scale[0], g1 = scale[1], b1 = scale[2], r0 = shift[0], g0 = shift[1],
                b0 = shift[2];
    LOOP(int64_t i = 0; i < n; i++) {
      out[3 * i] = r1 * r[i] + r0;
      out[3 * i + 1] = g1 * g[i] + g0;
      out[3 * i + 2] = b1 * b[i] + b0;
    }
  } else if (channels == 1) {
    const float s = scale[0], t = shift[0];
    LOOP(int64_t i = 0; i < n; i++) out[i] = s * p[i] + t;
  } else {
    for (int64_t c = 0; c < channels; c++) LOOP(int64_t i = 0; i < n; i++)
    out[i * channels + c] = scale[c] * p[c * plane + i] + shift[c];
  }
}
