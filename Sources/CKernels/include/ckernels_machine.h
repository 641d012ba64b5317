#ifndef SUPCON_CKERNELS_MACHINE_H
#define SUPCON_CKERNELS_MACHINE_H

/* Returns the number of CPUs that this process may run on, at least 1. */
int sc_available_cpus(void);
/* The instruction sets that kernels are compiled for, each containing the one before it. */
enum { SC_BASELINE = 0, SC_AVX2 = 1 /* x86-64-v3 */, SC_AVX512 = 2 /* x86-64-v4 */ };
/* Returns the level of all kernels of this process: the CPU's highest, or the limit. */
int sc_instruction_level(void);
/* Lowers the level, for tests and benchmarks: a higher one than the CPU's changes nothing. It must
 * be called before any other function of the library; the functions below obey it. */
void sc_limit_instruction_set(int level);
/* Returns 1 if the CPU has bf16 products (AVX512-BF16 or AMX). */
int sc_has_bf16(void);
/* Returns 1 if the CPU has AVX512-BF16. */
int sc_has_bf16_pairs(void);
/* Returns 1 if it has byte products (AVX512-VNNI or AVX-VNNI). */
int sc_has_vnni(void);
/* "AVX-512 with bf16", "AVX-512", "AVX2", or "baseline": the instructions that the kernels use
 * here. */
const char *sc_instruction_set(void);
/* Gives the calling thread the lowest priority, so that it only uses the time that others leave. */
void sc_lower_thread_priority(void);
#endif
