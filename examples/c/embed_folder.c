/* embed_folder: turns images into embeddings with a trained model.
 *
 *   embed_folder [options] MODEL OUTPUT DATA...
 *
 *   MODEL   a safetensors file: one that libsupcon saved, or a ResNet with torchvision's parameter
 * names OUTPUT  embeddings.csv: a line per image, "path,class,e0,e1,…" embeddings.npy: the numbers
 * alone, for numpy.load(), in the order of the images; image files' paths then go to
 * embeddings.npy.txt DATA    a folder with a folder per class, image files (JPEG, PNG), or an IDX
 * file of images
 *
 * It works in slices, so that any number of images fits in memory. */
#define _POSIX_C_SOURCE 200809L
#include "common.h"

#include <getopt.h>
#include <unistd.h>

enum { SLICE = 1024 };

static const char usage[] =
    "usage: embed_folder [options] MODEL OUTPUT.csv|OUTPUT.npy DATA...\n"
    "  --output NAME   encoder (default), projection, logits or probabilities\n"
    "  --raw           do not scale the embeddings to length 1\n"
    "  --batch N       images per pass through the network (default: chosen by the library)\n"
    "  --threads N     threads that compute (default: all)\n";

/* Where the embeddings go. They are written under temporary names, which take the final names when
 * all is there. */
struct output {
  const char *path;
  char *part, *list_path, *list_part;
  FILE *file; /* the CSV, or the numbers of the .npy */
  FILE *list; /* the paths beside a .npy; NULL for CSV, and for images that are not files */
  int csv;
};

static char *joined(const char *a, const char *b) {
  size_t length = strlen(a) + strlen(b) + 1;
  char *text = allocate(length, 1);
  snprintf(text, length, "%s%s", a, b);
  return text;
}

static FILE *create(const char *path) {
  FILE *file = fopen(path, "wb");
  if (!file) fail("%s: %s", path, strerror(errno));
  return file;
}

/* The header of NumPy's format, version 1.0: magic, length, a Python dictionary padded so that the
 * numbers begin at a multiple of 64. */
static void write_npy_header(FILE *file, int64_t rows, int64_t columns) {
  char text[118];
  const uint16_t one = 1;
  const char order = *(const unsigned char *)&one ? '<' : '>';
  int length = snprintf(text, sizeof text,
                        "{'descr': '%cf4', 'fortran_order': False, 'shape': (%lld, %lld), }", order,
                        (long long)rows, (long long)columns);
  memset(text + length, ' ', sizeof text - (size_t)length);
  text[sizeof text - 1] = '\n';
  fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file);
  fwrite(text, 1, sizeof text, file);
}

static struct output begin(const char *path, int64_t rows, int64_t columns, int with_paths) {
  const char *dot = strrchr(path, '.');
  struct output output = {.path = path, .csv = dot && strcmp(dot, ".csv") == 0};
  if (!output.csv && !(dot && strcmp(dot, ".npy") == 0))
    fail("%s: the output's name must end in .csv or .npy", path);
  output.part = joined(path, ".part");
  output.file = create(output.part);
  if (output.csv) {
    fputs("path,class", output.file);
    for (int64_t i = 0; i < columns; ++i) fprintf(output.file, ",e%lld", (long long)i);
    fputc('\n', output.file);
  } else {
    write_npy_header(output.file, rows, columns);
    if (with_paths) {
      output.list_path = joined(path, ".txt");
      output.list_part = joined(output.list_path, ".part");
      output.list = create(output.list_part);
    }
  }
  return output;
}

/* A CSV field in quotes, quotes within doubled. */
static void write_quoted(FILE *file, const char *text) {
  fputc('"', file);
  for (; *text; ++text) {
    if (*text == '"') fputc('"', file);
    fputc(*text, file);
  }
  fputc('"', file);
}

/* Rows for images first … first + count - 1. labels: of all images, or NULL. */
static void write_rows(struct output *output, const supcon_dataset *dataset, const int64_t *labels,
                       const float *rows, int64_t first, int64_t count, int64_t columns) {
  if (!output->csv) fwrite(rows, sizeof *rows, (size_t)(count * columns), output->file);
  for (int64_t i = 0; i < count; ++i) {
    const char *path = supcon_dataset_path(dataset, first + i);
    if (output->list) fprintf(output->list, "%s\n", path ? path : "");
    if (!output->csv) continue;
    if (path) write_quoted(output->file, path);
    else fprintf(output->file, "%lld", (long long)(first + i));
    fputc(',', output->file);
    const char *class_name = labels ? supcon_dataset_class_name(dataset, labels[first + i]) : NULL;
    if (class_name) write_quoted(output->file, class_name);
    for (int64_t j = 0; j < columns; ++j)
      fprintf(output->file, ",%.9g", (double)rows[i * columns + j]);
    fputc('\n', output->file);
  }
}

