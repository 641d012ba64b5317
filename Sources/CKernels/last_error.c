#include "ckernels_last_error.h"

#include <string.h>

/* The loader provides this storage for each thread: there is no pthread key that could run out or
 * belong to the host, no destructor that could outlive the library, and no allocation that could
 * fail. */
static _Thread_local char message[SC_LAST_ERROR_BYTES];
static _Thread_local int32_t message_rank = -1;

const char *sc_last_error(void) { return message; }

int32_t sc_last_error_rank(void) { return message_rank; }

void sc_set_last_error(const char *text, size_t length, int32_t rank) {
  message_rank = rank;
  static const char more[] = "…";
  if (length < sizeof message) {
    memmove(message, text, length);
    message[length] = '\0';
    return;
  }
  length = sizeof message - sizeof more;
  /* The cut must not be within a character, whose later bytes are 10xxxxxx. */
  while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) --length;
  memmove(message, text, length);
  memcpy(message + length, more, sizeof more);
}
