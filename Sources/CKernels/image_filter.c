#include "ckernels_filter.h"
#include "kernel.h"

#include <math.h>
#include <string.h>

int64_t sc_border(int64_t i, int64_t n, int border) {
  if (i >= 0 && i < n) return i;
  if (border == SC_BORDER_NEAREST || n == 1) return i < 0 ? 0 : n - 1;
  const int64_t period = border == SC_BORDER_REFLECT ? 2 * (n - 1) : 2 * n;
  int64_t m = i % period;
  if (m < 0) m += period;
  return m < n ? m : (border == SC_BORDER_REFLECT ? period : period - 1) - m;
}

static void load_row(const float *in, int64_t width, int64_t radius, int border, float *row) {
  for (int64_t x = -radius; x < 0; x++) row[x + radius] = in[sc_border(x, width, border)];
  memcpy(row + radius, in, (size_t)width * sizeof(float));
  for (int64_t x = width; x < width + radius; x++)
    row[x + radius] = in[sc_border(x, width, border)];
}

static SC_KERNEL(void, add, (const float *in, int64_t n, float weight, float *out),
                 (in, n, weight, out)) {
  for (int64_t x = 0; x < n; x++) out[x] += weight * in[x];
}

void sc_separable(const float *in, int64_t height, int64_t width, const float *weights,
                  int64_t radius, int border, float *scratch, float *out) {
  float *across = scratch, *row = scratch + height * width;
  memset(across, 0, (size_t)(height * width) * sizeof(float));
  for (int64_t y = 0; y < height; y++) {
    load_row(in + y * width, width, radius, border, row);
    for (int64_t k = 0; k <= 2 * radius; k++) add(row + k, width, weights[k], across + y * width);
  }
  memset(out, 0, (size_t)(height * width) * sizeof(float));
  for (int64_t y = 0; y < height; y++)
    for (int64_t k = 0; k <= 2 * radius; k++)
      add(across + sc_border(y + k - radius, height, border) * width, width, weights[k],
          out + y * width);
}

void sc_convolve(const float *in, int64_t height, int64_t width, const float *kernel, int64_t side,
                 int border, float *row, float *out) {
  const int64_t radius = side / 2;
  memset(out, 0, (size_t)(height * width) * sizeof(float));
  for (int64_t y = 0; y < height; y++)
    for (int64_t k = 0; k < side; k++) {
      load_row(in + sc_border(y + k - radius, height, border) * width, width, radius, border, row);
      for (int64_t j = 0; j < side; j++)
        if (kernel[k * side + j] != 0) add(row + j, width, kernel[k * side + j], out + y * width);
    }
}

void sc_add_shifted(const float *in, int64_t height, int64_t width, int64_t dy, int64_t dx,
                    float weight, float *out) {
  const int64_t first = dx > 0 ? (dx < width ? dx : width) : 0,
                last = dx < 0 ? (width + dx > 0 ? width + dx : 0) : width;
  for (int64_t y = 0; y < height; y++) {
    const float *from = in + sc_border(y - dy, height, SC_BORDER_NEAREST) * width;
    float *row = out + y * width;
    for (int64_t x = 0; x < first; x++) row[x] += weight * from[0];
    if (first < last) add(from + first - dx, last - first, weight, row + first);
    for (int64_t x = last; x < width; x++) row[x] += weight * from[width - 1];
  }
}

void sc_remap(const float *in, int64_t height, int64_t width, const float *sy, const float *sx,
              int border, float *out) {
  for (int64_t i = 0; i < height * width; i++) {
    /* Positions far outside any image are clamped to those that a cast can hold. */
    const float y = fminf(fmaxf(sy[i], -1e6f), 1e6f), x = fminf(fmaxf(sx[i], -1e6f), 1e6f),
                y0 = floorf(y), x0 = floorf(x), v = y - y0, h = x - x0;
    const float *upper = in + sc_border((int64_t)y0, height, border) * width,
                *lower = in + sc_border((int64_t)y0 + 1, height, border) * width;
    const int64_t left = sc_border((int64_t)x0, width, border),
                  right = sc_border((int64_t)x0 + 1, width, border);
    const float a = upper[left] + h * (upper[right] - upper[left]),
                b = lower[left] + h * (lower[right] - lower[left]);
    out[i] = a + v * (b - a);
  }
}
