/* How fast this CPU multiplies and adds at all: loops of nothing else, to measure the library's
 * layers against. */
#ifndef SUPCON_BENCHMARK_LIMIT_H
#define SUPCON_BENCHMARK_LIMIT_H
#include <stdint.h>

enum { LIMIT_F32 = 0, LIMIT_BF16 = 1, LIMIT_INT8 = 2 };

/* Operations (a multiplication and an addition are two) of one round; 0: this CPU has no such
 * instruction. */
int64_t limit_operations(int kind);
/* Runs `rounds` rounds on the calling thread. What it returns means nothing, but cannot be left out
 * by a compiler. */
float limit_run(int kind, int64_t rounds);
#endif
