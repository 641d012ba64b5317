#ifndef SUPCON_CKERNELS_LAST_ERROR_H
#define SUPCON_CKERNELS_LAST_ERROR_H
#include <stddef.h>
#include <stdint.h>

/* The largest size in bytes of a thread's message, with its NUL. It is small enough for the stack
 * of a small thread, where the loader may place it. */
#define SC_LAST_ERROR_BYTES 4096

/* Returns the calling thread's message; "" if there has been none. */
const char *sc_last_error(void);
/* Returns the rank of the calling thread's message; -1 before there was one. */
int32_t sc_last_error_rank(void);
/* Keeps a copy of text[length], UTF-8, as the calling thread's message, and the rank that the error
 * is of. A longer text is truncated, and ends in an ellipsis. */
void sc_set_last_error(const char *text, size_t length, int32_t rank);
#endif
