/* The kernels of image_resample.c for one machine: NAME(f) and, if available, AVX512 or AVX2 are
 * defined by the includer. */

#define ROW_LOOP(T)                                                                       \
  for (int64_t c = 0; c < r->channels; c++) {                                             \
    const T *restrict s = (const T *)r->data + y * r->row_stride + c * r->channel_stride; \
    float *restrict d = r->row + c * r->row_pitch;                                        \
    if (r->column_stride == 1)                                                            \
      for (int64_t x = 0; x < r->width; x++) d[x] = (float)s[x];                          \
    else                                                                                  \
      for (int64_t x = 0; x < r->width; x++) d[x] = (float)s[x * r->column_stride];       \
  }

#ifdef AVX512
/* Sixteen RGB pixels at a time: four dwords' worth of pixels to each quarter of the vector, then
 * each channel's bytes to their positions. */
static inline void NAME(load_rgb_u8)(const uint8_t *s, int64_t width, float *row, int64_t pitch) {
  const __m512i spread = _mm512_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12);
  const __m512i red = _mm512_broadcast_i32x4(
      _mm_setr_epi8(0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1));
  const __m512i green = _mm512_broadcast_i32x4(
      _mm_setr_epi8(1, -1, -1, -1, 4, -1, -1, -1, 7, -1, -1, -1, 10, -1, -1, -1));
  const __m512i blue = _mm512_broadcast_i32x4(
      _mm_setr_epi8(2, -1, -1, -1, 5, -1, -1, -1, 8, -1, -1, -1, 11, -1, -1, -1));
  for (int64_t x = 0; x < width; x += 16) {
    const __mmask64 bytes = width - x >= 16 ? (1ull << 48) - 1 : (1ull << 3 * (width - x)) - 1;
    const __m512i v = _mm512_permutexvar_epi32(spread, _mm512_maskz_loadu_epi8(bytes, s + 3 * x));
    _mm512_storeu_ps(row + x, _mm512_cvtepi32_ps(_mm512_shuffle_epi8(v, red)));
    _mm512_storeu_ps(row + pitch + x, _mm512_cvtepi32_ps(_mm512_shuffle_epi8(v, green)));
    _mm512_storeu_ps(row + 2 * pitch + x, _mm512_cvtepi32_ps(_mm512_shuffle_epi8(v, blue)));
  }
}
#elif defined(AVX2)
/* Eight RGB pixels at a time: four in each half of the vector. Loads reach 4 bytes beyond them, so
 * the row's last pixels go one by one. */
static inline void NAME(load_rgb_u8)(const uint8_t *s, int64_t width, float *row, int64_t pitch) {
  const __m256i red = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1));
  const __m256i green = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(1, -1, -1, -1, 4, -1, -1, -1, 7, -1, -1, -1, 10, -1, -1, -1));
  const __m256i blue = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(2, -1, -1, -1, 5, -1, -1, -1, 8, -1, -1, -1, 11, -1, -1, -1));
  int64_t x = 0;
  for (; x + 10 <= width; x += 8) {
    const __m256i v =
        _mm256_loadu2_m128i((const __m128i *)(s + 3 * x + 12), (const __m128i *)(s + 3 * x));
    _mm256_storeu_ps(row + x, _mm256_cvtepi32_ps(_mm256_shuffle_epi8(v, red)));
    _mm256_storeu_ps(row + pitch + x, _mm256_cvtepi32_ps(_mm256_shuffle_epi8(v, green)));
    _mm256_storeu_ps(row + 2 * pitch + x, _mm256_cvtepi32_ps(_mm256_shuffle_epi8(v, blue)));
  }
  for (; x < width; x++)
    for (int64_t c = 0; c < 3; c++) row[c * pitch + x] = (float)s[3 * x + c];
}
#endif

