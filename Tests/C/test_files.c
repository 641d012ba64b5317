/* Data sets from files that make_data wrote: two classes with sound images and one without, and
 * files made to deceive. */
#include "test.h"

#include <math.h>

static void folders(void) {
  supcon_dataset *dataset = NULL;
  supcon_dataset_info info;
  supcon_dataset_info_init(&info);
  WORKS(supcon_dataset_from_folder(data_path("folder"), NULL, &dataset));
  WORKS(supcon_dataset_get_info(dataset, &info));
  EXPECT(info.count == 24 && info.channels == 3 && info.labeled == 1 && info.skipped == 2,
         "%lld images, %lld skipped", (long long)info.count, (long long)info.skipped);
  EXPECT(strcmp(supcon_dataset_class_name(dataset, 0), "blue") == 0 &&
             strcmp(supcon_dataset_class_name(dataset, 1), "red") == 0,
         "other classes");
  EXPECT(supcon_dataset_path(dataset, 0) && strstr(supcon_dataset_path(dataset, 0), "folder/blue/"),
         "%s", supcon_dataset_path(dataset, 0));
  EXPECT(supcon_dataset_skipped(dataset, 0) && strstr(supcon_dataset_skipped(dataset, 0), ": "),
         "a skipped file without its reason");
  EXPECT(!supcon_dataset_skipped(dataset, 2) && !supcon_dataset_skipped(dataset, -1),
         "more skipped files than there are");
  supcon_dataset_free(dataset);

  supcon_dataset_options options;
  supcon_dataset_options_init(&options);
  options.on_error = SUPCON_ON_ERROR_REFUSE;
  REFUSES_HANDLE(supcon_dataset_from_folder(data_path("folder"), &options, &dataset), dataset,
                 FORMAT, "folder/");
  REFUSES_HANDLE(supcon_dataset_from_folder(data_path("nowhere"), NULL, &dataset), dataset, IO,
                 "nowhere");
  REFUSES_HANDLE(supcon_dataset_from_folder(data_path("images.idx"), NULL, &dataset), dataset,
                 IO | FORMAT, "images.idx");
  REFUSES_HANDLE(supcon_dataset_from_folder(data_path("empty"), NULL, &dataset), dataset, FORMAT,
                 "empty");
  supcon_dataset_options empty;
  supcon_dataset_options_init(&empty);
  empty.allow_empty = 1;
  WORKS(supcon_dataset_from_folder(data_path("empty"), &empty, &dataset));
  supcon_dataset_info_init(&info);
  WORKS(supcon_dataset_get_info(dataset, &info));
  EXPECT(info.count == 0, "%lld images in an empty folder", (long long)info.count);
  supcon_dataset_free(dataset);
  REFUSES_HANDLE(supcon_dataset_from_folder(NULL, NULL, &dataset), dataset, ARGUMENT, "path");
  REFUSES(supcon_dataset_from_folder(data_path("folder"), NULL, NULL), ARGUMENT, "dataset");

  const char *paths[] = {data_path("folder/red/0.png"), data_path("folder/nowhere.png"),
                         data_path("folder/blue/1.jpg")};
  const int64_t own[] = {4, 5, 6};
  int64_t copied[2];
  WORKS(supcon_dataset_from_files(paths, 3, own, NULL, &dataset));
  WORKS(supcon_dataset_get_labels(dataset, copied, 2));
  EXPECT(copied[0] == 4 && copied[1] == 6, "labels %lld and %lld", (long long)copied[0],
         (long long)copied[1]);
  supcon_dataset_free(dataset);
  REFUSES_HANDLE(supcon_dataset_from_files(paths, 3, own, &options, &dataset), dataset, IO | FORMAT,
                 "nowhere.png");
  REFUSES_HANDLE(supcon_dataset_from_files(paths + 1, 1, NULL, NULL, &dataset), dataset,
                 IO | FORMAT, "nowhere.png");
  REFUSES_HANDLE(supcon_dataset_from_files(NULL, 3, NULL, NULL, &dataset), dataset, ARGUMENT,
                 "paths");
  paths[1] = NULL;
  REFUSES_HANDLE(supcon_dataset_from_files(paths, 3, NULL, NULL, &dataset), dataset, ARGUMENT, "1");
}

