/* A process that links this, a test's or a benchmark's, runs at the instruction set that
 * SUPCON_TEST_LEVEL names: 0 baseline, 1 AVX2, 2 AVX-512. The library itself knows no such
 * variable. */
#ifndef SUPCON_TEST_LEVEL_H
#define SUPCON_TEST_LEVEL_H

/* The level that was asked for, or -1. */
int ctl_requested_level(void);
#endif