/* Source row y to r->row, channel by channel. */
static inline void NAME(load_row)(const sc_resampler *r, int64_t y) {
#if defined(AVX512) || defined(AVX2)
  if (!r->is_float && r->channels == 3 && r->channel_stride == 1 && r->column_stride == 3)
    return NAME(load_rgb_u8)((const uint8_t *)r->data + y * r->row_stride, r->width, r->row,
                             r->row_pitch);
#endif
  if (r->is_float) {
    ROW_LOOP(float)
  } else {
    ROW_LOOP(uint8_t)
  }
}

#ifdef AVX512
/* Sixteen outputs depend on at most 32 neighboring inputs: two loads and one permutation per tap
 * stand in for gathers. */
INLINE void NAME(across_window)(const sc_resampler *r, float *out, const int64_t taps) {
  for (int64_t x = 0; x < r->out_width; x += 16) {
    const int32_t a = r->start_x[x], b = r->start_x[x + 15], base = a < b ? a : b;
    const __m512i index =
        _mm512_sub_epi32(_mm512_loadu_si512(r->start_x + x), _mm512_set1_epi32(base));
    for (int64_t c = 0; c < r->channels; c++) {
      const float *s = r->row + c * r->row_pitch + base;
      const __m512 low = _mm512_loadu_ps(s), high = _mm512_loadu_ps(s + 16);
      __m512 sum = _mm512_mul_ps(_mm512_permutex2var_ps(low, index, high),
                                 _mm512_loadu_ps(r->weights_x + x));
      for (int64_t k = 1; k < taps; k++) {
        const __m512 v =
            _mm512_permutex2var_ps(low, _mm512_add_epi32(index, _mm512_set1_epi32((int)k)), high);
        sum = _mm512_fmadd_ps(v, _mm512_loadu_ps(r->weights_x + k * r->pitch_x + x), sum);
      }
      _mm512_storeu_ps(out + c * r->pitch_x + x, sum);
    }
  }
}

/* For stronger shrinking there are as many windows of 32 inputs as needed, each of which provides
 * the outputs whose inputs it contains. */
INLINE void NAME(across_windows)(const sc_resampler *r, int windows, float *out,
                                 const int64_t channels) {
  for (int64_t x = 0; x < r->out_width; x += 16) {
    const int32_t a = r->start_x[x], b = r->start_x[x + 15], base = a < b ? a : b;
    __m512i index = _mm512_sub_epi32(_mm512_loadu_si512(r->start_x + x), _mm512_set1_epi32(base));
    __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                     _mm512_setzero_ps()};
    for (int64_t k = 0; k < r->taps_x; k++) {
      const __m512 weight = _mm512_loadu_ps(r->weights_x + k * r->pitch_x + x);
      const __m512i window = _mm512_srli_epi32(index, 5);
      for (int j = 0; j < windows; j++) {
        const __mmask16 here = _mm512_cmpeq_epi32_mask(window, _mm512_set1_epi32(j));
        const float *s = r->row + base + 32 * j;
        for (int64_t c = 0; c < channels; c++, s += r->row_pitch)
          sum[c] = _mm512_mask3_fmadd_ps(
              _mm512_permutex2var_ps(_mm512_loadu_ps(s), index, _mm512_loadu_ps(s + 16)), weight,
              sum[c], here);
      }
      index = _mm512_add_epi32(index, _mm512_set1_epi32(1));
    }
    for (int64_t c = 0; c < channels; c++) _mm512_storeu_ps(out + c * r->pitch_x + x, sum[c]);
  }
}
#elif defined(AVX2)
#define WINDOWS 8 /* of eight inputs, at most */

/* Eight outputs' first inputs lie in a few neighboring windows of eight: a permutation of each
 * stands in for a gather. The inputs of tap k are those of tap 0, loaded k further. */
