#include "ckernels_last_error.h"

#include <string.h>

/* The loader provides this storage for each thread: there is no pthread key that could run out or
 * belong to the host, no destructor that could outlive the library, and no allocation that could
 * fail. */
static _Thread_local char message[SC_LAST_ERROR_BYTES];
static _Thread_local int32_t message_rank = -1;

const char *sc_last_error(void) { return message; }

int32_t sc_last_error_rank(void) { return message_rank; }

/* A name that is quoted may have line breaks; a message is one line. */
static void make_one_line(void) {
  for (char *at = message; *at; ++at)
    if ((unsigned char)*at < ' ' || *at == 127) *at = '?';
}

void sc_set_last_error(const char *text, size_t length, int32_t rank) {
  message_rank = rank;
  static const char more[] = "…";
  if (length < sizeof message) {
    memmove(message, text, length);
    message[length] = '\0';
    make_one_line();
    return;
  }
  length = sizeof message - sizeof more;
  /* The cut must not be within a character, whose later bytes are 10xxxxxx. */
  while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) --length;
  memmove(message, text, length);
  memcpy(message + length, more, sizeof more);
  make_one_line();
}
