/* The kernels of norm.c for one element type: T, LOAD, STORE, NAME(f) are defined by the includer.
 * A strip of 64 channels keeps its sums in registers while it processes the rows of a block; a
 * block is small enough to stay in cache from strip to strip. */

#define STRIP 64

INLINE void NAME(sum_strip)(const T *restrict x, int64_t rows, int64_t channels, const int width,
                            float *restrict sum) {
  float s[STRIP] = {0};
  for (int64_t r = 0; r < rows; r++)
    for (int c = 0; c < width; c++) s[c] += LOAD(x[r * channels + c]);
  for (int c = 0; c < width; c++) sum[c] = s[c];
}

INLINE void NAME(square_strip)(const T *restrict x, int64_t rows, int64_t channels, const int width,
                               const float *restrict mean, float *restrict sum) {
  float s[STRIP] = {0};
  for (int64_t r = 0; r < rows; r++)
    for (int c = 0; c < width; c++) {
      float d = LOAD(x[r * channels + c]) - mean[c];
      s[c] += d * d;
    }
  for (int c = 0; c < width; c++) sum[c] = s[c];
}

/* Chan, Golub and LeVeque's pairwise update: block by block, each block in two passes around its
 * own mean. */
SC_KERNEL(void, NAME(sc_norm_moments),
          (const T *restrict x, int64_t rows, int64_t channels, double *restrict mean,
           double *restrict m2),
          (x, rows, channels, mean, m2)) {
  for (int64_t c = 0; c < channels; c++) mean[c] = m2[c] = 0;
  const int64_t step = block_rows(channels);
  for (int64_t start = 0; start < rows; start += step) {
    const int64_t n = rows - start < step ? rows - start : step;
    const double fraction = (double)n / (double)(start + n), weight = (double)start * fraction;
    for (int64_t c = 0; c < channels; c += STRIP) {
      const T *p = x + start * channels + c;
      const int width = channels - c < STRIP ? (int)(channels - c) : STRIP;
      float block_mean[STRIP], block_m2[STRIP];
      if (width == STRIP) NAME(sum_strip)(p, n, channels, STRIP, block_mean);
      else NAME(sum_strip)(p, n, channels, width, block_mean);
      for (int j = 0; j < width; j++) block_mean[j] /= (float)n;
      if (width == STRIP) NAME(square_strip)(p, n, channels, STRIP, block_mean, block_m2);
      else NAME(square_strip)(p, n, channels, width, block_mean, block_m2);
      for (int j = 0; j < width; j++) {
        const double d = (double)block_mean[j] - mean[c + j];
        mean[c + j] += d * fraction;
        m2[c + j] += (double)block_m2[j] + d * d * weight;
      }
    }
  }
}

INLINE void NAME(apply)(const T *restrict x, const T *restrict residual,
                        const float *restrict scale, const float *restrict shift, const int relu,
                        T *restrict y, int64_t rows, int64_t channels) {
  for (int64_t r = 0; r < rows; r++) {
    const T *xr = x + r * channels, *rr = residual ? residual + r * channels : 0;
    T *yr = y + r * channels;
    for (int64_t c = 0; c < channels; c++) {
      float v = scale[c] * LOAD(xr[c]) + shift[c];
      if (rr) v += LOAD(rr[c]);
      yr[c] = STORE(relu && !(v > 0) ? 0 : v);
    }
  }
}

SC_KERNEL(void, NAME(sc_norm_apply),
          (const T *restrict x, const T *restrict residual, const float *restrict scale,
           const float *restrict shift, int relu, T *restrict y, int64_t rows, int64_t channels),
          (x, residual, scale, shift, relu, y, rows, channels)) {
  if (residual) {
    if (relu) NAME(apply)(x, residual, scale, shift, 1, y, rows, channels);
    else NAME(apply)(x, residual, scale, shift, 0, y, rows, channels);
  } else {
    if (relu) NAME(apply)(x, 0, scale, shift, 1, y, rows, channels);
    else NAME(apply)(x, 0, scale, shift, 0, y, rows, channels);
  }
}

