/* The loss on its own: closed forms, and every kind of wrong argument. */
#include "test.h"

/* Two classes at right angles, two samples each: an anchor's loss is -1/τ + log(e^(1/τ) + 2). */
static const float corners[8] = {1, 0, 1, 0, 0, 1, 0, 1};
static const int64_t corner_labels[4] = {0, 0, 1, 1};

static void closed_forms(void) {
  supcon_loss_options options;
  memset(&options, 0xff, sizeof options);
  supcon_loss_options_init(&options);
  EXPECT(options.struct_size == sizeof options && options.temperature == 0.1f &&
             options.form == SUPCON_FORM_OUT && options.scale == 1 &&
             options.denominator == SUPCON_DENOMINATOR_ALL &&
             options.anchors == SUPCON_ANCHORS_ALL && options.reduction == SUPCON_REDUCTION_MEAN &&
             options.normalize == 0 && options.positives_cap == 0 && options.seed == 0,
         "the defaults are the header's");
  supcon_loss_result result;
  supcon_loss_result_init(&result);
  float gradient[8], per_anchor[4];

  options.temperature = 0.5f;
  const double expected = log(exp(2) + 2) - 2;
  WORKS(supcon_loss(NULL, corners, 4, 1, 2, corner_labels, NULL, &options, &result, per_anchor,
                    gradient));
  EXPECT(fabs(result.loss - expected) < 1e-6, "%.9f instead of %.9f", result.loss, expected);
  EXPECT(result.anchors == 4 && result.anchors_without_positive == 0, "%lld, %lld",
         (long long)result.anchors, (long long)result.anchors_without_positive);
  for (int i = 0; i < 4; ++i)
    EXPECT(fabs(per_anchor[i] - expected) < 1e-6, "anchor %d: %.9f", i, (double)per_anchor[i]);
  /* dL/dz of row 0: along its axis, from its own and its partner's softmax, 2·(p - 1)/(4τ) with p =
   * e²/(e² + 2); across it, from both negatives, 4·q/(4τ) with q = 1/(e² + 2). Here τ = 1/2. */
  const double p = exp(2) / (exp(2) + 2), q = 1 / (exp(2) + 2);
  EXPECT(fabs(gradient[0] - (p - 1)) < 1e-6 && fabs(gradient[1] - 2 * q) < 1e-6,
         "gradient (%.7f, %.7f) instead of (%.7f, %.7f)", (double)gradient[0], (double)gradient[1],
         p - 1, 2 * q);

  /* Two views of two samples, without labels: the same numbers. */
  WORKS(supcon_loss(NULL, corners, 2, 2, 2, NULL, NULL, &options, &result, NULL, NULL));
  EXPECT(fabs(result.loss - expected) < 1e-6, "%.9f instead of %.9f", result.loss, expected);

  /* A mask that says the same as the labels. */
  const float mask[16] = {1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1};
  WORKS(supcon_loss(NULL, corners, 4, 1, 2, NULL, mask, &options, &result, NULL, NULL));
  EXPECT(fabs(result.loss - expected) < 1e-6, "%.9f instead of %.9f", result.loss, expected);

  /* Nobody has a partner: nothing, and not NaN. */
  const int64_t alone[4] = {0, 1, 2, 3};
  WORKS(supcon_loss(NULL, corners, 4, 1, 2, alone, NULL, &options, &result, per_anchor, gradient));
  EXPECT(result.loss == 0 && result.anchors == 4 && result.anchors_without_positive == 4,
         "%f, %lld", result.loss, (long long)result.anchors_without_positive);
  for (int i = 0; i < 8; ++i) EXPECT(gradient[i] == 0, "gradient %d is %f", i, (double)gradient[i]);
}

/* A query at its key, a negative at right angles, and a queue: one entry of the query's label at
 * its place, one of no label across. */
