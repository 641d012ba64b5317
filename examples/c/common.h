/* What the example programs share: stopping with the library's own words, numbers from the command
 * line, and opening a data set. */
#ifndef SUPCON_EXAMPLES_COMMON_H
#define SUPCON_EXAMPLES_COMMON_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <supcon.h>

/* Ends the program with a sentence on stderr. */
__attribute__((noreturn, format(printf, 1, 2))) static inline void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(EXIT_FAILURE);
}

/* Every call that can fail returns a status; supcon_last_error() says what was wrong. A program
 * that must go on would return the status instead. */
static inline void check(supcon_status status, const char *doing) {
  if (status != SUPCON_OK)
    fail("%s: %s [%s]", doing, supcon_last_error(), supcon_status_name(status));
}

static inline void *allocate(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (!memory) fail("Not enough memory for %zu times %zu bytes", count, size);
  return memory;
}

/* The whole number in text, from low to high. */
static inline int32_t whole_number(const char *name, const char *text, int32_t low, int32_t high) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno || end == text || *end || value < low || value > high)
    fail("%s: %s is not a whole number from %d to %d", name, text, (int)low, (int)high);
  return (int32_t)value;
}

static inline double number(const char *name, const char *text) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end) fail("%s: %s is not a number", name, text);
  return value;
}

/* Whether a file begins like a JPEG, PNG or WebP image. */
static inline int is_image(const char *path) {
  unsigned char start[12] = {0};
  FILE *file = fopen(path, "rb");
  if (!file) fail("%s: %s", path, strerror(errno));
  size_t count = fread(start, 1, sizeof start, file);
  fclose(file);
  return count == sizeof start &&
         (memcmp(start, "\xff\xd8\xff", 3) == 0 || memcmp(start, "\x89PNG", 4) == 0 ||
          (memcmp(start, "RIFF", 4) == 0 && memcmp(start + 8, "WEBP", 4) == 0));
}

/* Opens what the command line names: a folder (a folder per class), image files, or MNIST's IDX
 * files, the images' first, then, if wanted, the labels'. channels: 1, 3, or 0 for what suits (see
 * supcon_dataset_options). */
static inline supcon_dataset *open_dataset(char *const *paths, int count, int32_t channels) {
  supcon_dataset *dataset = NULL;
  supcon_dataset_options options;
  supcon_dataset_options_init(&options);
  options.channels = channels;

  struct stat status;
  if (stat(paths[0], &status) != 0) fail("%s: %s", paths[0], strerror(errno));
  if (S_ISDIR(status.st_mode)) {
    if (count != 1) fail("One folder at a time, please, and not also %s", paths[1]);
    check(supcon_dataset_from_folder(paths[0], &options, &dataset), "Opening the folder");
  } else if (is_image(paths[0])) {
    check(supcon_dataset_from_files((const char *const *)paths, count, NULL, &options, &dataset),
          "Opening the images");
  } else {
    if (count > 2) fail("IDX files come as one of images and one of labels; what is %s?", paths[2]);
    check(supcon_dataset_from_idx(paths[0], count == 2 ? paths[1] : NULL, &options, &dataset),
          "Opening the IDX files");
  }
  return dataset;
}

/* Tells of files that could not be read and were left out. */
static inline void report_skipped(const supcon_dataset *dataset, int64_t skipped) {
  for (int64_t i = 0; i < skipped && i < 10; ++i)
    fprintf(stderr, "Left out: %s\n", supcon_dataset_skipped(dataset, i));
  if (skipped > 10) fprintf(stderr, "… and %lld more files\n", (long long)(skipped - 10));
}

#endif
