// Tests of supcon.hpp: what it returns against the C functions and closed forms, that errors and
// exceptions arrive, that handles move. Its data is make_data's, in the folder that it is given.
#include <supcon.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <thread>

static_assert(!std::is_copy_constructible_v<supcon::Model> &&
              std::is_nothrow_move_constructible_v<supcon::Model> &&
              std::is_nothrow_move_assignable_v<supcon::Model>);
static_assert(!std::is_copy_constructible_v<supcon::Dataset> &&
              !std::is_copy_constructible_v<supcon::Trainer> &&
              !std::is_copy_constructible_v<supcon::Context>);
static_assert(sizeof(supcon::TrainOptions) == sizeof(supcon_train_options));
static_assert(std::is_constructible_v<supcon::Span<const float>, std::vector<float> &> &&
              std::is_constructible_v<supcon::Span<const float>, const std::vector<float> &> &&
              !std::is_constructible_v<supcon::Span<float>, const std::vector<float> &> &&
              !std::is_constructible_v<supcon::Span<float>, std::vector<double> &>);

static int passed = 0, failed = 0;

static void expect(bool holds, const char *what, int line) {
  ++(holds ? passed : failed);
  if (!holds) std::fprintf(stderr, "line %d: %s\n", line, what);
}
#define EXPECT(condition) expect((condition), #condition, __LINE__)

/// The call throws supcon::Error of the status, whose sentence has the word.
template <typename F>
static void refuses(F &&call, supcon_status status, const char *word, int line) {
  try {
    call();
    expect(false, "nothing was thrown", line);
  } catch (const supcon::Error &error) {
    expect(error.status() == status, error.what(), line);
    expect(std::strstr(error.what(), word) != nullptr, error.what(), line);
  }
}
#define REFUSES(call, status, word) refuses([&] { call; }, (status), (word), __LINE__)

static bool near(double a, double b, double tolerance = 1e-5) {
  return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}

constexpr std::int64_t kImages = 96, kSide = 16, kClasses = 3;

/// Gray ramps of three directions with noise: classes that a small network tells apart.
struct Ramps {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> labels;

  Ramps() {
    std::uint32_t state = 1;
    for (std::int64_t i = 0; i < kImages; ++i) {
      labels.push_back(i % kClasses);
      for (std::int64_t y = 0; y < kSide; ++y)
        for (std::int64_t x = 0; x < kSide; ++x) {
          state = state * 1664525u + 1013904223u;
          const std::int64_t at = i % 3 == 0 ? x : i % 3 == 1 ? kSide - 1 - x : 8;
          pixels.push_back(static_cast<std::uint8_t>(at * 14 + (state >> 24) % 30));
        }
    }
  }
  supcon::Images images() const { return {pixels, kImages, kSide, kSide, 1}; }
  supcon::Dataset dataset() const { return supcon::Dataset::from_images(images(), labels); }
};

static supcon::ModelOptions small() {
  supcon::ModelOptions options;
  options.width = 8;
  options.channels = 1;
  options.image_height = options.image_width = kSide;
  options.projection_dim = 16;
  options.precision = SUPCON_PRECISION_F32;
  return options;
}

static void test_general() {
  EXPECT(supcon::version() == supcon_version());
  EXPECT(supcon::abi_version() >= SUPCON_ABI_VERSION);
  EXPECT(!supcon::build_info().empty());
  supcon::ContextOptions options;
  EXPECT(options.struct_size == sizeof(supcon_context_options));
  options.threads = 1;
  supcon::Context one(options), moved = std::move(one);
  EXPECT(moved.threads() == 1 && moved.get() != nullptr && one.get() == nullptr);
  EXPECT(supcon::Context().threads() >= 1 && supcon::Context().get() == nullptr);
  options.threads = -1;
  REFUSES(supcon::Context{options}, SUPCON_STATUS_ARGUMENT, "-1");
  REFUSES(supcon::set_log([](std::int32_t, const char *) {}, 12345), SUPCON_STATUS_ARGUMENT,
          "12345");
  supcon::set_log({});

  const std::array<float, 4> numbers = {1, 2, 3, 4};
  const float plain[] = {1, 2, 3};
  EXPECT(supcon::Span<const float>(numbers).size() == 4 &&
         supcon::Span<const float>(plain)[2] == 3);
  float sum = 0;
  for (float it : supcon::Span<const float>(numbers)) sum += it;
  EXPECT(sum == 10);
}

