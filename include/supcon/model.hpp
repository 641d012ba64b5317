// Models: an encoder, its projection head and its classifier.
#ifndef SUPCON_MODEL_HPP
#define SUPCON_MODEL_HPP

#include "data.hpp"

namespace supcon {

/// An encoder with its projection head and classifier. Any number of threads may embed with it.
class Model {
 public:
  /// Says how far a fit is: phase (SUPCON_PHASE_…), done, total. false stops it.
  using Progress = std::function<bool(std::int32_t phase, std::int64_t done, std::int64_t total)>;

  explicit Model(const ModelOptions &options = {}, const Context &context = {}) {
    supcon_model *handle = nullptr;
    detail::check(supcon_model_create(context.get(), &options, &handle));
    handle_.reset(handle);
  }
  static Model load(const std::string &path, const LoadOptions &options = {},
                    const Context &context = {}) {
    supcon_model *handle = nullptr;
    detail::check(supcon_model_load(context.get(), path.c_str(), &options, &handle));
    return Model(handle);
  }
  void save(const std::string &path) const {
    detail::check(supcon_model_save(get(), path.c_str()));
  }

  ModelInfo info() const {
    ModelInfo info;
    detail::check(supcon_model_get_info(get(), &info));
    return info;
  }
  /// The classifier's name of a class; "" if there is none.
  std::string class_name(std::int64_t index) const {
    return detail::text(supcon_model_class_name(get(), index));
  }
  /// Numbers in a row of an output (SUPCON_OUTPUT_…); 0 if the model does not have it.
  std::int64_t output_dimension(std::int32_t output = SUPCON_OUTPUT_ENCODER) const {
    return supcon_model_output_dimension(get(), output);
  }

  /// A row for each image.
  Matrix<float> embed(const Images &images, const EmbedOptions &options = {}) const {
    Matrix<float> rows(images.count, output_dimension(options.output));
    embed(images, rows.values, options);
    return rows;
  }
  Matrix<float> embed(const Dataset &dataset, const EmbedOptions &options = {}) const {
    Matrix<float> rows(dataset.count(), output_dimension(options.output));
    embed(dataset, rows.values, options);
    return rows;
  }
  /// Into memory of the caller's, of at least images * output_dimension() elements.
  void embed(const Images &images, Span<float> rows, const EmbedOptions &options = {}) const {
    detail::check(
        supcon_model_embed(get(), &images, &options, rows.data(), detail::length(rows.size())));
  }
  void embed(const Dataset &dataset, Span<float> rows, const EmbedOptions &options = {}) const {
    detail::check(supcon_model_embed_dataset(get(), dataset.get(), &options, rows.data(),
                                             detail::length(rows.size())));
  }

  /// Computes another output from features that were kept: the encoder's output, embedded with
  /// normalize 0.
  Matrix<float> forward_head(const Matrix<float> &features,
                             const EmbedOptions &options = {}) const {
    Matrix<float> rows(features.rows, output_dimension(options.output));
    detail::check(supcon_model_forward_head(get(), features.values.data(), features.rows,
                                            features.columns, &options, rows.values.data(),
                                            detail::length(rows.values.size())));
    return rows;
  }

  /// Embeds in int8 from here on, in ranges that are calibrated on a data set.
  void quantize(const Dataset &dataset) {
    detail::check(supcon_model_quantize(get(), dataset.get()));
  }
  /// Back to the model's precision.
  void dequantize() { detail::check(supcon_model_quantize(get(), nullptr)); }

  /// Returns l2: the option, or what was chosen. `progress` takes the place of options.progress.
  float fit_classifier(const Dataset &dataset, ClassifierOptions options = {},
                       const Progress &progress = {}) {
    float l2 = 0;
    hear(options, progress);
    detail::check(supcon_model_fit_classifier(get(), dataset.get(), &options, &l2));
    return l2;
  }
  /// Likewise, on features that were kept: a row for each image of the data set, the encoder's
  /// output, embedded with normalize 0; with the option flip, behind these as many rows for the
  /// flipped images.
  float fit_classifier_on_features(const Dataset &dataset, const Matrix<float> &features,
                                   ClassifierOptions options = {}, const Progress &progress = {}) {
    float l2 = 0;
    hear(options, progress);
    detail::check(supcon_model_fit_classifier_on_features(get(), dataset.get(),
                                                          features.values.data(), features.rows,
                                                          features.columns, &options, &l2));
    return l2;
  }
  /// Replaces the projection head by a new random one, or takes it away (SUPCON_HEAD_NONE).
  /// Throws Error: argument, state (in use), memory.
  void reset_head(std::int32_t head = SUPCON_HEAD_MLP, std::int32_t head_hidden = 0,
                  std::int32_t projection_dim = 128, std::uint64_t seed = 0) {
    detail::check(supcon_model_reset_head(get(), head, head_hidden, projection_dim, seed));
  }
  /// 0: takes the classifier away.
  void reset_classifier(std::int32_t classes) {
    detail::check(supcon_model_reset_classifier(get(), classes));
  }

  supcon_model *get() const noexcept { return handle_.get(); }

 private:
  static void hear(ClassifierOptions &options, const Progress &progress) {
    if (!progress) return;
    options.user_data = const_cast<Progress *>(&progress);
    options.progress = [](std::int32_t phase, std::int64_t done, std::int64_t total,
                          void *user_data) noexcept {
      return detail::guarded(
          [&] { return (*static_cast<const Progress *>(user_data))(phase, done, total); });
    };
  }

  explicit Model(supcon_model *handle) : handle_(handle) {}
  detail::Handle<supcon_model, supcon_model_free> handle_;
};

}  // namespace supcon

#endif
