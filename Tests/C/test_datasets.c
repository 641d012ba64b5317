/* Data sets from memory and from a callback: what they tell, how they are cut, and what is refused.
 */
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>

#include "test.h"

#include <math.h>
#include <sys/resource.h>

static void in_memory(void) {
  supcon_dataset *dataset = small_dataset();
  supcon_dataset_info info;
  supcon_dataset_info_init(&info);
  WORKS(supcon_dataset_get_info(dataset, &info));
  EXPECT(info.labeled == 1 && info.count == IMAGES && info.classes == CLASSES &&
             info.height == SIDE && info.width == SIDE && info.channels == 1 && info.skipped == 0,
         "%lld images of %lld classes", (long long)info.count, (long long)info.classes);
  int64_t copied[IMAGES];
  WORKS(supcon_dataset_get_labels(dataset, copied, IMAGES));
  EXPECT(memcmp(copied, labels, sizeof copied) == 0, "other labels");
  REFUSES(supcon_dataset_get_labels(dataset, copied, IMAGES - 1), SHAPE, "95");
  REFUSES(supcon_dataset_get_labels(dataset, NULL, IMAGES), ARGUMENT, "labels");
  REFUSES(supcon_dataset_get_labels(NULL, copied, IMAGES), ARGUMENT, "dataset");
  REFUSES(supcon_dataset_get_info(NULL, &info), ARGUMENT, "dataset");
  REFUSES(supcon_dataset_get_info(dataset, NULL), ARGUMENT, "info");
  info.struct_size = 4;
  REFUSES(supcon_dataset_get_info(dataset, &info), ARGUMENT, "struct_size");
  EXPECT(supcon_dataset_class_name(dataset, 2) &&
             strcmp(supcon_dataset_class_name(dataset, 2), "2") == 0,
         "class 2 is not called 2");
  EXPECT(!supcon_dataset_class_name(dataset, 3) && !supcon_dataset_class_name(dataset, -1) &&
             !supcon_dataset_class_name(dataset, INT64_MIN),
         "a class outside has a name");
  EXPECT(!supcon_dataset_path(dataset, 0) && !supcon_dataset_path(dataset, -1) &&
             !supcon_dataset_skipped(dataset, 0),
         "images in memory have no path");
  supcon_dataset_free(dataset);
}

static void parts(void) {
  supcon_dataset *dataset = small_dataset(), *part = NULL, *first = NULL, *second = NULL;
  const int64_t wanted[3] = {95, 0, 95}, outside[2] = {0, IMAGES}, negative[1] = {-1};
  WORKS(supcon_dataset_subset(dataset, wanted, 3, &part));
  int64_t copied[3];
  WORKS(supcon_dataset_get_labels(part, copied, 3));
  EXPECT(copied[0] == labels[95] && copied[1] == labels[0] && copied[2] == labels[95],
         "a subset keeps the order");
  supcon_dataset_free(part);
  REFUSES_HANDLE(supcon_dataset_subset(dataset, outside, 2, &part), part, ARGUMENT, "96");
  REFUSES_HANDLE(supcon_dataset_subset(dataset, negative, 1, &part), part, ARGUMENT, "-1");
  REFUSES_HANDLE(supcon_dataset_subset(dataset, NULL, 1, &part), part, ARGUMENT, "indices");
  REFUSES_HANDLE(supcon_dataset_subset(dataset, wanted, -1, &part), part, ARGUMENT | SHAPE, "-1");
  REFUSES_HANDLE(supcon_dataset_subset(NULL, wanted, 3, &part), part, ARGUMENT, "dataset");
  REFUSES(supcon_dataset_subset(dataset, wanted, 3, NULL), ARGUMENT, "subset");

  WORKS(supcon_dataset_split(dataset, 0.25, 7, &first, &second));
  supcon_dataset_info info, rest;
  supcon_dataset_info_init(&info);
  supcon_dataset_info_init(&rest);
  supcon_dataset_free(dataset); /* its parts keep what they need */
  WORKS(supcon_dataset_get_info(first, &info));
  WORKS(supcon_dataset_get_info(second, &rest));
  EXPECT(info.count + rest.count == IMAGES && rest.count == IMAGES / 4, "%lld and %lld",
         (long long)info.count, (long long)rest.count);
  supcon_dataset_free(first);
  const double fractions[] = {0, 1, -0.5, 2, NAN, INFINITY};
  for (size_t i = 0; i < sizeof fractions / sizeof *fractions; ++i) {
    first = dataset = (void *)(uintptr_t)0x10;
    REFUSES(supcon_dataset_split(second, fractions[i], 7, &first, &dataset), ARGUMENT, "fraction");
    EXPECT(!first && !dataset, "a failed split left its handles as they were");
  }
  first = (void *)(uintptr_t)0x10;
  REFUSES(supcon_dataset_split(second, 0.5, 7, &first, NULL), ARGUMENT, "second");
  EXPECT(!first, "a failed split left its first handle as it was");
  supcon_dataset_free(second);
}

