"""What is chosen for images where the caller chooses nothing."""

import itertools

import files
import numpy as np
import pytest

import supcon
from supcon import _presets, _recipe, _safetensors


def letters(count: int, mirrored: bool, seed: int = 0):
    """Images of two classes: corners that differ by a mirror, or bars that no mirror changes."""
    random = np.random.default_rng(seed)
    images, labels = random.integers(0, 40, (count, 16, 16)).astype(np.uint8), np.arange(count) % 2
    for image, label in zip(images, labels):
        at = random.integers(0, 3, 2)
        if mirrored:
            image[3 + at[0] : 13 + at[0], (3 if label else 11) + at[1] - 1] = 230
            image[11 + at[0], 3 + at[1] : 11 + at[1]] = 230
        else:
            (image if label else image.T)[5 + at[0] : 8 + at[0], 2:14] = 230
    return images, labels


def chosen(images, labels, **options):
    data = supcon.Dataset.from_images(images, labels)
    return _recipe.suited(data, options, (data.height, data.width))


def test_mirrors_are_left_out_where_they_change_the_class():
    found, why = chosen(*letters(200, mirrored=True))
    assert found["augmentation"]["flip_probability"] == 0 and "without mirroring" in why
    found, why = chosen(*letters(200, mirrored=False))
    assert "flip_probability" not in found["augmentation"] and "with mirroring" in why


def test_images_whose_pixels_do_not_tell_the_class_keep_simclr():
    random = np.random.default_rng(3)
    found, why = chosen(random.integers(0, 256, (100, 16, 16)).astype(np.uint8), np.arange(100) % 5)
    assert "augmentation" not in found and "SimCLR" in why


@pytest.mark.parametrize("count", [8, 30, 100, 255, 800, 3000])
def test_every_number_of_images_has_a_batch(count):
    images, labels = letters(count, mirrored=True)
    found, _ = chosen(images, labels)
    held_out = found.get("validation_fraction", 0.05)
    assert 2 <= found["batch_size"] <= count - int(count * held_out)
    assert 10 <= found["epochs"] <= 200


def test_a_batch_takes_no_more_than_its_classes_give():
    """Of two classes with seven images each 14, where 300 images would make 32."""
    images, labels = letters(300, mirrored=True)
    found, _ = chosen(images, labels, images_per_class=7)
    assert found["batch_size"] == 14
    supcon.SupConEncoder(width=4, epochs=1, images_per_class=7).fit(images, labels)


def test_large_images_make_small_batches():
    """Of 64 pixels a side 256, of 224 and more 32."""
    images, labels = letters(3000, mirrored=True)
    data = supcon.Dataset.from_images(images, labels)
    sizes = {16: 256, 64: 256, 128: 64, 224: 32, 512: 32}
    found = {it: _recipe.suited(data, {}, (it, it))[0]["batch_size"] for it in sizes}
    assert found == sizes


def sizes_of(tmp_path, *sizes):
    """Files of these heights and widths."""
    for at, (height, width) in enumerate(sizes):
        files.png(tmp_path / f"{at}.png", np.zeros((height, width, 3), np.uint8))
    return supcon.Dataset.from_files([tmp_path / f"{it}.png" for it in range(len(sizes))])


@pytest.mark.parametrize(
    ("sizes", "size"),
    [
        ([(28, 28)], (28, 28)),
        ([(224, 224)], (224, 224)),
        ([(300, 400)], (194, 259)),  # 50,246 pixels of the same shape
        ([(20, 3000)], (20, 2743)),  # never narrower than 32, or than it is
        ([(40, 60), (60, 40), (50, 45), (200, 300), (15, 10)], (45, 45)),  # medians 50 and 45
        ([(480, 640), (640, 480), (600, 600)], (224, 224)),
    ],
)
def test_images_have_a_size_that_suits_them(tmp_path, sizes, size):
    data = sizes_of(tmp_path, *sizes)
    assert data.median_size == tuple(np.median(sizes, 0))
    assert _presets.suitable_size(data) == size
    told, reduced = _recipe.suited(data, {}, size)[1].split("; ")[0], data.median_size
    assert told.startswith(f"images of {size[0]}x{size[1]} pixels")
    about = "" if len(sizes) == 1 else "about "
    assert (f"yours of {about}{reduced[0]}x{reduced[1]} are reduced" in told) == (
        np.prod(size) < np.prod(reduced)
    )


