"""The published recipes, against a table of their own."""

import ctypes

import numpy as np
import pytest

import supcon
from supcon import _generated, _library, _options, _presets

# name: architecture, objective, optimizer, schedule, augmentation
WORDS = {
    "cifar-pytorch": "resnet50 supcon sgd cosine simclr",
    "cifar-linear": "resnet50 linear sgd step crop_flip",
    "cifar-cross-entropy": "resnet50 cross_entropy sgd cosine crop_flip",
    "cifar-simclr": "resnet50 simclr sgd cosine simclr",
    "cifar-simclr-linear": "resnet50 linear sgd step crop_flip",
    "imagenet-r50": "resnet50 supcon lars cosine autoaugment_imagenet",
    "imagenet-r50-linear": "resnet50 linear rmsprop exponential autoaugment_imagenet",
    "imagenet-r200": "resnet200 supcon lars cosine stacked_randaugment",
    "imagenet-r200-linear": "resnet200 linear rmsprop exponential stacked_randaugment",
    "memory-r50": "resnet50 supcon sgd cosine simclr",
}
# name: batch_size, learning_rate, reference_batch, temperature, epochs, weight_decay,
# warmup_epochs, image side
NUMBERS = {
    "cifar-pytorch": (1024, 0.5, 0, 0.1, 1000, 1e-4, 10, 32),
    "cifar-linear": (512, 5, 0, None, 100, 0, 0, 32),
    "cifar-cross-entropy": (1024, 0.8, 0, None, 500, 1e-4, 10, 32),
    "cifar-simclr": (1024, 0.5, 0, 0.5, 1000, 1e-4, 10, 32),
    "cifar-simclr-linear": (512, 1, 0, None, 100, 0, 0, 32),
    "imagenet-r50": (6144, 0.4, 256, 0.1, 350, 1e-3, 12, 224),
    "imagenet-r50-linear": (6144, 0.05, 256, None, 90, 1e-6, 12, 224),
    "imagenet-r200": (4096, 0.2, 256, 0.1, 700, 1e-4, 12, 224),
    "imagenet-r200-linear": (4096, 0.05, 256, None, 90, 1e-6, 12, 224),
    "memory-r50": (256, 0.03, 256, 0.1, 200, 1e-4, 0, 224),
}


def test_names():
    assert supcon.presets() == list(WORDS)
    for wrong in ("imagenet-r34", "", "cifar-pytorch\0", None, 5):
        with pytest.raises(supcon.ArgumentError, match="cifar-pytorch, .*memory-r50"):
            supcon.preset(wrong)


@pytest.mark.parametrize("name", WORDS)
def test_numbers(name):
    batch, rate, reference, temperature, epochs, decay, warmup, side = NUMBERS[name]
    architecture, objective, optimizer, schedule, augmentation = WORDS[name].split()
    found = supcon.preset(name)
    model, train = found.model, found.train
    assert found.name == name and len(found.description) > 40
    assert found.description in repr(found) and f"batch_size = {batch}\n" in repr(found)
    assert (model["architecture"], model["image_size"]) == (architecture, (side, side))
    assert (model["width"], model["channels"]) == (64, 3)
    assert (train["objective"], train["optimizer"]) == (objective, optimizer)
    assert (train["schedule"], train["augmentation"]["kind"]) == (schedule, augmentation)
    assert (train["batch_size"], train["learning_rate"]) == (batch, rate)
    assert (train["reference_batch"], train["epochs"]) == (reference, epochs)
    assert (train["weight_decay"], train["warmup_epochs"]) == (decay, warmup)
    assert temperature in (None, train["temperature"])
    assert train["milestones"] == ([60, 75, 90] if schedule == "step" else None)


@pytest.mark.parametrize("name", WORDS)
def test_nothing_is_left_out(name):
    """The dicts make the library's own structs again."""
    found = supcon.preset(name)
    model, train = (
        _library.defaults(_generated.ModelOptions),
        _library.defaults(_generated.TrainOptions),
    )
    _library.check(
        _library.lib.supcon_preset(name.encode(), ctypes.byref(model), ctypes.byref(train))
    )
    fields = dict(found.train)
    views = _options.augmentation(fields.pop("augmentation"))
    assert not train.augmentation_second and bytes(views) == bytes(train.augmentation[0])
    assert fields["milestones"] == (train.milestones[: train.milestone_count] or None)
    made = _options.build(
        _options.TRAIN | _options.TRAIN_DATA,
        **{it: value for it, value in fields.items() if it not in _options.LOSS},
    )
    assert bytes(
        _options.build(_options.LOSS, **{it: fields[it] for it in _options.LOSS})
    ) == bytes(train.loss[0])
    made.loss, made.augmentation, made.milestones, made.milestone_count = (
        train.loss,
        train.augmentation,
        train.milestones,
        train.milestone_count,
    )
    assert bytes(made) == bytes(train)
    size, mean, std = (found.model[it] for it in ("image_size", "mean", "std"))
    made = _options.build(
        _options.MODEL | _options.MODEL_DATA,
        image_height=size[0],
        image_width=size[1],
        **{
            it: value
            for it, value in found.model.items()
            if it not in ("image_size", "mean", "std")
        },
    )
    made.mean[:3], made.std[:3] = mean, std
    for field, kind in _generated.ModelOptions._fields_:
        ours, theirs = (getattr(it, field) for it in (made, model))
        assert (
            (list(ours)[:3] == list(theirs)[:3]) if kind is ctypes.c_float * 4 else ours == theirs
        ), field


@pytest.mark.parametrize("name", WORDS)
def test_the_dicts_are_what_train_takes(name, color):
    found = supcon.preset(name)
    model = supcon.Model(**found.model | dict(width=4, image_size=12, precision="f32"), n_jobs=1)
    chunk = 8 if found.train["chunk_size"] else 0
    result = supcon.train(
        model,
        supcon.Dataset.from_images(*color),
        **found.train | dict(batch_size=16, epochs=1, chunk_size=chunk, stop_on_collapse=False),
    )
    assert result.steps == 2 and np.isfinite(result.history[0].loss)


def test_statistics_are_computed_where_they_are_missing(color, monkeypatch):
    images, labels = color
    data, looked = supcon.Dataset.from_images(images, labels), []
    truth = {"mean": images.mean((0, 1, 2)) / 255, "std": images.std((0, 1, 2)) / 255}
    statistics = _presets.statistics
    monkeypatch.setattr(_presets, "statistics", lambda it: looked.append(it) or statistics(it))
    recipe, gray = supcon.preset("cifar-pytorch"), supcon.Dataset.from_images(images[..., 0])
    made = _presets.model_options(recipe, data, {"width": 4})
    assert not looked and (made["mean"], made["std"], made["image_size"]) == (
        recipe.model["mean"],
        recipe.model["std"],
        (32, 32),
    )
    made = _presets.model_options(None, data, {"mean": 0.5, "std": 0.25, "head": None})
    given = {"mean": 0.5, "std": 0.25, "image_size": (12, 12), "channels": 3, "width": 16}
    assert not looked and made == given
    made = _presets.model_options(None, data, {"mean": 0.5, "std": None})
    assert len(looked) == 1 and made["mean"] == 0.5 and made["std"] == pytest.approx(truth["std"])
    made = _presets.model_options(recipe, gray, {})  # a recipe's are of colors
    assert (
        len(looked) == 2
        and made["channels"] == 1
        and made["mean"] == pytest.approx(truth["mean"][:1])
    )
