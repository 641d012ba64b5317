/* Damaged files of every kind that the library reads.
 *   fuzz TARGET SEED_FILE FOLDER COUNT [FIRST]
 * Mutates SEED_FILE COUNT times (number FIRST on, each number a mutation of its own, so that a run
 * can be taken up and a finding repeated) and lets the library read it as TARGET: model…,
 * checkpoint, idx…, labels, cifar, png…, jpeg…, webp…. The input at hand is FOLDER/input: after a
 * crash it is the finding. Whatever the status, the handle is NULL or works. */
#define _GNU_SOURCE
#include <sys/stat.h>
#include <unistd.h>

#include "soak.h"

static int64_t statuses[12];
static void count(supcon_status status) {
  DEMAND(status >= 0 && status < 12 && status != SUPCON_STATUS_INTERNAL, "status %d", status);
  ++statuses[status];
}

static char input[4096], folder[4096];

/* Numbers that lengths, shapes and counters are likely to trip over. */
static const char *const numbers[] = {"0",
                                      "-1",
                                      "1",
                                      "255",
                                      "65536",
                                      "2147483647",
                                      "2147483648",
                                      "4294967295",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      "18446744073709551615",
                                      "1e308",
                                      "-9223372036854775808",
                                      "1e999",
                                      "NaN",
                                      "0.5"};

static size_t mutate(uint8_t *bytes, size_t size, size_t room, uint64_t *random) {
  for (uint64_t times = 1 + below(random, 4); times > 0 && size > 0; --times) {
    /* Half of the time near the beginning, where headers are. */
    const size_t reach = below(random, 2) && size > 64 ? 64 + (size_t)below(random, 2000) : size;
    const size_t at = (size_t)below(random, reach < size ? reach : size);
    switch (below(random, 9)) {
      case 0:
        bytes[at] ^= (uint8_t)(1u << below(random, 8));
        break;
      case 1:
        bytes[at] = (uint8_t)draw(random);
        break;
      case 2:
        bytes[at] = below(random, 2) ? 0xFF : 0;
        break;
      case 3:
        size = at;
        break;
      case 4: { /* a piece goes */
        const size_t gone = 1 + (size_t)below(random, 16) % (size - at);
        memmove(bytes + at, bytes + at + gone, size - at - gone);
        size -= gone;
        break;
      }
      case 5: { /* a piece comes twice */
        size_t more = 1 + (size_t)below(random, 64);
        if (more > size - at) more = size - at;
        if (size + more > room) break;
        memmove(bytes + at + more, bytes + at, size - at);
        size += more;
        break;
      }
      case 6: { /* four or eight bytes of one value */
        const uint64_t value = below(random, 3) ? UINT64_MAX >> below(random, 64) : draw(random);
        const size_t width = below(random, 2) ? 4 : 8;
        if (at + width <= size) memcpy(bytes + at, &value, width);
        break;
      }
      default: { /* a number in text becomes another */
        size_t first = at;
        while (first < size && (bytes[first] < '0' || bytes[first] > '9')) ++first;
        size_t last = first;
        while (last < size && bytes[last] >= '0' && bytes[last] <= '9') ++last;
        const char *number = numbers[below(random, sizeof numbers / sizeof *numbers)];
        const size_t length = strlen(number);
        if (first == last || last - first > 20 || size + length > room) break;
        memmove(bytes + first + length, bytes + last, size - last);
        memcpy(bytes + first, number, length);
        size = size - (last - first) + length;
        /* Keep a safetensors header's length true, or nothing behind it is looked at. */
        uint64_t header;
        memcpy(&header, bytes, 8);
        if (first >= 8 && size > 16 && bytes[8] == '{' && header < room) {
          header += length - (last - first);
          memcpy(bytes, &header, 8);
        }
      }
    }
  }
  return size;
}

/* The sums of a PNG's chunks made right, so that damage gets to what is behind them. */
static void mend_sums(uint8_t *bytes, size_t size) {
  for (size_t at = 8; at + 12 <= size;) {
    const size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 |
                          (size_t)bytes[at + 2] << 8 | bytes[at + 3];
    if (length > size - at - 12) return;
    uint32_t sum = UINT32_MAX;
    for (size_t i = at + 4; i < at + 8 + length; ++i) {
      sum ^= bytes[i];
      for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1 ? 0xEDB88320u : 0);
    }
    for (int i = 0; i < 4; ++i) bytes[at + 8 + length + i] = (uint8_t)(~sum >> (24 - 8 * i));
    at += 12 + length;
  }
}

