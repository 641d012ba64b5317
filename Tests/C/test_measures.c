/* Retrieval, calibration, corruption errors, geometry, out-of-distribution scores: cases that can
 * be worked out by hand, and what is refused. */
#include "test.h"

#include <float.h>

static int close_to(double value, double expected) { return fabs(value - expected) < 1e-6; }

/* Points on a circle: two labels side by side, one point of label 1 among those of label 0. */
static void retrieval(void) {
  const float rows[] = {1, 0, 0.99f, 0.14f, 0.96f, 0.28f, 0, 1, 0.14f, 0.99f};
  const int64_t labels5[] = {0, 0, 1, 1, 1};
  supcon_retrieval_scores scores;
  supcon_retrieval_scores_init(&scores);
  WORKS(supcon_retrieval(NULL, rows, labels5, 5, NULL, NULL, 0, 2, &scores));
  /* R = 1 for label 0: row 0 finds row 1, row 1 finds 0 or 2: 0 is nearer (0.99 against 0.9896). R
   * = 2 for label 1: row 2 finds 1 and 0: nothing; rows 3 and 4 find each other and then row 2,
   * which is nearer than row 1. */
  EXPECT(close_to(scores.precision_at_1, 0.8) && close_to(scores.r_precision, 0.8) &&
             close_to(scores.map_at_r, 0.8) && scores.queries == 5 &&
             scores.queries_without_match == 0,
         "%f %f %f", scores.precision_at_1, scores.r_precision, scores.map_at_r);
  const float query[] = {0, 5, 1, 1};
  const int64_t asked[] = {0, -7};
  WORKS(supcon_retrieval(NULL, rows, labels5, 5, query, asked, 2, 2, &scores));
  EXPECT(scores.precision_at_1 == 0 && scores.r_precision == 0 && scores.queries == 1 &&
             scores.queries_without_match == 1,
         "a query without a match");
  REFUSES(supcon_retrieval(NULL, NULL, labels5, 5, NULL, NULL, 0, 2, &scores), ARGUMENT, "gallery");
  REFUSES(supcon_retrieval(NULL, rows, NULL, 5, NULL, NULL, 0, 2, &scores), ARGUMENT,
          "gallery_labels");
  REFUSES(supcon_retrieval(NULL, rows, labels5, 5, query, NULL, 2, 2, &scores), ARGUMENT,
          "query_labels");
  REFUSES(supcon_retrieval(NULL, rows, labels5, 5, query, asked, 2, 2, NULL), ARGUMENT, "scores");
  REFUSES(supcon_retrieval(NULL, rows, labels5, INT64_MAX, NULL, NULL, 0, 2, &scores), ARGUMENT,
          "2147483648");
  REFUSES(supcon_retrieval(NULL, rows, labels5, 0, NULL, NULL, 0, 2, &scores), ARGUMENT | SHAPE,
          "0");
  REFUSES(supcon_retrieval(NULL, rows, labels5, 5, NULL, NULL, 0, -1, &scores), ARGUMENT | SHAPE,
          "-1");
  REFUSES(supcon_retrieval(NULL, rows, labels5, 5, query, asked + 1, 1, 2, &scores), ARGUMENT,
          "no query");
  scores.struct_size = 4;
  REFUSES(supcon_retrieval(NULL, rows, labels5, 5, NULL, NULL, 0, 2, &scores), ARGUMENT,
          "struct_size");
}

