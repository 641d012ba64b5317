#ifndef SUPCON_CKERNELS_LAST_ERROR_H
#define SUPCON_CKERNELS_LAST_ERROR_H
#include <stddef.h>

/* Bytes that a thread's sentence takes at most, with its NUL: little enough for the stack of a
 * small thread, where the loader may put it. */
#define SC_LAST_ERROR_BYTES 4096

/* The calling thread's sentence; "" before there was one. */
const char *sc_last_error(void);
/* Keeps a copy of text[length], UTF-8, as the calling thread's sentence; longer ones are cut, and
 * end in an ellipsis. */
void sc_set_last_error(const char *text, size_t length);
#endif
