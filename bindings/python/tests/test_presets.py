"""The published recipes: against a table of their own, in estimators, and on the command line."""

import ctypes
import json
import subprocess
import sys

import files
import numpy as np
import pytest

import supcon
from supcon import _command, _encoder, _generated, _library, _options, _presets
from supcon._command import _train

# name: architecture, objective, batch_size, learning_rate, reference_batch, temperature, epochs,
# weight_decay, warmup_epochs, optimizer, schedule, augmentation, image side
TABLE = {
    "cifar-pytorch": (
        "resnet50",
        "supcon",
        1024,
        0.5,
        0,
        0.1,
        1000,
        1e-4,
        10,
        "sgd",
        "cosine",
        "simclr",
        32,
    ),
    "cifar-linear": (
        "resnet50",
        "linear",
        512,
        5,
        0,
        None,
        100,
        0,
        0,
        "sgd",
        "step",
        "crop_flip",
        32,
    ),
    "cifar-cross-entropy": (
        "resnet50",
        "cross_entropy",
        1024,
        0.8,
        0,
        None,
        500,
        1e-4,
        10,
        "sgd",
        "cosine",
        "crop_flip",
        32,
    ),
    "cifar-simclr": (
        "resnet50",
        "simclr",
        1024,
        0.5,
        0,
        0.5,
        1000,
        1e-4,
        10,
        "sgd",
        "cosine",
        "simclr",
        32,
    ),
    "cifar-simclr-linear": (
        "resnet50",
        "linear",
        512,
        1,
        0,
        None,
        100,
        0,
        0,
        "sgd",
        "step",
        "crop_flip",
        32,
    ),
    "imagenet-r50": (
        "resnet50",
        "supcon",
        6144,
        0.4,
        256,
        0.1,
        350,
        1e-3,
        12,
        "lars",
        "cosine",
        "autoaugment_imagenet",
        224,
    ),
    "imagenet-r50-linear": (
        "resnet50",
        "linear",
        6144,
        0.05,
        256,
        None,
        90,
        1e-6,
        12,
        "rmsprop",
        "exponential",
        "autoaugment_imagenet",
        224,
    ),
    "imagenet-r200": (
        "resnet200",
        "supcon",
        4096,
        0.2,
        256,
        0.1,
        700,
        1e-4,
        12,
        "lars",
        "cosine",
        "stacked_randaugment",
        224,
    ),
    "imagenet-r200-linear": (
        "resnet200",
        "linear",
        4096,
        0.05,
        256,
        None,
        90,
        1e-6,
        12,
        "rmsprop",
        "exponential",
        "stacked_randaugment",
        224,
    ),
    "memory-r50": (
        "resnet50",
        "supcon",
        256,
        0.03,
        256,
        0.1,
        200,
        1e-4,
        0,
        "sgd",
        "cosine",
        "simclr",
        224,
    ),
}
SMALL = dict(
    width=4, batch_size=16, epochs=2, precision="f32", image_size=12, learning_rate=0.05, n_jobs=1
)


@pytest.fixture(scope="module")
def color(shapes):
    images, labels = shapes
    return np.repeat(images[:32, ..., None], 3, axis=3), labels[:32]


def test_names():
    assert supcon.presets() == list(TABLE)
    for wrong in ("imagenet-r34", "", "cifar-pytorch\0", None, 5):
        with pytest.raises(supcon.ArgumentError, match="cifar-pytorch, .*memory-r50"):
            supcon.preset(wrong)


