#ifndef SUPCON_CKERNELS_LAST_ERROR_H
#define SUPCON_CKERNELS_LAST_ERROR_H
#include <stddef.h>

/* The largest size in bytes of a thread's message, with its NUL. It is small enough for the stack
 * of a small thread, where the loader may place it. */
#define SC_LAST_ERROR_BYTES 4096

/* Returns the calling thread's message; "" if there has been none. */
const char *sc_last_error(void);
/* Keeps a copy of text[length], UTF-8, as the calling thread's message; a longer one is truncated,
 * and ends in an ellipsis. */
void sc_set_last_error(const char *text, size_t length);
#endif
