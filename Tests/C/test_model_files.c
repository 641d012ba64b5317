/* Saving and loading: the same embeddings afterwards; and files that are missing, cut, or made to
 * deceive. */
#include "test.h"

static void round_trip(void) {
  supcon_model *model = small_model(), *loaded = NULL;
  supcon_images images = all_images();
  enum { ROOM = IMAGES * 64 };
  static float before[ROOM], after[ROOM];
  const char *path = data_path("model.safetensors");
  WORKS(supcon_model_embed(model, &images, NULL, before, ROOM));
  WORKS(supcon_model_save(model, path));
  WORKS(supcon_model_save(model, path)); /* over itself */
  WORKS(supcon_model_load(NULL, path, NULL, &loaded));
  WORKS(supcon_model_embed(loaded, &images, NULL, after, ROOM));
  EXPECT(memcmp(before, after, sizeof before) == 0, "a loaded model embeds otherwise");
  supcon_model_free(loaded);

  REFUSES(supcon_model_save(model, data_path("nowhere/model.safetensors")), IO, "nowhere");
  REFUSES(supcon_model_save(model, data_path("empty")), IO, "empty");
  REFUSES(supcon_model_save(model, ""), ARGUMENT | IO, "");
  REFUSES(supcon_model_save(model, NULL), ARGUMENT, "path");
  REFUSES(supcon_model_save(NULL, path), ARGUMENT, "model");
  supcon_model_free(model);

  supcon_load_options options;
#define REFUSES_LOAD(change, statuses, word)                                                  \
  do {                                                                                        \
    supcon_load_options_init(&options);                                                       \
    change;                                                                                   \
    REFUSES_HANDLE(supcon_model_load(NULL, path, &options, &loaded), loaded, statuses, word); \
  } while (0)
  REFUSES_LOAD(options.architecture = "resnet50", ARGUMENT | FORMAT, "resnet50");
  REFUSES_LOAD(options.architecture = "alexnet", ARGUMENT, "alexnet");
  REFUSES_LOAD(options.stem = SUPCON_STEM_IMAGENET, ARGUMENT | FORMAT, "stem");
  REFUSES_LOAD(options.stem = 17, ARGUMENT, "stem");
  REFUSES_LOAD(options.precision = -1, ARGUMENT, "precision");
  REFUSES_LOAD(options.image_height = -1, ARGUMENT, "-1");
  REFUSES_LOAD(options.has_mean_std = 1, ARGUMENT | FORMAT, "std"); /* which are 0 */
  for (uint32_t size = 0; size < sizeof options; size += 4)
    REFUSES_LOAD(options.struct_size = size, ARGUMENT, "struct_size");
  REFUSES(supcon_model_load(NULL, path, NULL, NULL), ARGUMENT, "model");
}

/* A safetensors file: the length of the header, 8 bytes little-endian, the header, then bytes zero.
 */
static const char *tensors_file(const char *name, uint64_t header_length, const char *header,
                                size_t bytes) {
  static uint8_t content[4096];
  memset(content, 0, sizeof content);
  for (int i = 0; i < 8; ++i) content[i] = (uint8_t)(header_length >> (8 * i));
  memcpy(content + 8, header, strlen(header));
  return write_file(name, content, 8 + strlen(header) + bytes);
}

/* timm's configuration beside weights is heeded before their tensors are looked at. */
static void other_layers(void) {
  supcon_model *model = NULL;
  const char *weights = tensors_file("timm.safetensors", 2, "{}", 0);
  const char *known = "{\"architecture\": \"resnet50\"}",
             *blurred = "{\"architecture\": \"resnetblur50\"}";
  const char *beside = write_file("config.json", known, strlen(known));
  REFUSES_HANDLE(supcon_model_load(NULL, weights, NULL, &model), model, FORMAT, "conv1.weight");
  write_file("config.json", blurred, strlen(blurred));
  REFUSES_HANDLE(supcon_model_load(NULL, weights, NULL, &model), model, FORMAT, "resnetblur50");
  EXPECT(remove(beside) == 0, "cannot remove %s", beside);
}

