"""Weights of images and classes: in the losses, in training, in the classifier's fit; against sums
in double precision and scikit-learn.
"""

import json

import numpy as np
import pytest

import supcon
from supcon import _weights

RANDOM = np.random.default_rng(5)


def losses(z, labels, form, denominator, anchors, temperature):
    """The losses of the anchors of z [samples, views, d], in double precision, by formulas."""
    samples, views, _ = z.shape
    rows, names = z.reshape(samples * views, -1), np.repeat(labels, views)
    s = rows @ rows.T / temperature
    same, other = names[:, None] == names, ~np.eye(len(rows), dtype=bool)
    found = []
    for i in range(0, len(rows), 1 if anchors == "all" else views):
        positives, negatives = s[i, same[i] & other[i]], s[i, ~same[i]]
        if denominator == "one_positive":
            below = np.log(np.exp(positives) + np.exp(negatives).sum())
        elif denominator == "negatives":
            below = np.log(np.exp(negatives).sum()) * np.ones(len(positives))
        else:
            below = np.log(np.exp(s[i, other[i]]).sum()) * np.ones(len(positives))
        inside = positives - below
        found.append(-inside.mean() if form == "out" else -np.log(np.exp(inside).mean()))
    return np.array(found)


@pytest.mark.parametrize(
    ("form", "denominator", "anchors", "temperature"),
    [
        ("out", "all", "all", 0.3),
        ("in", "all", "all", 0.3),
        ("out", "one_positive", "all", 0.3),
        ("out", "negatives", "first", 0.3),
        ("out", "all", "first", 0.3),
        ("out", "all", "all", 0.02),  # |s| too large for the symmetric way
    ],
)
def test_of_samples_in_the_loss(form, denominator, anchors, temperature):
    z = RANDOM.normal(size=(7, 2, 5))
    z = (z / np.linalg.norm(z, axis=2, keepdims=True)).astype(np.float32)
    labels, weights = np.array([0, 1, 0, 2, 1, 2, 0]), np.array([0, 1, 2.5, 0.5, 3, 1, 0.25])
    options = dict(form=form, denominator=denominator, anchors=anchors, temperature=temperature)
    per_sample = 2 if anchors == "all" else 1
    factors = np.repeat(weights, per_sample)
    wanted = losses(z.astype(np.float64), labels, **options) * factors
    single = supcon.supcon_loss(z, labels, sample_weight=weights, reduction="none", **options)
    np.testing.assert_allclose(single.reshape(-1), wanted, rtol=2e-5, atol=1e-6)
    for reduction, share in (("mean", 1 / len(wanted)), ("sum", 1)):
        loss, gradient = supcon.supcon_loss(
            z, labels, sample_weight=weights, reduction=reduction, return_gradient=True, **options
        )
        assert loss == pytest.approx(wanted.sum() * share, rel=1e-5)
        direction, step = RANDOM.normal(size=z.shape), 1e-5
        ends = [
            (losses(z + sign * step * direction, labels, **options) * factors).sum() * share
            for sign in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-3, abs=1e-5)


def test_equal_weights_change_nothing_in_the_loss():
    z = RANDOM.normal(size=(9, 2, 4)).astype(np.float32)
    labels = np.arange(9) % 3
    options = dict(normalize=True, return_gradient=True)
    plain, gradient = supcon.supcon_loss(z, labels, **options)
    loss, weighted = supcon.supcon_loss(z, labels, sample_weight=np.ones(9), **options)
    assert loss == plain and np.array_equal(weighted, gradient)
    mask = (labels[:, None] == labels).astype(np.float32)
    masked = supcon.supcon_loss(z, mask=mask, sample_weight=np.arange(9), normalize=True)
    named = supcon.supcon_loss(z, labels, sample_weight=np.arange(9), normalize=True)
    assert masked == pytest.approx(named, rel=1e-5)


