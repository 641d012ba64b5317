// Images in memory, data sets, augmentation, corruptions.
#ifndef SUPCON_DATA_HPP
#define SUPCON_DATA_HPP

#include <optional>

#include "core.hpp"

namespace supcon {

/// A view of images of one size in memory. Other strides are set in its fields.
struct Images : supcon_images {
  /// Pixels [n, h, w, c], or [n, c, h, w] with SUPCON_LAYOUT_CHW, from 0 to 255.
  Images(Span<const std::uint8_t> pixels, std::int64_t n, std::int64_t h, std::int64_t w,
         std::int64_t c, std::int32_t layout = SUPCON_LAYOUT_HWC) {
    fill(pixels.data(), pixels.size(), SUPCON_ELEMENT_U8, layout, n, h, w, c);
  }
  /// Pixels from 0 to 1.
  Images(Span<const float> pixels, std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c,
         std::int32_t layout = SUPCON_LAYOUT_HWC) {
    fill(pixels.data(), pixels.size(), SUPCON_ELEMENT_F32, layout, n, h, w, c);
  }
  Images(const supcon_images &images) : supcon_images(images) {}

 private:
  void fill(const void *pixels, std::size_t size, std::int32_t type, std::int32_t layout,
            std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
    detail::need_size("pixels", size, n, h, w, c);
    supcon_images_init_sized(this, sizeof(supcon_images), pixels, type, layout, n, h, w, c);
  }
};

/// Images, their labels and targets.
class Dataset {
 public:
  /// Fills `pixels` [indices, height, width, channels] with the images at `indices`. What it throws
  /// comes out of the call that needed the images.
  using Source = std::function<void(Span<const std::int64_t> indices, Span<std::uint8_t> pixels)>;

  /// The pixels stay the caller's unless options.copy is 1.
  static Dataset from_images(const Images &images, Span<const std::int64_t> labels = {},
                             const DatasetOptions &options = {}) {
    return made([&](supcon_dataset **made) {
      return supcon_dataset_from_images(&images, detail::optional("labels", labels, images.count),
                                        &options, made);
    });
  }
  static Dataset from_folder(const std::string &path, const DatasetOptions &options = {}) {
    return made([&](supcon_dataset **made) {
      return supcon_dataset_from_folder(path.c_str(), &options, made);
    });
  }
  static Dataset from_files(const std::vector<std::string> &paths,
                            Span<const std::int64_t> labels = {},
                            const DatasetOptions &options = {}) {
    const std::int64_t count = detail::length(paths.size());
    return made([&](supcon_dataset **made) {
      return supcon_dataset_from_files(detail::pointers(paths).data(), count,
                                       detail::optional("labels", labels, count), &options, made);
    });
  }
  static Dataset from_idx(const std::string &images, const std::optional<std::string> &labels = {},
                          const DatasetOptions &options = {}) {
    return made([&](supcon_dataset **made) {
      return supcon_dataset_from_idx(images.c_str(), labels ? labels->c_str() : nullptr, &options,
                                     made);
    });
  }
  static Dataset from_cifar(const std::vector<std::string> &paths, std::int32_t classes,
                            const DatasetOptions &options = {}) {
    return made([&](supcon_dataset **made) {
      return supcon_dataset_from_cifar(detail::pointers(paths).data(), detail::length(paths.size()),
                                       classes, &options, made);
    });
  }
  /// JPEG, PNG and WebP images as the bytes of their files, which are copied.
  static Dataset from_encoded(const std::vector<std::string> &images,
                              Span<const std::int64_t> labels = {}, DatasetOptions options = {}) {
    options.copy = 1;
    std::vector<const void *> data;
    std::vector<std::int64_t> sizes;
    for (const std::string &image : images) {
      data.push_back(image.data());
      sizes.push_back(detail::length(image.size()));
    }
    const std::int64_t count = detail::length(images.size());
    const std::int64_t *numbers = detail::optional("labels", labels, count);
    return made([&](supcon_dataset **made) {
      return supcon_dataset_from_encoded(data.data(), sizes.data(), nullptr, count, numbers,
                                         &options, made);
    });
  }
  /// Images made on demand.
  static Dataset from_callback(Source source, std::int64_t count, std::int64_t height,
                               std::int64_t width, std::int64_t channels,
                               Span<const std::int64_t> labels = {}) {
    struct Kept {
      Source source;
      std::size_t size;
    };
    const std::size_t size = detail::elements(height, width, channels);
    auto kept = std::make_shared<Kept>(Kept{std::move(source), size});
    auto call = [](const std::int64_t *indices, std::int64_t number, std::uint8_t *pixels,
                   void *user_data) noexcept {
      return detail::guarded([&] {
        const Kept &to = *static_cast<Kept *>(user_data);
        const std::size_t n = static_cast<std::size_t>(number);
        to.source({indices, n}, {pixels, n * to.size});
        return true;
      });
    };
    Dataset dataset = made([&](supcon_dataset **made) {
      return supcon_dataset_from_callback(call, kept.get(), count, height, width, channels,
                                          detail::optional("labels", labels, count), made);
    });
    dataset.kept_ = std::move(kept);
    return dataset;
  }

