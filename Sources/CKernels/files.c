#define _GNU_SOURCE
#include "ckernels_files.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

int sc_random_bytes(void *bytes, size_t count) {
  ssize_t got;
  do got = getrandom(bytes, count, 0);
  while (got < 0 && errno == EINTR);
  return got == (ssize_t)count ? 0 : -1;
}

int64_t sc_find_bytes(const void *memory, size_t count, const void *what, size_t length) {
  const char *found = memmem(memory, count, what, length);
  return found ? found - (const char *)memory : -1;
}
