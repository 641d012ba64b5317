#ifndef SUPCON_CKERNELS_FILES_H
#define SUPCON_CKERNELS_FILES_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Fills bytes[count], at most 256, with unpredictable numbers. Returns 0, or -1 with errno. */
int sc_random_bytes(void *bytes, size_t count);
/* Returns the offset of what[length] in memory[count], or -1. */
int64_t sc_find_bytes(const void *memory, size_t count, const void *what, size_t length);
/* Opens a new file without a name in a folder, for reading and writing. Returns its descriptor, or
 * -1 with errno. */
int sc_unnamed_file(const char *folder);

/* Bytes in memory that are read as a stream. Reading fails once `stops`, which is asked before each
 * few kB, returns something else than 0. */
struct sc_source {
  const void *next;
  size_t left;
  int (*stops)(const void *context);
  const void *context;
};
/* Opens the source, which must live until the stream is closed. Returns NULL if memory is short. */
FILE *sc_open_source(struct sc_source *source);
#endif
