"""The learning rate that short runs find."""

import numpy as np
import pytest

import supcon

OPTIONS = dict(batch_size=128, reference_batch=0, augmentation={"kind": "simclr", "hue": 0.0})
OPTIONS["augmentation"] |= {"flip_probability": 0.0, "crop_scale_min": 0.7}


def thin():
    return supcon.Model(width=8, image_size=8, channels=1, n_jobs=1, precision="f32")


@pytest.fixture(scope="module")
def parts(digits):
    images, labels = digits
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[:1000], order[1000:]
    return images[train], labels[train], images[test], labels[test]


def accuracy(parts, rate: float, **options) -> float:
    """Of test images, by the nearest neighbors after a run of ten epochs; the mean of two seeds."""
    images, labels, others, truth = parts
    found = []
    for seed in (1, 2):
        model = thin()
        data = supcon.Dataset.from_images(images, labels)
        supcon.train(
            model,
            data,
            epochs=10,
            learning_rate=rate,
            validation_fraction=0,
            seed=seed,
            **OPTIONS | options,
        )
        rows = model.embed(images), labels, model.embed(others), truth
        found.append(supcon.evaluate(*rows, "knn").top1)
    return float(np.mean(found))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_rate_trains_better_than_a_tenth_and_ten_times_of_it(parts, optimizer):
    """Judged by images that the sweep never had."""
    data = supcon.Dataset.from_images(parts[0], parts[1])
    options = dict(optimizer=optimizer, epochs=10)
    rate = supcon.tune(thin(), data, **OPTIONS | options).learning_rate
    options.pop("epochs")
    least, found, most = (accuracy(parts, it, **options) for it in (rate / 10, rate, rate * 10))
    assert found > least + 0.02 and found > most + 0.02, (rate, least, found, most)


def test_images_that_the_run_holds_out_are_not_looked_at(parts):
    images, labels = parts[0][:300], parts[1][:300]
    options = dict(batch_size=32, epochs=2, validation_fraction=0.3, seed=5)
    _, held_out = supcon.Dataset.from_images(images, labels).split(0.3, seed=5)
    pixels = np.rint(supcon.augment(held_out, "none", size=8)[..., 0] * 255).astype(np.uint8)
    theirs = {it.tobytes() for it in pixels}
    hidden = np.array([it.tobytes() in theirs for it in images])
    assert len(held_out) == hidden.sum() > 80
    noise = images.copy()
    noise[hidden] = np.random.default_rng(1).integers(0, 256, noise[hidden].shape)
    model = thin()
    before = model.fingerprint
    found, again = (
        supcon.tune(model, supcon.Dataset.from_images(it, labels), **options)
        for it in (images, noise)
    )
    scores = [[(it.learning_rate, it.score) for it in one.trials] for one in (found, again)]
    assert scores[0] == scores[1] and found.learning_rate == again.learning_rate
    assert model.fingerprint == before


def test_rates_that_diverge_are_passed_over(parts):
    """A batch counts 128-fold, so that the default is 12.8 in truth."""
    data = supcon.Dataset.from_images(parts[0], parts[1])
    found = supcon.tune(thin(), data, **OPTIONS | {"reference_batch": 1, "epochs": 5})
    assert found.learning_rate <= 0.01
    rates = [it.learning_rate for it in found.trials]
    assert rates == sorted(rates) and rates[0] < found.learning_rate < rates[-1]
    assert f"{found.learning_rate:g}" in found.recipe


def test_without_labels_the_loss_decides(parts):
    data = supcon.Dataset.from_images(parts[0][:256])
    found = supcon.tune(thin(), data, objective="simclr", batch_size=64, epochs=2, temperature=0.5)
    assert "the loss" in found.recipe
    scores = {it.learning_rate: it.score for it in found.trials}
    assert scores[found.learning_rate] == max(scores.values()) < 0
    assert all(np.isnan(it.accuracy) for it in found.trials)