static void calibration(void) {
  const float p[] = {0.9f, 0.1f, 0.2f, 0.8f, 0.45f, 0.55f, 0.5f, 0.5f};
  const int64_t truth[] = {0, 0, 1, 0};
  supcon_calibration_options options;
  supcon_calibration_scores scores;
  supcon_calibration_options_init(&options);
  supcon_calibration_scores_init(&scores);
  EXPECT(options.bins == 15, "%d bins", options.bins);
  options.bins = 4;
  int64_t counts[4];
  double confidences[4], accuracies[4];
  WORKS(supcon_calibration(p, truth, 4, 2, &options, &scores, counts, confidences, accuracies));
  EXPECT(close_to(scores.expected_calibration_error, 0.25 * 0.5 + 0.25 * 0.45 + 0.5 * 0.35) &&
             close_to(scores.maximum_calibration_error, 0.5) && scores.accuracy == 0.75,
         "ECE %f, MCE %f", scores.expected_calibration_error, scores.maximum_calibration_error);
  EXPECT(counts[0] == 0 && counts[1] == 1 && counts[3] == 2 && close_to(confidences[3], 0.85) &&
             accuracies[3] == 0.5,
         "the last bin: %f", confidences[3]);
  WORKS(supcon_calibration(p, truth, 4, 2, NULL, NULL, NULL, NULL, NULL));
  REFUSES(supcon_calibration(NULL, truth, 4, 2, NULL, &scores, NULL, NULL, NULL), ARGUMENT,
          "probabilities");
  REFUSES(supcon_calibration(p, NULL, 4, 2, NULL, &scores, NULL, NULL, NULL), ARGUMENT, "labels");
  REFUSES(supcon_calibration(p, truth, 0, 2, NULL, &scores, NULL, NULL, NULL), ARGUMENT | SHAPE,
          "0");
  REFUSES(supcon_calibration(p, truth, INT64_MAX, 2, NULL, &scores, NULL, NULL, NULL), ARGUMENT,
          "2147483648");
  REFUSES(supcon_calibration(p, truth, 2, 4, NULL, &scores, NULL, NULL, NULL), ARGUMENT, "sum 2");
  REFUSES(supcon_calibration(p, truth, 4, 1, NULL, &scores, NULL, NULL, NULL), ARGUMENT, "");
  options.bins = -3;
  REFUSES(supcon_calibration(p, truth, 4, 2, &options, &scores, NULL, NULL, NULL), ARGUMENT, "-3");
}

static void corruptions(void) {
  const double errors[] = {0.2, 0.4, 0.1, 0.3}, baseline[] = {0.5, 0.7, 0.6, 1},
               none[] = {0, 0, 0.1, 0.1};
  supcon_corruption_scores scores;
  supcon_corruption_scores_init(&scores);
  double ratios[2], relative[2];
  WORKS(supcon_corruption_error(errors, baseline, 2, 2, 0.1, 0.4, &scores, ratios, relative));
  EXPECT(close_to(scores.mean, 0.375) && close_to(scores.relative_mean, 0.625) &&
             close_to(ratios[1], 0.25) && close_to(relative[0], 1),
         "mCE %f, relative %f", scores.mean, scores.relative_mean);
  WORKS(supcon_corruption_error(errors, baseline, 2, 2, NAN, NAN, &scores, NULL, relative));
  EXPECT(isnan(scores.relative_mean) && isnan(relative[1]) && close_to(scores.mean, 0.375),
         "without clean errors");
  REFUSES(supcon_corruption_error(errors, baseline, 2, 2, 0.1, NAN, &scores, NULL, NULL), ARGUMENT,
          "clean");
  REFUSES(supcon_corruption_error(errors, none, 2, 2, NAN, NAN, &scores, NULL, NULL), ARGUMENT,
          "no errors");
  REFUSES(supcon_corruption_error(errors, baseline, 2, 2, 0.1, 0.9, &scores, NULL, NULL), ARGUMENT,
          "loses nothing");
  REFUSES(supcon_corruption_error(NULL, baseline, 2, 2, NAN, NAN, &scores, NULL, NULL), ARGUMENT,
          "errors");
  REFUSES(supcon_corruption_error(errors, baseline, 0, 2, NAN, NAN, &scores, NULL, NULL),
          ARGUMENT | SHAPE, "0");
  REFUSES(supcon_corruption_error(errors, baseline, INT64_MAX, 2, NAN, NAN, &scores, NULL, NULL),
          ARGUMENT, "2147483648");
}

