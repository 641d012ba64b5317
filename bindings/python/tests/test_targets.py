"""Training on several labels an image and on real values: `with_targets`, the option `positives`, y
of the estimators.
"""

import numpy as np
import pytest

import supcon


@pytest.fixture(scope="module")
def stripes():
    """400 noisy striped images of any contrast and brightness, with their labels: two periods, two
    directions (so each has two of four labels).
    """
    random = np.random.default_rng(4)
    row, column = np.mgrid[:12, :12]
    images, labels = [], []
    for _ in range(400):
        period, upright, phase = random.integers(2), random.integers(2), random.integers(4)
        stripe = ((column if upright else row) + phase) % (2 * period + 2) == 0
        images.append(
            random.uniform(20, 110)
            + random.uniform(30, 110) * stripe
            + random.uniform(-40, 40, (12, 12))
        )
        labels.append([period == 0, period == 1, upright == 0, upright == 1])
    return np.clip(images, 0, 255).astype(np.uint8), np.array(labels, int)


OPTIONS = dict(
    width=4,
    epochs=20,
    batch_size=20,
    projection_dim=16,
    precision="f32",
    random_state=11,
    n_jobs=1,
    validation_fraction=0.0,
    optimizer="adamw",
    weight_decay=0.0,
    learning_rate=0.01,
    reference_batch=0,
    temperature=0.3,
    augmentation={"kind": "crop_flip", "crop_scale_min": 0.5},
)
FAST = OPTIONS | dict(epochs=1)


def jaccard(rows, labels):
    """Mean Jaccard index of each row's labels and those of its nearest other."""
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -2)
    found = labels[cosines.argmax(1)]
    return (np.minimum(labels, found).sum(1) / np.maximum(labels, found).sum(1)).mean()


@pytest.mark.parametrize("rule", [None, "jaccard"])
def test_an_encoder_learns_several_labels(stripes, rule):
    images, labels = stripes
    encoder = supcon.SupConEncoder(**OPTIONS, positives=rule).fit(images[:300], labels[:300])
    untrained = supcon.Model(
        width=4,
        image_size=12,
        channels=1,
        precision="f32",
        seed=11,
        mean=images.mean() / 255,
        std=images.std() / 255,
    )
    before, after = (
        jaccard(untrained.embed(images[300:]), labels[300:]),
        jaccard(encoder.transform(images[300:]), labels[300:]),
    )
    assert 1 - after < 0.7 * (1 - before), (before, after)
    assert encoder.classes_ is None and encoder.positives is rule


def test_y_is_what_with_targets_takes(stripes):
    images, labels = stripes
    values = labels @ [0.5, 1.0, 2.0, 3.5]

    def rows(y, X=images, **options):
        return supcon.SupConEncoder(**FAST | options).fit(X, y).transform(images[:8])

    data = supcon.Dataset.from_images(images).with_targets
    np.testing.assert_array_equal(rows(labels), rows(labels.astype(bool).tolist(), positives="any"))
    np.testing.assert_array_equal(rows(labels), rows(None, data(labels), positives="any"))
    kernel = dict(positives="kernel", label_bandwidth=0.7)
    np.testing.assert_array_equal(rows(values, **kernel), rows(values[:, None], **kernel))
    np.testing.assert_array_equal(rows(values, **kernel), rows(None, data(values), **kernel))
    assert (rows(labels) != rows(labels, positives="all")).any()
    sparse = pytest.importorskip("scipy.sparse")
    np.testing.assert_array_equal(rows(labels), rows(sparse.csr_matrix(labels)))


def test_the_targets_of_a_data_set_are_used_without_y(stripes):
    """As y is: 0 and 1 mean "any"; other numbers need a word and never become SimCLR."""
    images, labels = stripes
    data = supcon.Dataset.from_images(images)

    def rows(X, y=None, **options):
        return supcon.SupConEncoder(**FAST | options).fit(X, y).transform(images[:8])

    np.testing.assert_array_equal(rows(data.with_targets(labels)), rows(images, labels))
    assert (rows(data.with_targets(labels), objective="simclr") != rows(images, labels)).any()
    with pytest.raises(
        supcon.ArgumentError, match="targets other than 0 and 1.*positives='kernel'"
    ):
        rows(data.with_targets(labels @ [0.5, 1.0, 2.0, 3.5]))
    both = supcon.Dataset.from_images(
        images, labels[:, 0]
    )  # labels come first, as they do in a run
    np.testing.assert_array_equal(rows(both.with_targets(labels)), rows(both))


