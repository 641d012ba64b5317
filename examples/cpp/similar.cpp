// Trains an encoder on a folder of images per class, and finds the images most like each query.
//   similar [--epochs N] [--size PIXELS] FOLDER QUERY…
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <supcon.hpp>
#include <vector>

namespace {

volatile std::sig_atomic_t stopped = 0;

struct Arguments {
  int epochs = 20;
  int size = 64;
  std::vector<std::string> names;
};

// The number behind an option; throws std::invalid_argument if it is none.
int number(const std::string &option, const char *text, int low, int high) {
  char *end = nullptr;
  const long value = text ? std::strtol(text, &end, 10) : 0;
  if (!text || end == text || *end || value < low || value > high)
    throw std::invalid_argument(option + " is " + (text ? text : "missing") +
                                "; expected a whole number from " + std::to_string(low) + " to " +
                                std::to_string(high));
  return static_cast<int>(value);
}

Arguments parse(int count, char **words) {
  Arguments found;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--epochs") {
      found.epochs = number(word, words[++i], 1, 100000);
    } else if (word == "--size") {
      found.size = number(word, words[++i], 8, 1024);
    } else {
      found.names.push_back(word);
    }
  }
  if (found.names.size() < 2)
    throw std::invalid_argument("usage: similar [--epochs N] [--size PIXELS] FOLDER QUERY…");
  return found;
}

supcon::Model train(const supcon::Dataset &photos, const Arguments &arguments) {
  supcon::ModelOptions shape;
  shape.width = 16;
  shape.image_height = shape.image_width = arguments.size;
  supcon::Model model(shape);

  supcon::TrainOptions options;
  options.epochs = arguments.epochs;
  options.batch_size =
      static_cast<std::int32_t>(std::clamp<std::int64_t>(photos.count() / 2, 2, 128));
  supcon::Trainer(model, photos, options).run([](const supcon::Event &event) {
    if (event.kind == SUPCON_EVENT_EPOCH)
      std::fprintf(stderr, "epoch %d of %d: loss %.3f\n", static_cast<int>(event.epoch),
                   static_cast<int>(event.epochs), event.loss);
    return stopped == 0;  // after Ctrl-C the model is what was learned so far
  });
  return model;
}

}  // namespace

int main(int count, char **words) try {
  const Arguments arguments = parse(count, words);
  std::signal(SIGINT, [](int) { stopped = 1; });

  const auto photos = supcon::Dataset::from_folder(arguments.names[0]);
  for (const std::string &it : photos.skipped()) std::fprintf(stderr, "left out: %s\n", it.c_str());
  const std::vector<std::string> names(arguments.names.begin() + 1, arguments.names.end());
  const auto queries = supcon::Dataset::from_files(names);

  const supcon::Model model = train(photos, arguments);
  const std::vector<std::int64_t> labels = photos.labels();
  const supcon::Matrix<float> rows = model.embed(photos), wanted = model.embed(queries);
  supcon::NearestOptions options;
  options.k = static_cast<std::int32_t>(std::min<std::int64_t>(5, rows.rows));
  options.normalize = 0;  // rows have length 1 already
  const supcon::Neighbors found = supcon::nearest(rows, wanted, options);
  for (std::int64_t i = 0; i < wanted.rows; ++i) {
    std::printf("%s\n", queries.path(i).c_str());
    for (std::int64_t at : found.indices[i])
      std::printf("  %s  %s\n", photos.class_name(labels[at]).c_str(), photos.path(at).c_str());
  }
  return EXIT_SUCCESS;
} catch (const std::exception &error) {
  std::fprintf(stderr, "%s\n", error.what());
  return EXIT_FAILURE;
}