def test_the_classifier_judges_where_one_is_trained(parts):
    data = supcon.Dataset.from_images(parts[0], parts[1])
    options = OPTIONS | {"objective": "cross_entropy", "augmentation": "none", "epochs": 80}
    found = supcon.tune(thin(), data, **options)
    best = max(found.trials, key=lambda it: it.score)
    assert best.accuracy > 0.5 and 0.01 <= found.learning_rate <= 0.32


def test_time_that_is_over(parts):
    data = supcon.Dataset.from_images(parts[0], parts[1])
    with pytest.raises(supcon.StateError, match="expected a learning_rate, or more seconds"):
        supcon.tune(thin(), data, seconds=1e-6, **OPTIONS)
    for seconds in (0, -1, float("nan")):
        with pytest.raises(supcon.ArgumentError, match="seconds is"):
            supcon.tune(thin(), data, seconds=seconds, **OPTIONS)


def test_the_sweep_begins_with_the_given_rate(parts):
    data = supcon.Dataset.from_images(parts[0][:200], parts[1][:200])
    options = OPTIONS | dict(batch_size=32, optimizer="adamw", epochs=2)
    rates = lambda **more: [
        it.learning_rate for it in supcon.tune(thin(), data, **options | more).trials
    ]
    assert {3e-5, 3e-4, 3e-3} <= set(rates(learning_rate=3e-4))
    assert {0.01, 0.1, 1.0} <= set(rates(learning_rate="auto"))
    with pytest.raises(supcon.ArgumentError, match="learning_rate is -1"):
        supcon.tune(thin(), data, learning_rate=-1, **options)


def test_a_frozen_encoder_is_judged_by_projections(parts):
    """Its embeddings stay as they are, whatever the rate."""
    data = supcon.Dataset.from_images(parts[0][:300], parts[1][:300])
    options = OPTIONS | dict(batch_size=32, freeze_stages=4, epochs=5)
    scores = [it.score for it in supcon.tune(thin(), data, **options).trials]
    assert len(set(scores)) == len(scores) > 3


def test_what_is_wrong_with_a_run_is_wrong_with_its_sweep(parts):
    data = supcon.Dataset.from_images(parts[0][:20], parts[1][:20])
    with pytest.raises(supcon.StateError, match="fewer than one batch of 64"):
        supcon.tune(thin(), data, batch_size=64)
    with pytest.raises(supcon.ArgumentError, match="temperature"):
        supcon.tune(thin(), data, batch_size=8, temperature=-1)
    with pytest.raises(supcon.ElementTypeError, match="batch_size"):
        supcon.tune(thin(), data, batch_size="many")


def test_the_batch_is_the_default_of_the_run(parts):
    """Three classes give 21 images, of seven each, where 256 would have been whole batches of 7."""
    some = np.flatnonzero(parts[1] < 3)
    data = supcon.Dataset.from_images(parts[0][some], parts[1][some])
    steps = []
    hear = lambda event: steps.append(event.steps)
    options = dict(images_per_class=7, epochs=1, validation_fraction=0)
    supcon.train(thin(), data, callbacks=hear, learning_rate="auto", **options)
    assert steps[0] == len(some) // 21


def test_auto_trains_as_the_rate_that_it_finds(shapes, small):
    images, labels = shapes
    options = {**small, "learning_rate": "auto", "reference_batch": 0}
    one = supcon.SupConEncoder(**options).fit(images, labels)
    rate = float(one.recipe_.partition("learning rate ")[2].partition(",")[0])
    other = supcon.SupConEncoder(**options | {"learning_rate": rate}).fit(images, labels)
    assert (one.transform(images) == other.transform(images)).all()
    data, rates = supcon.Dataset.from_images(images, labels), []
    make = lambda: supcon.Model(width=4, image_size=12, channels=1, n_jobs=1, precision="f32")
    found = supcon.tune(make(), data, batch_size=16, epochs=2).learning_rate
    for given in ("auto", found):
        model = make()
        hear = lambda event: rates.append(event.learning_rate) if event.kind == "epoch" else None
        supcon.train(model, data, batch_size=16, epochs=2, learning_rate=given, callbacks=hear)
    assert rates[:2] == rates[2:]