def given_weights(**options):
    options = dict(width=4, image_size=96, channels=1, stem="imagenet", precision="f32") | options
    return supcon.Model("resnet18", **options)


def shades(count: int):
    """Images of two classes, dark and bright, which any weights tell apart."""
    labels = np.arange(count) % 2
    random = np.random.default_rng(0)
    return (random.integers(0, 30, (count, 16, 16)) + 200 * labels[:, None, None]).astype(
        np.uint8
    ), labels


def test_weights_that_know_the_classes_train_the_last_stage():
    images, labels = shades(60)
    data, begun = supcon.Dataset.from_images(images, labels), given_weights()
    found, why = _recipe.suited(data, {}, begun.image_size, begun)
    assert (found["freeze_stages"], found["feature_cache"]) == (3, 4)
    # 60 images, 8 views, 6x6 pixels of 16 channels, 4 bytes
    assert "last stage" in why and "100%" in why and f"{60 * 8 * 36 * 16 * 4 / 1e9:.1f} GB" in why
    thrifty, _ = _recipe.suited(data, {"objective": "cross_entropy"}, begun.image_size, begun)
    assert thrifty["feature_cache"] == 4
    for given in (
        {"freeze_stages": 0},
        {"layer_decay": 0.5},
        {"freeze_stages": 2, "unfreeze_epochs": [3]},
        {"objective": "linear"},
    ):
        found, _ = _recipe.suited(data, given, begun.image_size, begun)
        assert found.get("freeze_stages") == given.get("freeze_stages")
    mixed, _ = _recipe.suited(data, {"mixup_alpha": 0.2}, begun.image_size, begun)
    assert mixed["freeze_stages"] == 3 and "feature_cache" not in mixed
    confused, why = _recipe.suited(
        supcon.Dataset.from_images(images, np.arange(60) // 2 % 2),
        {},
        begun.image_size,
        begun,
    )
    assert "freeze_stages" not in confused and "all stages are trained" in why
    assert "image_size_schedule" not in confused
    large = given_weights(image_size=(129, 192))
    sized, why = _recipe.suited(
        supcon.Dataset.from_images(images, np.arange(60) // 2 % 2), {}, large.image_size, large
    )
    assert sized["image_size_schedule"] == [64, 97] and "64, then 97 pixels" in why
    assert "validation_every" not in sized  # nothing is held out
    known, why = _recipe.suited(data, {}, large.image_size, large)
    assert known["image_size_schedule"] == [64, 97] and "freeze_stages" not in known
    assert "all stages are trained, on views of 64, then 97 pixels" in why
    alone, _ = _recipe.suited(data, {"epochs": 1}, large.image_size, large)
    assert alone["image_size_schedule"] == [64] and "freeze_stages" not in alone
    many = data.subset(np.arange(1000) % data.count)
    for begun, is_judged in itertools.product((None, large), (False, True)):
        found, why = _recipe.suited(many, {}, large.image_size, begun, is_judged)
        spared = begun is not None and is_judged
        assert found.get("validation_fraction") == (0 if spared else None)
        assert ("no image is held out, as others are there to judge by" in why) == spared
        # What is held out judges at the end alone, as long as nobody asks for more.
        late = begun is not None and not is_judged
        assert found.get("validation_every") == (found["epochs"] if late else None)
        assert ("the held-out images judge at the end alone" in why) == late
    for given in (
        {"patience": 3},
        {"validation_fraction": 0.1},
        {"restore_best": True},
        {"validation_every": 2},
    ):
        kept, _ = _recipe.suited(many, given, large.image_size, large, True)
        assert kept.get("validation_fraction") == given.get("validation_fraction")
        assert kept.get("validation_every") == given.get("validation_every")
    small = given_weights(image_size=64)
    found, why = _recipe.suited(data, {}, small.image_size, small)
    assert "freeze_stages" not in found and "all stages are trained" in why


def test_callbacks_that_follow_held_out_images_have_some(small):
    images, labels = letters(60, mirrored=True)
    for monitor, measured in (("knn_accuracy", True), ("loss", False)):
        stop = supcon.callbacks.EarlyStopping(monitor, patience=9)
        fitted = supcon.SupConEncoder(width=4, epochs=2, callbacks=stop).fit(images, labels)
        assert np.isfinite(fitted.history_["knn_accuracy"]).all() == measured
        assert ("no image is held out" in fitted.recipe_) != measured


def test_a_cache_that_memory_does_not_hold_is_not_chosen(monkeypatch):
    """It takes half of the memory limit at most, and 2 GiB."""
    images, labels = shades(60)
    data, begun = supcon.Dataset.from_images(images, labels), given_weights()
    round_ = 60 * 2 * 36 * 16 * 4
    rounds = lambda begun: _recipe.suited(data, {}, begun.image_size, begun)[0].get("feature_cache")
    for limit, expected in ((6 * round_, 3), (2 * round_, 1), (2 * round_ - 1, None)):
        assert rounds(begun.copy(memory_limit=limit)) == expected
    for room, expected in ((3 * round_, 3), (round_, 1), (round_ - 1, None)):
        monkeypatch.setattr(_recipe, "CACHE", room)
        assert rounds(begun) == expected


def test_a_run_of_the_recipe_goes_on_for_longer(tmp_path):
    """Of given weights, whose last stage is trained over a cache, and of large ones."""
    images, labels = shades(40)
    for side in (96, 128):
        begun = given_weights(image_size=side)
        options = dict(init=begun, random_state=0, checkpoint_folder=tmp_path / str(side))
        supcon.SupConEncoder(epochs=2, **options).fit(images, labels)
        longer = supcon.SupConEncoder(epochs=3, resume=True, **options).fit(images, labels)
        assert list(longer.history_["epoch"])[-1] == 3


def test_fitting_from_given_weights_by_the_recipe():
    """The stages that stay keep every bit, the last is trained."""
    images, labels = shades(60)
    begun = given_weights()
    estimator = supcon.SupConClassifier(init=begun, epochs=2, random_state=0).fit(images, labels)
    assert "last stage" in estimator.recipe_
    before, after = (_safetensors.parsed(it.to_bytes())[0] for it in (begun, estimator.model_))
    for name, values in before.items():
        stays = name.startswith(("conv1", "bn1", "layer1", "layer2", "layer3"))
        if stays or (name.startswith("layer4") and name.endswith("weight")):
            assert (values == after[name]).all() == stays, name


def test_fitting_all_stages_on_smaller_views():
    images, _ = shades(60)
    begun = given_weights(image_size=128)
    estimator = supcon.SupConClassifier(init=begun, epochs=3, random_state=0)
    estimator.fit(images, np.arange(60) // 2 % 2)
    assert "all stages" in estimator.recipe_ and "64, then 96" in estimator.recipe_
    assert estimator.model_.image_size == (128, 128) and len(estimator.history_["loss"]) == 3
    before, after = (_safetensors.parsed(it.to_bytes())[0] for it in (begun, estimator.model_))
    for name in ("conv1.weight", "layer1.0.conv1.weight", "layer4.1.conv2.weight"):
        assert (before[name] != after[name]).any(), name


def test_the_rate_that_is_told_is_the_one_that_trains():
    """Of the whole batch of 256, of smaller ones, and from given weights, at the peak."""
    for count, begun, more in (
        (4000, None, {}),
        (60, None, {}),
        (60, None, {"optimizer": "adamw"}),
        (60, None, {"reference_batch": 32}),
        (60, None, {"chunk_size": 8}),
        (60, given_weights(), {}),
        (60, given_weights(), {"optimizer": "sgd"}),
    ):
        images, labels = shades(count)
        data, options = (
            supcon.Dataset.from_images(images, labels),
            dict(epochs=2, objective="simclr") | more,
        )
        size = begun.image_size if begun else (16, 16)
        found, why = _recipe.suited(data, options, size, begun)
        model = begun or supcon.Model(width=4, channels=1, image_size=16)
        rates = []
        hear = lambda event, rates=rates: rates.append(event.learning_rate) or len(rates) > 3
        supcon.train(model, data, **found | dict(schedule="constant"), callbacks=hear)
        told = float(why.partition("the learning rate ")[2].partition(",")[0])
        assert told == pytest.approx(max(rates), rel=1e-3), why


def test_given_weights_are_trained_by_adamw():
    """Unless the caller says how, or nothing but a linear classifier is trained."""
    images, labels = shades(60)
    data, begun = supcon.Dataset.from_images(images, labels), given_weights()

    def tells(options, searches=False):
        found, why = _recipe.suited(data, options, begun.image_size, begun, searches=searches)
        names = ("optimizer", "learning_rate", "reference_batch", "weight_decay")
        return tuple(found.get(it) for it in names), why

    found, why = tells({})
    assert found[0] == "adamw" and found[2] == 0
    assert f"adamw with a weight decay of {found[3]:g}, by which" in why
    assert f"the learning rate {found[1]:g}, whatever the batch" in why
    assert "adamw" not in tells({"optimizer": "sgd"})[1]
    _, rate, _, decay = found
    assert tells({"objective": "cross_entropy"})[0] == tells({"optimizer": "adamw"})[0] == found
    assert tells({"weight_decay": 0.5})[0] == ("adamw", rate, 0, 0.5)
    searched, why = tells({}, searches=True)  # begins with the rate
    assert searched == found and "the learning rate" not in why
    # A rate is that of the same optimizer, whoever chose it.
    assert tells({"learning_rate": 0.01})[0] == ("adamw", 0.01, 0, decay)
    assert tells({"reference_batch": 64})[0] == ("adamw", rate, 64, decay)
    assert tells({"optimizer": "sgd"})[0] == ("sgd", None, None, None)
    assert tells({"objective": "linear"})[0] == (None,) * 4


def test_random_weights_have_a_rate_by_the_batch():
    """Whoever chose the batch; a rate that is given is taken as it is."""
    images, labels = letters(600, mirrored=True)

    def tells(**options):
        found, why = chosen(images, labels, **options)
        names = ("optimizer", "learning_rate", "reference_batch", "batch_size")
        return tuple(found.get(it) for it in names), why

    found, why = tells()
    assert found[3] == 64 and found[:3] == (None, 0.1, 0)
    assert "the learning rate 0.1, in proportion to the batch below 64" in why
    assert tells(batch_size=64)[0] == found and tells(batch_size=0)[0] == found
    assert tells(batch_size=16)[0][1:3] == (0.025, 0)
    assert tells(batch_size=128)[0][1:3] == (0.1, 0)
    for batch in (256, 512):  # 0.1 and 0.2, by the library's scaling
        found, why = tells(batch_size=batch)
        assert found[1:3] == (None, None)
        assert f"the learning rate {0.1 * batch / 256:g}, in proportion to the batch" in why
    assert tells(learning_rate=0.3)[0][1:3] == (0.3, 0)
    assert tells(reference_batch=128)[0][1:3] == (None, 128)
    assert tells(optimizer="adamw")[0][:3] == ("adamw", 0.001, 0)
    assert tells(optimizer="lars")[0][:3] == ("lars", None, 0)


@pytest.mark.parametrize("chunk", [6, 12, 64])
def test_chunks_fit_the_batch(chunk):
    """Also where they do not divide the batch that would be chosen without them, or hold all."""
    images, labels = letters(40, mirrored=True)
    encoder = supcon.SupConEncoder(width=4, epochs=1, chunk_size=chunk).fit(images, labels)
    assert np.isfinite(encoder.history_["loss"]).all()


def test_help_names_every_option_that_is_chosen():
    images, labels = shades(60)
    data = supcon.Dataset.from_images(images, labels)
    seen = set()
    for begun, more in itertools.product(
        (None, given_weights(), given_weights(image_size=128)), ({}, {"validation_fraction": 0.1})
    ):
        size = begun.image_size if begun else (16, 16)
        seen |= _recipe.suited(data, more, size, begun)[0].keys()
    many = data.subset(np.arange(1000) % 60)
    seen |= _recipe.suited(many, {}, (128, 128), given_weights(image_size=128))[0].keys()
    assert seen == _recipe.CHOICES.keys()
    for name, by in _recipe.CHOICES.items():
        told = supcon.SupConEncoder.__doc__.partition(f"\n{name} : ")[2].partition("\n")[0]
        assert told.endswith(by), name


@pytest.mark.parametrize("begun", [False, True])
def test_wrong_values_are_refused_before_anything_is_chosen(begun):
    images, labels = letters(40, mirrored=True)
    start = dict(init=given_weights(image_size=128)) if begun else dict(width=4)
    for name in (
        *("batch_size", "epochs", "reference_batch", "images_per_class", "chunk_size"),
        *("weight_decay", "validation_every", "validation_fraction", "patience"),
    ):
        with pytest.raises(supcon.ElementTypeError, match=f"{name} is 'many'"):
            supcon.SupConEncoder(**start | {name: "many"}).fit(images, labels)
    for name, value in {"batch_size": -4, "epochs": 0, "validation_fraction": np.nan}.items():
        with pytest.raises(supcon.ArgumentError, match=f"{name} is {value}"):
            supcon.SupConEncoder(**start | {"epochs": 1, name: value}).fit(images, labels)


def test_what_is_given_stays():
    given = dict(
        batch_size=24, epochs=3, augmentation="none", validation_fraction=0.2, learning_rate=0.5
    )
    found, _ = chosen(*letters(100, mirrored=True), **given)
    assert found == given | {"reference_batch": 0}  # the rate is that of this batch


def test_a_few_images_train_without_options(small):
    images, labels = letters(40, mirrored=True)
    estimator = supcon.SupConClassifier(width=4, epochs=5).fit(images, labels)
    for phrase in ("images of 16x16 pixels", "batches of 16", "a warm-up of 0.5 epochs"):
        assert phrase in estimator.recipe_
    assert "the learning rate 0.025, in proportion to the batch below 64" in estimator.recipe_
    assert estimator.predict(images).shape == (40,)


def test_random_weights_are_thin_unless_a_network_is_named():
    images, labels = letters(16, mirrored=True)
    data = supcon.Dataset.from_images(images, labels)
    width = lambda recipe, **given: _presets.model_options(recipe, data, given).get("width")
    assert width(None) == 16 and width(None, width=8) == 8
    assert width(None, architecture="resnet18") is None  # the library's, 64
    published = supcon.preset("imagenet-r50")
    assert width(published) == published.model["width"] == 64
    found = supcon.SupConEncoder(epochs=1).fit(images, labels)
    assert found.model_.width == 16 and "resnet18 of width 16, as width 64" in found.recipe_
    named = supcon.SupConEncoder(epochs=1, width=4).fit(images, labels)
    assert named.model_.width == 4 and "of width" not in named.recipe_
    told = supcon.SupConEncoder.__doc__.partition("\nwidth : ")[2].partition("\n")[0]
    assert told.endswith(_recipe.MODEL_CHOICES["width"])


@pytest.mark.parametrize(("size", "stem"), [(64, "cifar"), (65, "imagenet")])
def test_stem_and_head_are_named(size, stem):
    """By the rule and the words of Sources/Options/model.toml, unless the caller gave them."""
    images, labels = letters(12, mirrored=True)
    options = dict(width=4, epochs=1, batch_size=4, image_size=size, n_jobs=1)
    told = supcon.SupConEncoder(**options).fit(images, labels).recipe_
    assert f"the stem {stem} (" in told and "by cifar up to 64 pixels, imagenet above" in told
    assert "the head mlp (linear, ReLU, linear), whatever the images" in told
    given = dict(stem="cifar", head="linear", image_size=16)
    fitted = supcon.SupConEncoder(**options | given).fit(images, labels)
    assert "stem" not in fitted.recipe_ and "head" not in fitted.recipe_
    told = supcon.SupConEncoder(init=fitted.model_, epochs=1, batch_size=4).fit(images, labels)
    assert "the stem cifar and the head linear, which the given weights have" in told.recipe_


def test_weights_without_a_head_get_one(tmp_path):
    """Torchvision's files have none; what the caller says of the head holds, and encoders stay."""
    images, labels = letters(12, mirrored=True)
    headless = supcon.Model("resnet18", width=4, channels=1, image_size=16, head="none")
    headless.save(tmp_path / "weights.safetensors")
    still = dict(epochs=1, batch_size=4, learning_rate=1e-12, weight_decay=0, random_state=3)
    still |= dict(freeze_norm=True)
    for init, given, head, is_new in (
        (headless, {}, ("mlp", 32, 128), True),
        (headless, {"objective": "simclr"}, ("mlp", 32, 128), True),
        (headless, {"head": "none"}, ("none", 0, 0), True),
        (headless, {"objective": "cross_entropy"}, ("none", 0, 0), False),
        (headless, {"projection_dim": 8}, ("mlp", 32, 8), True),
        (headless.copy().reset_head("linear"), {}, ("linear", 32, 128), False),
        (headless.copy().reset_head("linear"), {"projection_dim": 8}, ("linear", 32, 8), True),
    ):
        fitted = supcon.SupConClassifier(init=init, **still | given).fit(images, labels)
        found = fitted.model_
        assert (found.head, found.head_hidden, found.projection_dim) == head, given
        assert ("which is new" in fitted.recipe_) == (is_new and "head" not in given), given
        np.testing.assert_allclose(found.embed(images), headless.embed(images), atol=1e-5)
    assert headless.head == "none"  # a copy is trained
    # By its seed the head is that of a new model.
    new = supcon.Model("resnet18", width=4, channels=1, image_size=16, seed=3)
    fitted = supcon.SupConEncoder(init=headless, **still).fit(images, labels)
    rows = headless.embed(images, normalize=False)
    np.testing.assert_allclose(
        fitted.model_.forward_head(rows, "projection"),
        new.forward_head(rows, "projection"),
        atol=1e-5,
    )
    loaded = supcon.SupConEncoder(init=tmp_path / "weights.safetensors", epochs=1, batch_size=4)
    assert loaded.fit(images, labels).model_.head == "mlp"
    published = supcon.SupConEncoder(
        init=headless, preset="imagenet-r50", epochs=1, batch_size=4, chunk_size=0
    )
    assert supcon.preset("imagenet-r50").model["head"] == "linear"
    assert published.fit(images, labels).model_.head == "linear"
    with pytest.raises(supcon.ArgumentError, match="width is 8 and init is given"):
        supcon.SupConEncoder(init=headless, width=8).fit(images, labels)
    with pytest.raises(supcon.ArgumentError, match="head is 'mpl'"):
        supcon.SupConEncoder(init=headless, head="mpl").fit(images, labels)


def test_the_classifier_sees_flipped_images_where_views_are_flipped():
    """The truth is the fit by hand; what is given holds, and a preset does as it publishes."""
    images, labels = shades(60)
    once = dict(width=4, epochs=1, batch_size=4, random_state=0)
    unflipped = {"kind": "simclr", "flip_probability": 0}
    said = "fitted on the flipped images too"
    for given, flips, told in (
        ({"augmentation": "simclr"}, True, True),
        ({"augmentation": ("simclr", "autoaugment_cifar10")}, True, True),
        ({"augmentation": "none"}, False, False),
        ({"augmentation": unflipped}, False, False),
        ({"augmentation": ("simclr", unflipped)}, False, False),
        ({"augmentation": "simclr", "classifier_flip": False}, False, False),
        ({"augmentation": unflipped, "classifier_flip": True}, True, False),
        ({"preset": "cifar-pytorch"}, False, False),
    ):
        fitted = supcon.SupConClassifier(**once | given).fit(images, labels)
        assert (said in fitted.recipe_) == told and fitted.flip_ is flips, given
        found = fitted.decision_function(images)
        fitted.model_.fit_classifier(images, labels, flip=flips)
        np.testing.assert_array_equal(found, fitted.decision_function(images), str(given))
    for trained in ({"objective": "cross_entropy"}, {"joint_classifier": True}):
        fitted = supcon.SupConClassifier(**once | trained).fit(images, labels)
        assert said not in fitted.recipe_ and fitted.flip_ is None
    assert said not in supcon.SupConEncoder(**once).fit(images, labels).recipe_
    for wrong in ({"classifier_flip": "false"}, {"classifier_flip": 2}, {"classifier_l2": -2}):
        refused = supcon.SupConClassifier(**once, **wrong)
        with pytest.raises((ValueError, TypeError), match=f"{next(iter(wrong))} is"):
            refused.fit(images, labels)
        assert not hasattr(refused, "model_")  # before the run


def test_a_few_images_train_by_the_function(small):
    """Where no recipe is chosen, all of them make a batch."""
    images, labels = letters(40, mirrored=True)
    model = supcon.Model(width=4, channels=1, image_size=16)
    heard = []
    supcon.train(
        model,
        supcon.Dataset.from_images(images, labels),
        epochs=2,
        callbacks=lambda event: heard.append((event.kind, event.steps)),
    )
    assert [it for it in heard if it[0] == "step"] == [("step", 1)] * 2


def test_eight_hundred_digits_without_options_beat_logistic_regression(digits):
    """The default of a thin network, a minute of training less."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    images, labels = digits
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[:800], order[800:]
    estimator = supcon.SupConClassifier(width=8, epochs=30).fit(images[train], labels[train])
    flat = images.reshape(len(images), -1) / 255
    other = linear_model.LogisticRegression(max_iter=2000).fit(flat[train], labels[train])
    assert estimator.score(images[test], labels[test]) > other.score(flat[test], labels[test])


@pytest.mark.parametrize("begun", [False, True])
def test_files_that_turn_out_bad_are_left_out(tmp_path, begun, caplog):
    """One has right sums and too few pixels, which only decoding tells; one vanishes after the
    folder was read.
    """
    images, labels = letters(60, mirrored=True)
    files.folder(tmp_path, images, labels)
    files.png(tmp_path / "lying" / "short.png", images[0], rows=5)
    data = supcon.ImageFolder(tmp_path, channels=1)
    (tmp_path / "upright" / "0031.png").unlink()
    assert data.count == 61 and not data.skipped
    options = {"epochs": 2, "batch_size": 16, "n_jobs": 1, "random_state": 0}
    if begun:
        options["init"] = supcon.Model(width=2, image_size=16, channels=1, n_jobs=1)
    else:
        options |= {"width": 2, "image_size": 16}
    encoder = supcon.SupConEncoder(**options).fit(data)
    assert "short.png" in caplog.text and "0031.png" in caplog.text
    assert np.isfinite(encoder.transform(images)).all()