INLINE void NAME(across_windows)(const sc_resampler *r, float *out, const int64_t windows,
                                 const int64_t taps, const int64_t channels) {
  for (int64_t x = 0; x < r->out_width; x += 8) {
    const int32_t a = r->start_x[x], b = r->start_x[x + 7], base = a < b ? a : b;
    const __m256i index = _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)(r->start_x + x)),
                                           _mm256_set1_epi32(base));
    __m256 beyond[WINDOWS]; /* outputs whose input lies in window j or beyond */
    for (int64_t j = 1; j < windows; j++)
      beyond[j] = _mm256_castsi256_ps(_mm256_cmpgt_epi32(index, _mm256_set1_epi32(8 * (int)j - 1)));
    for (int64_t c = 0; c < channels; c++) {
      const float *s = r->row + c * r->row_pitch + base;
      __m256 sum = _mm256_setzero_ps();
      for (int64_t k = 0; k < taps; k++, s++) {
        __m256 v = _mm256_permutevar8x32_ps(_mm256_loadu_ps(s), index);
        for (int64_t j = 1; j < windows; j++)
          v = _mm256_blendv_ps(v, _mm256_permutevar8x32_ps(_mm256_loadu_ps(s + 8 * j), index),
                               beyond[j]);
        sum = _mm256_fmadd_ps(v, _mm256_loadu_ps(r->weights_x + k * r->pitch_x + x), sum);
      }
      _mm256_storeu_ps(out + c * r->pitch_x + x, sum);
    }
  }
}

INLINE void NAME(across_few)(const sc_resampler *r, float *out, const int64_t windows,
                             const int64_t taps) {
  if (r->channels == 3) NAME(across_windows)(r, out, windows, taps, 3);
  else NAME(across_windows)(r, out, windows, taps, r->channels);
}
#endif

/* Returns the largest number of windows on which the outputs of one vector depend. */
static int NAME(windows)(const sc_resampler *r) {
#ifdef AVX512
  const int64_t outputs = 16, inputs = 32, taps = r->taps_x;
#else
  const int64_t outputs = 8, inputs = 8, taps = 1;
#endif
  int windows = 1;
  for (int64_t x = 0; x < r->out_width; x += outputs) {
    const int64_t span = r->start_x[x + outputs - 1] - r->start_x[x],
                  most = ((span < 0 ? -span : span) + taps + inputs - 1) / inputs;
    windows = most > windows ? (int)most : windows;
  }
  return windows;
}

/* r->row, resampled, to out [channels][pitch_x]. */
static inline void NAME(across)(const sc_resampler *r, int windows, float *restrict out) {
#ifdef AVX512
  if (windows > 1 && windows <= 6) switch (r->channels) {
      case 1:
        return NAME(across_windows)(r, windows, out, 1);
      case 3:
        return NAME(across_windows)(r, windows, out, 3);
      default:
        return NAME(across_windows)(r, windows, out, r->channels);
    }
  if (windows == 1) switch (r->taps_x) {
      case 1:
        return NAME(across_window)(r, out, 1);
      case 2:
        return NAME(across_window)(r, out, 2);
      case 3:
        return NAME(across_window)(r, out, 3);
      case 4:
        return NAME(across_window)(r, out, 4);
      default:
        return NAME(across_window)(r, out, r->taps_x);
    }
#elif defined(AVX2)
  if (windows == 1 && r->taps_x == 2) return NAME(across_few)(r, out, 1, 2);
  if (windows == 2 && r->taps_x == 2) return NAME(across_few)(r, out, 2, 2);
  if (windows == 2 && r->taps_x == 3) return NAME(across_few)(r, out, 2, 3);
  if (windows == 2 && r->taps_x == 4) return NAME(across_few)(r, out, 2, 4);
  if (windows == 3) return NAME(across_few)(r, out, 3, r->taps_x);
  if (windows <= WINDOWS) return NAME(across_few)(r, out, windows, r->taps_x);
#else
  (void)windows;
#endif
  for (int64_t c = 0; c < r->channels; c++) {
    const float *restrict s = r->row + c * r->row_pitch;
    float *restrict d = out + c * r->pitch_x;
    for (int64_t x = 0; x < r->out_width; x++) d[x] = r->weights_x[x] * s[r->start_x[x]];
    for (int64_t k = 1; k < r->taps_x; k++) {
      const float *restrict w = r->weights_x + k * r->pitch_x;
      for (int64_t x = 0; x < r->out_width; x++) d[x] += w[x] * s[r->start_x[x] + k];
    }
  }
}

