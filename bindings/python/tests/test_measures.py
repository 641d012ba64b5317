"""Retrieval, calibration, corruption errors, geometry, strangeness: against scikit-learn and
formulas in numpy.
"""

import numpy as np
import pytest

import supcon

RANDOM = np.random.default_rng(11)


def clusters(count, classes=4, dimension=6, spread=1.0):
    labels = RANDOM.integers(0, classes, count)
    means = np.random.default_rng(3).normal(size=(classes, dimension))
    return (means[labels] + spread * RANDOM.normal(size=(count, dimension))).astype(
        np.float32
    ), labels


def unit(rows):
    return rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)


def retrieval(rows, labels, queries, asked, itself):
    """By sorting everything."""
    cosines, found = unit(queries) @ unit(rows).T, []
    for at, label in enumerate(asked):
        order = np.argsort(-cosines[at], kind="stable")
        order = order[order != at] if itself else order
        match = labels[order] == label
        if (size := match.sum()) == 0:
            continue
        match = match[:size]
        found.append(
            (
                match[0],
                match.mean(),
                (np.cumsum(match) / np.arange(1, size + 1) * match).sum() / size,
            )
        )
    return np.mean(found, axis=0), len(found)


def test_retrieval():
    rows, labels = clusters(300)
    queries, asked = clusters(50, classes=5)
    words = np.array(list("abcde"))
    for ours, (expected, count) in (
        (supcon.retrieval(rows, words[labels]), retrieval(rows, labels, rows, labels, True)),
        (
            supcon.retrieval(rows, words[labels], queries, words[asked]),
            retrieval(rows, labels, queries, asked, False),
        ),
    ):
        assert [ours.precision_at_1, ours.r_precision, ours.map_at_r] == pytest.approx(
            expected, abs=1e-6
        ) and ours.queries == count
    assert ours.queries_without_match == 50 - ours.queries > 0
    for change, words in (
        (dict(gallery=rows[:, :3], queries=queries, query_labels=asked), "3"),
        (dict(queries=queries), "query_labels"),
        (dict(gallery_labels=labels[1:]), r"\[300\]"),
        (dict(gallery_labels=np.arange(300)), "no query"),
    ):
        with pytest.raises(ValueError, match=words):
            supcon.retrieval(**dict(gallery=rows, gallery_labels=labels) | change)
    with pytest.raises(TypeError, match="int64"):
        supcon.retrieval(np.zeros((3, 2), int), [0, 0, 0])


@pytest.mark.parametrize("bins", [None, 4, 100])
def test_calibration(bins):
    logits = RANDOM.normal(size=(400, 5)) * 2
    p = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)
    labels = np.where(RANDOM.random(400) < 0.6, logits.argmax(1), RANDOM.integers(0, 5, 400))
    found, number = supcon.calibration(p, labels, bins=bins), bins or 15
    confidence, right = p.max(1).astype(np.float64), p.argmax(1) == labels
    place = np.clip(np.ceil(confidence * number).astype(int) - 1, 0, number - 1)
    gaps = np.zeros(number)
    for at in range(number):
        own = place == at
        assert found.bin_counts[at] == own.sum()
        if own.any():
            assert (found.bin_confidences[at], found.bin_accuracies[at]) == pytest.approx(
                (confidence[own].mean(), right[own].mean())
            )
            gaps[at] = abs(confidence[own].mean() - right[own].mean())
    assert found.expected_calibration_error == pytest.approx(
        (gaps * found.bin_counts).sum() / 400
    ) and found.maximum_calibration_error == pytest.approx(gaps.max())
    assert (found.accuracy, found.confidence) == pytest.approx((right.mean(), confidence.mean()))
    assert found.negative_log_likelihood == pytest.approx(
        -np.log(p[np.arange(400), labels].astype(np.float64)).mean(), rel=1e-5
    )
    assert found.brier_score == pytest.approx(
        ((p - np.eye(5)[labels]) ** 2).sum(1).mean(), rel=1e-5
    )


