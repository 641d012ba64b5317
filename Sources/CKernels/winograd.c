#include "ckernels_winograd.h"
#include "kernel.h"

#include <string.h>

/* 16 channels at a time, which the compiler divides into vectors of the CPU's width. */
typedef float lanes __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(64), aligned(4), may_alias));
#define LANES 16
#define LOAD(p) (*(const lanes *)(p))
#define STORE(p, v) (*(lanes *)(p) = (v))

/* Computes t = Bᵀ d, with strides `from` and `to`. */
#define INPUT_TRANSFORM(d, from, t, to)                              \
  do {                                                               \
    const lanes even = (d)[4 * from] - 4 * (d)[2 * from];            \
    const lanes odd = (d)[3 * from] - 4 * (d)[1 * from];             \
    const lanes even2 = (d)[4 * from] - (d)[2 * from];               \
    const lanes odd2 = 2 * ((d)[3 * from] - (d)[1 * from]);          \
    (t)[0 * to] = 4 * (d)[0] - 5 * (d)[2 * from] + (d)[4 * from];    \
    (t)[1 * to] = even + odd;                                        \
    (t)[2 * to] = even - odd;                                        \
    (t)[3 * to] = even2 + odd2;                                      \
    (t)[4 * to] = even2 - odd2;                                      \
    (t)[5 * to] = 4 * (d)[from] - 5 * (d)[3 * from] + (d)[5 * from]; \
  } while (0)

SC_KERNEL(void, sc_winograd_input,
          (const float *x, int64_t height, int64_t width, int64_t channels, int64_t top,
           int64_t left, float *v, int64_t plane),
          (x, height, width, channels, top, left, v, plane)) {
  for (int64_t c = 0; c < channels; c += LANES) {
    lanes d[36], t[36];
    for (int r = 0; r < 6; r++)
      for (int s = 0; s < 6; s++) {
        const int64_t i = top + r, j = left + s;
        const int inside = i >= 0 && i < height && j >= 0 && j < width;
        d[r * 6 + s] = inside ? LOAD(x + (i * width + j) * channels + c) : (lanes){0};
      }
    for (int s = 0; s < 6; s++) INPUT_TRANSFORM(d + s, 6, t + s, 6);
    for (int r = 0; r < 6; r++) INPUT_TRANSFORM(t + r * 6, 1, d + r * 6, 1);
    for (int k = 0; k < 36; k++) STORE(v + k * plane + c, d[k]);
  }
}

/* y = Aᵀ m */
#define OUTPUT_TRANSFORM(m, from, y, to)                        \
  do {                                                          \
    const lanes sum = (m)[1 * from] + (m)[2 * from];            \
    const lanes difference = (m)[1 * from] - (m)[2 * from];     \
    const lanes sum2 = (m)[3 * from] + (m)[4 * from];           \
    const lanes difference2 = (m)[3 * from] - (m)[4 * from];    \
    (y)[0 * to] = (m)[0] + sum + sum2;                          \
    (y)[1 * to] = difference + 2 * difference2;                 \
    (y)[2 * to] = sum + 4 * sum2;                               \
    (y)[3 * to] = difference + 8 * difference2 + (m)[5 * from]; \
  } while (0)

SC_KERNEL(void, sc_winograd_output,
          (const float *m, int64_t plane, const float *bias, int add, int relu, float *y,
           int64_t height, int64_t width, int64_t channels, int64_t top, int64_t left),
          (m, plane, bias, add, relu, y, height, width, channels, top, left)) {
  const int rows = height - top < 4 ? (int)(height - top) : 4,
            columns = width - left < 4 ? (int)(width - left) : 4;
  for (int64_t c = 0; c < channels; c += LANES) {
    lanes d[36], t[24], o[16];
    for (int k = 0; k < 36; k++) d[k] = LOAD(m + k * plane + c);
    for (int s = 0; s < 6; s++) OUTPUT_TRANSFORM(d + s, 6, t + s, 6);
    for (int r = 0; r < 4; r++) OUTPUT_TRANSFORM(t + r * 6, 1, o + r * 4, 1);
    const lanes b = bias ? LOAD(bias + c) : (lanes){0};
    for (int r = 0; r < rows; r++)
      for (int s = 0; s < columns; s++) {
        float *to = y + ((top + r) * width + left + s) * channels + c;
        lanes value = o[r * 4 + s] + b;
        if (add) value += LOAD(to);
        if (relu) value = (lanes)((bits)value & (value > 0));
        STORE(to, value);
      }
  }
}

/* m = A y */
#define OUTPUT_GRADIENT_TRANSFORM(y, from, m, to)             \
  do {                                                        \
    const lanes even = (y)[0] + (y)[2 * from];                \
    const lanes odd = (y)[1 * from] + (y)[3 * from];          \
    const lanes even2 = (y)[0] + 4 * (y)[2 * from];           \
    const lanes odd2 = 2 * (y)[1 * from] + 8 * (y)[3 * from]; \
    (m)[0 * to] = (y)[0];                                     \
    (m)[1 * to] = even + odd;                                 \
    (m)[2 * to] = even - odd;                                 \
    (m)[3 * to] = even2 + odd2;                               \
    (m)[4 * to] = even2 - odd2;                               \
    (m)[5 * to] = (y)[3 * from];                              \
  } while (0)