static void queue(void) {
  const float queries[4] = {1, 0, 0, 1}, queued[4] = {1, 0, 0, 1}, *keys = queries;
  const int64_t own[2] = {7, 8}, entries[2] = {7, -1};
  supcon_loss_options options;
  supcon_loss_options_init(&options);
  supcon_loss_result result;
  supcon_loss_result_init(&result);
  float per_query[2], gradient[4];
  options.temperature = 0.5f;
  const double e = exp(2),
               some[3][2] = {
                   {log(e + 1) - 2, log(e + 1) - 2}, /* no queue */
                   {log(2 * e + 2) - 2,
                    log(2 * e + 2) -
                        2}, /* entries of the label are positives; -1 is everybody's negative */
                   {log(e + 2) - 2, log(2 * e + 2) - 2}}; /* … take no part */
  for (int mode = 0; mode < 3; ++mode) {
    WORKS(supcon_loss_queue(NULL, queries, 2, 2, keys, 1, own, mode ? queued : NULL, mode ? 2 : 0,
                            entries, mode == 1, &options, &result, per_query, gradient));
    for (int i = 0; i < 2; ++i)
      EXPECT(fabs(per_query[i] - some[mode][i]) < 1e-6, "mode %d, query %d: %.9f instead of %.9f",
             mode, i, (double)per_query[i], some[mode][i]);
    EXPECT(fabs(result.loss - (some[mode][0] + some[mode][1]) / 2) < 1e-6 && result.anchors == 2 &&
               result.anchors_without_positive == 0,
           "%.9f", result.loss);
    EXPECT(gradient[0] < 0 && gradient[1] > 0 && gradient[2] > 0 && gradient[3] < 0,
           "a query is drawn to its positives and away from the others");
  }
#define REFUSES_QUEUE(samples, per, positives, statuses, word)                             \
  REFUSES(supcon_loss_queue(NULL, queries, samples, 2, keys, per, own, queued, 2, entries, \
                            positives, &options, &result, NULL, NULL),                     \
          statuses, word)
  REFUSES_QUEUE(0, 1, 1, ARGUMENT | SHAPE, "0");
  REFUSES_QUEUE(2, -1, 1, ARGUMENT | SHAPE, "-1");
  REFUSES_QUEUE(INT64_MAX, 1, 1, ARGUMENT, "2147483648");
  REFUSES_QUEUE(1LL << 31, 1, 1, SHAPE, "too many");
  REFUSES_QUEUE(2, 1, 2, ARGUMENT, "queue_positives");
  REFUSES(supcon_loss_queue(NULL, NULL, 2, 2, keys, 1, own, queued, 2, entries, 1, &options,
                            &result, NULL, NULL),
          ARGUMENT, "queries");
  REFUSES(supcon_loss_queue(NULL, queries, 2, 2, NULL, 1, own, queued, 2, entries, 1, &options,
                            &result, NULL, NULL),
          ARGUMENT, "keys");
  REFUSES(supcon_loss_queue(NULL, queries, 2, 2, keys, 1, own, NULL, 2, entries, 1, &options,
                            &result, NULL, NULL),
          ARGUMENT, "queue");
  REFUSES(supcon_loss_queue(NULL, queries, 2, 2, keys, 1, own, queued, -2, entries, 1, &options,
                            &result, NULL, NULL),
          ARGUMENT, "queue_count");
  options.normalize = 1;
  REFUSES_QUEUE(2, 1, 1, ARGUMENT, "normalize");
  options.normalize = 0;
  options.anchors = SUPCON_ANCHORS_FIRST;
  REFUSES_QUEUE(2, 1, 1, ARGUMENT, "anchors");
}

/* One positive of the two others of a class; the other one takes no part: the loss of a class of
 * two. */
static void capped_positives(void) {
  const float rows[10] = {1, 0, 1, 0, 1, 0, 0, 1, 0, 1};
  const int64_t labels[5] = {0, 0, 0, 1, 1};
  supcon_loss_options options;
  supcon_loss_options_init(&options);
  supcon_loss_result result;
  supcon_loss_result_init(&result);
  float per_anchor[5];
  options.temperature = 0.5f;
  options.positives_cap = 1;
  WORKS(supcon_loss(NULL, rows, 5, 1, 2, labels, NULL, &options, &result, per_anchor, NULL));
  const double two = log(exp(2) + 2) - 2, three = log(exp(2) + 3) - 2;
  for (int i = 0; i < 5; ++i) {
    const double expected = i < 3 ? two : three;
    EXPECT(fabs(per_anchor[i] - expected) < 1e-6, "anchor %d: %.9f instead of %.9f", i,
           (double)per_anchor[i], expected);
  }
  options.positives_cap = -1;
  REFUSES(supcon_loss(NULL, rows, 5, 1, 2, labels, NULL, &options, &result, NULL, NULL), ARGUMENT,
          "positives_cap is -1");
}

static void masks(void) {
  const uint8_t sets[6] = {1, 1, 1, 0, 0, 0};
  float mask[9];
  WORKS(supcon_mask_from_multilabel(NULL, sets, 3, 2, SUPCON_RULE_ANY, mask));
  EXPECT(mask[0] == 1 && mask[1] == 1 && mask[2] == 0 && mask[8] == 1, "any: %f %f",
         (double)mask[1], (double)mask[2]);
  WORKS(supcon_mask_from_multilabel(NULL, sets, 3, 2, SUPCON_RULE_ALL, mask));
  EXPECT(mask[1] == 0 && mask[3] == 0 && mask[4] == 1, "all: %f", (double)mask[1]);
  WORKS(supcon_mask_from_multilabel(NULL, sets, 3, 2, SUPCON_RULE_JACCARD, mask));
  EXPECT(mask[1] == 0.5f && mask[3] == 0.5f && mask[5] == 0, "jaccard: %f", (double)mask[1]);
  const double values[3] = {0, 1, 100};
  WORKS(supcon_mask_from_values(NULL, values, 3, 1, 0.5, mask));
  EXPECT(fabs(mask[1] - exp(-2)) < 1e-7 && mask[2] == 0 && mask[4] == 1, "values: %f",
         (double)mask[1]);
  REFUSES(supcon_mask_from_multilabel(NULL, NULL, 3, 2, SUPCON_RULE_ANY, mask), ARGUMENT, "labels");
  REFUSES(supcon_mask_from_multilabel(NULL, sets, 3, 2, SUPCON_RULE_ANY, NULL), ARGUMENT, "mask");
  REFUSES(supcon_mask_from_multilabel(NULL, sets, 3, 2, 3, mask), ARGUMENT, "rule is 3");
  REFUSES(supcon_mask_from_multilabel(NULL, sets, -3, 2, 0, mask), ARGUMENT | SHAPE, "-3");
  REFUSES(supcon_mask_from_multilabel(NULL, (const uint8_t *)"\2\1", 1, 2, 0, mask), ARGUMENT, "2");
  REFUSES(supcon_mask_from_values(NULL, values, 3, 1, 0, mask), ARGUMENT, "bandwidth");
  REFUSES(supcon_mask_from_values(NULL, values, 3, 0, 1, mask), ARGUMENT | SHAPE, "0");
  REFUSES(supcon_mask_from_values(NULL, NULL, 3, 1, 1, mask), ARGUMENT, "values");
}