def test_wrong_weights(shapes, small):
    z, (images, labels) = np.eye(4, dtype=np.float32), shapes
    for wrong, error, words in (
        ([1, 1, 1, -1], ValueError, "below 0"),
        ([1, 1, 1, np.nan], ValueError, "NaN"),
        ([1, 1, 1, 1e300], ValueError, "infinity"),
        ([0, 0, 0, 0], ValueError, "zero for every image"),
        ([1, 1, 1], ValueError, r"\[3\]; expected \[4\]"),
        (["a"] * 4, TypeError, "expected numbers"),
    ):
        with pytest.raises(error, match=words):
            supcon.supcon_loss(z, [0, 0, 1, 1], sample_weight=wrong)
    data = supcon.Dataset.from_images(images, labels)
    for wrong in (np.full(96, -1), np.full(96, np.inf), np.zeros(96)):
        with pytest.raises(ValueError, match="weight"):
            data.with_weights(wrong)
    with pytest.raises(ValueError, match=r"expected numbers \[96\]"):
        data.with_weights([1, 2])
    for wrong, words in (
        ("even", "'balanced'"),
        ({7: 1}, "label 7, which no class has"),
        ([1, 2, 3], r"expected 'balanced', a dict, or \[2\]"),
        ({0: -1}, "weight"),
        ({0: 0, 1: 0}, "all 96 weights are 0"),
    ):
        with pytest.raises(ValueError, match=words):
            supcon.SupConEncoder(**small, class_weight=wrong).fit(images, labels)
    with pytest.raises(ValueError, match="no labels"):
        supcon.SupConEncoder(**small, class_weight="balanced").fit(images)


def test_classes_are_weighted_as_scikit_learn_does():
    utils = pytest.importorskip("sklearn.utils.class_weight")
    indices = np.array([0, 0, 0, 2, 1, 0, 2])
    classes = np.array(["a", "b", "c"])
    wanted = utils.compute_class_weight("balanced", classes=classes, y=classes[indices])
    np.testing.assert_allclose(_weights.class_weights("balanced", classes, indices), wanted)
    np.testing.assert_allclose(_weights.class_weights({"b": 3}, classes, indices), [1, 3, 1])
    np.testing.assert_allclose(_weights.class_weights([1, 0, 2], classes, indices), [1, 0, 2])


def tensor(model, name):
    content = model.to_bytes()
    size = int.from_bytes(content[:8], "little")
    start, end = json.loads(content[8 : 8 + size])[name]["data_offsets"]
    return np.frombuffer(content[8 + size + start : 8 + size + end], np.float32).astype(np.float64)


def test_a_step_of_the_classifier(shapes):
    """One step of gradient descent on the whole data set, by the formula."""
    images, labels = shapes
    options = dict(width=4, precision="f32", image_size=12, channels=1, seed=1, n_jobs=1)
    model = supcon.Model(**options, classes=2)
    weights = RANDOM.random(96) * 3
    rows = model.embed(images, normalize=model.normalize_features).astype(np.float64)
    before = tensor(model, "fc.weight").reshape(2, -1), tensor(model, "fc.bias")
    data = supcon.Dataset.from_images(images, labels).with_weights(weights)
    supcon.train(
        model, data, objective="linear", epochs=1, batch_size=96, learning_rate=2.0, momentum=0,
        weight_decay=0, reference_batch=0, warmup_epochs=0, schedule="constant",
        augmentation="none", validation_fraction=0, label_smoothing=0.2,
    )  # fmt: skip
    logits = rows @ before[0].T + before[1]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    residual = (shares - (0.8 * np.eye(2)[labels] + 0.1)) * (weights / weights.mean())[:, None] / 96
    after = tensor(model, "fc.weight").reshape(2, -1), tensor(model, "fc.bias")
    np.testing.assert_allclose(after[0] - before[0], -2 * residual.T @ rows, atol=2e-6)
    np.testing.assert_allclose(after[1] - before[1], -2 * residual.sum(0), atol=2e-6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        dict(chunk_size=8),
        dict(queue_mode="positives_and_negatives", queue_size=32),
        dict(joint_classifier=True),
        dict(objective="cross_entropy", mixup_alpha=0.4),
        dict(objective="cross_entropy", chunk_size=8),
        dict(objective="max_margin"),
    ],
)
def test_in_training_only_proportions_count(shapes, small, options):
    images, labels = shapes
    weights = RANDOM.integers(1, 4, 96).astype(np.float64)

    def trained(**fitted):
        encoder = supcon.SupConEncoder(**small | dict(epochs=1) | options)
        return encoder.fit(images, labels, **fitted).model_.to_bytes()

    plain, once = trained(), trained(sample_weight=weights)
    assert trained(sample_weight=np.full(96, 3)) == plain and once != plain
    assert trained(sample_weight=weights * 4) == once


