#define _GNU_SOURCE
#include "ckernels_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

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

static ssize_t read_source(void *cookie, char *to, size_t count) {
  struct sc_source *source = cookie;
  if (source->stops(source->context)) {
    errno = ECANCELED;
    return -1;
  }
  if (count > source->left) count = source->left;
  memcpy(to, source->next, count);
  source->next = (const char *)source->next + count;
  source->left -= count;
  return (ssize_t)count;
}

FILE *sc_open_source(struct sc_source *source) {
  return fopencookie(source, "r", (cookie_io_functions_t){.read = read_source});
}

int sc_unnamed_file(const char *folder) {
  const int unnamed = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (unnamed >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return unnamed;
  /* The file system does not support such files. */
  char path[4096];
  if (snprintf(path, sizeof path, "%s/.supcon-XXXXXX", folder) >= (int)sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  const int named = mkostemp(path, O_CLOEXEC);
  if (named >= 0) unlink(path);
  return named;
}
