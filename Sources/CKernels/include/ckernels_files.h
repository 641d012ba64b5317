#ifndef SUPCON_CKERNELS_FILES_H
#define SUPCON_CKERNELS_FILES_H
#include <stddef.h>
#include <stdint.h>

/* Fills bytes[count], at most 256, with unpredictable numbers. Returns 0, or -1 with errno. */
int sc_random_bytes(void *bytes, size_t count);
/* Returns the offset of what[length] in memory[count], or -1. */
int64_t sc_find_bytes(const void *memory, size_t count, const void *what, size_t length);
/* Opens a new file without a name in a folder, for reading and writing. Returns its descriptor, or
 * -1 with errno. */
int sc_unnamed_file(const char *folder);
#endif