// Two classes at right angles with tau = 1/2: log(1 + 2/e^2).
static void test_loss() {
  const std::vector<float> points = {1, 0, 1, 0, 0, 1, 0, 1};
  const std::vector<std::int64_t> labels = {0, 0, 1, 1};
  const supcon::Features rows(points, 4, 1, 2);
  supcon::LossOptions options;
  options.temperature = 0.5f;
  const double expected = std::log(1 + 2 / std::exp(2.0));
  EXPECT(near(supcon::loss(rows, labels, options).loss, expected));
  EXPECT(supcon::loss(rows, labels, options).anchors == 4);

  std::vector<float> gradient(8), per_anchor(4), plain(8);
  const auto result = supcon::loss(rows, labels, options, {gradient, per_anchor});
  for (float it : per_anchor) EXPECT(near(it, expected));
  supcon_loss_result of_c;
  supcon_loss_result_init(&of_c);
  EXPECT(supcon_loss(nullptr, points.data(), 4, 1, 2, labels.data(), nullptr, &options, &of_c,
                     nullptr, plain.data()) == SUPCON_OK);
  EXPECT(result.loss == of_c.loss && gradient == plain);

  // A mask of the same classes; pairs as two views; a queue.
  std::vector<float> mask(16, 0);
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) mask[4 * i + j] = labels[i] == labels[j];
  EXPECT(near(supcon::masked_loss(rows, mask, options).loss, expected));
  EXPECT(near(supcon::loss({points, 2, 2, 2}, {}, options).loss, expected));
  // One query against its key and one other: log(1 + 1/e^2), and with a queue of another log(1 +
  // 2/e^2).
  supcon::Keys keys;
  const std::vector<float> two = {1, 0, 0, 1}, third = {0, 1};
  keys.values = two;
  const auto alone = supcon::queue_loss({two, 2, 2}, keys, {}, options);
  EXPECT(near(alone.loss, std::log(1 + std::exp(-2.0))));
  keys.queue = {third, 1, 2};
  std::vector<float> each(2);
  supcon::queue_loss({two, 2, 2}, keys, {}, options, {{}, each});
  EXPECT(near(each[0], expected));
  EXPECT(near(each[1], std::log(2 + std::exp(-2.0))));

  const std::vector<std::uint8_t> tags = {1, 0, 1, 1, 0, 1};
  const auto any = supcon::mask_from_multilabel(tags, 3, 2);
  EXPECT(any[0][1] == 1 && any[1][2] == 1 && any[0][2] == 0 && any.rows == 3 && any.columns == 3);
  const auto kernel = supcon::mask_from_values(std::vector<double>{0, 1}, 2, 1, 1.0);
  EXPECT(near(kernel[0][1], std::exp(-0.5)) && kernel[0][0] == 1);

  const std::vector<std::int64_t> few = {0, 0, 1};
  REFUSES(supcon::loss(rows, few), SUPCON_STATUS_SHAPE, "labels has 3 elements; expected 4");
  REFUSES(supcon::loss({points, 5, 1, 2}), SUPCON_STATUS_SHAPE, "features");
  REFUSES(supcon::loss({points, -4, -1, 2}), SUPCON_STATUS_SHAPE, "-4");
  REFUSES(supcon::masked_loss(rows, points), SUPCON_STATUS_SHAPE, "mask");
  options.temperature = -1;
  REFUSES(supcon::loss(rows, labels, options), SUPCON_STATUS_ARGUMENT, "temperature");
  REFUSES(supcon::mask_from_values(std::vector<double>{0, 1}, 2, 1, 0.0), SUPCON_STATUS_ARGUMENT,
          "bandwidth");
}

