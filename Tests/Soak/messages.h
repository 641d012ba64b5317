/* Judges the sentence of a call that failed, whichever it was: it is one line of plain words, and
 * each number in it is one that the call was given, or a bound that can be true. What a product
 * leaves when it overflows (a negative number, one beyond all bounds, a range that ends before it
 * begins) is neither. */
#ifndef SUPCON_MESSAGES_H
#define SUPCON_MESSAGES_H

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supcon.h"

/* The numbers that the next call is given; the last few hundred. */
enum { GIVEN = 512 };
static double given_numbers[GIVEN];
static int64_t given_integers[GIVEN];
static int given_count;
/* A list that it is given besides, such as labels. */
static const int64_t *given_list;
static int64_t given_list_count;

static inline void given_double(double value) {
  given_numbers[given_count % GIVEN] = value;
  given_integers[given_count++ % GIVEN] = 0;
}
static inline int64_t given(int64_t value) {
  given_numbers[given_count % GIVEN] = (double)value;
  given_integers[given_count++ % GIVEN] = value;
  return value;
}
/* Each number that may be read where a struct has been overwritten. */
static inline void given_word(const void *at, int is_aligned) {
  int32_t word;
  float number;
  memcpy(&word, at, sizeof word);
  memcpy(&number, at, sizeof number);
  (void)given(word);
  (void)given((uint32_t)word);
  given_double((double)number);
  if (!is_aligned) return;
  int64_t wide;
  double precise;
  memcpy(&wide, at, sizeof wide);
  memcpy(&precise, at, sizeof precise);
  (void)given(wide);
  given_double(precise);
}
static inline void forget_given(void) { given_count = 0; }

static inline int was_given(int64_t value) {
  for (int i = 0; i < given_count && i < GIVEN; ++i)
    if (given_integers[i] == value) return 1;
  for (int64_t i = 0; i < given_list_count; ++i)
    if (given_list[i] == value) return 1;
  return 0;
}
static inline int was_given_about(double value) {
  for (int i = 0; i < given_count && i < GIVEN; ++i) {
    const double known = given_numbers[i];
    if (isnan(value) ? isnan(known) : known == value) return 1;
    if ((float)known == (float)value || fabs(known - value) <= 1e-4 * fabs(value)) return 1;
  }
  return 0;
}

/* The longest path that is quoted, and the longest sentence about it. */
enum { MESSAGE_LENGTH = 600 };
/* The largest bound that the header has: the pixels of an image. */
static const double largest_bound = 4294967296.0;

/* Where the sentence is wrong, in a word; NULL: nowhere. `paths` is the length of what it may quote
 * beside. */
static inline const char *fault_of_message(const char *text, supcon_status status, size_t paths) {
  static const char *const words[] = {"Optional(",      "Error Domain", "Swift.", "SupConError",
                                      "rawValue",       "Unsafe",       "__C",    "Int64",
                                      "Array<",         "nil",          "(null)", "0x",
                                      "expected 0 for", "  ",           " ;",     "??"};
  const size_t length = strlen(text);
  if (!length) return "it is empty";
  if (length > MESSAGE_LENGTH + paths) return "it is too long";
  if (strchr(text, '\n') || strchr(text, '\t')) return "it has more than one line";
  if (isspace((unsigned char)*text) || strchr(" .,;:", text[length - 1]))
    return "it is not a whole sentence";
  for (size_t i = 0; i < sizeof words / sizeof *words; ++i)
    if (strstr(text, words[i])) return words[i];
  const char *at = text;
  double before = NAN; /* the number before " to " */
  while (*at) {
    if (*at == '/' || *at == '"') { /* a path or a quotation */
      const char *end = *at == '/' ? at + strcspn(at, " :;,") : strchr(at + 1, '"');
      at = end && *end == '"' ? end + 1 : end ? end : at + strlen(at);
      continue;
    }
    if (isalpha((unsigned char)*at) || *at == '_') {
      const char *word = at;
      int is_swift = 0;
      while (isalnum((unsigned char)*at) || *at == '_') {
        is_swift |= at > word && islower((unsigned char)at[-1]) && isupper((unsigned char)*at);
        ++at;
      }
      const size_t count = (size_t)(at - word);
      if (is_swift && islower((unsigned char)*word) && strncmp(word, "oneDNN", 6))
        return "it has a name of Swift's";
      if ((count == 3 && !strncmp(word, "nan", 3) && !was_given_about(NAN)) ||
          (count == 3 && !strncmp(word, "inf", 3) && !was_given_about(INFINITY) &&
           !was_given_about(-INFINITY)))
        return "it has a number that is none";
      if (strncmp(word, "to", count) || count != 2) before = NAN;
      continue;
    }
    const int is_negative = *at == '-' && isdigit((unsigned char)at[1]) &&
                            (at == text || !isalnum((unsigned char)at[-1]));
    if (!isdigit((unsigned char)*at) && !is_negative) {
      if (*at != ' ') before = NAN;
      ++at;
      continue;
    }
    char *end;
    const double number = strtod(at, &end);
    char digits[64];
    const size_t count =
        (size_t)(end - at) < sizeof digits - 1 ? (size_t)(end - at) : sizeof digits - 1;
    memcpy(digits, at, count);
    digits[count] = 0;
    const int is_whole = !strpbrk(digits, ".e");
    const int known = is_whole ? was_given(strtoll(digits, NULL, 10)) : was_given_about(number);
    const int is_a_default = number == -1 && at >= text + 3 && !strncmp(at - 3, "or ", 3);
    const int is_of_bytes = status == SUPCON_STATUS_MEMORY && number > 0 && number < 9e18;
    if (number < 0 && !known && !is_a_default) return "it has a negative number that nobody gave";
    if (number > largest_bound && !known && !is_of_bytes)
      return "it has a number beyond all bounds";
    if (number < before) return "it has a range that ends before it begins";
    before = number;
    at = end;
    if (*at == '.' || *at == ',') before = NAN;
  }
  return NULL;
}
#endif