SC_KERNEL(void, sc_winograd_output_gradient,
          (const float *dy, int64_t height, int64_t width, int64_t channels, int64_t top,
           int64_t left, float *m, int64_t plane),
          (dy, height, width, channels, top, left, m, plane)) {
  const int rows = height - top < 4 ? (int)(height - top) : 4,
            columns = width - left < 4 ? (int)(width - left) : 4;
  for (int64_t c = 0; c < channels; c += LANES) {
    lanes d[16], t[24], o[36];
    for (int r = 0; r < 4; r++)
      for (int s = 0; s < 4; s++)
        d[r * 4 + s] = r < rows && s < columns
                           ? LOAD(dy + ((top + r) * width + left + s) * channels + c)
                           : (lanes){0};
    for (int s = 0; s < 4; s++) OUTPUT_GRADIENT_TRANSFORM(d + s, 4, t + s, 4);
    for (int r = 0; r < 6; r++) OUTPUT_GRADIENT_TRANSFORM(t + r * 4, 1, o + r * 6, 1);
    for (int k = 0; k < 36; k++) STORE(m + k * plane + c, o[k]);
  }
}

/* u = G g */
#define WEIGHT_TRANSFORM(g, from, u, to)                                                        \
  do {                                                                                          \
    const lanes ends = ((g)[0] + (g)[2 * from]) * (-1 / 6.0f), middle = (g)[from] * (1 / 6.0f); \
    const lanes ends2 = (g)[0] * (1 / 24.0f) + (g)[2 * from] * (1 / 6.0f);                      \
    const lanes middle2 = (g)[from] * (1 / 12.0f);                                              \
    (u)[0 * to] = (g)[0] * 0.25f;                                                               \
    (u)[1 * to] = ends - middle;                                                                \
    (u)[2 * to] = ends + middle;                                                                \
    (u)[3 * to] = ends2 + middle2;                                                              \
    (u)[4 * to] = ends2 - middle2;                                                              \
    (u)[5 * to] = (g)[2 * from];                                                                \
  } while (0)

INLINE void transform_weights(const lanes *g, float *u, int64_t plane) {
  lanes t[18], o[36];
  for (int s = 0; s < 3; s++) WEIGHT_TRANSFORM(g + s, 3, t + s, 3);
  for (int r = 0; r < 6; r++) WEIGHT_TRANSFORM(t + r * 3, 1, o + r * 6, 1);
  for (int k = 0; k < 36; k++) STORE(u + k * plane, o[k]);
}

SC_KERNEL(void, sc_winograd_weights,
          (const float *w, int64_t outputs, int64_t inputs, int64_t first, int64_t last, float *u),
          (w, outputs, inputs, first, last, u)) {
  for (int64_t o = 0; o < outputs; o += LANES)
    for (int64_t i = first; i < last; i++) {
      float g[9][LANES];
      for (int l = 0; l < LANES; l++)
        for (int t = 0; t < 9; t++) g[t][l] = w[((o + l) * inputs + i) * 9 + t];
      lanes taps[9];
      memcpy(taps, g, sizeof g);
      transform_weights(taps, u + i * outputs + o, inputs * outputs);
    }
}

SC_KERNEL(void, sc_winograd_turned_weights,
          (const float *w, int64_t outputs, int64_t inputs, int64_t first, int64_t last, float *u),
          (w, outputs, inputs, first, last, u)) {
  for (int64_t o = first; o < last; o++)
    for (int64_t i = 0; i < inputs; i += LANES) {
      float g[9][LANES];
      for (int l = 0; l < LANES; l++)
        for (int t = 0; t < 9; t++) g[8 - t][l] = w[(o * inputs + i + l) * 9 + t];
      lanes taps[9];
      memcpy(taps, g, sizeof g);
      transform_weights(taps, u + o * inputs + i, inputs * outputs);
    }
}

/* g = Gᵀ u */
#define WEIGHT_GRADIENT_TRANSFORM(u, from, g, to)                            \
  do {                                                                       \
    const lanes sum = ((u)[1 * from] + (u)[2 * from]) * (1 / 6.0f);          \
    const lanes difference = ((u)[2 * from] - (u)[1 * from]) * (1 / 6.0f);   \
    const lanes sum2 = ((u)[3 * from] + (u)[4 * from]) * (1 / 24.0f);        \
    const lanes difference2 = ((u)[3 * from] - (u)[4 * from]) * (1 / 12.0f); \
    (g)[0 * to] = (u)[0] * 0.25f - sum + sum2;                               \
    (g)[1 * to] = difference + difference2;                                  \
    (g)[2 * to] = 4 * sum2 - sum + (u)[5 * from];                            \
  } while (0)

SC_KERNEL(void, sc_winograd_weight_gradient,
          (const float *du, int64_t outputs, int64_t inputs, int64_t first, int64_t last,
           float *dw),
          (du, outputs, inputs, first, last, dw)) {
  const int64_t plane = inputs * outputs;
  for (int64_t i = first; i < last; i++)
    for (int64_t o = 0; o < outputs; o += LANES) {
      lanes u[36], t[18], taps[9];
      for (int k = 0; k < 36; k++) u[k] = LOAD(du + k * plane + i * outputs + o);
      for (int s = 0; s < 6; s++) WEIGHT_GRADIENT_TRANSFORM(u + s, 6, t + s, 6);
      for (int r = 0; r < 3; r++) WEIGHT_GRADIENT_TRANSFORM(t + r * 6, 1, taps + r * 3, 1);
      float g[9][LANES];
      memcpy(g, taps, sizeof g);
      for (int l = 0; l < LANES; l++)
        for (int k = 0; k < 9; k++) dw[((o + l) * inputs + i) * 9 + k] = g[k][l];
    }
}
