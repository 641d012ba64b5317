#define _GNU_SOURCE
#include "ckernels_machine.h"

#include <sched.h>
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

#if defined(__x86_64__)
static int has_avx512(void) { return __builtin_cpu_supports("x86-64-v4"); }

int sc_has_bf16(void) {
  unsigned a, b, c, d;
  if (!has_avx512()) return 0;
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1)) return 1; /* AVX512-BF16 */
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1);       /* AMX-BF16 */
}

int sc_has_vnni(void) {
  unsigned a, b, c, d;
  if (has_avx512() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 11 & 1))
    return 1; /* AVX512-VNNI */
  return __builtin_cpu_supports("x86-64-v3") && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
         (a >> 4 & 1); /* AVX-VNNI */
}

const char *sc_instruction_set(void) {
  if (has_avx512()) return sc_has_bf16() ? "AVX-512 with bf16" : "AVX-512";
  return __builtin_cpu_supports("x86-64-v3") ? "AVX2" : "baseline";
}
#else
int sc_has_bf16(void) { return 0; }
int sc_has_vnni(void) { return 0; }
const char *sc_instruction_set(void) { return "baseline"; }
#endif

void sc_lower_thread_priority(void) {
  (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
}