def test_calibration_refuses():
    for p, labels, words in (
        ([[0.5, 0.6]], [0], "sum 1.1"),
        ([[2.0, -1.0]], [0], "2.0"),
        ([[1.0, 0.0]], [2], "2"),
        ([[1.0, 0.0]], [0, 1], r"\[1\]"),
    ):
        with pytest.raises(ValueError, match=words):
            supcon.calibration(np.array(p), labels)
    with pytest.raises(TypeError, match="integers"):
        supcon.calibration(np.array([[1.0, 0.0]]), ["a"])
    with pytest.raises(ValueError, match="bins is 0"):
        supcon.calibration(np.array([[1.0, 0.0]]), [0], bins=0)


@pytest.mark.parametrize("method", ["linear", "knn", "prototypes"])
def test_probabilities_of_evaluate(method):
    (rows, labels), (tests, asked) = clusters(200), clusters(60)
    words = np.array(["d", "a", "c", "b"])
    found = supcon.evaluate(
        rows, words[labels], tests, words[asked], method, k=9, temperature=0.2, l2=1e-3
    )
    assert found.probabilities.shape == (60, 4) and np.allclose(
        found.probabilities.sum(1), 1, atol=1e-5
    )
    assert (found.classes[found.probabilities.argmax(1)] == found.predictions).all()
    assert found.calibration().accuracy == pytest.approx(found.top1)
    if method == "linear":
        linear = pytest.importorskip("sklearn.linear_model")
        # ours: mean loss + l2 |W|² on rows of length 10; scikit-learn's: C Σ loss + |W|² / 2
        theirs = linear.LogisticRegression(C=1 / (2 * 1e-3 * 200), tol=1e-10, max_iter=10000).fit(
            10 * unit(rows), words[labels]
        )
        np.testing.assert_allclose(
            found.probabilities, theirs.predict_proba(10 * unit(tests)), atol=2e-3
        )
    elif method == "knn":
        cosines = unit(tests) @ unit(rows).T
        for at in range(60):
            near = np.argsort(-cosines[at])[:9]
            votes = np.array(
                [
                    np.exp(cosines[at, near[words[labels[near]] == it]] / 0.2).sum()
                    for it in found.classes
                ]
            )
            np.testing.assert_allclose(found.probabilities[at], votes / votes.sum(), atol=1e-5)


def digits(seed):
    """Returns pixels and labels, 900 to fit on and 897 to test, and what draws the noise."""
    data = pytest.importorskip("sklearn.datasets").load_digits()
    random = np.random.default_rng(seed)
    order = random.permutation(len(data.target))
    pixels, labels = data.data[order] / 16, data.target[order]
    return pixels[:900], labels[:900], pixels[900:], labels[900:], random


@pytest.mark.parametrize("noise", ["pixels", "labels", "none"])
def test_the_default_probe_is_as_good_as_scikit_learns(noise):
    """docs/accuracy.md has more sets (Benchmarks/probe_l2.py). The difference of two accuracies on
    the same 897 images is known to about a point, and here of two seeds' mean."""
    linear = pytest.importorskip("sklearn.linear_model")
    ahead, chosen = [], []
    for seed in (0, 1):
        rows, labels, tests, truth, random = digits(seed)
        if noise == "pixels":
            rows, tests = (it + random.normal(0, 0.5, it.shape) for it in (rows, tests))
        elif noise == "labels":
            wrong = random.random(900) < 0.2
            labels = np.where(wrong, random.integers(0, 10, 900), labels)
        given = unit(rows), labels, unit(tests), truth
        peer = linear.LogisticRegression(C=1.0, max_iter=2000).fit(*given[:2])
        found = supcon.evaluate(*given)
        ahead.append(found.top1 - peer.score(*given[2:]))
        chosen.append(round(found.l2 * 900, 3))
        assert found.l2 in [np.float32(it / 900) for it in (0.5, 5, 50)]
        same = supcon.evaluate(*given, l2=found.l2)
        assert (same.probabilities == found.probabilities).all() and same.l2 == found.l2
    assert np.mean(ahead) > (0.025 if noise == "none" else -0.007), ahead
    if noise == "pixels":  # elsewhere two candidates are about as good
        assert chosen == [50.0] * 2
    knn = supcon.evaluate(*given, "knn")
    assert knn.l2 is None and "l2" in repr(found)


