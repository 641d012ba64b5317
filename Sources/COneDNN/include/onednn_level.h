/* The instruction sets that oneDNN may use. */
#ifndef SUPCON_ONEDNN_LEVEL_H
#define SUPCON_ONEDNN_LEVEL_H

/* Lets oneDNN use no more than level 0 (SSE4.1) or 1 (AVX2); at 2 and above it uses all that the
 * CPU has. It must be called before any other function of oneDNN; returns 0 if oneDNN obeys. */
int scd_limit_instruction_set(int level);
#endif
