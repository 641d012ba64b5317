// How good embeddings and probabilities are.
#ifndef SUPCON_EVALUATION_HPP
#define SUPCON_EVALUATION_HPP

#include "core.hpp"

namespace supcon {

/// Rows and their labels.
struct Labeled {
  Rows rows;
  Span<const std::int64_t> labels;

  Labeled(const Rows &data, Span<const std::int64_t> numbers) : rows(data), labels(numbers) {
    detail::need_size("rows", rows.values.size(), rows.count, rows.dimension);
    detail::need_size("labels", labels.size(), rows.count, 1);
  }
};

namespace detail {
inline void need_dimension(std::int64_t first, std::int64_t second) {
  if (first != second)
    throw Error(SUPCON_STATUS_SHAPE, "rows have " + std::to_string(first) + " and " +
                                         std::to_string(second) + " elements; expected as many");
}
}  // namespace detail

/// What evaluate() writes besides the scores; empty views: not wanted.
struct Judgments {
  Span<std::int64_t> predictions;  ///< [test rows]
  Span<float> probabilities;       ///< [test rows, classes]
  Span<std::int64_t> confusion;    ///< [classes, classes]: rows the truth, columns the guess
};

/// supcon_evaluate(): fits a method on the rows of `train`, predicts those of `test`.
inline Scores evaluate(const Labeled &train, const Labeled &test,
                       const EvaluateOptions &options = {}, const Judgments &outputs = {},
                       const Context &context = {}) {
  detail::need_dimension(train.rows.dimension, test.rows.dimension);
  Scores scores;
  detail::check(supcon_evaluate(
      context.get(), train.rows.values.data(), train.labels.data(), train.rows.count,
      test.rows.values.data(), test.labels.data(), test.rows.count, test.rows.dimension, &options,
      &scores, detail::optional("predictions", outputs.predictions, test.rows.count),
      outputs.probabilities.data(), detail::length(outputs.probabilities.size()),
      outputs.confusion.data(), detail::length(outputs.confusion.size())));
  return scores;
}

/// supcon_retrieval(): each row of the gallery looks for the others of its label.
inline RetrievalScores retrieval(const Labeled &gallery, const Context &context = {}) {
  RetrievalScores scores;
  detail::check(supcon_retrieval(context.get(), gallery.rows.values.data(), gallery.labels.data(),
                                 gallery.rows.count, nullptr, nullptr, 0, gallery.rows.dimension,
                                 &scores));
  return scores;
}
/// Each query looks for rows of its label in the gallery.
inline RetrievalScores retrieval(const Labeled &gallery, const Labeled &queries,
                                 const Context &context = {}) {
  detail::need_dimension(gallery.rows.dimension, queries.rows.dimension);
  RetrievalScores scores;
  detail::check(supcon_retrieval(context.get(), gallery.rows.values.data(), gallery.labels.data(),
                                 gallery.rows.count, queries.rows.values.data(),
                                 queries.labels.data(), queries.rows.count, queries.rows.dimension,
                                 &scores));
  return scores;
}

/// A reliability diagram, a number for each bin.
struct Reliability {
  std::vector<std::int64_t> counts;
  std::vector<double> confidences, accuracies;
};
/// supcon_calibration() of probabilities [rows, classes]; `diagram` may be NULL.
inline CalibrationScores calibration(const Labeled &probabilities,
                                     const CalibrationOptions &options = {},
                                     Reliability *diagram = nullptr) {
  const std::size_t bins =
      diagram && options.bins > 0 && options.bins < 1 << 24 ? std::size_t(options.bins) : 0;
  if (diagram)
    *diagram = {std::vector<std::int64_t>(bins), std::vector<double>(bins),
                std::vector<double>(bins)};
  CalibrationScores scores;
  detail::check(supcon_calibration(
      probabilities.rows.values.data(), probabilities.labels.data(), probabilities.rows.count,
      probabilities.rows.dimension, &options, &scores, bins ? diagram->counts.data() : nullptr,
      bins ? diagram->confidences.data() : nullptr, bins ? diagram->accuracies.data() : nullptr));
  return scores;
}

/// Errors [corruptions, severities] on corrupted images and, or NaN, on clean ones.
struct Errors {
  Span<const double> corrupted;
  double clean;
};
/// What corruption_error() writes besides the scores; empty views: not wanted.
struct Ratios {
  Span<double> absolute, relative;  ///< [corruptions]
};
/// supcon_corruption_error(): a model's errors against a baseline's.
inline CorruptionScores corruption_error(const Errors &model, const Errors &baseline,
                                         std::int64_t corruptions, std::int64_t severities,
                                         const Ratios &outputs = {}) {
  detail::need_size("errors", model.corrupted.size(), corruptions, severities);
  detail::need_size("baseline", baseline.corrupted.size(), corruptions, severities);
  CorruptionScores scores;
  detail::check(supcon_corruption_error(
      model.corrupted.data(), baseline.corrupted.data(), corruptions, severities, model.clean,
      baseline.clean, &scores, detail::optional("ratios", outputs.absolute, corruptions),
      detail::optional("relative ratios", outputs.relative, corruptions)));
  return scores;
}

/// supcon_alignment(): the mean squared distance of two rows of one label.
inline double alignment(const Labeled &data, const Context &context = {}) {
  double value = 0;
  detail::check(supcon_alignment(context.get(), data.rows.values.data(), data.labels.data(),
                                 data.rows.count, data.rows.dimension, &value));
  return value;
}
/// supcon_uniformity(): how evenly rows are spread.
inline double uniformity(const Rows &rows, const Context &context = {}) {
  detail::need_size("rows", rows.values.size(), rows.count, rows.dimension);
  double value = 0;
  detail::check(
      supcon_uniformity(context.get(), rows.values.data(), rows.count, rows.dimension, &value));
  return value;
}

/// supcon_ood_scores(): how strange each query is; without queries, each training row.
inline std::vector<float> ood_scores(const Rows &train, const Rows &queries = {},
                                     const OODOptions &options = {}, const Context &context = {}) {
  detail::need_size("train", train.values.size(), train.count, train.dimension);
  const bool own = queries.values.data() == nullptr;
  if (!own) {
    detail::need_size("queries", queries.values.size(), queries.count, queries.dimension);
    detail::need_dimension(train.dimension, queries.dimension);
  }
  std::vector<float> scores(static_cast<std::size_t>(own ? train.count : queries.count));
  detail::check(supcon_ood_scores(context.get(), train.values.data(), train.count,
                                  queries.values.data(), queries.count, train.dimension, &options,
                                  scores.data()));
  return scores;
}
/// supcon_detection(): how well such scores tell outside from inside.
inline DetectionScores detection(Span<const float> inside, Span<const float> outside) {
  DetectionScores scores;
  detail::check(supcon_detection(inside.data(), detail::length(inside.size()), outside.data(),
                                 detail::length(outside.size()), &scores));
  return scores;
}

/// A row for each query, the nearest first.
struct Neighbors {
  Matrix<std::int64_t> indices;
  Matrix<float> similarities;
};
/// supcon_nearest(): the k nearest rows of a gallery for each query; without queries, for each row
/// of the gallery among the others.
inline Neighbors nearest(const Rows &gallery, const Rows &queries = {},
                         const NearestOptions &options = {}, const Context &context = {}) {
  detail::need_size("gallery", gallery.values.size(), gallery.count, gallery.dimension);
  const bool own = queries.values.data() == nullptr;
  if (!own) {
    detail::need_size("queries", queries.values.size(), queries.count, queries.dimension);
    detail::need_dimension(gallery.dimension, queries.dimension);
  }
  // The library refuses any other k before it writes.
  const bool fits = options.k > 0 && options.k <= gallery.count;
  const std::int64_t count = own ? gallery.count : queries.count, k = fits ? options.k : 0;
  Neighbors found{{count, k}, {count, k}};
  detail::check(supcon_nearest(context.get(), gallery.values.data(), gallery.count,
                               queries.values.data(), queries.count, gallery.dimension, &options,
                               found.indices.values.data(), found.similarities.values.data()));
  return found;
}

}  // namespace supcon

#endif