/* Targets stay with their images: in a subset, in both parts of a split without labels, corrupted,
 * with other labels. */
static void targets(void) {
  supcon_dataset *images = small_dataset(), *bare = NULL, *dataset = NULL, *parts[4] = {NULL},
                 *none = NULL;
  double values[IMAGES][2], copied[IMAGES][2];
  for (int i = 0; i < IMAGES; ++i) values[i][0] = i, values[i][1] = -0.5 * i;
  supcon_dataset_info info;
  supcon_dataset_info_init(&info);
  WORKS(supcon_dataset_get_info(images, &info));
  EXPECT(info.target_dimension == 0, "targets from nowhere");
  REFUSES(supcon_dataset_get_targets(images, *copied, IMAGES * 2), STATE, "targets");
  WORKS(supcon_dataset_with_labels(images, NULL, &bare));
  WORKS(supcon_dataset_with_targets(bare, *values, 2, &dataset));
  const int64_t wanted[3] = {95, 0, 95};
  WORKS(supcon_dataset_subset(dataset, wanted, 3, &parts[0]));
  WORKS(supcon_dataset_corrupt(dataset, SUPCON_CORRUPTION_FOG, 1, 0, 0, 0, &parts[1]));
  WORKS(supcon_dataset_split(dataset, 0.25, 7, &parts[2], &parts[3]));
  WORKS(supcon_dataset_with_targets(dataset, NULL, 0, &none));
  memset(values[3], 0, sizeof values[3]); /* they were copied */
  double sum = 0;
  for (int part = 0; part < 4; ++part) {
    WORKS(supcon_dataset_get_info(parts[part], &info));
    EXPECT(info.target_dimension == 2 && info.labeled == 0, "dimension %lld",
           (long long)info.target_dimension);
    WORKS(supcon_dataset_get_targets(parts[part], *copied, IMAGES * 2));
    for (int64_t i = 0; i < info.count; ++i) {
      EXPECT(copied[i][1] == -0.5 * copied[i][0], "row %d of part %d", (int)i, part);
      if (part >= 2) sum += copied[i][0];
    }
    if (part == 0)
      EXPECT(copied[0][0] == 95 && copied[1][0] == 0 && copied[2][0] == 95,
             "a subset keeps the order");
    if (part == 1) EXPECT(copied[3][0] == 3 && copied[95][0] == 95, "other targets");
  }
  EXPECT(sum == 95 * 48, "a split loses rows: %g", sum);
  WORKS(supcon_dataset_get_info(none, &info));
  EXPECT(info.target_dimension == 0, "NULL takes them away");
  REFUSES(supcon_dataset_get_targets(dataset, *copied, IMAGES * 2 - 1), SHAPE, "191");
  REFUSES(supcon_dataset_get_targets(dataset, NULL, IMAGES * 2), ARGUMENT, "targets");
  supcon_dataset_free(none);
  REFUSES_HANDLE(supcon_dataset_with_targets(dataset, *values, 0, &none), none, ARGUMENT, "0");
  REFUSES_HANDLE(supcon_dataset_with_targets(dataset, *values, INT64_MAX, &none), none, ARGUMENT,
                 "2147483648");
  values[5][1] = NAN;
  REFUSES_HANDLE(supcon_dataset_with_targets(dataset, *values, 2, &none), none, ARGUMENT,
                 "target 1 of image 5");
  REFUSES_HANDLE(supcon_dataset_with_targets(NULL, *values, 2, &none), none, ARGUMENT, "dataset");
  REFUSES(supcon_dataset_with_targets(dataset, *values, 2, NULL), ARGUMENT, "changed");
  for (int part = 0; part < 4; ++part) supcon_dataset_free(parts[part]);
  supcon_dataset_free(dataset);
  supcon_dataset_free(bare);
  supcon_dataset_free(images);
}

