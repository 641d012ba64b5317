// Runs, and published recipes.
#ifndef SUPCON_TRAINING_HPP
#define SUPCON_TRAINING_HPP

#include "model.hpp"

namespace supcon {

using Event = supcon_event;

/// A run of a model on a data set. It keeps both alive.
class Trainer {
 public:
  /// Hears of steps, epochs and warnings. false stops the run after this step.
  using Callback = std::function<bool(const Event &event)>;

  Trainer(const Model &model, const Dataset &dataset, const TrainOptions &options = {},
          const Context &context = {})
      : kept_(dataset.kept()) {
    supcon_trainer *handle = nullptr;
    detail::check(
        supcon_trainer_create(context.get(), model.get(), dataset.get(), &options, &handle));
    handle_.reset(handle);
  }
  /// One of several processes, all of which make and run such a trainer. `collectives` of
  /// supcon_mpi_create() in supcon_mpi.h, or the host's own functions, are called until this ends.
  Trainer(const Model &model, const Dataset &dataset, const TrainOptions &options,
          const Collectives &collectives, const Context &context = {})
      : kept_(dataset.kept()) {
    supcon_trainer *handle = nullptr;
    detail::check(supcon_trainer_create_distributed(context.get(), model.get(), dataset.get(),
                                                    &options, &collectives, &handle));
    handle_.reset(handle);
  }
  /// Trains. true: to the end; false: it was stopped, by the callback, cancel() or the context.
  bool run(const Callback &callback = {}) {
    auto call = [](const supcon_event *event, void *user_data) noexcept {
      return detail::guarded([&] { return (*static_cast<const Callback *>(user_data))(*event); });
    };
    const supcon_status status =
        supcon_trainer_run(get(), callback ? static_cast<supcon_train_callback>(call) : nullptr,
                           const_cast<Callback *>(&callback));
    if (status == SUPCON_STATUS_CANCELED && !detail::pending()) return false;
    detail::check(status);
    return true;
  }
  /// Asks the run to stop after the step at hand; from any thread, or a signal handler.
  void cancel() const { supcon_trainer_cancel(get()); }
  /// Multiplies the learning rate from the next step on; in the callback, after an epoch.
  void scale_rate(double factor) const { detail::check(supcon_trainer_scale_rate(get(), factor)); }
  /// Writes the model as it is now; in the callback.
  void save(const std::string &path) const {
    detail::check(supcon_trainer_save(get(), path.c_str()));
  }
  /// Takes the model as it is now for what the run leaves behind; in the callback.
  void keep() const { detail::check(supcon_trainer_keep(get())); }
  /// Bytes that one step takes.
  std::int64_t memory() const { return supcon_trainer_memory(get()); }
  /// Images per step, over all ranks.
  std::int64_t batch_size() const { return supcon_trainer_batch_size(get()); }

  supcon_trainer *get() const noexcept { return handle_.get(); }

 private:
  std::shared_ptr<void> kept_;  // outlives the handle
  detail::Handle<supcon_trainer, supcon_trainer_free> handle_;
};

using Trial = supcon_trial;

/// The learning rate of a run of a model on a data set, found by short runs: see
/// supcon_find_learning_rate(). `heard` takes the place of search.trial; false stops the search,
/// which is an Error then. `collectives`: those of several processes, or NULL.
inline double find_learning_rate(const Model &model, const Dataset &dataset,
                                 const TrainOptions &options = {}, SearchOptions search = {},
                                 const std::function<bool(const Trial &trial)> &heard = {},
                                 const Collectives *collectives = nullptr,
                                 const Context &context = {}) {
  using Heard = std::function<bool(const Trial &)>;
  if (heard) {
    search.user_data = const_cast<Heard *>(&heard);
    search.trial = [](const supcon_trial *trial, void *user_data) noexcept {
      return detail::guarded([&] { return (*static_cast<const Heard *>(user_data))(*trial); });
    };
  }
  double rate = 0;
  detail::check(supcon_find_learning_rate(context.get(), model.get(), dataset.get(), &options,
                                          collectives, &search, &rate));
  return rate;
}

/// Tells the other ranks, which make a Trainer, that this one cannot: for what fails between the
/// collectives and the trainer. Nothing else is called after it.
inline void fail(const Collectives &collectives, supcon_status reason, const std::string &message) {
  detail::check(supcon_collectives_fail(&collectives, reason, message.c_str()));
}

/// The names of the published recipes.
inline std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (std::int64_t i = 0, n = supcon_preset_count(); i < n; ++i)
    names.push_back(detail::text(supcon_preset_name(i)));
  return names;
}
/// Sentences about a recipe; "" for a name that is none.
inline std::string preset_description(const std::string &name) {
  return detail::text(supcon_preset_description(name.c_str()));
}
/// A recipe's options.
struct Preset {
  ModelOptions model;
  TrainOptions train;
};
inline Preset preset(const std::string &name) {
  Preset found;
  detail::check(supcon_preset(name.c_str(), &found.model, &found.train));
  return found;
}

}  // namespace supcon

#endif
