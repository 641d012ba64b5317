#include "ckernels_policy.h"
#include "kernel.h"

#include <math.h>
#include <string.h>

INLINE float clamped(float v) {
  v = v > 0 ? v : 0;
  return v < 1 ? v : 1;
}

SC_KERNEL(void, sc_affine,
          (const float *in, int64_t plane, int64_t channels, int64_t height, int64_t width,
           const float *matrix, float fill, int64_t *index, float *out),
          (in, plane, channels, height, width, matrix, fill, index, out)) {
  for (int64_t y = 0; y < height; y++) {
    const float x0 = matrix[1] * ((float)y + 0.5f) + matrix[2] - 0.5f,
                y0 = matrix[4] * ((float)y + 0.5f) + matrix[5] - 0.5f;
    const float last_x = (float)width - 0.5f, last_y = (float)height - 0.5f;
    for (int64_t x = 0; x < width; x++) {
      const float sx = rintf(matrix[0] * ((float)x + 0.5f) + x0),
                  sy = rintf(matrix[3] * ((float)x + 0.5f) + y0);
      const int inside = sx >= 0 && sx < last_x && sy >= 0 && sy < last_y;
      index[x] = inside ? (int64_t)sy * width + (int64_t)sx : -1;
    }
    for (int64_t c = 0; c < channels; c++) {
      const float *from = in + c * plane;
      float *row = out + c * plane + y * width;
      for (int64_t x = 0; x < width; x++) row[x] = index[x] < 0 ? fill : from[index[x]];
    }
  }
}

SC_KERNEL(void, sc_sharpen,
          (const float *in, int64_t height, int64_t width, float factor, float *out),
          (in, height, width, factor, out)) {
  memcpy(out, in, (size_t)(height * width) * sizeof(float));
  if (height <= 2 || width <= 2) return;
  for (int64_t y = 1; y < height - 1; y++) {
    const float *a = in + (y - 1) * width, *b = a + width, *c = b + width;
    float *row = out + y * width;
    for (int64_t x = 1; x < width - 1; x++) {
      const float around =
          a[x - 1] + a[x] + a[x + 1] + b[x - 1] + b[x + 1] + c[x - 1] + c[x] + c[x + 1];
      const float smooth = (around + 5 * b[x]) * (1.0f / 13);
      row[x] = clamped(b[x] + (1 - factor) * (smooth - b[x]));
    }
  }
}

SC_KERNEL(void, sc_posterize, (float *p, int64_t n, float levels), (p, n, levels)) {
  const float step = 1 / levels;
  for (int64_t i = 0; i < n; i++) {
    /* Earlier rounding may have left a pixel slightly outside 0 to 1. */
    const float level = floorf(p[i] * levels), low = level > 0 ? level : 0;
    p[i] = (low < levels - 1 ? low : levels - 1) * step;
  }
}

SC_KERNEL(void, sc_solarize, (float *p, int64_t n, float threshold), (p, n, threshold)) {
  for (int64_t i = 0; i < n; i++) {
    const float inverted = p[i] < 1 ? 1 - p[i] : 0;
    p[i] = p[i] >= threshold ? inverted : p[i];
  }
}

SC_KERNEL(void, sc_stretch, (const float *in, int64_t n, float *out), (in, n, out)) {
  float low = in[0], high = in[0];
  for (int64_t i = 0; i < n; i++) {
    low = in[i] < low ? in[i] : low;
    high = in[i] > high ? in[i] : high;
  }
  const float range = high - low;
  if (!(range > 0)) {
    memcpy(out, in, (size_t)n * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < n; i++) out[i] = clamped((in[i] - low) / range);
}

void sc_equalize(const float *in, int64_t n, float *out) {
  int64_t histogram[256] = {0}, left = 0;
  for (int64_t i = 0; i < n; i++) histogram[(int)(clamped(in[i]) * 255.999f)]++;
  int last = 255;
  while (last > 0 && histogram[last] == 0) last--;
  const int64_t step = (n - histogram[last]) / 255;
  if (step == 0) {
    memcpy(out, in, (size_t)n * sizeof(float));
    return;
  }
  float table[256];
  for (int v = 0; v < 256; v++) {
    const int64_t level = (left + step / 2) / step;
    table[v] = (float)(level < 255 ? level : 255) / 255;
    left += histogram[v];
  }
  for (int64_t i = 0; i < n; i++) out[i] = table[(int)(clamped(in[i]) * 255.999f)];
}

/* ln of a positive normal number: its exponent, and 2 artanh(t) of the rest within sqrt(1/2) …
 * sqrt(2), by the series up to t^9: an error below 4e-8. */
INLINE float log_f32(float x) {
  uint32_t bits, rest;
  memcpy(&bits, &x, 4);
  const int32_t exponent = (int32_t)(bits - 0x3f3504f3u) >> 23;
  rest = bits - ((uint32_t)exponent << 23);
  float m;
  memcpy(&m, &rest, 4);
  const float t = (m - 1) / (m + 1), u = t * t;
  float p = 1.0f / 9;
  p = p * u + 1.0f / 7;
  p = p * u + 1.0f / 5;
  p = p * u + 1.0f / 3;
  return (float)exponent * 0.693147181f + 2 * t + 2 * t * (u * p);
}

/* Each point adds weight * r² ln r = weight/2 * d ln d, d = r²; near 0 that is 0. */
static SC_KERNEL(void, displacements,
                 (const sc_spline *s, float y, int64_t width, float *dy, float *dx),
                 (s, y, width, dy, dx)) {
  for (int64_t x = 0; x < width; x++) {
    float a = s->affine_y[0] + s->affine_y[1] * y + s->affine_y[2] * (float)x,
          b = s->affine_x[0] + s->affine_x[1] * y + s->affine_x[2] * (float)x;
    for (int k = 0; k < 4; k++) {
      const float v = y - s->y[k], h = (float)x - s->x[k];
      float d = v * v + h * h;
      d = d > 1e-10f ? d : 1e-10f;
      const float phi = 0.5f * d * log_f32(d);
      a += s->weight_y[k] * phi;
      b += s->weight_x[k] * phi;
    }
    dy[x] = a;
    dx[x] = b;
  }
}

void sc_warp(const float *in, int64_t plane, int64_t channels, int64_t height, int64_t width,
             const sc_spline *spline, float *scratch, float *out) {
  float *dy = scratch, *dx = scratch + width;
  const float last_y = (float)(height - 1), last_x = (float)(width - 1);
  for (int64_t y = 0; y < height; y++) {
    displacements(spline, (float)y, width, dy, dx);
    for (int64_t x = 0; x < width; x++) {
      float sy = (float)y - dy[x], sx = (float)x - dx[x];
      sy = sy > 0 ? sy < last_y ? sy : last_y : 0; /* a NaN becomes 0 */
      sx = sx > 0 ? sx < last_x ? sx : last_x : 0;
      const int64_t top = (int64_t)sy, left = (int64_t)sx, down = top + 1 < height ? width : 0,
                    right = left + 1 < width ? 1 : 0;
      const float v = sy - (float)top, h = sx - (float)left;
      for (int64_t c = 0; c < channels; c++) {
        const float *p = in + c * plane + top * width + left;
        const float upper = p[0] + h * (p[right] - p[0]),
                    lower = p[down] + h * (p[down + right] - p[down]);
        out[c * plane + y * width + x] = upper + v * (lower - upper);
      }
    }
  }
}