static void test_data(const std::string &folder) {
  const Ramps ramps;
  const supcon::Dataset all = ramps.dataset();
  EXPECT(all.count() == kImages && all.info().classes == kClasses);
  EXPECT(all.labels() == ramps.labels && all.class_name(1) == "1" && all.class_name(99).empty());
  EXPECT(all.class_labels() == (std::vector<std::int64_t>{0, 1, 2}));
  const std::vector<std::int64_t> indices = {5, 4};
  EXPECT(all.subset(indices).labels() == (std::vector<std::int64_t>{2, 1}));
  const auto parts = all.split(0.25, 3);
  EXPECT(parts.first.count() == 72 && parts.second.count() == 24);
  EXPECT(all.with_labels({}).info().labeled == 0);
  const std::vector<double> values(static_cast<std::size_t>(kImages * 2), 0.5);
  const auto targets = all.with_targets(values, 2).targets();
  EXPECT(targets.rows == kImages && targets.columns == 2 && targets.values == values);
  EXPECT(all.with_class_names({"up", "down", "level"}).class_name(2) == "level");
  EXPECT(all.per_class(4).count() == 12);
  EXPECT(all.long_tailed(4).count() == 32 + 16 + 8);
  const auto noisy = all.with_label_noise(0.5).labels();
  EXPECT(std::inner_product(noisy.begin(), noisy.end(), ramps.labels.begin(), 0, std::plus<>(),
                            std::not_equal_to<>()) == 48);

  const supcon::Dataset files = supcon::Dataset::from_folder(folder + "/folder");
  EXPECT(files.info().classes == 2 && files.class_name(0) == "blue");
  const auto skipped = files.skipped();
  EXPECT(!skipped.empty() && skipped[0].find(": ") != std::string::npos);
  EXPECT(files.path(0).find("/folder/blue/") != std::string::npos);
  const std::vector<std::string> two = {files.path(0), files.path(1)};
  EXPECT(supcon::Dataset::from_files(two, indices).labels() == indices);
  EXPECT(supcon::Dataset::from_idx(folder + "/images.idx", folder + "/labels.idx").count() == 96);
  EXPECT(supcon::Dataset::from_idx(folder + "/images.idx").info().labeled == 0);

  supcon::AugmentationOptions none;
  none.kind = SUPCON_AUGMENTATION_NONE;
  const auto same = supcon::augment(ramps.images(), none, kSide, kSide);
  const auto again = supcon::augment(all, indices, none, kSide, kSide);
  EXPECT(same.size() == ramps.pixels.size() && near(same[7], ramps.pixels[7] / 255.0));
  EXPECT(
      std::equal(again.begin(), again.begin() + kSide * kSide, same.begin() + 5 * kSide * kSide));
  const auto fog = supcon::corrupt(ramps.images(), SUPCON_CORRUPTION_FOG, 3);
  EXPECT(fog.size() == ramps.pixels.size() && fog != ramps.pixels);
  EXPECT(all.corrupt(SUPCON_CORRUPTION_FOG, 3).count() == kImages);

  REFUSES(supcon::Images(ramps.pixels, kImages, kSide, kSide, 3), SUPCON_STATUS_SHAPE, "pixels");
  REFUSES(supcon::Dataset::from_folder(folder + "/nowhere"), SUPCON_STATUS_IO, "nowhere");
  REFUSES(all.subset(std::vector<std::int64_t>{kImages}), SUPCON_STATUS_ARGUMENT, "96");
  REFUSES(all.with_labels(indices), SUPCON_STATUS_SHAPE, "labels has 2");
  REFUSES(all.with_labels({}).labels(), SUPCON_STATUS_STATE, "label");
  REFUSES(all.targets(), SUPCON_STATUS_STATE, "target");
  REFUSES(supcon::augment(ramps.images(), none, -1, kSide), SUPCON_STATUS_SHAPE, "-1");
}