/* Closes both files and gives them their names. A full disk shows here at the latest. */
static void finish(struct output *output) {
  int bad = ferror(output->file);
  bad |= fclose(output->file);
  if (output->list) {
    bad |= ferror(output->list);
    bad |= fclose(output->list);
  }
  if (bad) {
    int reason = errno;
    unlink(output->part);
    if (output->list_part) unlink(output->list_part);
    fail("%s: could not be written: %s", output->path, strerror(reason));
  }
  if (rename(output->part, output->path) ||
      (output->list_part && rename(output->list_part, output->list_path)))
    fail("%s: %s", output->path, strerror(errno));
  free(output->part);
  free(output->list_part);
  free(output->list_path);
}

int main(int argc, char **argv) {
  supcon_context_options context_options;
  supcon_context_options_init(&context_options);
  supcon_embed_options embed;
  supcon_embed_options_init(&embed);
  const int terminal = isatty(STDERR_FILENO); /* progress is for people */

  static const struct option options[] = {
      {"output", required_argument, NULL, 'o'}, {"raw", no_argument, NULL, 'r'},
      {"batch", required_argument, NULL, 'b'},  {"threads", required_argument, NULL, 't'},
      {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
  static const char *const outputs[] = {"encoder", "projection", "logits",
                                        "probabilities"}; /* in the order of SUPCON_OUTPUT_... */
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    switch (option) {
      case 'o':
        for (embed.output = 0; embed.output < 4 && strcmp(outputs[embed.output], optarg) != 0;)
          ++embed.output;
        if (embed.output == 4)
          fail("--output: %s is none of encoder, projection, logits, probabilities", optarg);
        break;
      case 'r':
        embed.normalize = 0;
        break;
      case 'b':
        embed.batch_size = whole_number("--batch", optarg, 1, 1 << 20);
        break;
      case 't':
        context_options.threads = whole_number("--threads", optarg, 1, 1024);
        break;
      case 'h':
        fputs(usage, stdout);
        return EXIT_SUCCESS;
      default:
        fputs(usage, stderr);
        return 2;
    }
  }
  if (argc - optind < 3) {
    fputs(usage, stderr);
    return 2;
  }
  const char *model_path = argv[optind], *output_path = argv[optind + 1];

  supcon_context *context = NULL;
  supcon_model *model = NULL;
  supcon_model_info model_info;
  supcon_model_info_init(&model_info);
  check(supcon_context_create(&context_options, &context), "Starting");
  check(supcon_model_load(context, model_path, NULL, &model), "Loading the model");
  check(supcon_model_get_info(model, &model_info), "Asking the model");
  const int64_t columns = supcon_model_output_dimension(model, embed.output);
  if (columns == 0) fail("%s has no %s", model_path, outputs[embed.output]);

  /* A model of gray images wants gray ones: files are decoded as either. */
  supcon_dataset *dataset = open_dataset(argv + optind + 2, argc - optind - 2, model_info.channels);
  supcon_dataset_info info;
  supcon_dataset_info_init(&info);
  check(supcon_dataset_get_info(dataset, &info), "Asking the data set");
  report_skipped(dataset, info.skipped);
  int64_t *labels = NULL;
  if (info.labeled) {
    labels = allocate((size_t)info.count, sizeof *labels);
    check(supcon_dataset_get_labels(dataset, labels, info.count), "Asking for the labels");
  }

  struct output output =
      begin(output_path, info.count, columns, supcon_dataset_path(dataset, 0) != NULL);
  float *rows = allocate(SLICE * (size_t)columns, sizeof *rows);
  int64_t indices[SLICE];
  for (int64_t first = 0; first < info.count; first += SLICE) {
    const int64_t count = info.count - first < SLICE ? info.count - first : SLICE;
    for (int64_t i = 0; i < count; ++i) indices[i] = first + i;
    supcon_dataset *slice = NULL;
    check(supcon_dataset_subset(dataset, indices, count, &slice), "Taking a slice");
    supcon_status status = supcon_model_embed_dataset(model, slice, &embed, rows, count * columns);
    if (status != SUPCON_OK) {
      unlink(output.part);
      if (output.list_part) unlink(output.list_part);
      check(status, "Embedding");
    }
    supcon_dataset_free(slice);
    write_rows(&output, dataset, labels, rows, first, count, columns);
    if (terminal)
      fprintf(stderr, "\r%lld of %lld images", (long long)(first + count), (long long)info.count);
  }
  if (terminal) fputc('\n', stderr);
  finish(&output);
  printf("%s: %lld embeddings of %lld numbers\n", output_path, (long long)info.count,
         (long long)columns);

  free(rows);
  free(labels);
  supcon_dataset_free(dataset);
  supcon_model_free(model);
  supcon_context_free(context);
  return EXIT_SUCCESS;
}
