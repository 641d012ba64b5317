// Errors, views of memory, option structs, handles, contexts, versions and the log.
#ifndef SUPCON_CORE_HPP
#define SUPCON_CORE_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../supcon.h"

namespace supcon {

/// A failed call: the library's sentence and its status.
class Error : public std::runtime_error {
 public:
  Error(supcon_status status, const std::string &sentence, std::int32_t rank = -1)
      : std::runtime_error(sentence), status_(status), rank_(rank) {}
  /// SUPCON_STATUS_….
  supcon_status status() const noexcept { return status_; }
  /// The status in a word, such as "argument".
  const char *name() const noexcept { return supcon_status_name(status_); }
  /// The rank that failed, if all ranks of a run ended with this error; otherwise -1.
  std::int32_t rank() const noexcept { return rank_; }

 private:
  supcon_status status_;
  std::int32_t rank_;
};

/// A view of `size()` elements in somebody else's memory, as C++20's std::span.
template <typename T>
class Span {
 public:
  constexpr Span() noexcept = default;
  constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
  /// The elements of a vector, an array, a std::span: whatever has data() and size().
  template <typename C,
            typename = std::enable_if_t<std::is_convertible_v<
                std::remove_pointer_t<decltype(std::declval<C &>().data())> (*)[], T (*)[]>>,
            typename = decltype(std::declval<C &>().size())>
  constexpr Span(C &&container) noexcept : data_(container.data()), size_(container.size()) {}
  template <std::size_t N>
  constexpr Span(T (&array)[N]) noexcept : data_(array), size_(N) {}

  constexpr T *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T &operator[](std::size_t index) const { return data_[index]; }
  constexpr T *begin() const noexcept { return data_; }
  constexpr T *end() const noexcept { return data_ + size_; }

 private:
  T *data_ = nullptr;
  std::size_t size_ = 0;
};

namespace detail {

/// What a callback of this thread threw during the library call at hand.
inline std::exception_ptr &pending() {
  thread_local std::exception_ptr error;
  return error;
}

/// Runs a callback's body; what it throws is kept for `check`, and stops the library's call.
template <typename F>
int guarded(F &&body) noexcept {
  try {
    return body() ? 0 : 1;
  } catch (...) {
    if (!pending()) pending() = std::current_exception();
    return 1;
  }
}

/// Throws what a callback threw, or else the library's error.
inline void check(supcon_status status) {
  if (std::exception_ptr error = std::exchange(pending(), nullptr)) std::rethrow_exception(error);
  if (status != SUPCON_OK) throw Error(status, supcon_last_error(), supcon_last_error_rank());
}

/// The product of sizes; throws if one is negative or the product does not fit.
inline std::size_t elements(std::int64_t a, std::int64_t b, std::int64_t c = 1,
                            std::int64_t d = 1) {
  std::int64_t product = 1;
  for (std::int64_t factor : {a, b, c, d}) {
    if (factor < 0 || (factor > 0 && product > INT64_MAX / 8 / factor))
      throw Error(SUPCON_STATUS_SHAPE, "a size is " + std::to_string(factor) +
                                           "; expected sizes from 0 that memory can hold");
    product *= factor;
  }
  return static_cast<std::size_t>(product);
}
/// Throws unless a buffer has the number of elements that the call needs.
inline void need_size(const char *name, std::size_t size, std::int64_t a, std::int64_t b,
                      std::int64_t c = 1, std::int64_t d = 1) {
  const std::size_t wanted = elements(a, b, c, d);
  if (size != wanted)
    throw Error(SUPCON_STATUS_SHAPE, std::string(name) + " has " + std::to_string(size) +
                                         " elements; expected " + std::to_string(wanted));
}
/// The pointer of a buffer of that number of elements; NULL for an empty view.
template <typename T>
T *optional(const char *name, Span<T> view, std::int64_t a, std::int64_t b = 1) {
  if (view.data() == nullptr && view.empty()) return nullptr;
  need_size(name, view.size(), a, b);
  return view.data();
}

inline std::int64_t length(std::size_t size) { return static_cast<std::int64_t>(size); }
inline std::string text(const char *borrowed) { return borrowed ? borrowed : std::string(); }

/// The pointers of strings, while these live.
inline std::vector<const char *> pointers(const std::vector<std::string> &strings) {
  std::vector<const char *> found;
  found.reserve(strings.size());
  for (const std::string &it : strings) found.push_back(it.c_str());
  return found;
}

template <typename T, void (*free_handle)(T *)>
struct Free {
  void operator()(T *handle) const noexcept { free_handle(handle); }
};
template <typename T, void (*free_handle)(T *)>
using Handle = std::unique_ptr<T, Free<T, free_handle>>;

}  // namespace detail

/// A table of numbers, row by row, that owns its memory.
template <typename T>
struct Matrix {
  std::vector<T> values;
  std::int64_t rows = 0;
  std::int64_t columns = 0;