static void test_model(const std::string &folder) {
  const Ramps ramps;
  supcon::Model model(small());
  EXPECT(model.info().width == 8 && model.output_dimension() == 64);
  EXPECT(model.output_dimension(SUPCON_OUTPUT_LOGITS) == 0 && model.class_name(0).empty());
  const auto rows = model.embed(ramps.images());
  EXPECT(rows.rows == kImages && rows.columns == 64);
  double length = 0;
  for (float it : rows[3]) length += double(it) * it;
  EXPECT(near(length, 1));
  EXPECT(model.embed(ramps.dataset()).values == rows.values);
  std::vector<float> own(rows.values.size());
  model.embed(ramps.images(), own);
  EXPECT(own == rows.values);

  std::thread other([&] { EXPECT(model.embed(ramps.images()).values == rows.values); });
  other.join();

  int heard = 0;
  model.fit_classifier(ramps.dataset(), {},
                       [&](std::int32_t, std::int64_t, std::int64_t) { return ++heard > 0; });
  EXPECT(heard > 0 && model.info().classes == kClasses && model.class_name(2) == "2");
  supcon::EmbedOptions probabilities;
  probabilities.output = SUPCON_OUTPUT_PROBABILITIES;
  const auto chances = model.embed(ramps.images(), probabilities);
  EXPECT(chances.columns == kClasses && near(chances[0][0] + chances[0][1] + chances[0][2], 1));
  supcon::EmbedOptions raw;
  raw.normalize = 0;
  const auto features = model.embed(ramps.images(), raw);
  EXPECT(near(model.forward_head(features, probabilities)[5][1], chances[5][1]));
  EXPECT(model.fit_classifier_on_features(ramps.dataset(), features) > 0);
  EXPECT(near(model.embed(ramps.images(), probabilities)[5][1], chances[5][1]));
  REFUSES(model.fit_classifier(ramps.dataset(), {},
                               [](std::int32_t, std::int64_t, std::int64_t) { return false; }),
          SUPCON_STATUS_CANCELED, "");
  bool caught = false;
  try {
    model.fit_classifier(ramps.dataset(), {}, [](std::int32_t, std::int64_t, std::int64_t) -> bool {
      throw std::out_of_range("mine");
    });
  } catch (const std::out_of_range &error) {
    caught = std::string(error.what()) == "mine";
  }
  EXPECT(caught);

  const std::string path = folder + "/cxx.safetensors";
  model.save(path);
  supcon::Model loaded = supcon::Model::load(path);
  EXPECT(loaded.embed(ramps.images()).values == rows.values);
  loaded = std::move(model);
  EXPECT(model.get() == nullptr && loaded.info().classes == kClasses);
  loaded.reset_classifier(0);
  EXPECT(loaded.info().classes == 0);
  loaded.dequantize();

  REFUSES(supcon::Model::load(folder + "/absent.safetensors"), SUPCON_STATUS_IO,
          "absent.safetensors");
  REFUSES(loaded.embed(ramps.images(), supcon::Span<float>(own.data(), 5)), SUPCON_STATUS_SHAPE,
          "5");
  REFUSES(loaded.embed(ramps.images(), probabilities), SUPCON_STATUS_STATE, "classifier");
  supcon::ModelOptions options = small();
  options.architecture = "resnet19";
  REFUSES(supcon::Model{options}, SUPCON_STATUS_ARGUMENT, "resnet19");
}

