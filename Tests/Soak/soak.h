/* What the drivers share: checks that name their place, random numbers, small images and models. A
 * driver that finds something wrong prints it and ends with status 1; a crash speaks for itself. */
#ifndef SUPCON_SOAK_H
#define SUPCON_SOAK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "supcon.h"

#define DEMAND(condition, ...)                                        \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      fprintf(stderr, __VA_ARGS__);                                   \
      fprintf(stderr, " (%s)\n", supcon_last_error());                \
      exit(EXIT_FAILURE);                                             \
    }                                                                 \
  } while (0)
#define WORKS(call)                                                  \
  do {                                                               \
    const supcon_status status_ = (call);                            \
    DEMAND(status_ == SUPCON_OK, "%s", supcon_status_name(status_)); \
  } while (0)

/* splitmix64 */
static inline uint64_t draw(uint64_t *state) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}
static inline uint64_t below(uint64_t *state, uint64_t limit) {
  return limit ? draw(state) % limit : 0;
}

static inline double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* 40 gray images of 8×8 in two classes: light left or light right, with noise. */
enum { COUNT = 40, SIDE = 8 };
static uint8_t pixels[COUNT * SIDE * SIDE];
static int64_t labels[COUNT];

static inline supcon_images small_images(void) {
  static int filled; /* once, before there are other threads */
  uint64_t noise = 1;
  for (int i = 0; i < COUNT && !filled; ++i) {
    labels[i] = i % 2;
    for (int at = 0; at < SIDE * SIDE; ++at)
      pixels[i * SIDE * SIDE + at] =
          (uint8_t)((at % SIDE < SIDE / 2) == (i % 2) ? 150 + below(&noise, 100)
                                                      : below(&noise, 100));
  }
  if (!filled) filled = 1;
  supcon_images images;
  supcon_images_init(&images, pixels, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, COUNT, SIDE, SIDE, 1);
  return images;
}

static inline supcon_dataset *small_dataset(void) {
  supcon_images images = small_images();
  supcon_dataset *dataset = NULL;
  WORKS(supcon_dataset_from_images(&images, labels, NULL, &dataset));
  return dataset;
}

static inline supcon_model_options small_model_options(void) {
  supcon_model_options options;
  supcon_model_options_init(&options);
  options.width = 2;
  options.channels = 1;
  options.image_height = options.image_width = SIDE;
  options.projection_dim = 4;
  options.precision = SUPCON_PRECISION_F32;
  return options;
}

static inline supcon_model *small_model(supcon_context *context) {
  supcon_model_options options = small_model_options();
  supcon_model *model = NULL;
  WORKS(supcon_model_create(context, &options, &model));
  return model;
}

/* A run of these options that is over in some hundredths of a second. */
static inline supcon_train_options small_train_options(void) {
  supcon_train_options options;
  supcon_train_options_init(&options);
  options.epochs = 2;
  options.batch_size = 8;
  options.learning_rate = 0.01;
  options.warmup_steps = 0;
  options.stop_on_collapse = 0;
  options.validation_fraction = 0.2;
  return options;
}

static inline uint8_t *read_file(const char *path, size_t *count) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  fseek(file, 0, SEEK_END);
  *count = (size_t)ftell(file);
  rewind(file);
  uint8_t *bytes = malloc(*count + 1);
  if (bytes && fread(bytes, 1, *count, file) != *count) *count = 0;
  fclose(file);
  return bytes;
}
/* A new file each time: one that is cut to nothing and written again is flushed to disk by ext4. */
static inline void write_file(const char *path, const void *bytes, size_t count) {
  (void)remove(path);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, count, file) != count || fclose(file)) {
    perror(path);
    exit(2);
  }
}
#endif