static void use_dataset(supcon_status status, supcon_dataset **made) {
  supcon_dataset *dataset = *made;
  count(status);
  DEMAND((status == SUPCON_OK) == (dataset != NULL), "status %d", status);
  if (!dataset) return;
  supcon_dataset_info info;
  supcon_dataset_info_init(&info);
  WORKS(supcon_dataset_get_info(dataset, &info));
  static supcon_model *models[5];
  if (info.channels >= 1 && info.channels <= 4 && info.count > 0 && info.count <= 64) {
    supcon_model_options options = small_model_options();
    options.channels = (int32_t)info.channels;
    supcon_model **model = &models[info.channels];
    if (!*model) WORKS(supcon_model_create(NULL, &options, model));
    float *rows = malloc(64 * 16 * sizeof *rows);
    count(supcon_model_embed_dataset(*model, dataset, NULL, rows, 64 * 16));
    free(rows);
    /* A view, of which a JPEG's rows below the crop are not decoded. */
    supcon_augmentation_options augmentation;
    supcon_augmentation_options_init(&augmentation);
    static uint64_t seed;
    const int64_t first = 0;
    float view[8 * 8 * 4];
    count(
        supcon_augment_dataset(NULL, dataset, &first, 1, &augmentation, seed++, 0, 0, 8, 8, view));
  }
  supcon_dataset_free(dataset);
}

static void read_input(const char *target) {
  supcon_dataset *dataset = NULL;
  supcon_dataset_options options;
  supcon_dataset_options_init(&options);
  options.on_error = SUPCON_ON_ERROR_REFUSE;
  const char *paths[] = {input};
  if (!strncmp(target, "model", 5)) {
    supcon_model *model = NULL;
    const supcon_status status = supcon_model_load(NULL, input, NULL, &model);
    count(status);
    DEMAND((status == SUPCON_OK) == (model != NULL), "status %d", status);
    if (!model) return;
    supcon_model_info info;
    supcon_model_info_init(&info);
    WORKS(supcon_model_get_info(model, &info));
    for (int64_t i = -1; i <= info.classes && i < 20; ++i) (void)supcon_model_class_name(model, i);
    if (info.channels == 1) {
      supcon_images images = small_images();
      images.count = 1;
      float *row = malloc((size_t)info.embedding_dim * sizeof *row);
      count(supcon_model_embed(model, &images, NULL, row, info.embedding_dim));
      free(row);
    }
    supcon_model_free(model);
  } else if (!strcmp(target, "checkpoint")) {
    static supcon_dataset *own;
    if (!own) own = small_dataset();
    supcon_model *model = small_model(NULL);
    supcon_train_options train = small_train_options();
    train.joint_classifier = 1; /* as the seed's */
    train.checkpoint_folder = folder;
    train.resume = 1;
    supcon_trainer *trainer = NULL;
    supcon_status status = supcon_trainer_create(NULL, model, own, &train, &trainer);
    count(status);
    if (trainer) count(supcon_trainer_run(trainer, NULL, NULL));
    supcon_trainer_free(trainer);
    supcon_model_free(model);
  } else if (!strncmp(target, "idx", 3)) {
    use_dataset(supcon_dataset_from_idx(input, NULL, &options, &dataset), &dataset);
  } else if (!strcmp(target, "labels")) {
    char images[4200];
    snprintf(images, sizeof images, "%s/images.idx", folder);
    use_dataset(supcon_dataset_from_idx(images, input, &options, &dataset), &dataset);
  } else if (!strcmp(target, "cifar")) {
    use_dataset(supcon_dataset_from_cifar(paths, 1, 10, &options, &dataset), &dataset);
  } else {
    use_dataset(supcon_dataset_from_files(paths, 1, NULL, &options, &dataset), &dataset);
  }
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  size_t size = 0;
  uint8_t *seed = read_file(argv[2], &size);
  if (!seed || !size) return 2;
  snprintf(folder, sizeof folder, "%s", argv[3]);
  mkdir(folder, 0777);
  /* A checkpoint has its place; damage that the checksum would find first is let through to what is
   * behind it three times in four, by a key that is no checksum's. */
  snprintf(input, sizeof input, "%.4000s/%s", folder,
           strcmp(argv[1], "checkpoint") ? "input" : "last.supcon");
  const size_t room = size * 2 + 4096;
  uint8_t *bytes = malloc(room);
  const uint64_t number = strtoull(argv[4], NULL, 10),
                 first = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
  /* The seed itself is good: nothing before what is damaged turns all of it away. */
  write_file(input, seed, size);
  read_input(argv[1]);
  for (int i = 0; i < 12; ++i)
    DEMAND(!statuses[i] == (i != SUPCON_OK), "the seed is %s", supcon_status_name(i));
  memset(statuses, 0, sizeof statuses);
  const double start = seconds();
  for (uint64_t i = first; i < first + number; ++i) {
    uint64_t random = i * 0x9E3779B97F4A7C15u + size;
    memcpy(bytes, seed, size);
    uint8_t *key = below(&random, 4) ? memmem(bytes, size, "supcon.crc32", 12) : NULL;
    if (key) memcpy(key, "supcon.other", 12);
    const size_t mutated = mutate(bytes, size, room, &random);
    if (!strncmp(argv[1], "png", 3) && below(&random, 4)) mend_sums(bytes, mutated);
    write_file(input, bytes, mutated);
    read_input(argv[1]);
  }
  printf("%s: %llu inputs in %.1f s:", argv[1], (unsigned long long)number, seconds() - start);
  for (int i = 0; i < 12; ++i)
    if (statuses[i]) printf(" %s %lld", supcon_status_name(i), (long long)statuses[i]);
  puts("");
  free(bytes);
  free(seed);
  return 0;
}