static void test_training() {
  const Ramps ramps;
  supcon::TrainOptions options;
  options.epochs = 6;
  options.batch_size = 32;
  options.learning_rate = 0.4;
  options.validation_fraction = 0;
  options.stop_on_collapse = 0;
  supcon::AugmentationOptions crops;
  crops.kind = SUPCON_AUGMENTATION_NONE;
  options.augmentation = &crops;
  supcon::Model model(small());
  std::vector<double> losses;
  {
    // The data set and the function behind it may go before the run.
    auto pixels = std::make_shared<std::vector<std::uint8_t>>(ramps.pixels);
    auto source = [pixels](supcon::Span<const std::int64_t> indices,
                           supcon::Span<std::uint8_t> to) {
      const std::size_t size = kSide * kSide;
      for (std::size_t i = 0; i < indices.size(); ++i)
        std::copy_n(pixels->begin() + indices[i] * std::int64_t(size), size, to.begin() + i * size);
    };
    auto whole = supcon::Dataset::from_callback(source, kImages, kSide, kSide, 1, ramps.labels);
    supcon::Trainer trainer(model, whole.per_class(1000), options);
    whole = ramps.dataset();
    EXPECT(trainer.memory() > 0);
    EXPECT(trainer.batch_size() == options.batch_size);
    EXPECT(trainer.run([&](const supcon::Event &event) {
      if (event.kind == SUPCON_EVENT_EPOCH) losses.push_back(event.loss);
      return true;
    }));
    REFUSES(trainer.run(), SUPCON_STATUS_STATE, "");
  }
  EXPECT(losses.size() == 6 && losses.back() < losses.front());

  EXPECT(!supcon::Trainer(model, ramps.dataset(), options).run([](const supcon::Event &) {
    return false;
  }));
  supcon::Trainer canceled(model, ramps.dataset(), options);
  canceled.cancel();
  EXPECT(!canceled.run());
  for (int of_source = 0; of_source < 2; ++of_source) {
    bool caught = false;
    try {
      auto bad = [&](supcon::Span<const std::int64_t>, supcon::Span<std::uint8_t>) {
        throw std::length_error("mine");
      };
      if (of_source)
        supcon::Trainer(model,
                        supcon::Dataset::from_callback(bad, kImages, kSide, kSide, 1, ramps.labels),
                        options)
            .run();
      else
        supcon::Trainer(model, ramps.dataset(), options).run([](const supcon::Event &) -> bool {
          throw std::length_error("mine");
        });
    } catch (const std::length_error &error) {
      caught = std::string(error.what()) == "mine";
    }
    EXPECT(caught);
  }
  std::vector<double> tried;
  supcon::TrainOptions tuned = options;
  tuned.epochs = 1;
  const double rate = supcon::find_learning_rate(model, ramps.dataset(), tuned, {},
                                                 [&](const supcon::Trial &trial) {
                                                   tried.push_back(trial.learning_rate);
                                                   return true;
                                                 });
  EXPECT(std::find(tried.begin(), tried.end(), rate) != tried.end() && tried.size() >= 5);
  REFUSES(supcon::find_learning_rate(model, ramps.dataset(), tuned, {},
                                     [](const supcon::Trial &) { return false; }),
          SUPCON_STATUS_CANCELED, "learning rate");
  supcon::SearchOptions hurried;
  hurried.seconds = 0;
  REFUSES(supcon::find_learning_rate(model, ramps.dataset(), tuned, hurried),
          SUPCON_STATUS_ARGUMENT, "seconds");
  // One process of one has nobody to exchange with.
  supcon::Collectives ranks;
  ranks.world = 1;
  REFUSES(supcon::Trainer(model, ramps.dataset(), options, ranks), SUPCON_STATUS_ARGUMENT,
          "all_reduce_sum is NULL");
  ranks.all_reduce_sum = [](float *, std::int64_t, void *) { return 1; };
  ranks.all_gather = [](const void *, std::int64_t, void *, void *) { return 1; };
  ranks.broadcast = [](void *, std::int64_t, std::int32_t, void *) { return 1; };
  ranks.barrier = [](void *) { return 0; };
  EXPECT(supcon::Trainer(model, ramps.dataset(), options, ranks).run());
  supcon::fail(ranks, SUPCON_STATUS_IO, "no data");  // there is nobody to tell
  EXPECT(ramps.dataset().join(ranks).own_part().labels() == ramps.dataset().labels());
  ranks.world = 2;
  REFUSES(ramps.dataset().join(ranks), SUPCON_STATUS_IO, "all_gather failed");
  REFUSES(supcon::fail(ranks, SUPCON_STATUS_IO, "no data"), SUPCON_STATUS_IO, "all_gather failed");
  REFUSES(supcon::Trainer(model, ramps.dataset(), options, ranks), SUPCON_STATUS_IO,
          "all_gather failed");
  // What was thrown does not come again.
  EXPECT(model.embed(ramps.images()).rows == kImages);
  options.batch_size = -1;
  REFUSES(supcon::Trainer(model, ramps.dataset(), options), SUPCON_STATUS_ARGUMENT, "batch_size");

  const auto names = supcon::preset_names();
  EXPECT(std::find(names.begin(), names.end(), "cifar-pytorch") != names.end());
  const auto recipe = supcon::preset("cifar-pytorch");
  EXPECT(std::strcmp(recipe.model.architecture, "resnet50") == 0 && recipe.train.epochs == 1000);
  EXPECT(!supcon::preset_description("cifar-pytorch").empty());
  EXPECT(supcon::preset_description("none").empty());
  REFUSES(supcon::preset("none"), SUPCON_STATUS_ARGUMENT, "none");
}