static void geometry(void) {
  const float rows[] = {2, 0, 0, 3, -1, 0};
  const int64_t two[] = {5, 5, -1}, different[] = {1, 2, 3};
  double value = 0;
  WORKS(supcon_alignment(NULL, rows, two, 3, 2, &value));
  EXPECT(close_to(value, 2), "at right angles: %f", value);
  WORKS(supcon_alignment(NULL, rows, different, 3, 2, &value));
  EXPECT(isnan(value), "no pair: %f", value);
  WORKS(supcon_uniformity(NULL, rows, 3, 2, &value)); /* squared distances 2, 2, 4 */
  EXPECT(close_to(value, log((2 * exp(-4) + exp(-8)) / 3)), "%f", value);
  WORKS(supcon_uniformity(NULL, rows, 1, 2, &value));
  EXPECT(isnan(value), "one row: %f", value);
  REFUSES(supcon_alignment(NULL, rows, NULL, 3, 2, &value), ARGUMENT, "labels");
  REFUSES(supcon_alignment(NULL, rows, two, INT64_MAX, 2, &value), ARGUMENT, "2147483648");
  REFUSES(supcon_uniformity(NULL, NULL, 3, 2, &value), ARGUMENT, "rows");
  REFUSES(supcon_uniformity(NULL, rows, 3, 2, NULL), ARGUMENT, "value");
}

static void strangeness(void) {
  const float train[] = {3, 0, 0, 1, 1, 0}, queries[] = {7, 0, -1, 0};
  float scores[3];
  supcon_ood_options options;
  supcon_ood_options_init(&options);
  EXPECT(options.k == 0, "k is %d", options.k);
  WORKS(supcon_ood_scores(NULL, train, 3, queries, 2, 2, NULL, scores)); /* the farthest */
  options.k = 50;
  REFUSES(supcon_ood_scores(NULL, train, 3, queries, 2, 2, &options, scores), ARGUMENT, "k is 50");
  options.k = 3;
  WORKS(supcon_ood_scores(NULL, train, 3, queries, 2, 2, &options, scores));
  EXPECT(close_to(scores[0], sqrt(2)) && close_to(scores[1], 2), "%f %f", scores[0], scores[1]);
  REFUSES(supcon_ood_scores(NULL, train, 3, NULL, 0, 2, &options, scores), ARGUMENT, "k is 3");
  options.k = 1;
  WORKS(supcon_ood_scores(NULL, train, 3, NULL, 0, 2, &options, scores));
  EXPECT(scores[0] == 0 && close_to(scores[1], sqrt(2)) && scores[2] == 0, "%f %f %f", scores[0],
         scores[1], scores[2]);
  REFUSES(supcon_ood_scores(NULL, NULL, 3, queries, 2, 2, &options, scores), ARGUMENT, "train");
  REFUSES(supcon_ood_scores(NULL, train, 3, queries, 2, 2, &options, NULL), ARGUMENT, "scores");
  REFUSES(supcon_ood_scores(NULL, train, 3, queries, -2, 2, &options, scores), ARGUMENT | SHAPE,
          "-2");

  const float inside[] = {0, 1, 1, 2}, outside[] = {1, 3};
  supcon_detection_scores found;
  supcon_detection_scores_init(&found);
  WORKS(
      supcon_detection(inside, 4, outside, 2,
                       &found)); /* 1 beats one and equals two of four, 3 beats all: (2 + 4) / 8 */
  EXPECT(close_to(found.auroc, 0.75) && found.threshold == 2 && found.fpr95 == 0.5,
         "AUROC %f, FPR95 %f at %f", found.auroc, found.fpr95, found.threshold);
  REFUSES(supcon_detection(inside, 0, outside, 2, &found), ARGUMENT | SHAPE, "0");
  REFUSES(supcon_detection(inside, 4, NULL, 2, &found), ARGUMENT, "outside");
  REFUSES(supcon_detection(inside, INT64_MAX, outside, 2, &found), ARGUMENT, "2147483648");
  REFUSES(supcon_detection(inside, 4, outside, 2, NULL), ARGUMENT, "scores");
}

