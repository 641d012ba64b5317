// supcon.hpp: libsupcon for C++17 and later, header-only over supcon.h.
//
//   supcon::Dataset photos = supcon::Dataset::from_folder("photos");
//   supcon::Model model;
//   supcon::TrainOptions options;
//   options.epochs = 20;
//   supcon::Trainer(model, photos, options).run([](const supcon::Event &event) { … });
//   supcon::Matrix<float> rows = model.embed(photos);
//   model.save("model.safetensors");
//
// Handles     Context, Dataset, Model and Trainer free themselves; they move and do not copy.
// Errors      Every function that can fail throws supcon::Error, whose what() is the library's
//             sentence and whose status() is its status. What a callback throws comes out of the
//             call that ran it.
// Options     TrainOptions and the others are supcon.h's structs, set to their defaults when made.
// Views       Buffers are passed as Span<T>: a vector, an array, a std::span, or (pointer, size).
//             Their sizes are checked. A default-made Span stands for NULL.
// Context     A default-made Context stands for NULL: every CPU, what memory is free.
// Strings     Paths and names are UTF-8 and end at the first NUL; those returned are copies.
// Threads     The rules are those of supcon.h.
//
// supcon.h documents every option, range, default and error; here stands what differs.
#ifndef SUPCON_HPP
#define SUPCON_HPP

#include "supcon.h"
#include "supcon/core.hpp"
#include "supcon/data.hpp"
#include "supcon/evaluation.hpp"
#include "supcon/loss.hpp"
#include "supcon/model.hpp"
#include "supcon/training.hpp"

#endif