static void test_evaluation() {
  const std::vector<float> train = {1, 0, 0.9f, 0.1f, 0, 1, 0.1f, 0.9f}, test = {1, 0.1f, 0.1f, 1};
  const std::vector<std::int64_t> labels = {0, 0, 1, 1}, truth = {0, 1};
  const supcon::Labeled gallery({train, 4, 2}, labels), queries({test, 2, 2}, truth);
  supcon::EvaluateOptions options;
  options.method = SUPCON_METHOD_KNN;
  options.k = 1;
  std::vector<std::int64_t> guesses(2), confusion(4);
  std::vector<float> chances(4);
  const auto scores = supcon::evaluate(gallery, queries, options, {guesses, chances, confusion});
  EXPECT(scores.top1 == 1 && scores.classes == 2 && guesses == truth && chances[0] == 1);
  EXPECT(confusion == (std::vector<std::int64_t>{1, 0, 0, 1}));
  EXPECT(supcon::retrieval(gallery).precision_at_1 == 1);
  EXPECT(supcon::retrieval(gallery, queries).map_at_r == 1);
  supcon::Reliability diagram;
  const std::vector<float> sure = {0.75f, 0.25f, 0.25f, 0.75f};
  const auto calibration = supcon::calibration({{sure, 2, 2}, truth}, {}, &diagram);
  EXPECT(near(calibration.expected_calibration_error, 0.25) && diagram.counts.size() == 15);
  EXPECT(std::accumulate(diagram.counts.begin(), diagram.counts.end(), std::int64_t(0)) == 2);
  const std::vector<double> half = {0.2, 0.4}, base = {0.4, 0.8};
  std::vector<double> ratios(1);
  const auto robust = supcon::corruption_error({half, NAN}, {base, NAN}, 1, 2, {ratios, {}});
  EXPECT(near(robust.mean, 0.5) && near(ratios[0], 0.5) && std::isnan(robust.relative_mean));
  const std::vector<float> axes = {1, 0, 0, 1};
  EXPECT(near(supcon::alignment({{axes, 2, 2}, std::vector<std::int64_t>{3, 3}}), 2));
  EXPECT(near(supcon::uniformity({axes, 2, 2}), -4));
  supcon::OODOptions nearest;
  nearest.k = 1;
  const std::vector<float> back = {-1, 0};
  const auto strange = supcon::ood_scores({axes, 2, 2}, {back, 1, 2}, nearest);
  EXPECT(strange.size() == 1 && near(strange[0], std::sqrt(2.0)));
  EXPECT(supcon::ood_scores({axes, 2, 2}, {}, nearest).size() == 2);
  supcon::NearestOptions first;
  first.k = 2;
  const auto neighbors = supcon::nearest({train, 4, 2}, {test, 2, 2}, first);
  EXPECT(neighbors.indices.values == (std::vector<std::int64_t>{1, 0, 3, 2}));
  EXPECT(near(neighbors.similarities[0][0], (0.9 + 0.01) / std::sqrt(1.01 * 0.82)));
  EXPECT(supcon::nearest({train, 4, 2}, {}, first).indices[2][0] == 3);
  first.k = 5;
  REFUSES(supcon::nearest({train, 4, 2}, {test, 2, 2}, first), SUPCON_STATUS_ARGUMENT, "k");
  first.k = -1;
  REFUSES(supcon::nearest({train, 4, 2}, {}, first), SUPCON_STATUS_ARGUMENT, "k");
  EXPECT(supcon::detection(std::vector<float>{0, 1}, std::vector<float>{2, 3}).auroc == 1);

  REFUSES(supcon::Labeled({train, 4, 2}, truth), SUPCON_STATUS_SHAPE, "labels");
  REFUSES(supcon::evaluate(gallery, {{test, 1, 4}, {truth.data(), 1}}), SUPCON_STATUS_SHAPE,
          "rows have 2 and 4");
  options.k = -1;
  REFUSES(supcon::evaluate(gallery, queries, options), SUPCON_STATUS_ARGUMENT, "k");
}

int main(int count, char **arguments) {
  if (count != 2) return 2;
  test_general();
  test_loss();
  test_data(arguments[1]);
  test_model(arguments[1]);
  test_training();
  test_evaluation();
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