  Matrix() = default;
  Matrix(std::int64_t n, std::int64_t width)
      : values(detail::elements(n, width)), rows(n), columns(width) {
    values.reserve(1);  // no elements are not NULL, which the library would refuse first
  }
  Span<const T> operator[](std::int64_t row) const {
    return {values.data() + row * columns, length()};
  }
  Span<T> operator[](std::int64_t row) { return {values.data() + row * columns, length()}; }

 private:
  std::size_t length() const { return static_cast<std::size_t>(columns); }
};

/// A view of rows of numbers [count, dimension].
struct Rows {
  Span<const float> values;
  std::int64_t count = 0;
  std::int64_t dimension = 0;

  Rows() = default;
  Rows(Span<const float> data, std::int64_t n, std::int64_t width)
      : values(data), count(n), dimension(width) {}
  Rows(const Matrix<float> &matrix)
      : values(matrix.values), count(matrix.rows), dimension(matrix.columns) {}
};

// A struct of supcon.h that begins with its defaults.
#define SUPCON_STRUCT(name, plain)                      \
  struct name : plain {                                 \
    name() { plain##_init_sized(this, sizeof(plain)); } \
    name(const plain &other) : plain(other) {}          \
  }
SUPCON_STRUCT(ContextOptions, supcon_context_options);
SUPCON_STRUCT(LossOptions, supcon_loss_options);
SUPCON_STRUCT(LossResult, supcon_loss_result);
SUPCON_STRUCT(DatasetOptions, supcon_dataset_options);
SUPCON_STRUCT(DatasetInfo, supcon_dataset_info);
SUPCON_STRUCT(AugmentationOptions, supcon_augmentation_options);
SUPCON_STRUCT(ModelOptions, supcon_model_options);
SUPCON_STRUCT(LoadOptions, supcon_load_options);
SUPCON_STRUCT(ModelInfo, supcon_model_info);
SUPCON_STRUCT(EmbedOptions, supcon_embed_options);
SUPCON_STRUCT(ClassifierOptions, supcon_classifier_options);
SUPCON_STRUCT(TrainOptions, supcon_train_options);
SUPCON_STRUCT(SearchOptions, supcon_search_options);
SUPCON_STRUCT(EvaluateOptions, supcon_evaluate_options);
SUPCON_STRUCT(Scores, supcon_scores);
SUPCON_STRUCT(RetrievalScores, supcon_retrieval_scores);
SUPCON_STRUCT(CalibrationOptions, supcon_calibration_options);
SUPCON_STRUCT(CalibrationScores, supcon_calibration_scores);
SUPCON_STRUCT(CorruptionScores, supcon_corruption_scores);
SUPCON_STRUCT(OODOptions, supcon_ood_options);
SUPCON_STRUCT(DetectionScores, supcon_detection_scores);
SUPCON_STRUCT(NearestOptions, supcon_nearest_options);
SUPCON_STRUCT(Collectives, supcon_collectives);
#undef SUPCON_STRUCT

/// How many threads compute, in how much memory. A default-made one is the library's own, NULL.
class Context {
 public:
  Context() = default;
  explicit Context(const ContextOptions &options) {
    supcon_context *handle = nullptr;
    detail::check(supcon_context_create(&options, &handle));
    handle_.reset(handle);
  }
  std::int32_t threads() const { return supcon_context_threads(get()); }
  /// Stops the calls that run with this context, from any thread.
  void cancel() const { supcon_context_cancel(get()); }
  supcon_context *get() const noexcept { return handle_.get(); }

 private:
  detail::Handle<supcon_context, supcon_context_free> handle_;
};

/// The version of the library that is loaded.
inline std::string version() { return supcon_version(); }
inline std::int32_t abi_version() { return supcon_abi_version(); }
inline std::string build_info() { return supcon_build_info(); }

/// Sends the library's messages of `level` (SUPCON_LOG_…) and above to a function, which may be
/// called from any thread, one call at a time; what it throws is lost. An empty function: silence.
inline void set_log(std::function<void(std::int32_t level, const char *message)> log,
                    std::int32_t level = SUPCON_LOG_INFO) {
  using Log = std::function<void(std::int32_t, const char *)>;
  if (!log) return detail::check(supcon_set_log_callback(nullptr, level, nullptr));
  // Another thread may be in an earlier one still: they live as long as the process.
  static std::mutex lock;
  static auto *kept = new std::vector<std::unique_ptr<Log>>;
  std::lock_guard<std::mutex> guard(lock);
  kept->push_back(std::make_unique<Log>(std::move(log)));
  detail::check(supcon_set_log_callback(
      [](std::int32_t at, const char *message, void *user_data) noexcept {
        try {
          (*static_cast<Log *>(user_data))(at, message);
        } catch (...) {
        }
      },
      level, kept->back().get()));
}

}  // namespace supcon

#endif