static void variants(void) {
  supcon_dataset *dataset = small_dataset(), *other = NULL;
  int64_t before[IMAGES], after[IMAGES];
  WORKS(supcon_dataset_get_labels(dataset, before, IMAGES));
  WORKS(supcon_dataset_with_label_noise(dataset, 0.25, 3, &other));
  WORKS(supcon_dataset_get_labels(other, after, IMAGES));
  int changed = 0;
  for (int i = 0; i < IMAGES; ++i)
    changed += before[i] != after[i] && after[i] >= 0 && after[i] < CLASSES;
  EXPECT(changed == IMAGES / 4, "%d labels are changed", changed);
  supcon_dataset_free(other);
  supcon_dataset_info info;
  supcon_dataset_info_init(&info);
  WORKS(supcon_dataset_per_class(dataset, 5, 3, &other));
  WORKS(supcon_dataset_get_info(other, &info));
  EXPECT(info.count == 5 * CLASSES && info.classes == CLASSES, "%lld images",
         (long long)info.count);
  supcon_dataset_free(other);
  WORKS(supcon_dataset_long_tailed(dataset, 4, 3, &other)); /* 32, 16, 8 */
  WORKS(supcon_dataset_get_info(other, &info));
  EXPECT(info.count == 56, "%lld images", (long long)info.count);
  supcon_dataset_free(other);
  const char *names[] = {"rising", "falling", "level"}, *broken[] = {"rising", NULL, "level"};
  WORKS(supcon_dataset_with_class_names(dataset, names, 3, &other));
  EXPECT(strcmp(supcon_dataset_class_name(other, 1), "falling") == 0 &&
             strcmp(supcon_dataset_class_name(dataset, 1), "1") == 0,
         "names");
  supcon_dataset_free(other);
  for (int i = 0; i < IMAGES; ++i) after[i] = 7;
  WORKS(supcon_dataset_with_labels(dataset, after, &other));
  WORKS(supcon_dataset_get_info(other, &info));
  int64_t label = 0;
  WORKS(supcon_dataset_get_class_labels(other, &label, 1));
  EXPECT(info.classes == 1 && label == 7, "%lld classes, the first %lld", (long long)info.classes,
         (long long)label);
  REFUSES(supcon_dataset_get_class_labels(other, &label, 0), SHAPE, "expected 1");
  REFUSES(supcon_dataset_get_class_labels(NULL, &label, 1), ARGUMENT, "dataset");
  supcon_dataset_free(other);
  supcon_dataset *plain = NULL;
  WORKS(supcon_dataset_with_labels(dataset, NULL, &plain));
  REFUSES_HANDLE(supcon_dataset_with_label_noise(plain, 0.1, 0, &other), other, STATE, "no labels");
  supcon_dataset_free(plain);
  REFUSES_HANDLE(supcon_dataset_with_class_names(dataset, names, 2, &other), other, SHAPE,
                 "2 names");
  REFUSES_HANDLE(supcon_dataset_with_class_names(dataset, broken, 3, &other), other, ARGUMENT,
                 "names[1]");
  REFUSES_HANDLE(supcon_dataset_with_class_names(dataset, names, INT64_MAX, &other), other,
                 ARGUMENT, "");
  REFUSES_HANDLE(supcon_dataset_with_class_names(dataset, NULL, 3, &other), other, ARGUMENT,
                 "names");
  REFUSES_HANDLE(supcon_dataset_with_label_noise(dataset, NAN, 0, &other), other, ARGUMENT, "rate");
  REFUSES_HANDLE(supcon_dataset_per_class(dataset, 0, 0, &other), other, ARGUMENT, "0");
  REFUSES_HANDLE(supcon_dataset_long_tailed(dataset, 0, 0, &other), other, ARGUMENT, "0");
  REFUSES_HANDLE(supcon_dataset_long_tailed(NULL, 2, 0, &other), other, ARGUMENT, "dataset");
  REFUSES(supcon_dataset_per_class(dataset, 3, 0, NULL), ARGUMENT, "subset");
  supcon_dataset_free(dataset);
}