@pytest.mark.parametrize("name", TABLE)
def test_numbers(name):
    (
        architecture,
        objective,
        batch,
        rate,
        reference,
        temperature,
        epochs,
        decay,
        warmup,
        optimizer,
        schedule,
        augmentation,
        side,
    ) = TABLE[name]
    found = supcon.preset(name)
    assert (
        found.name == name
        and len(found.description) > 40
        and found.description in repr(found)
        and f"batch_size = {batch}\n" in repr(found)
    )
    model, train = found.model, found.train
    assert (model["architecture"], model["image_size"], model["width"], model["channels"]) == (
        architecture,
        (side, side),
        64,
        3,
    )
    names = (
        "objective",
        "batch_size",
        "learning_rate",
        "reference_batch",
        "epochs",
        "weight_decay",
        "warmup_epochs",
        "optimizer",
        "schedule",
    )
    assert [train[it] for it in names] == [
        objective,
        batch,
        rate,
        reference,
        epochs,
        decay,
        warmup,
        optimizer,
        schedule,
    ]
    assert train["augmentation"]["kind"] == augmentation and temperature in (
        None,
        train["temperature"],
    )
    assert train["milestones"] == ([60, 75, 90] if schedule == "step" else None)


@pytest.mark.parametrize("name", TABLE)
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


@pytest.mark.parametrize("name", TABLE)
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


def test_an_estimator_takes_what_is_none_from_the_preset(color):
    images, labels = color
    estimator = supcon.SupConClassifier(preset="cifar-cross-entropy", **SMALL).fit(images, labels)
    model, rates = estimator.model_, []
    assert (model.architecture, model.width, model.head, model.image_size) == (
        "resnet50",
        4,
        "none",
        (12, 12),
    )
    assert model.mean == pytest.approx([0.4914, 0.4822, 0.4465]) and model.std == pytest.approx(
        [0.2023, 0.1994, 0.2010]
    )
    assert (
        estimator.history_["train_accuracy"][0] >= 0
    )  # cross-entropy trains the classifier itself
    # what is given comes first; 10 epochs of warm-up at two steps each, from 0.01 / 0.8 of the rate
    keep = lambda event: rates.append(event.learning_rate) if event.kind == "step" else None
    supcon.SupConEncoder(
        preset="cifar-cross-entropy",
        **SMALL | dict(architecture="resnet18", head="linear"),
        projection_dim=8,
        callbacks=keep,
    ).fit(images, labels)
    start = 0.01 / 0.8
    assert rates[0] == pytest.approx(0.05 * (start + (1 - start) / 20))
    by_hand = supcon.preset("cifar-cross-entropy")
    options = by_hand.train | {it: SMALL[it] for it in ("batch_size", "epochs", "learning_rate")}
    other = supcon.Model(
        **by_hand.model | {it: SMALL[it] for it in ("width", "precision", "image_size")}, n_jobs=1
    )
    data = supcon.Dataset.from_images(images, labels).with_class_names(["0", "1"])
    supcon.train(other, data, **options)
    np.testing.assert_array_equal(other.embed(images), model.embed(images))


@pytest.fixture
def asked(monkeypatch):
    """What the runs of the estimators and of the command are asked for; nothing is trained."""
    found = []
    for module in (_encoder, _train):
        monkeypatch.setattr(module, "train", lambda *arguments, **options: found.append(options))
    yield found
    supcon.set_log()  # the command sends it to standard error


