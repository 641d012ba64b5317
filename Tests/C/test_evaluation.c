/* Judging embeddings: three clusters that every method tells apart, and what is refused. */
#include "test.h"

enum { ROWS = 30, COLUMNS = 4 };

void test_evaluation(void) {
  float rows[ROWS * COLUMNS];
  int64_t truth[ROWS], predictions[ROWS], confusion[CLASSES * CLASSES];
  for (int i = 0; i < ROWS; ++i) {
    truth[i] = i % CLASSES;
    for (int j = 0; j < COLUMNS; ++j)
      rows[i * COLUMNS + j] = j == truth[i] ? 1 : 0.01f * (float)((i * 7 + j * 3) % 11);
  }
  supcon_evaluate_options options;
  supcon_scores scores;
  for (int method = SUPCON_METHOD_LINEAR; method <= SUPCON_METHOD_PROTOTYPES; ++method) {
    supcon_evaluate_options_init(&options);
    supcon_scores_init(&scores);
    options.method = method;
    options.k = 5;
    WORKS(supcon_evaluate(NULL, rows, truth, ROWS, rows, truth, ROWS, COLUMNS, &options, &scores,
                          predictions, NULL, 0, confusion, CLASSES * CLASSES));
    EXPECT(scores.top1 == 1 && scores.top5 == 1 && scores.classes == CLASSES,
           "method %d: top-1 %f, %lld classes", method, scores.top1, (long long)scores.classes);
    EXPECT(memcmp(predictions, truth, sizeof truth) == 0, "method %d predicts otherwise", method);
    EXPECT(confusion[0] == 10 && confusion[4] == 10 && confusion[8] == 10 && confusion[1] == 0,
           "method %d: confusion", method);
  }

  float shares[ROWS * CLASSES];
  WORKS(supcon_evaluate(NULL, rows, truth, ROWS, rows, truth, ROWS, COLUMNS, NULL, NULL, NULL,
                        shares, ROWS * CLASSES, NULL, 0));
  for (int i = 0; i < ROWS; ++i) {
    const float *row = shares + i * CLASSES;
    EXPECT(fabsf(row[0] + row[1] + row[2] - 1) < 1e-5f && row[truth[i]] > 0.9f, "row %d: %f %f %f",
           i, row[0], row[1], row[2]);
  }
  REFUSES(supcon_evaluate(NULL, rows, truth, ROWS, rows, truth, ROWS, COLUMNS, NULL, NULL, NULL,
                          shares, ROWS * CLASSES - 1, NULL, 0),
          SHAPE, "89");
  REFUSES(supcon_evaluate(NULL, rows, truth, ROWS, rows, truth, ROWS, COLUMNS, NULL, NULL, NULL,
                          shares, -1, NULL, 0),
          ARGUMENT | SHAPE, "-1");

  int64_t ids[ROWS];
  float broken[ROWS * COLUMNS];
  for (int i = 0; i < ROWS; ++i)
    ids[i] = truth[i] == 0 ? INT64_MIN : truth[i] == 1 ? -1 : INT64_MAX;
  memcpy(broken, rows, sizeof rows);
  broken[5] = NAN;
  scores.top1 = 42;
#define EVALUATE(train, train_labels, n, test, test_labels, m, d, room)                     \
  supcon_evaluate(NULL, train, train_labels, n, test, test_labels, m, d, &options, &scores, \
                  predictions, NULL, 0, confusion, room)
  supcon_evaluate_options_init(&options);
  REFUSES(EVALUATE(NULL, truth, ROWS, rows, truth, ROWS, COLUMNS, 9), ARGUMENT, "train");
  REFUSES(EVALUATE(rows, NULL, ROWS, rows, truth, ROWS, COLUMNS, 9), ARGUMENT, "train_labels");
  REFUSES(EVALUATE(rows, truth, ROWS, NULL, truth, ROWS, COLUMNS, 9), ARGUMENT, "test");
  REFUSES(EVALUATE(rows, truth, ROWS, rows, NULL, ROWS, COLUMNS, 9), ARGUMENT, "test_labels");
  REFUSES(EVALUATE(rows, truth, 0, rows, truth, ROWS, COLUMNS, 9), ARGUMENT | SHAPE, "0");
  REFUSES(EVALUATE(rows, truth, ROWS, rows, truth, -2, COLUMNS, 9), ARGUMENT | SHAPE, "-2");
  REFUSES(EVALUATE(rows, truth, ROWS, rows, truth, ROWS, 0, 9), ARGUMENT | SHAPE, "0");
  REFUSES(EVALUATE(rows, truth, INT64_MAX, rows, truth, ROWS, COLUMNS, 9),
          ARGUMENT | SHAPE | MEMORY, "");
  REFUSES(EVALUATE(broken, truth, ROWS, rows, truth, ROWS, COLUMNS, 9), ARGUMENT, "");
  REFUSES(EVALUATE(rows, truth, ROWS, broken, truth, ROWS, COLUMNS, 9), ARGUMENT, "");
  REFUSES(EVALUATE(rows, truth, ROWS, rows, truth, ROWS, COLUMNS, 8), SHAPE, "9");
#define REFUSES_OPTION(change, word)                                                     \
  do {                                                                                   \
    supcon_evaluate_options_init(&options);                                              \
    change;                                                                              \
    REFUSES(EVALUATE(rows, truth, ROWS, rows, truth, ROWS, COLUMNS, 9), ARGUMENT, word); \
  } while (0)
  REFUSES_OPTION(options.method = 3, "method");
  REFUSES_OPTION((options.method = SUPCON_METHOD_KNN, options.k = -1), "k");
  REFUSES_OPTION((options.method = SUPCON_METHOD_KNN, options.temperature = 0), "temperature");
  REFUSES_OPTION(options.iterations = -1, "iterations");
  REFUSES_OPTION(options.l2 = NAN, "l2");
  for (uint32_t size = 0; size < sizeof options; size += 4)
    REFUSES_OPTION(options.struct_size = size, "struct_size");
  supcon_evaluate_options_init(&options);
  memset(confusion, 0, sizeof confusion);
  WORKS(EVALUATE(rows, ids, ROWS, rows, ids, ROWS, COLUMNS, 9));
  EXPECT(scores.l2 == 5.0F / ROWS, "l2 is %g; too few rows to choose", scores.l2);
  EXPECT(scores.classes == CLASSES && memcmp(predictions, ids, sizeof ids) == 0 &&
             confusion[0] == 10 && confusion[4] == 10 && confusion[8] == 10,
         "labels of any value: %lld classes", (long long)scores.classes);
  REFUSES(EVALUATE(rows, ids, ROWS, rows, truth, ROWS, COLUMNS, 35), SHAPE, "36");
  scores.top1 = 42;
  scores.struct_size = 8;
  REFUSES(EVALUATE(rows, truth, ROWS, rows, truth, ROWS, COLUMNS, 9), ARGUMENT, "struct_size");
  EXPECT(scores.top1 == 42, "a failed call changed the scores");
}