  DatasetInfo info() const {
    DatasetInfo info;
    detail::check(supcon_dataset_get_info(get(), &info));
    return info;
  }
  std::int64_t count() const { return info().count; }
  /// "" if there is no such class.
  std::string class_name(std::int64_t index) const {
    return detail::text(supcon_dataset_class_name(get(), index));
  }
  /// "path: reason" of every file that was left out.
  std::vector<std::string> skipped() const {
    std::vector<std::string> found;
    for (std::int64_t i = 0, n = info().skipped; i < n; ++i)
      found.push_back(detail::text(supcon_dataset_skipped(get(), i)));
    return found;
  }
  /// The file of an image; "" for images that are not files.
  std::string path(std::int64_t index) const {
    return detail::text(supcon_dataset_path(get(), index));
  }
  std::vector<std::int64_t> labels() const {
    std::vector<std::int64_t> labels(static_cast<std::size_t>(count()));
    detail::check(supcon_dataset_get_labels(get(), labels.data(), detail::length(labels.size())));
    return labels;
  }
  /// The label of each class, ascending.
  std::vector<std::int64_t> class_labels() const {
    std::vector<std::int64_t> labels(static_cast<std::size_t>(info().classes));
    detail::check(
        supcon_dataset_get_class_labels(get(), labels.data(), detail::length(labels.size())));
    return labels;
  }
  Matrix<double> targets() const {
    const DatasetInfo now = info();
    Matrix<double> targets(now.count, now.target_dimension);
    detail::check(supcon_dataset_get_targets(get(), targets.values.data(),
                                             detail::length(targets.values.size())));
    return targets;
  }

  Dataset subset(Span<const std::int64_t> indices) const {
    return changed([&](supcon_dataset **made) {
      return supcon_dataset_subset(get(), indices.data(), detail::length(indices.size()), made);
    });
  }
  /// (the rest, about `fraction` of the images).
  std::pair<Dataset, Dataset> split(double fraction, std::uint64_t seed = 0) const {
    supcon_dataset *first = nullptr, *second = nullptr;
    detail::check(supcon_dataset_split(get(), fraction, seed, &first, &second));
    return {Dataset(first, kept_), Dataset(second, kept_)};
  }
  /// An empty view takes the labels away.
  Dataset with_labels(Span<const std::int64_t> labels) const {
    const std::int64_t *numbers = detail::optional("labels", labels, count());
    return changed(
        [&](supcon_dataset **made) { return supcon_dataset_with_labels(get(), numbers, made); });
  }
  /// targets [count, dimension]; an empty view takes them away.
  Dataset with_targets(Span<const double> targets, std::int64_t dimension) const {
    const double *numbers = detail::optional("targets", targets, count(), dimension);
    return changed([&](supcon_dataset **made) {
      return supcon_dataset_with_targets(get(), numbers, dimension, made);
    });
  }
  Dataset with_class_names(const std::vector<std::string> &names) const {
    return changed([&](supcon_dataset **made) {
      return supcon_dataset_with_class_names(get(), detail::pointers(names).data(),
                                             detail::length(names.size()), made);
    });
  }
  /// These classes alone, in this order.
  Dataset with_classes(const std::vector<std::string> &names) const {
    return changed([&](supcon_dataset **made) {
      return supcon_dataset_with_classes(get(), detail::pointers(names).data(),
                                         detail::length(names.size()), made);
    });
  }
  /// A weight for each image; an empty view takes the weights away.
  Dataset with_weights(Span<const float> weights) const {
    const float *numbers = detail::optional("weights", weights, count());
    return changed(
        [&](supcon_dataset **made) { return supcon_dataset_with_weights(get(), numbers, made); });
  }
  Dataset with_label_noise(double rate, std::uint64_t seed = 0) const {
    return changed([&](supcon_dataset **made) {
      return supcon_dataset_with_label_noise(get(), rate, seed, made);
    });
  }
  Dataset per_class(std::int64_t images, std::uint64_t seed = 0) const {
    return changed(
        [&](supcon_dataset **made) { return supcon_dataset_per_class(get(), images, seed, made); });
  }
  Dataset long_tailed(double factor, std::uint64_t seed = 0) const {
    return changed([&](supcon_dataset **made) {
      return supcon_dataset_long_tailed(get(), factor, seed, made);
    });
  }
  /// Both sides 0: the images keep their sizes.
  Dataset corrupt(std::int32_t corruption, std::int32_t severity, std::uint64_t seed = 0,
                  std::int64_t height = 0, std::int64_t width = 0) const {
    return changed([&](supcon_dataset **made) {
      return supcon_dataset_corrupt(get(), corruption, severity, seed, height, width, made);
    });
  }