def test_a_class_without_weight_is_not_learned(shapes, small):
    images, labels = shapes
    options = small | dict(objective="cross_entropy", epochs=4)
    for kept in (0, 1):
        fitted = supcon.SupConClassifier(**options, class_weight={1 - kept: 0}).fit(images, labels)
        assert (fitted.predict(images) == kept).all()


@pytest.fixture(scope="module")
def encoder(shapes):
    images, labels = shapes
    options = dict(width=4, precision="f32", image_size=12, channels=1, seed=1, n_jobs=1)
    model = supcon.Model(**options)
    data = supcon.Dataset.from_images(images, labels)
    supcon.train(model, data, epochs=2, batch_size=16, validation_fraction=0, learning_rate=0.05)
    return model


def test_two_of_an_image_are_one_of_weight_two(encoder, shapes):
    images, labels = shapes[0], np.arange(96) % 3
    weights = RANDOM.integers(0, 4, 96)
    many = np.repeat(np.arange(96), weights)
    options = dict(iterations=2000, l2=1e-2)
    by_weight = encoder.copy().fit_classifier(images, labels, sample_weight=weights, **options)
    by_count = encoder.copy().fit_classifier(images[many], labels[many], **options)
    found, wanted = (it.embed(images, "probabilities") for it in (by_weight, by_count))
    np.testing.assert_allclose(found, wanted, atol=2e-3)
    plain = encoder.copy().fit_classifier(images, labels, **options).embed(images, "probabilities")
    assert np.abs(plain - wanted).max() > 0.05
    balanced = encoder.copy().fit_classifier(images, labels, class_weight={0: 3}, **options)
    assert balanced.embed(images, "probabilities")[:, 0].mean() > plain[:, 0].mean() + 0.1


def test_the_fit_is_scikit_learns(encoder, shapes):
    linear = pytest.importorskip("sklearn.linear_model")
    images, labels = shapes[0], np.arange(96) % 3
    weights, l2 = RANDOM.random(96), 1e-2
    ours = encoder.copy().fit_classifier(
        images, labels, sample_weight=weights, l2=l2, iterations=2000
    )
    # Rows are scaled to 10, in the root of the weighted mean of squares, before l2 acts; theirs is
    # sum w CE + |W|^2 / (2 C).
    rows = encoder.embed(images, normalize=encoder.normalize_features).astype(np.float64)
    scale = 100 / np.average((rows**2).sum(1), weights=weights)
    peer = linear.LogisticRegression(C=scale / (2 * l2 * weights.sum()), max_iter=9999, tol=1e-8)
    peer.fit(rows, labels, sample_weight=weights)
    np.testing.assert_allclose(
        ours.embed(images, "probabilities"), peer.predict_proba(rows), atol=2e-3
    )


def test_balanced_classes_are_guessed_more_often(small):
    noisy = (RANDOM.random((96, 12, 12)) * 255).astype(np.uint8)  # nothing to learn but how many
    rare = (np.arange(96) < 12).astype(int)
    options = small | dict(epochs=1)
    plain = supcon.SupConClassifier(**options, classifier_l2=1.0).fit(noisy, rare)
    balanced = supcon.SupConClassifier(**options, classifier_l2=1.0, class_weight="balanced")
    balanced.fit(noisy, rare)
    assert plain.predict_proba(noisy)[:, 1].mean() == pytest.approx(12 / 96, abs=0.01)
    assert balanced.predict_proba(noisy)[:, 1].mean() == pytest.approx(0.5, abs=0.03)