def test_an_augmentation_beside_a_preset(color, asked, tmp_path):
    """A dict without a kind changes the recipe's; one with a kind, or a word, takes its place. The
    command changes it.
    """
    recipe = supcon.preset("imagenet-r50").train["augmentation"]
    assert recipe["kind"] == "autoaugment_imagenet"
    crops, full = {"crop_scale_min": 0.3}, {"kind": "simclr", "hue": 0.0}

    def fitted(**options):
        supcon.SupConEncoder(**SMALL | options).fit(*color)
        return asked.pop()["augmentation"]

    for given, expected in (
        (None, recipe),
        (crops, recipe | crops),
        ("none", "none"),
        (full, full),
        ((crops, full), (recipe | crops, full)),
        (("none", crops), ("none", recipe | crops)),
        ([crops, None], (recipe | crops, recipe)),
    ):
        assert fitted(preset="imagenet-r50", augmentation=given) == expected, given
        if given is not None:
            assert fitted(augmentation=given) == given
    assert "kind" not in crops and supcon.preset("imagenet-r50").train["augmentation"] == recipe

    np.save(tmp_path / "x.npy", color[0])
    np.save(tmp_path / "y.npy", color[1])

    def commanded(*words):
        common = [
            "train",
            f"npy:{tmp_path}/x.npy,{tmp_path}/y.npy",
            "-o",
            str(tmp_path / "m.safetensors"),
            "--no-classifier",
            "--width",
            "4",
            "-q",
            "--image-size",
            "12",
        ]
        assert _command.main([*common, *words]) == 0
        return asked.pop()["augmentation"]

    second = ["--augmentation-second", "crop_flip,flip_probability=0.25"]
    other = {"kind": "crop_flip", "flip_probability": 0.25}
    assert commanded("--preset", "imagenet-r50") == recipe and commanded() is None
    assert commanded("--preset", "imagenet-r50", "--crop-scale-min", "0.3") == recipe | crops
    assert commanded(*second) == ({}, other)
    assert commanded(*second, "--crop-scale-min", "0.3", "--augmentation", "simclr") == (
        crops | {"kind": "simclr"},
        crops | other,
    )
    assert commanded("--preset", "imagenet-r50", *second, "--crop-scale-min", "0.3") == (
        recipe | crops,
        recipe | crops | other,
    )


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
    made = _presets.model_options(None, data, {"mean": 0.5, "std": 0.25, "width": None})
    assert not looked and made == {"mean": 0.5, "std": 0.25, "image_size": (12, 12), "channels": 3}
    made = _presets.model_options(None, data, {"mean": 0.5, "std": None})
    assert len(looked) == 1 and made["mean"] == 0.5 and made["std"] == pytest.approx(truth["std"])
    made = _presets.model_options(recipe, gray, {})  # a recipe's are of colors
    assert (
        len(looked) == 2
        and made["channels"] == 1
        and made["mean"] == pytest.approx(truth["mean"][:1])
    )


def test_an_estimator_without_labels_and_on_gray_images(shapes):
    estimator = supcon.SupConEncoder(preset="cifar-pytorch", **SMALL).fit(shapes[0])
    assert estimator.model_.channels == 1 and estimator.model_.mean == pytest.approx(
        [shapes[0].mean() / 255], rel=1e-4
    )
    with pytest.raises(ValueError, match="imagenet-r34.*cifar-pytorch"):
        supcon.SupConEncoder(preset="imagenet-r34").fit(*shapes)


def test_two_stages(color):
    images, labels = color
    small = dict(SMALL, chunk_size=8)
    first = supcon.SupConEncoder(preset="imagenet-r50", **small).fit(images, labels).model_
    assert first.normalize_features and first.head == "linear"
    probe = {it: value for it, value in small.items() if it not in ("width", "image_size")}
    second = supcon.SupConClassifier(preset="imagenet-r50-linear", init=first, **probe).fit(
        images, labels
    )
    np.testing.assert_array_equal(second.model_.embed(images), first.embed(images))
    assert second.model_.classes == 2 and list(second.history_["train_accuracy"])[-1] >= 0


def test_a_linear_stage_needs_an_encoder(color, asked, tmp_path):
    """It leaves the encoder as it is: a random one would be of no use."""
    images, labels = color
    for estimator in (supcon.SupConClassifier, supcon.SupConEncoder):
        for options in (
            dict(preset="cifar-linear"),
            dict(objective="linear"),
            dict(preset="cifar-pytorch", objective="linear"),
        ):
            with pytest.raises(supcon.ArgumentError, match="objective is 'linear'.*expected init="):
                estimator(**SMALL, **options).fit(images, labels)
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", labels)
    data = f"npy:{tmp_path}/x.npy,{tmp_path}/y.npy"
    for words in (["--preset", "cifar-linear"], ["--objective", "linear"]):
        assert (
            "objective is 'linear', "
            in (
                said := run(
                    "train", data, "-o", tmp_path / "m", "--width", "4", *words, code=1
                ).stderr
            )
            and "expected --init MODEL" in said
        )
        assert len(said.splitlines()) == 1 and not (tmp_path / "m").exists()
    # what is given comes first: this recipe then trains the encoder along
    supcon.SupConClassifier(preset="cifar-linear", objective="cross_entropy", **SMALL).fit(
        images, labels
    )
    assert asked.pop()["objective"] == "cross_entropy"