  /// The images of all ranks, each of which calls this with its own; for a Trainer of these ranks.
  Dataset join(const Collectives &collectives) const {
    return changed(
        [&](supcon_dataset **made) { return supcon_dataset_join(get(), &collectives, made); });
  }
  /// Those of joined images that this rank has.
  Dataset own_part() const {
    return changed([&](supcon_dataset **made) { return supcon_dataset_own_part(get(), made); });
  }

  supcon_dataset *get() const noexcept { return handle_.get(); }
  /// Keeps a callback's function alive for who uses the data set.
  const std::shared_ptr<void> &kept() const noexcept { return kept_; }

 private:
  Dataset(supcon_dataset *handle, std::shared_ptr<void> kept)
      : kept_(std::move(kept)), handle_(handle) {}
  template <typename F>
  static Dataset made(F &&make, const std::shared_ptr<void> &kept = {}) {
    supcon_dataset *handle = nullptr;
    detail::check(make(&handle));
    return Dataset(handle, kept);
  }
  template <typename F>
  Dataset changed(F &&make) const {
    return made(make, kept_);
  }

  std::shared_ptr<void> kept_;  // outlives the handle
  detail::Handle<supcon_dataset, supcon_dataset_free> handle_;
};

/// supcon_augment(): views [images, height, width, channels] that training would make, 0 to 1.
inline std::vector<float> augment(const Images &images, const AugmentationOptions &options,
                                  std::int64_t height, std::int64_t width, std::uint64_t seed = 0,
                                  std::int64_t epoch = 1, std::int64_t view = 0,
                                  const Context &context = {}) {
  std::vector<float> views(detail::elements(images.count, height, width, images.channels));
  detail::check(supcon_augment(context.get(), &images, &options, seed, epoch, view, height, width,
                               views.data()));
  return views;
}
/// The same of the images at `indices` of a data set.
inline std::vector<float> augment(const Dataset &dataset, Span<const std::int64_t> indices,
                                  const AugmentationOptions &options, std::int64_t height,
                                  std::int64_t width, std::uint64_t seed = 0,
                                  std::int64_t epoch = 1, std::int64_t view = 0,
                                  const Context &context = {}) {
  const std::int64_t count = detail::length(indices.size());
  std::vector<float> views(detail::elements(count, height, width, dataset.info().channels));
  detail::check(supcon_augment_dataset(context.get(), dataset.get(), indices.data(), count,
                                       &options, seed, epoch, view, height, width, views.data()));
  return views;
}
/// supcon_corrupt(): pixels [images, height, width, channels].
inline std::vector<std::uint8_t> corrupt(const Images &images, std::int32_t corruption,
                                         std::int32_t severity, std::uint64_t seed = 0,
                                         const Context &context = {}) {
  std::vector<std::uint8_t> pixels(
      detail::elements(images.count, images.height, images.width, images.channels));
  detail::check(supcon_corrupt(context.get(), &images, corruption, severity, seed, pixels.data()));
  return pixels;
}

}  // namespace supcon

#endif
