/* loss: the supervised contrastive loss of embeddings of your own, and its gradient. No model, no
 * images: this is what a training loop in another framework needs from the library.
 *
 *   loss [--temperature X] [--views N] [--gradient FILE] [EMBEDDINGS.csv]
 *
 *   EMBEDDINGS.csv   a line per embedding: its label (a whole number), then its numbers. With
 * --views N, N lines in succession are the views of one sample and have the same label. Without a
 * file, six points on the plane are used. FILE             gets the gradient, a line per embedding
 */
#define _POSIX_C_SOURCE 200809L
#include "common.h"

#include <getopt.h>

static const char usage[] =
    "usage: loss [--temperature X] [--views N] [--gradient FILE] [EMBEDDINGS.csv]\n";

struct table {
  int64_t rows, columns;
  int64_t *labels; /* [rows] */
  float *values;   /* [rows, columns] */
};

static struct table built_in(void) {
  static int64_t labels[] = {0, 0, 0, 1, 1, 1};
  static float values[] = {1, 0, 0.8f, 0.6f, 0.6f, -0.8f, 0, 1, -0.6f, 0.8f, -1, 0};
  struct table table = {.rows = 6,
                        .columns = 2,
                        .labels = allocate(6, sizeof *labels),
                        .values = allocate(12, sizeof *values)};
  memcpy(table.labels, labels, sizeof labels);
  memcpy(table.values, values, sizeof values);
  return table;
}

/* Reads lines of "label,number,number,…", all with as many numbers as the first. */
static struct table read_table(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) fail("%s: %s", path, strerror(errno));
  struct table table = {0};
  size_t room = 0, used = 0, line_room = 0, row_room = 0;
  for (char *line = NULL;;) {
    if (getline(&line, &line_room, file) < 0) {
      free(line);
      break;
    }
    if (line[strspn(line, " \t\r\n")] == '\0') continue;
    if ((size_t)table.rows == row_room) {
      row_room = row_room ? 2 * row_room : 256;
      table.labels = realloc(table.labels, row_room * sizeof *table.labels);
      if (!table.labels) fail("Not enough memory for %zu labels", row_room);
    }
    char *at = line, *end;
    table.labels[table.rows] = strtoll(at, &end, 10);
    if (end == at || *end != ',')
      fail("%s, line %lld: expected a label (a whole number), a comma and numbers", path,
           (long long)table.rows + 1);
    int64_t columns = 0;
    while (*end == ',') {
      if (used == room) {
        room = room ? 2 * room : 4096;
        table.values = realloc(table.values, room * sizeof *table.values);
        if (!table.values) fail("Not enough memory for %zu numbers", room);
      }
      at = end + 1;
      table.values[used++] = strtof(at, &end);
      if (end == at)
        fail("%s, line %lld: number %lld is none", path, (long long)table.rows + 1,
             (long long)columns + 1);
      ++columns;
    }
    if (end[strspn(end, " \t\r\n")] != '\0')
      fail("%s, line %lld: what is \"%s\"?", path, (long long)table.rows + 1, end);
    if (table.rows == 0) table.columns = columns;
    if (columns != table.columns)
      fail("%s, line %lld: %lld numbers, but %lld in the first line", path,
           (long long)table.rows + 1, (long long)columns, (long long)table.columns);
    ++table.rows;
  }
  if (ferror(file)) fail("%s: could not be read", path);
  fclose(file);
  if (table.rows == 0) fail("%s: no embeddings in it", path);
  return table;
}

int main(int argc, char **argv) {
  supcon_loss_options options;
  supcon_loss_options_init(&options);
  options.normalize = 1; /* the lengths of the embeddings do not matter */
  int32_t views = 1;
  const char *gradient_path = NULL;

  static const struct option names[] = {{"temperature", required_argument, NULL, 'T'},
                                        {"views", required_argument, NULL, 'v'},
                                        {"gradient", required_argument, NULL, 'g'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};
  for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    switch (option) {
      case 'T':
        options.temperature = (float)number("--temperature", optarg);
        break;
      case 'v':
        views = whole_number("--views", optarg, 1, 1 << 20);
        break;
      case 'g':
        gradient_path = optarg;
        break;
      case 'h':
        fputs(usage, stdout);
        return EXIT_SUCCESS;
      default:
        fputs(usage, stderr);
        return 2;
    }
  }
  struct table table = optind < argc ? read_table(argv[optind]) : built_in();

  /* The library wants a label per sample, not per view. */
  if (table.rows % views)
    fail("%lld embeddings are not a multiple of %d views", (long long)table.rows, (int)views);
  const int64_t samples = table.rows / views;
  for (int64_t i = 0; i < table.rows; ++i)
    if (table.labels[i] != table.labels[i / views * views])
      fail("Line %lld has another label than the first view of its sample", (long long)i + 1);
  for (int64_t i = 0; i < samples; ++i) table.labels[i] = table.labels[i * views];

  const size_t numbers = (size_t)(table.rows * table.columns);
  float *gradient = allocate(numbers, sizeof *gradient);
  supcon_loss_result result;
  supcon_loss_result_init(&result);
  check(supcon_loss(NULL, table.values, samples, views, table.columns, table.labels, NULL, &options,
                    &result, NULL, gradient),
        "Computing the loss");
  printf("loss %.6f over %lld anchors", result.loss, (long long)result.anchors);
  if (result.anchors_without_positive)
    printf(", %lld of them without another of their class",
           (long long)result.anchors_without_positive);
  putchar('\n');

  /* A step against the gradient makes the loss smaller: this is all that training is. */
  const float rate = 0.01f;
  float *moved = allocate(numbers, sizeof *moved);
  for (size_t i = 0; i < numbers; ++i) moved[i] = table.values[i] - rate * gradient[i];
  supcon_loss_result after;
  supcon_loss_result_init(&after);
  check(supcon_loss(NULL, moved, samples, views, table.columns, table.labels, NULL, &options,
                    &after, NULL, NULL),
        "Computing the loss after a step");
  printf("after a step of %g against the gradient: %.6f\n", (double)rate, after.loss);

  if (gradient_path) {
    FILE *file = fopen(gradient_path, "w");
    if (!file) fail("%s: %s", gradient_path, strerror(errno));
    for (int64_t i = 0; i < table.rows; ++i)
      for (int64_t j = 0; j < table.columns; ++j)
        fprintf(file, "%.9g%c", (double)gradient[i * table.columns + j],
                j + 1 < table.columns ? ',' : '\n');
    const int bad = ferror(file);
    if (fclose(file) || bad) fail("%s: could not be written: %s", gradient_path, strerror(errno));
  }
  free(moved);
  free(gradient);
  free(table.labels);
  free(table.values);
  return EXIT_SUCCESS;
}