struct heard {
  int embedded, fitted, stop_in;
};
static int hear(int32_t phase, int64_t done, int64_t total, void *user_data) {
  struct heard *heard = user_data;
  EXPECT(done >= 1 && done <= total, "%lld of %lld", (long long)done, (long long)total);
  ++*(phase == SUPCON_PHASE_EMBED ? &heard->embedded : &heard->fitted);
  return phase == heard->stop_in;
}

static void transfer(void) {
  supcon_dataset *dataset = small_dataset(), *other = NULL;
  supcon_model *model = small_model();
  supcon_classifier_options options;
  supcon_classifier_options_init(&options);
  EXPECT(!options.progress && !options.user_data, "someone listens by default");
  struct heard heard = {.stop_in = -1};
  options.progress = hear;
  options.user_data = &heard;
  WORKS(supcon_model_fit_classifier(model, dataset, &options, NULL));
  EXPECT(heard.embedded == 1 && heard.fitted > 1, "%d and %d calls", heard.embedded, heard.fitted);
  for (int phase = SUPCON_PHASE_EMBED; phase <= SUPCON_PHASE_FIT; ++phase) {
    heard = (struct heard){.stop_in = phase};
    REFUSES(supcon_model_fit_classifier(model, dataset, &options, NULL),
            BIT(SUPCON_STATUS_CANCELED), "stopped");
    EXPECT(heard.embedded == 1 && heard.fitted == phase, "%d and %d calls", heard.embedded,
           heard.fitted);
  }

  const char *names[] = {"a", "b", "c", "d"};
  int64_t fours[IMAGES];
  for (int i = 0; i < IMAGES; ++i) fours[i] = i % 4;
  supcon_dataset *four = NULL;
  WORKS(supcon_dataset_with_labels(dataset, fours, &four));
  WORKS(supcon_dataset_with_class_names(four, names, 4, &other));
  supcon_train_options training;
  supcon_train_options_init(&training);
  training.objective = SUPCON_OBJECTIVE_CROSS_ENTROPY;
  training.epochs = 1;
  training.batch_size = 16;
  training.learning_rate = 0.001;
  training.validation_fraction = 0;
  supcon_trainer *trainer = NULL;
  REFUSES_HANDLE(supcon_trainer_create(NULL, model, other, &training, &trainer), trainer, SHAPE,
                 "supcon_model_reset_classifier");
  WORKS(supcon_model_reset_classifier(model, 0));
  EXPECT(supcon_model_output_dimension(model, SUPCON_OUTPUT_LOGITS) == 0, "a classifier is left");
  WORKS(supcon_trainer_create(NULL, model, other, &training, &trainer));
  WORKS(supcon_trainer_run(trainer, NULL, NULL));
  EXPECT(supcon_model_output_dimension(model, SUPCON_OUTPUT_LOGITS) == 4 &&
             strcmp(supcon_model_class_name(model, 3), "d") == 0,
         "other classes");
  WORKS(supcon_model_reset_classifier(model, 9));
  EXPECT(supcon_model_output_dimension(model, SUPCON_OUTPUT_LOGITS) == 9, "nine classes");
  REFUSES(supcon_model_reset_classifier(model, -1), ARGUMENT, "-1");
  REFUSES(supcon_model_reset_classifier(model, INT32_MAX), ARGUMENT | MEMORY, "");
  REFUSES(supcon_model_reset_classifier(NULL, 2), ARGUMENT, "model");
  supcon_trainer_free(trainer);
  supcon_model_free(model);
  supcon_dataset_free(dataset);
  supcon_dataset_free(four);
  supcon_dataset_free(other);
}