static void wrong_arguments(void) {
  supcon_loss_options options;
  supcon_loss_result result;
  supcon_loss_result_init(&result);
  result.loss = 42;
  float gradient[8], per_anchor[4];
  for (int i = 0; i < 8; ++i) gradient[i] = 42;
  for (int i = 0; i < 4; ++i) per_anchor[i] = 42;
#define LOSS(features, samples, views, dimension, labels, mask)                           \
  supcon_loss(NULL, features, samples, views, dimension, labels, mask, &options, &result, \
              per_anchor, gradient)
#define REFUSES_OPTION(change, statuses, word)                            \
  do {                                                                    \
    supcon_loss_options_init(&options);                                   \
    change;                                                               \
    REFUSES(LOSS(corners, 4, 1, 2, corner_labels, NULL), statuses, word); \
  } while (0)

  supcon_loss_options_init(&options);
  const unsigned sizes = ARGUMENT | SHAPE;
  REFUSES(LOSS(NULL, 4, 1, 2, corner_labels, NULL), ARGUMENT, "features");
  REFUSES(LOSS(corners, 0, 1, 2, corner_labels, NULL), sizes, "0");
  REFUSES(LOSS(corners, -4, 1, 2, corner_labels, NULL), sizes, "-4");
  REFUSES(LOSS(corners, 4, 0, 2, corner_labels, NULL), sizes, "0");
  REFUSES(LOSS(corners, 4, 1, -2, corner_labels, NULL), sizes, "-2");
  REFUSES(LOSS(corners, INT64_MAX, 1, 2, corner_labels, NULL), sizes | MEMORY, "");
  REFUSES(LOSS(corners, INT64_C(1) << 31, INT64_C(1) << 31, 16, corner_labels, NULL),
          sizes | MEMORY, "");
  const float mask[16] = {0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, -1, 0, 0, 1, 0};
  REFUSES(LOSS(corners, 4, 1, 2, corner_labels, mask), ARGUMENT, "mask");
  REFUSES(LOSS(corners, 4, 1, 2, NULL, mask), ARGUMENT, "-1");
  float broken[8];
  memcpy(broken, corners, sizeof broken);
  broken[5] = NAN;
  REFUSES(LOSS(broken, 4, 1, 2, corner_labels, NULL), ARGUMENT, "");
  broken[5] = INFINITY;
  REFUSES(LOSS(broken, 4, 1, 2, corner_labels, NULL), ARGUMENT, "");

  REFUSES_OPTION(options.temperature = 0, ARGUMENT, "temperature");
  REFUSES_OPTION(options.temperature = -1, ARGUMENT, "-1");
  REFUSES_OPTION(options.temperature = NAN, ARGUMENT, "temperature");
  REFUSES_OPTION(options.form = 2, ARGUMENT, "form");
  REFUSES_OPTION(options.denominator = 3, ARGUMENT, "denominator");
  REFUSES_OPTION(options.anchors = -1, ARGUMENT, "anchors");
  REFUSES_OPTION(options.reduction = 4, ARGUMENT, "reduction");
  REFUSES_OPTION(options.scale = NAN, ARGUMENT, "scale");
  REFUSES_OPTION(
      (options.form = SUPCON_FORM_IN, options.denominator = SUPCON_DENOMINATOR_ONE_POSITIVE),
      ARGUMENT, "");
  for (uint32_t size = 0; size < sizeof options; size += 4)
    REFUSES_OPTION(options.struct_size = size, ARGUMENT, "struct_size");
  supcon_loss_options_init(&options);
  result.struct_size = 4;
  REFUSES(LOSS(corners, 4, 1, 2, corner_labels, NULL), ARGUMENT, "struct_size");

  EXPECT(result.loss == 42, "a failed call changed the result");
  for (int i = 0; i < 8; ++i) EXPECT(gradient[i] == 42, "a failed call changed gradient %d", i);
  for (int i = 0; i < 4; ++i) EXPECT(per_anchor[i] == 42, "a failed call changed per_anchor %d", i);
}

void test_loss(void) {
  closed_forms();
  capped_positives();
  queue();
  masks();
  wrong_arguments();
}