def weights(tags, rule):
    """What `positives` says of each pair, from the definitions, in double precision."""
    both, either = tags @ tags.T, tags.shape[1] - (1 - tags) @ (1 - tags).T
    distance = ((tags[:, None] - tags) ** 2).sum(2)
    return {
        "any": both > 0,
        "all": (distance == 0) & (both > 0),
        "jaccard": both / np.maximum(either, 1),
        "kernel": np.exp(-distance / 2),
    }[rule].astype(float)


def test_a_runs_positives_are_those_of_the_rule():
    """Two images, ten times each: the only unknown of the network's projections is one cosine. A
    run with labels tells it; losses by tags follow from it.
    """
    random = np.random.default_rng(8)
    two = random.integers(0, 256, (2, 12, 12)).astype(np.uint8)
    images, group = np.repeat(two, 10, axis=0), np.repeat([0, 1], 10)
    tags = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]])[np.arange(20) % 4]
    tags[3], tags[5], tags[14] = (
        0,
        [1, 1, 1, 0],
        [1, 0, 0, 0],
    )  # no tag; two sets that no other image has
    temperature = 0.5

    def first(data, **options):
        heard = []
        supcon.train(
            supcon.Model(width=4, image_size=12, channels=1, precision="f32", seed=1, n_jobs=1),
            data,
            views=1,
            epochs=1,
            batch_size=20,
            validation_fraction=0,
            augmentation="none",
            temperature=temperature,
            stop_on_collapse=False,
            callbacks=heard.append,
            **options,
        )
        return next(it for it in heard if it.kind == "step")

    data = supcon.Dataset.from_images(images)
    similar = np.exp(1 / temperature)
    known = first(data.with_labels(group)).loss  # log(9 e^(1/τ) + 10 e^(c/τ)) - 1/τ
    cosine = temperature * np.log((np.exp(known) - 9) * similar / 10)
    assert -1 <= cosine < 0.9
    cosines = np.where(group[:, None] == group, 1.0, cosine) / temperature
    others = ~np.eye(20, dtype=bool)
    logs = cosines - np.log((np.exp(cosines) * others).sum(1, keepdims=True))
    alone, losses = {}, {}
    for rule in ("any", "all", "jaccard", "kernel"):
        pairs = weights(tags, rule) * others
        some = pairs.sum(1) > 0
        alone[rule], losses[rule] = (
            int(20 - some.sum()),
            -((pairs * logs).sum(1)[some] / pairs.sum(1)[some]).mean(),
        )
        event = first(
            data.with_targets(tags),
            positives=rule,
            label_bandwidth=1.0 if rule == "kernel" else None,
        )
        assert event.anchors_without_positive == alone[rule], rule
        np.testing.assert_allclose(event.loss, losses[rule], rtol=1e-5, err_msg=rule)
    assert alone == {"any": 1, "all": 3, "jaccard": 1, "kernel": 0}
    gaps = np.abs(np.subtract.outer(*[list(losses.values())] * 2))[np.triu_indices(4, 1)]
    assert gaps.min() > 1e-3, losses  # no rule passes for another


@pytest.mark.parametrize(
    "y, options, error, words",
    [
        ("halves", {}, ValueError, "target 1 of image 2 is 0.5"),
        ("labels", dict(positives="kernel"), ValueError, "label_bandwidth"),
        ("labels", dict(positives="classes"), ValueError, "shape"),
        (
            "labels",
            dict(positives="any", queue_mode="negatives", queue_size=40),
            ValueError,
            "queue",
        ),
        ("labels", dict(images_per_class=2), supcon.StateError, "images_per_class"),
        ("labels", dict(objective="cross_entropy"), ValueError, r"\[400, 4\]; expected \[400\]"),
        ("labels", dict(objective="simclr", positives="all"), ValueError, "supcon only"),
        ("short", {}, ValueError, r"\[399, 4\]"),
        (None, dict(positives="any", objective="supcon"), supcon.StateError, "no targets"),
    ],
)
def test_errors(stripes, y, options, error, words):
    images, labels = stripes
    halves = labels / 1.0
    halves[2, 1] = 0.5
    with pytest.raises(error, match=words):
        supcon.SupConEncoder(**FAST | options).fit(
            images, {"halves": halves, "labels": labels, "short": labels[1:], None: None}[y]
        )


def test_a_classifier_takes_one_class(stripes):
    images, labels = stripes
    with pytest.raises(
        ValueError, match="one class of an image. SupConEncoder takes several labels"
    ):
        supcon.SupConClassifier(**FAST).fit(images, labels)
    # Classes for the classifier, targets for the encoder.
    data = supcon.Dataset.from_images(images, labels[:, 0]).with_targets(labels)
    classifier = supcon.SupConClassifier(**FAST, positives="jaccard").fit(data)
    assert set(classifier.predict(images)) <= {0, 1} and np.isfinite(classifier.history_["loss"][0])