INLINE void NAME(reduce_strip)(const T *dy, const T *restrict dy2, const T *restrict x,
                               const T *restrict y, const float *restrict scale,
                               const float *restrict shift, const float *restrict mean,
                               const int mask, T *g, float *restrict sum_g, float *restrict sum_gx,
                               int64_t rows, int64_t channels, const int width) {
  float s[STRIP] = {0}, t[STRIP] = {0};
  for (int64_t r = 0; r < rows; r++) {
    const int64_t o = r * channels;
#pragma clang loop vectorize(assume_safety)
    for (int c = 0; c < width; c++) {
      const float v = LOAD(x[o + c]);
      float d = LOAD(dy[o + c]);
      if (dy2) d += LOAD(dy2[o + c]);
      if (mask == 1) d = scale[c] * v + shift[c] > 0 ? d : 0;
      if (mask == 2) d = LOAD(y[o + c]) > 0 ? d : 0;
      if (g) g[o + c] = STORE(d);
      s[c] += d;
      t[c] += d * (v - mean[c]);
    }
  }
  for (int c = 0; c < width; c++) sum_g[c] = s[c], sum_gx[c] = t[c];
}

INLINE void NAME(reduce)(const T *dy, const T *dy2, const T *x, const T *y, const float *scale,
                         const float *shift, const float *mean, const int mask, T *g,
                         double *restrict sum_g, double *restrict sum_gx, int64_t rows,
                         int64_t channels) {
  const int64_t step = block_rows(channels);
  for (int64_t start = 0; start < rows; start += step) {
    const int64_t n = rows - start < step ? rows - start : step;
    for (int64_t c = 0; c < channels; c += STRIP) {
      const int64_t o = start * channels + c;
      const int width = channels - c < STRIP ? (int)(channels - c) : STRIP;
      float s[STRIP], t[STRIP];
      const T *d2 = dy2 ? dy2 + o : 0, *yo = y ? y + o : 0;
      T *go = g ? g + o : 0;
      if (width == STRIP)
        NAME(reduce_strip)(dy + o, d2, x + o, yo, scale + c, shift + c, mean + c, mask, go, s, t, n,
                           channels, STRIP);
      else
        NAME(reduce_strip)(dy + o, d2, x + o, yo, scale + c, shift + c, mean + c, mask, go, s, t, n,
                           channels, width);
      for (int j = 0; j < width; j++) sum_g[c + j] += (double)s[j], sum_gx[c + j] += (double)t[j];
    }
  }
}

/* The cases that occur in a ResNet have separate loops. */
SC_KERNEL(void, NAME(sc_norm_reduce),
          (const T *dy, const T *dy2, const T *x, const T *y, const float *scale,
           const float *shift, const float *mean, int relu, T *g, double *sum_g, double *sum_gx,
           int64_t rows, int64_t channels),
          (dy, dy2, x, y, scale, shift, mean, relu, g, sum_g, sum_gx, rows, channels)) {
  const int mask = !relu ? 0 : y ? 2 : 1;
  if (mask == 1 && !dy2 && !g)
    NAME(reduce)(dy, 0, x, 0, scale, shift, mean, 1, 0, sum_g, sum_gx, rows, channels);
  else if (mask == 2 && dy2 && g)
    NAME(reduce)(dy, dy2, x, y, scale, shift, mean, 2, g, sum_g, sum_gx, rows, channels);
  else if (mask == 2 && !dy2 && g)
    NAME(reduce)(dy, 0, x, y, scale, shift, mean, 2, g, sum_g, sum_gx, rows, channels);
  else if (mask == 1 && dy2 && g)
    NAME(reduce)(dy, dy2, x, 0, scale, shift, mean, 1, g, sum_g, sum_gx, rows, channels);
  else if (mask == 0 && !dy2 && !g)
    NAME(reduce)(dy, 0, x, 0, scale, shift, mean, 0, 0, sum_g, sum_gx, rows, channels);
  else NAME(reduce)(dy, dy2, x, y, scale, shift, mean, mask, g, sum_g, sum_gx, rows, channels);
}

SC_KERNEL(void, NAME(sc_norm_input_gradient),
          (const T *g, const T *x, const float *restrict scale, const float *restrict shift,
           const float *restrict factor, const float *restrict offset, int relu, T *dx,
           int64_t rows, int64_t channels),
          (g, x, scale, shift, factor, offset, relu, dx, rows, channels)) {
  for (int64_t r = 0; r < rows; r++) {
    const int64_t o = r * channels;
    if (relu) {
#pragma clang loop vectorize(assume_safety)
      for (int64_t c = 0; c < channels; c++) {
        const float v = LOAD(x[o + c]);
        const float d = scale[c] * v + shift[c] > 0 ? LOAD(g[o + c]) : 0;
        dx[o + c] = STORE(scale[c] * d + factor[c] * v + offset[c]);
      }
    } else {
#pragma clang loop vectorize(assume_safety)
      for (int64_t c = 0; c < channels; c++)
        dx[o + c] = STORE(scale[c] * LOAD(g[o + c]) + factor[c] * LOAD(x[o + c]) + offset[c]);
    }
  }
}
#undef STRIP