static void wrong_images(void) {
  supcon_dataset *dataset = NULL;
  supcon_images images;
  supcon_dataset_options options;
#define REFUSES_IMAGES(change, statuses, word)                                               \
  do {                                                                                       \
    images = all_images();                                                                   \
    supcon_dataset_options_init(&options);                                                   \
    change;                                                                                  \
    REFUSES_HANDLE(supcon_dataset_from_images(&images, labels, &options, &dataset), dataset, \
                   statuses, word);                                                          \
  } while (0)
  const unsigned sizes = ARGUMENT | SHAPE;
  REFUSES_IMAGES(images.data = NULL, ARGUMENT, "data");
  REFUSES_IMAGES(images.element_type = 2, TYPE, "2");
  REFUSES_IMAGES(images.element_type = -1, TYPE, "-1");
  REFUSES_IMAGES(images.count = -1, sizes, "-1");
  REFUSES_IMAGES(images.height = 0, sizes, "0");
  REFUSES_IMAGES(images.width = -16, sizes, "-16");
  REFUSES_IMAGES(images.channels = 0, sizes, "0");
  REFUSES_IMAGES(images.channels = 5, sizes, "5");
  REFUSES_IMAGES(images.height = INT64_MAX, sizes, "");
  REFUSES_IMAGES((images.count = INT64_MAX / 4, images.image_stride = INT64_MAX / 4), sizes, "");
  REFUSES_IMAGES(images.row_stride = INT64_MIN, sizes, "");
  REFUSES_IMAGES(options.on_error = 2, ARGUMENT, "on_error");
  REFUSES_IMAGES(options.channels = 2, ARGUMENT | SHAPE, "2");
  REFUSES_IMAGES(options.copy = 7, ARGUMENT, "copy");
  for (uint32_t size = 0; size < sizeof images; size += 4)
    REFUSES_IMAGES(images.struct_size = size, ARGUMENT, "struct_size");
  for (uint32_t size = 0; size < sizeof options; size += 4)
    REFUSES_IMAGES(options.struct_size = size, ARGUMENT, "struct_size");
  images = all_images();
  REFUSES_HANDLE(supcon_dataset_from_images(NULL, labels, NULL, &dataset), dataset, ARGUMENT,
                 "images");
  REFUSES(supcon_dataset_from_images(&images, labels, NULL, NULL), ARGUMENT, "dataset");

  WORKS(supcon_dataset_from_images(&images, NULL, NULL, &dataset));
  int64_t copied[IMAGES];
  REFUSES(supcon_dataset_get_labels(dataset, copied, IMAGES), STATE, "labels");
  supcon_dataset_free(dataset);
}

static int fill(const int64_t *indices, int64_t count, uint8_t *out, void *user_data) {
  int *calls = user_data;
  if (*calls >= 0) ++*calls;
  for (int64_t i = 0; i < count; ++i)
    memcpy(out + i * SIDE * SIDE, pixels + indices[i] * SIDE * SIDE, SIDE * SIDE);
  return *calls < 0; /* negative: stop */
}

static void from_callback(void) {
  supcon_dataset *dataset = NULL, *same = small_dataset();
  supcon_model *model = small_model();
  int calls = 0;
  const int64_t columns = supcon_model_output_dimension(model, SUPCON_OUTPUT_ENCODER),
                room = columns * IMAGES;
  float *called = calloc((size_t)room, sizeof *called),
        *stored = calloc((size_t)room, sizeof *stored);
  WORKS(supcon_dataset_from_callback(fill, &calls, IMAGES, SIDE, SIDE, 1, labels, &dataset));
  WORKS(supcon_model_embed_dataset(model, dataset, NULL, called, room));
  WORKS(supcon_model_embed_dataset(model, same, NULL, stored, room));
  EXPECT(calls > 0 && memcmp(called, stored, (size_t)room * sizeof *called) == 0,
         "images from a callback embed otherwise");
  calls = -1;
  REFUSES(supcon_model_embed_dataset(model, dataset, NULL, called, room),
          BIT(SUPCON_STATUS_CANCELED), "callback");
  supcon_dataset_free(dataset);
  REFUSES_HANDLE(supcon_dataset_from_callback(NULL, NULL, IMAGES, SIDE, SIDE, 1, labels, &dataset),
                 dataset, ARGUMENT, "callback");
  REFUSES_HANDLE(supcon_dataset_from_callback(fill, &calls, -1, SIDE, SIDE, 1, labels, &dataset),
                 dataset, ARGUMENT | SHAPE, "-1");
  REFUSES_HANDLE(supcon_dataset_from_callback(fill, &calls, IMAGES, 0, SIDE, 1, labels, &dataset),
                 dataset, ARGUMENT, "0");
  REFUSES_HANDLE(
      supcon_dataset_from_callback(fill, &calls, IMAGES, SIDE, SIDE, 9, labels, &dataset), dataset,
      ARGUMENT | SHAPE, "9");
  REFUSES(supcon_dataset_from_callback(fill, &calls, IMAGES, SIDE, SIDE, 1, labels, NULL), ARGUMENT,
          "dataset");
  /* Counts that no memory holds are refused, and what makes lists of many asks for memory first. */
  const int64_t huge[] = {INT64_MAX, INT64_MAX / 2 + 1, 1LL << 40, (1LL << 31) + 1};
  for (size_t i = 0; i < sizeof huge / sizeof *huge; i++)
    REFUSES_HANDLE(
        supcon_dataset_from_callback(fill, &calls, huge[i], SIDE, SIDE, 1, NULL, &dataset), dataset,
        ARGUMENT, "count");
  WORKS(supcon_dataset_from_callback(fill, &calls, 1LL << 31, SIDE, SIDE, 1, NULL, &dataset));
  supcon_dataset *first = NULL, *second = NULL;
  REFUSES(supcon_dataset_split(dataset, 0.5, 1, &first, &second), BIT(SUPCON_STATUS_MEMORY),
          "splitting");
  supcon_dataset *corrupted = NULL;
  WORKS(supcon_dataset_corrupt(dataset, 0, 1, 0, 0, 0, &corrupted));
  supcon_dataset_free(corrupted);
  supcon_dataset_free(dataset);
  supcon_model_free(model);
  supcon_dataset_free(same);
  free(called);
  free(stored);
}