/* out[x] = sum over taps (at most 4) of w[k * pitch] * rows[k][x]. */
INLINE void NAME(down)(const float *const *rows, const float *w, int64_t pitch, const int64_t taps,
                       int64_t n, float *restrict out) {
#ifdef AVX512
  __m512 factor[4];
  for (int64_t k = 0; k < taps; k++) factor[k] = _mm512_set1_ps(w[k * pitch]);
  for (int64_t x = 0; x < n; x += 16) {
    __m512 sum = _mm512_mul_ps(factor[0], _mm512_loadu_ps(rows[0] + x));
    for (int64_t k = 1; k < taps; k++)
      sum = _mm512_fmadd_ps(factor[k], _mm512_loadu_ps(rows[k] + x), sum);
    _mm512_mask_storeu_ps(out + x, n - x >= 16 ? 0xFFFF : (__mmask16)((1u << (n - x)) - 1), sum);
  }
#elif defined(AVX2)
  __m256 factor[4];
  for (int64_t k = 0; k < taps; k++) factor[k] = _mm256_set1_ps(w[k * pitch]);
  int64_t x = 0;
  for (; x + 8 <= n; x += 8) {
    __m256 sum = _mm256_mul_ps(factor[0], _mm256_loadu_ps(rows[0] + x));
    for (int64_t k = 1; k < taps; k++)
      sum = _mm256_fmadd_ps(factor[k], _mm256_loadu_ps(rows[k] + x), sum);
    _mm256_storeu_ps(out + x, sum);
  }
  for (; x < n; x++) {
    float sum = w[0] * rows[0][x];
    for (int64_t k = 1; k < taps; k++) sum = __builtin_fmaf(w[k * pitch], rows[k][x], sum);
    out[x] = sum;
  }
#else
  for (int64_t x = 0; x < n; x++) out[x] = w[0] * rows[0][x];
  for (int64_t k = 1; k < taps; k++) {
    const float *restrict s = rows[k];
    const float f = w[k * pitch];
    for (int64_t x = 0; x < n; x++) out[x] += f * s[x];
  }
#endif
}

static void NAME(sc_resample_rows)(sc_resampler *r, int64_t first, int64_t last, float *out,
                                   int64_t plane) {
  const int64_t slot = r->channels * r->pitch_x, taps = r->taps_y;
  const int windows = NAME(windows)(r);
  for (int64_t y = first; y < last; y++) {
    const int64_t start = r->start_y[y];
    if (r->loaded < start) r->loaded = start;
    for (; r->loaded < start + taps; r->loaded++) {
      NAME(load_row)(r, r->loaded);
      NAME(across)(r, windows, r->ring + r->loaded % taps * slot);
    }
    const float *w = r->weights_y + y;
    for (int64_t c = 0; c < r->channels; c++) {
      float *o = out + c * plane + (y - first) * r->out_width;
      const float *rows[4];
      int64_t at = start % taps;
      for (int64_t k = 0; k < taps && k < 4; k++) {
        rows[k] = r->ring + at * slot + c * r->pitch_x;
        at = at + 1 == taps ? 0 : at + 1;
      }
      switch (taps) {
        case 1:
          NAME(down)(rows, w, r->pitch_y, 1, r->out_width, o);
          break;
        case 2:
          NAME(down)(rows, w, r->pitch_y, 2, r->out_width, o);
          break;
        case 3:
          NAME(down)(rows, w, r->pitch_y, 3, r->out_width, o);
          break;
        case 4:
          NAME(down)(rows, w, r->pitch_y, 4, r->out_width, o);
          break;
        default:
          NAME(down)(rows, w, r->pitch_y, 4, r->out_width, o);
          for (int64_t k = 4; k < taps; k++) {
            const float *restrict s = r->ring + at * slot + c * r->pitch_x;
            const float f = w[k * r->pitch_y];
            for (int64_t x = 0; x < r->out_width; x++) o[x] += f * s[x];
            at = at + 1 == taps ? 0 : at + 1;
          }
      }
    }
  }
}
#undef ROW_LOOP