static void idx(void) {
  supcon_dataset *dataset = NULL;
  supcon_dataset_info info;
  supcon_dataset_info_init(&info);
  WORKS(supcon_dataset_from_idx(data_path("images.idx"), data_path("labels.idx"), NULL, &dataset));
  WORKS(supcon_dataset_get_info(dataset, &info));
  EXPECT(info.count == IMAGES && info.height == SIDE && info.width == SIDE && info.channels == 1 &&
             info.classes == CLASSES,
         "%lld images", (long long)info.count);
  supcon_dataset_free(dataset);
  WORKS(supcon_dataset_from_idx(data_path("images.idx.gz"), NULL, NULL, &dataset));
  supcon_dataset_free(dataset);

  static const uint8_t huge[16] = {0,    0,    8,    3,    0xff, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  static const uint8_t large[16] = {0, 0, 8, 3, 0x7f, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x10, 0};
  static const uint8_t floats[20] = {0, 0, 0x0d, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};
  static const uint8_t short_labels[9] = {0, 0, 8, 1, 0, 0, 0, 1, 0};
  const unsigned bad = FORMAT | SHAPE | MEMORY;
#define REFUSES_IDX(images_path, labels_path, statuses, word)                                \
  REFUSES_HANDLE(supcon_dataset_from_idx(images_path, labels_path, NULL, &dataset), dataset, \
                 statuses, word)
  REFUSES_IDX(write_file("huge.idx", huge, 16), NULL, bad, "huge.idx");
  REFUSES_IDX(write_file("large.idx", large, 16), NULL, bad, "large.idx");
  REFUSES_IDX(write_file("floats.idx", floats, 20), NULL, bad | TYPE, "floats.idx");
  REFUSES_IDX(write_file("short.idx", huge, 3), NULL, FORMAT, "short.idx");
  REFUSES_IDX(write_file("nothing.idx", huge, 0), NULL, FORMAT, "nothing.idx");
  REFUSES_IDX(write_file("noise.gz", "\x1f\x8b\x08garbage that is not deflated", 32), NULL,
              FORMAT | IO, "noise.gz");
  REFUSES_IDX(data_path("truncated.idx.gz"), NULL, FORMAT | IO, "truncated.idx.gz");
  REFUSES_IDX(data_path("images.idx"), write_file("short_labels.idx", short_labels, 9),
              FORMAT | SHAPE, "96");
  REFUSES_IDX(data_path("labels.idx"), NULL, FORMAT, "labels.idx");
  REFUSES_IDX(data_path("nowhere.idx"), NULL, IO, "nowhere.idx");
  REFUSES_IDX(data_path("folder"), NULL, IO | FORMAT, "folder");
  REFUSES_IDX(NULL, NULL, ARGUMENT, "images_path");
}

static void cifar(void) {
  supcon_dataset *dataset = NULL;
  uint8_t record[3074] = {3};
  const char *paths[] = {write_file("one.bin", record, 3073)};
  WORKS(supcon_dataset_from_cifar(paths, 1, 10, NULL, &dataset));
  supcon_dataset_free(dataset);
  REFUSES_HANDLE(supcon_dataset_from_cifar(paths, 1, 7, NULL, &dataset), dataset, ARGUMENT, "7");
  REFUSES_HANDLE(supcon_dataset_from_cifar(paths, 1, 100, NULL, &dataset), dataset, FORMAT,
                 "one.bin");
  REFUSES_HANDLE(supcon_dataset_from_cifar(paths, 0, 10, NULL, &dataset), dataset, ARGUMENT | SHAPE,
                 "0");
  REFUSES_HANDLE(supcon_dataset_from_cifar(NULL, 1, 10, NULL, &dataset), dataset, ARGUMENT,
                 "paths");
  paths[0] = write_file("cut.bin", record, 3000);
  REFUSES_HANDLE(supcon_dataset_from_cifar(paths, 1, 10, NULL, &dataset), dataset, FORMAT,
                 "cut.bin");
  record[0] = 10;
  paths[0] = write_file("eleventh.bin", record, 3073);
  REFUSES_HANDLE(supcon_dataset_from_cifar(paths, 1, 10, NULL, &dataset), dataset, FORMAT, "10");
}

/* A file that passes when it is opened and fails when it is used: embedding says so, and the
 * process lives. */
static void vanishing(void) {
  supcon_dataset *dataset = NULL;
  const char *from = data_path("folder/red/0.png");
  char bytes[4096];
  FILE *file = fopen(from, "rb");
  const size_t count = file ? fread(bytes, 1, sizeof bytes, file) : 0;
  if (file) fclose(file);
  const char *paths[] = {write_file("vanishing.png", bytes, count)};
  supcon_dataset_options options;
  supcon_dataset_options_init(&options);
  options.channels = 1;
  WORKS(supcon_dataset_from_files(paths, 1, NULL, &options, &dataset));
  remove(paths[0]);
  supcon_model *model = small_model();
  const int64_t columns = supcon_model_output_dimension(model, SUPCON_OUTPUT_ENCODER);
  float *row = calloc((size_t)columns, sizeof *row);
  REFUSES(supcon_model_embed_dataset(model, dataset, NULL, row, columns), IO, "vanishing.png");
  write_file("vanishing.png", bytes, count / 2);
  REFUSES(supcon_model_embed_dataset(model, dataset, NULL, row, columns), FORMAT, "vanishing.png");
  free(row);
  supcon_model_free(model);
  supcon_dataset_free(dataset);
}

/* Bytes in memory, beside the files that they are of. */
static void encoded(void) {
  char bytes[2][8192];
  int64_t sizes[3] = {0, 0, 0};
  const char *names[2] = {"folder/red/0.png", "folder/blue/1.jpg"};
  for (int i = 0; i < 2; ++i) {
    FILE *file = fopen(data_path(names[i]), "rb");
    sizes[i] = file ? (int64_t)fread(bytes[i], 1, sizeof bytes[i], file) : 0;
    if (file) fclose(file);
    EXPECT(sizes[i] > 0 && sizes[i] < (int64_t)sizeof bytes[i], "%s was not read", names[i]);
  }
  const void *data[3] = {bytes[0], bytes[1], NULL};
  const char *paths[3] = {"from memory", NULL, data_path(names[0])};
  const int64_t own[3] = {7, 8, 9};
  supcon_dataset *dataset = NULL, *files = NULL, *changed = NULL;
  supcon_dataset_options options;
  supcon_dataset_options_init(&options);
  EXPECT(options.max_pixels == 178956970 && options.exact_decoding == 0 &&
             options.class_order == SUPCON_CLASS_ORDER_BYTES,
         "other defaults");
  options.channels = 1, options.on_error = SUPCON_ON_ERROR_REFUSE, options.copy = 1;
  WORKS(supcon_dataset_from_encoded(data, sizes, paths, 3, own, &options, &dataset));
  memset(bytes, 0, sizeof bytes); /* they were copied */
  EXPECT(supcon_dataset_path(dataset, 0) &&
             strcmp(supcon_dataset_path(dataset, 0), "from memory") == 0 &&
             !supcon_dataset_path(dataset, 1),
         "other names");
  supcon_dataset_info info;
  supcon_dataset_info_init(&info);
  WORKS(supcon_dataset_get_info(dataset, &info));
  EXPECT(
      info.median_height > 0 && info.median_width > 0 &&
          (!info.height || (info.median_height == info.height && info.median_width == info.width)),
      "medians of %lldx%lld", (long long)info.median_height, (long long)info.median_width);
  const char *same[3] = {data_path(names[0]), data_path(names[1]), data_path(names[0])};
  WORKS(supcon_dataset_from_files(same, 3, own, &options, &files));
  supcon_model *model = small_model();
  const int64_t columns = supcon_model_output_dimension(model, SUPCON_OUTPUT_ENCODER);
  float *rows = calloc((size_t)(6 * columns), sizeof *rows);
  WORKS(supcon_model_embed_dataset(model, dataset, NULL, rows, 3 * columns));
  WORKS(supcon_model_embed_dataset(model, files, NULL, rows + 3 * columns, 3 * columns));
  EXPECT(memcmp(rows, rows + 3 * columns, (size_t)(3 * columns) * sizeof *rows) == 0,
         "other embeddings");

  const char *classes[3] = {"9", "none", "7"};
  int64_t labels_now[2];
  WORKS(supcon_dataset_with_classes(dataset, classes, 3, &changed));
  WORKS(supcon_dataset_get_labels(changed, labels_now, 2));
  EXPECT(labels_now[0] == 2 && labels_now[1] == 0, "labels %lld and %lld", (long long)labels_now[0],
         (long long)labels_now[1]);
  supcon_dataset_free(changed);
  REFUSES_HANDLE(supcon_dataset_with_classes(dataset, classes + 1, 1, &changed), changed, STATE,
                 "none");
  REFUSES_HANDLE(supcon_dataset_with_classes(dataset, NULL, 1, &changed), changed, ARGUMENT,
                 "names");
  classes[1] = "9";
  REFUSES_HANDLE(supcon_dataset_with_classes(dataset, classes, 3, &changed), changed, ARGUMENT,
                 "twice");
  supcon_dataset_free(dataset);
  supcon_dataset_free(files);
  supcon_model_free(model);
  free(rows);

  REFUSES_HANDLE(supcon_dataset_from_encoded(data, sizes, NULL, 3, NULL, &options, &dataset),
                 dataset, ARGUMENT, "data[2]");
  REFUSES_HANDLE(supcon_dataset_from_encoded(data, sizes, NULL, 2, NULL, &options, &dataset),
                 dataset, FORMAT, "image 0");
  REFUSES_HANDLE(supcon_dataset_from_encoded(NULL, sizes, NULL, 2, NULL, &options, &dataset),
                 dataset, ARGUMENT, "data");
  REFUSES_HANDLE(supcon_dataset_from_encoded(data, NULL, NULL, 2, NULL, &options, &dataset),
                 dataset, ARGUMENT, "sizes");
  sizes[1] = -1;
  REFUSES_HANDLE(supcon_dataset_from_encoded(data, sizes, NULL, 2, NULL, NULL, &dataset), dataset,
                 ARGUMENT, "sizes[1] is -1");
  options.max_pixels = -1;
  REFUSES_HANDLE(supcon_dataset_from_files(same, 3, NULL, &options, &dataset), dataset, ARGUMENT,
                 "max_pixels is -1");
  options.max_pixels = 3;
  REFUSES_HANDLE(supcon_dataset_from_files(same, 3, NULL, &options, &dataset), dataset, FORMAT,
                 "max_pixels");
  options.max_pixels = 0, options.class_order = 2;
  REFUSES_HANDLE(supcon_dataset_from_files(same, 3, NULL, &options, &dataset), dataset, ARGUMENT,
                 "class_order is 2");
  options.class_order = 0, options.exact_decoding = 2;
  REFUSES_HANDLE(supcon_dataset_from_files(same, 3, NULL, &options, &dataset), dataset, ARGUMENT,
                 "exact_decoding is 2");
}

/* A model that crops sees the middle of a wide image, as one that squashes sees that middle. */
static void resizing(void) {
  supcon_model_options options;
  supcon_model_options_init(&options);
  EXPECT(options.resize == SUPCON_RESIZE_SQUASH, "resize is %d", options.resize);
  options.width = 2, options.channels = 1, options.image_height = options.image_width = SIDE;
  options.precision = SUPCON_PRECISION_F32;
  supcon_model *squashing = NULL, *cropping = NULL, *none = NULL;
  WORKS(supcon_model_create(NULL, &options, &squashing));
  options.resize = SUPCON_RESIZE_CROP;
  WORKS(supcon_model_create(NULL, &options, &cropping));
  options.resize = 3;
  REFUSES_HANDLE(supcon_model_create(NULL, &options, &none), none, ARGUMENT, "resize is 3");
  supcon_model_info info;
  supcon_model_info_init(&info);
  WORKS(supcon_model_get_info(cropping, &info));
  EXPECT(info.resize == SUPCON_RESIZE_CROP, "resize is %d", info.resize);

  enum { WIDE = SIDE + 8 };
  uint8_t wide[SIDE * WIDE];
  for (int i = 0; i < SIDE * WIDE; ++i) wide[i] = (uint8_t)(i * 37);
  supcon_images all, middle;
  supcon_images_init(&all, wide, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, 1, SIDE, WIDE, 1);
  supcon_images_init(&middle, wide + 4, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, 1, SIDE, SIDE, 1);
  middle.row_stride = WIDE;
  const int64_t columns = supcon_model_output_dimension(cropping, SUPCON_OUTPUT_ENCODER);
  float *rows = calloc((size_t)(3 * columns), sizeof *rows);
  WORKS(supcon_model_embed(cropping, &all, NULL, rows, columns));
  WORKS(supcon_model_embed(squashing, &middle, NULL, rows + columns, columns));
  WORKS(supcon_model_embed(squashing, &all, NULL, rows + 2 * columns, columns));
  double off = 0, apart = 0;
  for (int64_t i = 0; i < columns; ++i) {
    off += fabs((double)rows[i] - rows[columns + i]);
    apart += fabs((double)rows[i] - rows[2 * columns + i]);
  }
  EXPECT(off < 1e-4 && apart > 1e-3, "%g off the middle's, %g off the whole's", off, apart);
  free(rows);
  supcon_model_free(squashing);
  supcon_model_free(cropping);
}

void test_files(void) {
  folders();
  encoded();
  resizing();
  idx();
  cifar();
  vanishing();
}