/* A pixel that is not a number would spread over the whole embedding. */
static void not_finite(void) {
  float pixels[SIDE * SIDE];
  for (int i = 0; i < SIDE * SIDE; i++) pixels[i] = 0.5f;
  supcon_images images;
  supcon_images_init(&images, pixels, SUPCON_ELEMENT_F32, SUPCON_LAYOUT_HWC, 1, SIDE, SIDE, 1);
  supcon_model_options options;
  supcon_model_options_init(&options);
  options.width = 2, options.channels = 1;
  supcon_model *model = NULL;
  WORKS(supcon_model_create(NULL, &options, &model));
  float row[64], views[SIDE * SIDE];
  uint8_t corrupted[SIDE * SIDE];
  WORKS(supcon_model_embed(model, &images, NULL, row, 64));
  const float bad[] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 3; i++) {
    pixels[7] = bad[i];
    REFUSES(supcon_model_embed(model, &images, NULL, row, 64), ARGUMENT, "finite");
    REFUSES(supcon_augment(NULL, &images, NULL, 0, 0, 0, SIDE, SIDE, views), ARGUMENT, "finite");
    REFUSES(supcon_corrupt(NULL, &images, 0, 1, 0, corrupted), ARGUMENT, "finite");
  }
  supcon_model_free(model);
}

/* The machine has memory, but this process may take no more: lists of a million images are refused
 * one by one, and made once it may. (A sanitizer's allocator has taken its memory long before.) */
static void little_memory(void) {
#ifndef SANITIZED
  enum { COUNT = 1000000 };
  unsigned char *dots = calloc(COUNT, 1);
  int64_t *classes = malloc(COUNT * sizeof *classes);
  for (int i = 0; i < COUNT; ++i) classes[i] = i % 2;
  supcon_images images;
  supcon_images_init(&images, dots, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, COUNT, 1, 1, 1);
  supcon_dataset *dataset = NULL, *made = NULL, *other = NULL;
  WORKS(supcon_dataset_from_images(&images, classes, NULL, &dataset));

  long pages = 0;
  FILE *statm = fopen("/proc/self/statm", "r");
  EXPECT(statm && fscanf(statm, "%ld", &pages) == 1, "no size of this process");
  if (statm) fclose(statm);
  struct rlimit all, few;
  getrlimit(RLIMIT_AS, &all);
  few = all;
  few.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (16 << 20);
  EXPECT(setrlimit(RLIMIT_AS, &few) == 0, "the process's memory cannot be limited");
  REFUSES_HANDLE(supcon_dataset_from_images(&images, classes, NULL, &made), made, MEMORY,
                 "1000000");
  REFUSES_HANDLE(supcon_dataset_subset(dataset, classes, COUNT, &made), made, MEMORY, "1000000");
  REFUSES_HANDLE(supcon_dataset_split(dataset, 0.5, 1, &made, &other), made, MEMORY, "1000000");
  REFUSES_HANDLE(supcon_dataset_per_class(dataset, 10, 1, &made), made, MEMORY, "1000000");
  REFUSES_HANDLE(supcon_dataset_with_label_noise(dataset, 0.5, 1, &made), made, MEMORY, "1000000");
  REFUSES_HANDLE(supcon_dataset_long_tailed(dataset, 10, 1, &made), made, MEMORY, "1000000");
  REFUSES_HANDLE(supcon_dataset_with_labels(dataset, classes, &made), made, MEMORY, "1000000");
  setrlimit(RLIMIT_AS, &all);
  WORKS(supcon_dataset_per_class(dataset, 10, 1, &made));
  supcon_dataset_free(made);
  supcon_dataset_free(dataset);
  free(classes);
  free(dots);
#endif
}

void test_datasets(void) {
  not_finite();
  little_memory();
  in_memory();
  parts();
  targets();
  wrong_images();
  from_callback();
}
