"""The published recipes in estimators and on the command line."""

import json

import files
import numpy as np
import pytest
from commands import run

import supcon
from supcon import _command, _encoder
from supcon._command import _train

SMALL = dict(
    width=4, batch_size=16, epochs=2, precision="f32", image_size=12, learning_rate=0.05, n_jobs=1
)


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
    assert [
        line.split()[0] for line in run("info", "--presets").stdout.splitlines()
    ] == supcon.presets()
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
