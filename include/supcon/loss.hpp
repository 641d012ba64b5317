// The contrastive loss of embeddings of your own, and masks that say who is positive of whom.
#ifndef SUPCON_LOSS_HPP
#define SUPCON_LOSS_HPP

#include "core.hpp"

namespace supcon {

/// A view of embeddings [samples, views, dimension].
struct Features {
  Span<const float> values;
  std::int64_t samples = 0;
  std::int64_t views = 1;
  std::int64_t dimension = 0;

  Features(Span<const float> data, std::int64_t n, std::int64_t views_each, std::int64_t width)
      : values(data), samples(n), views(views_each), dimension(width) {}
  /// Rows of single views.
  Features(const Rows &rows) : Features(rows.values, rows.count, 1, rows.dimension) {}
  Features(const Matrix<float> &matrix) : Features(Rows(matrix)) {}
};

/// What a loss writes besides its value; empty views: not wanted.
struct LossOutputs {
  Span<float> gradient;    ///< of the features' size
  Span<float> per_anchor;  ///< [samples * views], or [samples] with SUPCON_ANCHORS_FIRST
};

namespace detail {
inline LossResult loss(const Features &features, const std::int64_t *labels, const float *mask,
                       const LossOptions &options, const LossOutputs &outputs,
                       const Context &context, const float *weights = nullptr) {
  const Features &f = features;
  need_size("features", f.values.size(), f.samples, f.views, f.dimension);
  const std::int64_t width = f.views * f.dimension;
  float *gradient = optional("gradient", outputs.gradient, f.samples, width);
  const std::int64_t anchors = options.anchors == SUPCON_ANCHORS_FIRST ? 1 : f.views;
  float *per_anchor = optional("per_anchor", outputs.per_anchor, f.samples, anchors);
  LossResult result;
  check(weights
            ? supcon_loss_weighted(context.get(), f.values.data(), f.samples, f.views, f.dimension,
                                   labels, mask, weights, &options, &result, per_anchor, gradient)
            : supcon_loss(context.get(), f.values.data(), f.samples, f.views, f.dimension, labels,
                          mask, &options, &result, per_anchor, gradient));
  return result;
}
}  // namespace detail

/// supcon_loss() with a label for each sample; without labels the views of one sample alone are
/// positives (SimCLR).
inline LossResult loss(const Features &features, Span<const std::int64_t> labels = {},
                       const LossOptions &options = {}, const LossOutputs &outputs = {},
                       const Context &context = {}) {
  const std::int64_t *numbers = detail::optional("labels", labels, features.samples);
  return detail::loss(features, numbers, nullptr, options, outputs, context);
}

/// supcon_loss_weighted(): a weight for each sample.
inline LossResult weighted_loss(const Features &features, Span<const float> weights,
                                Span<const std::int64_t> labels = {},
                                const LossOptions &options = {}, const LossOutputs &outputs = {},
                                const Context &context = {}) {
  detail::need_size("weights", weights.size(), features.samples, 1);
  const std::int64_t *numbers = detail::optional("labels", labels, features.samples);
  return detail::loss(features, numbers, nullptr, options, outputs, context, weights.data());
}

/// supcon_loss() with a mask [samples, samples] of weights in place of labels.
inline LossResult masked_loss(const Features &features, Span<const float> mask,
                              const LossOptions &options = {}, const LossOutputs &outputs = {},
                              const Context &context = {}) {
  detail::need_size("mask", mask.size(), features.samples, features.samples);
  return detail::loss(features, nullptr, mask.data(), options, outputs, context);
}

/// What the queries of queue_loss() are contrasted with.
struct Keys {
  Span<const float> values;  ///< [queries, per_query, dimension]
  std::int64_t per_query = 1;
  Rows queue;                             ///< earlier keys
  Span<const std::int64_t> queue_labels;  ///< of the queue; empty: all of it are negatives
  bool queue_positives = true;            ///< entries of a query's label are its positives
};

/// supcon_loss_queue(): queries against keys and a queue of earlier keys.
inline LossResult queue_loss(const Rows &queries, const Keys &keys,
                             Span<const std::int64_t> labels = {}, const LossOptions &options = {},
                             const LossOutputs &outputs = {}, const Context &context = {}) {
  const std::int64_t n = queries.count, d = queries.dimension;
  detail::need_size("queries", queries.values.size(), n, d);
  detail::need_size("keys", keys.values.size(), n, keys.per_query, d);
  detail::need_size("queue", keys.queue.values.size(), keys.queue.count, d);
  LossResult result;
  detail::check(supcon_loss_queue(
      context.get(), queries.values.data(), n, d, keys.values.data(), keys.per_query,
      detail::optional("labels", labels, n), keys.queue.values.data(), keys.queue.count,
      detail::optional("queue_labels", keys.queue_labels, keys.queue.count), keys.queue_positives,
      &options, &result, detail::optional("per_anchor", outputs.per_anchor, n),
      detail::optional("gradient", outputs.gradient, n, d)));
  return result;
}

/// supcon_mask_from_multilabel(): the mask of samples with labels [samples, label_count] of 0
/// and 1.
inline Matrix<float> mask_from_multilabel(Span<const std::uint8_t> labels, std::int64_t samples,
                                          std::int64_t label_count,
                                          std::int32_t rule = SUPCON_RULE_ANY,
                                          const Context &context = {}) {
  detail::need_size("labels", labels.size(), samples, label_count);
  Matrix<float> mask(samples, samples);
  detail::check(supcon_mask_from_multilabel(context.get(), labels.data(), samples, label_count,
                                            rule, mask.values.data()));
  return mask;
}

/// supcon_mask_from_values(): the mask of samples with values [samples, dimension].
inline Matrix<float> mask_from_values(Span<const double> values, std::int64_t samples,
                                      std::int64_t dimension, double bandwidth,
                                      const Context &context = {}) {
  detail::need_size("values", values.size(), samples, dimension);
  Matrix<float> mask(samples, samples);
  detail::check(supcon_mask_from_values(context.get(), values.data(), samples, dimension, bandwidth,
                                        mask.values.data()));
  return mask;
}

}  // namespace supcon

#endif
