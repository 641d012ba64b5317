/* A kernel is compiled three times, for the baseline, for AVX2 and for AVX-512, and each call uses
 * the variant of the process's level (sc_instruction_level). */
#ifndef SUPCON_KERNEL_H
#define SUPCON_KERNEL_H
#include "ckernels_machine.h"

#include <stdatomic.h>

/* For helpers of kernels: inlined, they are compiled for each level too. */
#define INLINE static inline __attribute__((always_inline))

/* The level, or -1 until it is first requested. */
extern atomic_int sc_level;

INLINE int current_level(void) {
  const int level = atomic_load_explicit(&sc_level, memory_order_relaxed);
  return level >= 0 ? level : sc_instruction_level();
}

/* SC_KERNEL(void, sc_scale, (float *x, int64_t n), (x, n)) { … }: static goes in front. */
#define SC_KERNEL(returns, name, parameters, arguments) \
  SC_KERNEL_NAMED(returns, name, parameters, arguments)
#if defined(__x86_64__)
/* With x86-64-v4's own tuning, and without a required width, vectors would have half of AVX-512's
 * width, as suited the first CPUs that had it. */
#define SC_FOR_AVX512 __attribute__((target("arch=x86-64-v4,tune=x86-64"), min_vector_width(512)))
#define SC_FOR_AVX2 __attribute__((target("arch=x86-64-v3,tune=x86-64")))
#define SC_KERNEL_NAMED(returns, name, parameters, arguments)                             \
  returns name parameters;                                                                \
  INLINE returns name##_body parameters;                                                  \
  static returns name##_baseline parameters { return name##_body arguments; }             \
  SC_FOR_AVX2 static returns name##_avx2 parameters { return name##_body arguments; }     \
  SC_FOR_AVX512 static returns name##_avx512 parameters { return name##_body arguments; } \
  returns name parameters {                                                               \
    switch (current_level()) {                                                            \
      case SC_AVX512:                                                                     \
        return name##_avx512 arguments;                                                   \
      case SC_AVX2:                                                                       \
        return name##_avx2 arguments;                                                     \
      default:                                                                            \
        return name##_baseline arguments;                                                 \
    }                                                                                     \
  }                                                                                       \
  INLINE returns name##_body parameters
#else
#define SC_KERNEL_NAMED(returns, name, parameters, arguments) returns name parameters
#endif
#endif