static void hostile(void) {
  supcon_model *model = NULL;
#define REFUSES_FILE(path, statuses, word) \
  REFUSES_HANDLE(supcon_model_load(NULL, path, NULL, &model), model, statuses, word)
#define REFUSES_HEADER(name, header, bytes) \
  REFUSES_FILE(tensors_file(name, strlen(header), header, bytes), FORMAT, name)
  REFUSES_FILE(data_path("nowhere.safetensors"), IO, "nowhere.safetensors");
  REFUSES_FILE(data_path("folder"), IO | FORMAT, "folder");
  REFUSES_FILE(data_path("images.idx"), FORMAT, "images.idx");
  REFUSES_FILE(NULL, ARGUMENT, "path");
  REFUSES_FILE(write_file("none.safetensors", "", 0), FORMAT, "none.safetensors");
  REFUSES_FILE(write_file("seven.safetensors", "1234567", 7), FORMAT, "seven.safetensors");
  REFUSES_FILE(tensors_file("long.safetensors", UINT64_MAX, "{}", 0), FORMAT, "long.safetensors");
  REFUSES_FILE(tensors_file("longer.safetensors", INT64_MAX - 4, "{}", 0), FORMAT,
               "longer.safetensors");
  REFUSES_FILE(tensors_file("cut.safetensors", 100, "{}", 0), FORMAT, "cut.safetensors");
  REFUSES_HEADER("empty.safetensors", "{}", 0);
  REFUSES_HEADER("array.safetensors", "[]", 0);
  REFUSES_HEADER("text.safetensors", "{\"conv1.weight\": ", 0);
  REFUSES_HEADER("dtype.safetensors",
                 "{\"conv1.weight\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
  REFUSES_HEADER("beyond.safetensors",
                 "{\"conv1.weight\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4);
  REFUSES_HEADER("backward.safetensors",
                 "{\"conv1.weight\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,4]}}", 8);
  REFUSES_HEADER("negative.safetensors",
                 "{\"conv1.weight\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4);
  REFUSES_HEADER("product.safetensors",
                 "{\"conv1.weight\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4,3,3],"
                 "\"data_offsets\":[0,4]}}",
                 4);
  REFUSES_HEADER("number.safetensors",
                 "{\"conv1.weight\":{\"dtype\":\"F32\",\"shape\":[1e999],\"data_offsets\":[0,"
                 "99999999999999999999999]}}",
                 4);
  static char deep[2048];
  memset(deep, '[', sizeof deep - 1);
  REFUSES_HEADER("deep.safetensors", deep, 0);
  REFUSES_HEADER("escape.safetensors",
                 "{\"\\ud800\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
}

/* Each byte of the header changed in turn, and the file cut at many places: whatever the answer, it
 * is an answer. */
static void damaged(void) {
  FILE *file = fopen(data_path("model.safetensors"), "rb");
  EXPECT(file != NULL, "the model that was saved is not there");
  if (!file) return;
  enum { LARGEST = 4 << 20 };
  uint8_t *bytes = malloc(LARGEST);
  const size_t count = fread(bytes, 1, LARGEST, file);
  fclose(file);
  EXPECT(count > 1000 && count < LARGEST, "%zu bytes", count);
  int short_ones = 0, silent = 0;
  for (size_t i = 0; i < 600; ++i) {
    const uint8_t kept = bytes[i];
    bytes[i] = (uint8_t)(kept ^ (1 + i % 255));
    supcon_model *model = NULL;
    forget_error();
    const size_t length = i % 2 ? count : count * (i + 1) / 601;
    const supcon_status status =
        supcon_model_load(NULL, write_file("damaged.safetensors", bytes, length), NULL, &model);
    short_ones += length < count && status == SUPCON_OK;
    silent += status != SUPCON_OK && (model || !error_is_new());
    supcon_model_free(model);
    bytes[i] = kept;
  }
  EXPECT(silent == 0, "%d of 600 damaged files were refused without a message, or left a handle",
         silent);
  EXPECT(short_ones == 0, "%d files that end too early were loaded", short_ones);
  free(bytes);
}

/* Near f32, kept in files, switched off by NULL. */
static void int8(void) {
  supcon_model *model = small_model(), *loaded = NULL;
  supcon_images images = all_images();
  supcon_dataset *dataset = small_dataset();
  enum { COLUMNS = 64, ROOM = IMAGES * COLUMNS };
  static float exact[ROOM], rows[ROOM], after[ROOM];
  WORKS(supcon_model_embed(model, &images, NULL, exact, ROOM));
  forget_error();
  if (supcon_model_quantize(model, dataset) != SUPCON_STATUS_UNSUPPORTED) {
    WORKS(supcon_model_quantize(model, dataset));
    WORKS(supcon_model_embed(model, &images, NULL, rows, ROOM));
    float least = 1;
    for (int i = 0; i < IMAGES; ++i) {
      float cosine = 0;
      for (int j = 0; j < COLUMNS; ++j) cosine += exact[i * COLUMNS + j] * rows[i * COLUMNS + j];
      if (cosine < least) least = cosine;
    }
    EXPECT(least > 0.99f, "the cosine of int8 to f32 is %g", (double)least);
    const char *path = data_path("int8.safetensors");
    WORKS(supcon_model_save(model, path));
    WORKS(supcon_model_load(NULL, path, NULL, &loaded));
    WORKS(supcon_model_embed(loaded, &images, NULL, after, ROOM));
    EXPECT(memcmp(rows, after, sizeof rows) == 0, "a loaded int8 model embeds otherwise");
    supcon_model_info info;
    supcon_model_info_init(&info);
    WORKS(supcon_model_get_info(loaded, &info));
    EXPECT(info.int8 == 1, "int8 is %d", info.int8);
    WORKS(supcon_model_quantize(model, NULL));
    WORKS(supcon_model_embed(model, &images, NULL, rows, ROOM));
    EXPECT(memcmp(rows, exact, sizeof rows) == 0, "int8 that was switched off leaves traces");
  }
  REFUSES(supcon_model_quantize(NULL, dataset), ARGUMENT, "model");
  supcon_model_free(loaded);
  supcon_model_free(model);
  supcon_dataset_free(dataset);
}

void test_model_files(void) {
  round_trip();
  int8();
  hostile();
  other_layers();
  damaged();
}