static void nearest_rows(void) {
  const float gallery[] = {3, 0, 0, 1, 1, 0, -2, 0}, queries[] = {7, 0, -1, 1e-3f};
  int64_t indices[8];
  float similarities[8];
  supcon_nearest_options options;
  supcon_nearest_options_init(&options);
  EXPECT(options.k == 10 && options.normalize == 1, "k %d, normalize %d", options.k,
         options.normalize);
  REFUSES(supcon_nearest(NULL, gallery, 4, queries, 2, 2, NULL, indices, similarities), ARGUMENT,
          "k is 10");
  options.k = 3;
  WORKS(supcon_nearest(NULL, gallery, 4, queries, 2, 2, &options, indices, similarities));
  /* Rows 0 and 2 point the same way: the lower index comes first. */
  EXPECT(indices[0] == 0 && indices[1] == 2 && indices[2] == 1, "%lld %lld %lld",
         (long long)indices[0], (long long)indices[1], (long long)indices[2]);
  EXPECT(similarities[0] == 1 && similarities[1] == 1 && similarities[2] == 0, "%f %f %f",
         similarities[0], similarities[1], similarities[2]);
  EXPECT(indices[3] == 3 && indices[4] == 1, "%lld %lld", (long long)indices[3],
         (long long)indices[4]);
  options.normalize = 0;
  WORKS(supcon_nearest(NULL, gallery, 4, queries, 2, 2, &options, indices, similarities));
  EXPECT(indices[0] == 0 && indices[1] == 2 && similarities[0] == 21 && similarities[1] == 7,
         "products %f %f", similarities[0], similarities[1]);
  options.k = 1;
  WORKS(supcon_nearest(NULL, gallery, 4, NULL, 0, 2, &options, indices, similarities));
  EXPECT(indices[0] == 2 && indices[2] == 0, "among themselves: %lld, %lld", (long long)indices[0],
         (long long)indices[2]);
  const float bad[] = {1, 0, NAN, 1, 1, 0, -2, 0};
  indices[0] = 42;
  REFUSES(supcon_nearest(NULL, bad, 4, queries, 1, 2, &options, indices, similarities), ARGUMENT,
          "gallery row 1");
  EXPECT(indices[0] == 42, "a failed call changed the indices");
  options.k = 5;
  REFUSES(supcon_nearest(NULL, gallery, 4, queries, 2, 2, &options, indices, similarities),
          ARGUMENT, "k is 5");
  options.k = 1;
  options.normalize = 2;
  REFUSES(supcon_nearest(NULL, gallery, 4, queries, 2, 2, &options, indices, similarities),
          ARGUMENT, "normalize");
  options.normalize = 1;
  REFUSES(supcon_nearest(NULL, NULL, 4, queries, 2, 2, &options, indices, similarities), ARGUMENT,
          "gallery");
  REFUSES(supcon_nearest(NULL, gallery, 4, queries, 2, 2, &options, NULL, similarities), ARGUMENT,
          "indices");
  REFUSES(supcon_nearest(NULL, gallery, 4, queries, 2, 2, &options, indices, NULL), ARGUMENT,
          "similarities");
  REFUSES(supcon_nearest(NULL, gallery, INT64_MAX, queries, 2, 2, &options, indices, similarities),
          ARGUMENT, "2147483648");
  REFUSES(supcon_nearest(NULL, gallery, 4, queries, INT64_MAX, 2, &options, indices, similarities),
          ARGUMENT, "2147483648");
  REFUSES(supcon_nearest(NULL, gallery, 4, queries, -1, 2, &options, indices, similarities),
          ARGUMENT, "-1");
}

void test_measures(void) {
  retrieval();
  calibration();
  corruptions();
  geometry();
  strangeness();
  variants();
  transfer();
  nearest_rows();
}
