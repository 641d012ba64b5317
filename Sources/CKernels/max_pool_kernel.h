/* Max pooling for inference, which does not record where the largest was, for one element type: T,
 * LOAD, NAME(f) are defined by the includer. */

SC_KERNEL(void, NAME(sc_max_pool_rows),
          (const T *restrict x, int64_t height, int64_t width, int64_t channels, int64_t first,
           int64_t end, T *restrict y),
          (x, height, width, channels, first, end, y)) {
  const int64_t out_width = (width + 1) / 2;
  for (int64_t i = first; i < end; i++)
    for (int64_t j = 0; j < out_width; j++) {
      /* A tap outside is replaced by (2i, 2j), which is always inside. */
      const T *taps[9];
      for (int k = 0; k < 9; k++) {
        int64_t r = 2 * i - 1 + k / 3, s = 2 * j - 1 + k % 3;
        if (r < 0 || r >= height) r = 2 * i;
        if (s < 0 || s >= width) s = 2 * j;
        taps[k] = x + (r * width + s) * channels;
      }
      const T *a = taps[0], *b = taps[1], *c = taps[2], *d = taps[3], *e = taps[4], *f = taps[5],
              *g = taps[6], *h = taps[7], *l = taps[8];
      T *o = y + (i * out_width + j) * channels;
#define LARGER(u, v) (LOAD(u) > LOAD(v) ? (u) : (v))
      for (int64_t n = 0; n < channels; n++) {
        const T ab = LARGER(a[n], b[n]), cd = LARGER(c[n], d[n]), ef = LARGER(e[n], f[n]),
                gh = LARGER(g[n], h[n]);
        const T abcd = LARGER(ab, cd), efgh = LARGER(ef, gh), all = LARGER(abcd, efgh);
        o[n] = LARGER(all, l[n]);
      }
#undef LARGER
    }
}
