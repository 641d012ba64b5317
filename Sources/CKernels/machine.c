#define _GNU_SOURCE
#include "ckernels_machine.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

int sc_available_cpus(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (int)online : 1;
}

/* The level of the kernels, or -1 until it is first requested. */
atomic_int sc_level = -1;

static int detected_level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return SC_AVX512;
  if (__builtin_cpu_supports("x86-64-v3")) return SC_AVX2;
#endif
  return SC_BASELINE;
}

int sc_instruction_level(void) {
  int level = atomic_load_explicit(&sc_level, memory_order_relaxed);
  if (level >= 0) return level;
  int found = detected_level();
  /* Concurrent callers find the same level; a limit that was set in between is kept. */
  return atomic_compare_exchange_strong(&sc_level, &level, found) ? found : level;
}

void sc_limit_instruction_set(int level) {
  if (level < SC_BASELINE) level = SC_BASELINE;
  if (level < sc_instruction_level()) atomic_store(&sc_level, level);
}

#if defined(__x86_64__)
int sc_has_bf16_pairs(void) {
  unsigned a, b, c, d;
  return sc_instruction_level() >= SC_AVX512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
         (a >> 5 & 1);
}

int sc_has_bf16(void) {
  unsigned a, b, c, d;
  if (sc_has_bf16_pairs()) return 1;
  return sc_instruction_level() >= SC_AVX512 && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
         (d >> 22 & 1); /* AMX-BF16 */
}

/* A process whose level was lowered does not use AVX-VNNI either, since oneDNN's corresponding
 * limit excludes it. */
int sc_has_vnni(void) {
  unsigned a, b, c, d;
  const int level = sc_instruction_level();
  if (level >= SC_AVX512 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 11 & 1))
    return 1; /* AVX512-VNNI */
  return level >= SC_AVX2 && level == detected_level() && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
         (a >> 4 & 1); /* AVX-VNNI */
}
#else
int sc_has_bf16_pairs(void) { return 0; }
int sc_has_bf16(void) { return 0; }
int sc_has_vnni(void) { return 0; }
#endif

const char *sc_instruction_set(void) {
  switch (sc_instruction_level()) {
    case SC_AVX512:
      return sc_has_bf16() ? "AVX-512 with bf16" : "AVX-512";
    case SC_AVX2:
      return "AVX2";
    default:
      return "baseline";
  }
}

void sc_lower_thread_priority(void) {
  (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
}
