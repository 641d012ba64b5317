#include "limit.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* Independent accumulators: more than two units times four cycles of latency, fewer than there are
 * registers. */
enum { SUMS = 12, REPEATS = 100 };

/* name: rounds of REPEATS × SUMS instructions sum = op(sum, x, y), each independent of its
 * neighbors. */
#define LOOP(name, machine, type, zero, one, op, fold)                                         \
  __attribute__((target(machine))) static float name(int64_t rounds) {                         \
    type sum[SUMS], x = one;                                                                   \
    for (int i = 0; i < SUMS; i++) sum[i] = zero;                                              \
    for (int64_t n = 0; n < rounds * REPEATS; n++) {                                           \
      __asm__ volatile("" : "+v"(x)); /* x may have changed: nothing is computed beforehand */ \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < SUMS; i++) sum[i] = op;           \
    }                                                                                          \
    float total = 0;                                                                           \
    for (int i = 0; i < SUMS; i++) total += fold;                                              \
    return total;                                                                              \
  }

LOOP(f32_avx512, "avx512f", __m512, _mm512_set1_ps(0), _mm512_set1_ps(1),
     _mm512_fmadd_ps(x, x, sum[i]), _mm512_cvtss_f32(sum[i]))
LOOP(f32_avx2, "avx2,fma", __m256, _mm256_set1_ps(0), _mm256_set1_ps(1),
     _mm256_fmadd_ps(x, x, sum[i]), _mm256_cvtss_f32(sum[i]))
LOOP(bf16_avx512, "avx512f,avx512bf16", __m512, _mm512_set1_ps(0), _mm512_set1_ps(1),
     _mm512_dpbf16_ps(sum[i], (__m512bh)x, (__m512bh)x), _mm512_cvtss_f32(sum[i]))
LOOP(int8_avx512, "avx512f,avx512vnni", __m512i, _mm512_set1_epi32(0), _mm512_set1_epi32(1),
     _mm512_dpbusd_epi32(sum[i], x, x), (float)_mm512_cvtsi512_si32(sum[i]))

int64_t limit_operations(int kind) {
  int64_t instructions = (int64_t)REPEATS * SUMS;
  switch (kind) {
    case LIMIT_F32:
      return __builtin_cpu_supports("avx512f") ? instructions * 32
             : __builtin_cpu_supports("fma")   ? instructions * 16
                                               : 0;
    case LIMIT_BF16:
      return __builtin_cpu_supports("avx512bf16") ? instructions * 64 : 0;
    case LIMIT_INT8:
      return __builtin_cpu_supports("avx512vnni") ? instructions * 128 : 0;
    default:
      return 0;
  }
}

float limit_run(int kind, int64_t rounds) {
  if (limit_operations(kind) == 0) return 0;
  if (kind == LIMIT_BF16) return bf16_avx512(rounds);
  if (kind == LIMIT_INT8) return int8_avx512(rounds);
  return __builtin_cpu_supports("avx512f") ? f32_avx512(rounds) : f32_avx2(rounds);
}
#else
int64_t limit_operations(int kind) { return (void)kind, 0; }
float limit_run(int kind, int64_t rounds) { return (void)kind, (void)rounds, 0; }
#endif