def run(*arguments, code=0):
    found = subprocess.run(
        [sys.executable, "-m", "supcon", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == code, found.stderr
    return found


def test_info():
    for name in ("cifar-linear", "imagenet-r200"):
        known, recipe = (
            json.loads(run("info", "--preset", name, "--json").stdout),
            supcon.preset(name),
        )
        assert (
            known["train"] == recipe.train
            and known["model"] | {"image_size": recipe.model["image_size"]} == recipe.model
        )
        rows = [
            line.split(maxsplit=1) for line in run("info", "--preset", name).stdout.splitlines()
        ]
        shown = {row[0]: row[1] for row in rows if len(row) == 2}
        assert (
            shown["name"] == name
            and shown["batch_size"] == str(recipe.train["batch_size"])
            and shown["kind"] == recipe.train["augmentation"]["kind"]
        )
        names = {*recipe.model, *recipe.train, *recipe.train["augmentation"], *vars(recipe)}
        assert {row[0] for row in rows} == names
    assert (
        shown["milestones"] == "none"
        and shown["image_size"] == "224, 224"
        and shown["normalize_features"] == "yes"
    )
    assert [line.split()[0] for line in run("info", "--presets").stdout.splitlines()] == list(TABLE)
    assert "is not one of" in run("info", "--preset", "imagenet-r34", code=2).stderr


def test_train_command(color, tmp_path):
    images, labels = color
    files.folder(tmp_path / "photos", images, labels)
    small = [
        "--width",
        "4",
        "--epochs",
        "2",
        "--batch-size",
        "16",
        "--precision",
        "f32",
        "--image-size",
        "12",
        "--threads",
        "1",
        "-q",
    ]
    run(
        "train",
        tmp_path / "photos",
        "-o",
        tmp_path / "first.safetensors",
        "--preset",
        "cifar-pytorch",
        *small,
        "--temperature",
        "0.2",
        "--crop-scale-min",
        "0.5",
    )
    first = supcon.load(tmp_path / "first.safetensors", precision="f32")
    assert (first.architecture, first.width, first.head, first.image_size, first.classes) == (
        "resnet50",
        4,
        "mlp",
        (12, 12),
        2,
    )
    recipe = supcon.preset("cifar-pytorch")
    again = supcon.Model(**recipe.model | dict(width=4, image_size=12, precision="f32"), n_jobs=1)
    crops = recipe.train["augmentation"] | {"crop_scale_min": 0.5}
    supcon.train(
        again,
        supcon.ImageFolder(tmp_path / "photos"),
        **recipe.train | dict(epochs=2, batch_size=16, temperature=0.2, augmentation=crops),
    )
    np.testing.assert_array_equal(again.embed(images), first.embed(images))
    run(
        "train",
        tmp_path / "photos",
        "-o",
        tmp_path / "second.safetensors",
        "--preset",
        "cifar-linear",
        "--init",
        tmp_path / "first.safetensors",
        "--epochs",
        "1",
        "--batch-size",
        "16",
        "--precision",
        "f32",
        "--threads",
        "1",
        "-q",
        "--milestones",
        "1",
    )
    np.testing.assert_array_equal(
        supcon.load(tmp_path / "second.safetensors", precision="f32").embed(images),
        first.embed(images),
    )
    assert (
        "chunk_size is 32"
        in run(
            "train",
            tmp_path / "photos",
            "-o",
            tmp_path / "x",
            "--preset",
            "imagenet-r50",
            *small,
            code=1,
        ).stderr
    )