def test_corruption_error():
    errors, base = RANDOM.random((15, 5)) * 0.5, 0.5 + RANDOM.random((15, 5)) * 0.5
    found = supcon.corruption_error(errors, base, 0.05, 0.4)
    np.testing.assert_allclose(found.ratios, errors.sum(1) / base.sum(1))
    np.testing.assert_allclose(found.relative_ratios, (errors - 0.05).sum(1) / (base - 0.4).sum(1))
    assert (found.mean, found.relative_mean) == pytest.approx(
        (found.ratios.mean(), found.relative_ratios.mean())
    )
    assert (
        np.isnan(supcon.corruption_error(errors, base).relative_mean)
        and np.isnan(supcon.corruption_error(errors, base).relative_ratios).all()
    )
    assert supcon.corruption_error(base, base, 0.4, 0.4).mean == pytest.approx(1)
    for arguments, words in (
        ((errors, base[:3]), r"\[3, 5\]"),
        ((errors, base, 0.1), "both"),
        ((errors + 1, base), "0 to 1"),
        ((errors, base * 0), "no errors"),
    ):
        with pytest.raises(ValueError, match=words):
            supcon.corruption_error(*arguments)


def test_alignment_and_uniformity():
    rows, labels = clusters(150)
    gaps = ((unit(rows)[:, None] - unit(rows)[None]) ** 2).sum(2)
    pairs = (labels[:, None] == labels[None]) & ~np.eye(150, dtype=bool)
    assert supcon.alignment(rows, np.array(list("wxyz"))[labels]) == pytest.approx(
        gaps[pairs].mean(), rel=1e-5
    )
    assert supcon.uniformity(rows) == pytest.approx(
        np.log(np.exp(-2 * gaps[np.triu_indices(150, 1)]).mean()), rel=1e-5
    )
    assert np.isnan(supcon.alignment(rows[:2], [0, 1])) and np.isnan(supcon.uniformity(rows[:1]))
    with pytest.raises(ValueError, match="finite"):
        supcon.uniformity(np.array([[np.nan, 1], [1, 1]]))


def test_ood_scores_and_detection():
    neighbors, metrics = (
        pytest.importorskip("sklearn.neighbors"),
        pytest.importorskip("sklearn.metrics"),
    )
    (rows, _), (inside, _), outside = (
        clusters(400, spread=0.3),
        clusters(100, spread=0.3),
        RANDOM.normal(size=(70, 6)).astype(np.float32),
    )
    index = neighbors.NearestNeighbors(algorithm="brute").fit(unit(rows))
    scores = [supcon.ood_scores(rows, it, k=10) for it in (inside, outside)]
    for ours, queries in zip(scores, (inside, outside)):
        np.testing.assert_allclose(ours, index.kneighbors(unit(queries), 10)[0][:, -1], atol=1e-5)
    np.testing.assert_allclose(
        supcon.ood_scores(rows, k=10), index.kneighbors(None, 10)[0][:, -1], atol=1e-5
    )
    np.testing.assert_array_equal(
        supcon.ood_scores(rows, inside), supcon.ood_scores(rows, inside, k=50)
    )
    found = supcon.ood_detection(*scores)
    assert found.auroc == pytest.approx(
        metrics.roc_auc_score(np.repeat([0, 1], [100, 70]), np.concatenate(scores))
    )
    assert (
        found.threshold == np.sort(scores[0])[94]
        and found.fpr95 == pytest.approx((scores[1] <= found.threshold).mean())
        and found.auroc > 0.7
    )
    for call, words in (
        (lambda: supcon.ood_scores(rows, inside, k=401), "k is 401"),
        (lambda: supcon.ood_scores(rows, inside[:, :2]), "2"),
        (lambda: supcon.ood_detection([], [1.0]), "inside_count is 0"),
        (lambda: supcon.ood_detection([np.nan], [1.0]), "NaN"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
