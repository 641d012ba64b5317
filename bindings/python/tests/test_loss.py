"""supcon_loss against the formulas evaluated in double by numpy, its gradient by finite differences
of those.
"""

import numpy as np
import pytest

import supcon


def reference(z, positives, temperature, form, denominator, anchors):
    """Loss of each anchor (NaN: no positive) by the formulas, dense and in double. z [samples,
    views, d]; positives [samples, samples] weights.
    """
    samples, views, dimension = z.shape
    rows = z.reshape(-1, dimension).astype(np.float64)
    similarity = rows @ rows.T / temperature
    sample = np.repeat(np.arange(samples), views)
    losses = []
    for i in range(len(rows)):
        if anchors == "first" and i % views:
            continue
        others = np.arange(len(rows)) != i
        weight = positives[sample[i], sample] * others
        if weight.sum() == 0:
            losses.append(np.nan)
            continue
        exponent = np.exp(similarity[i])
        negatives = exponent[others & (weight == 0)].sum()
        share = weight / weight.sum()
        if denominator == "all":
            below = np.full(len(rows), exponent[others].sum())
        elif denominator == "negatives":
            below = np.full(len(rows), negatives)
        else:
            below = negatives + exponent
        if form == "out":
            losses.append(-(share * (similarity[i] - np.log(below)))[weight > 0].sum())
        else:
            losses.append(np.log(below[0]) - np.log((share * exponent)[weight > 0].sum()))
    return np.array(losses)


def reduced(losses, reduction):
    counted = np.nan_to_num(losses)
    return {"sum": counted.sum(), "mean_all": counted.mean(), "mean": np.nanmean(losses)}[reduction]


def unit(z):
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


def case(samples=7, views=2, dimension=5, classes=3, seed=0):
    random = np.random.default_rng(seed)
    return unit(random.normal(size=(samples, views, dimension))).astype(
        np.float32
    ), random.integers(0, classes, samples)


CASES = [
    ("out", "all"),
    ("in", "all"),
    ("out", "one_positive"),
    ("out", "negatives"),
    ("in", "negatives"),
]


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("anchors", ["all", "first"])
@pytest.mark.parametrize("form, denominator", CASES)
def test_loss_of_each_anchor(form, denominator, anchors, views):
    z, labels = case(views=views, samples=9)
    expected = reference(
        z, (labels[:, None] == labels).astype(float), 0.3, form, denominator, anchors
    )
    found = supcon.supcon_loss(
        z,
        labels,
        temperature=0.3,
        form=form,
        denominator=denominator,
        anchors=anchors,
        reduction="none",
    )
    assert found.shape == ((9,) if anchors == "first" else (9, views))
    np.testing.assert_allclose(found.ravel(), np.nan_to_num(expected), rtol=2e-5, atol=2e-5)
    for reduction in ("mean", "mean_all", "sum"):
        loss = supcon.supcon_loss(
            z,
            labels,
            temperature=0.3,
            form=form,
            denominator=denominator,
            anchors=anchors,
            reduction=reduction,
            scale=2.5,
        )
        assert loss == pytest.approx(2.5 * reduced(expected, reduction), rel=2e-5)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("form, denominator", CASES)
def test_gradient_by_finite_differences(form, denominator, normalize):
    z, labels = case(samples=6)
    z = z * np.float32(1.7) if normalize else z
    positives = (labels[:, None] == labels).astype(float)

    def loss(x):
        return reduced(
            reference(unit(x) if normalize else x, positives, 0.5, form, denominator, "all"), "mean"
        )

    value, gradient = supcon.supcon_loss(
        z,
        labels,
        temperature=0.5,
        form=form,
        denominator=denominator,
        normalize=normalize,
        return_gradient=True,
    )
    x, step, expected = z.astype(np.float64), 1e-5, np.zeros(z.shape)
    for at in np.ndindex(z.shape):
        moved = [x.copy(), x.copy()]
        moved[0][at] += step
        moved[1][at] -= step
        expected[at] = (loss(moved[0]) - loss(moved[1])) / (2 * step)
    assert value == pytest.approx(loss(x), rel=2e-5)
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=2e-5)


def test_mask_may_be_soft_and_asymmetric():
    z, _ = case(samples=6)
    mask = np.random.default_rng(1).uniform(0.2, 1, (6, 6)) * (
        np.random.default_rng(2).random((6, 6)) < 0.5
    )
    expected = reduced(
        reference(z, mask.astype(np.float32).astype(float), 0.1, "out", "all", "all"), "mean"
    )
    assert supcon.supcon_loss(z, mask=mask.astype(np.float32)) == pytest.approx(expected, rel=2e-5)


def test_without_labels_it_is_simclr_and_labels_are_of_any_kind():
    z, labels = case()
    assert supcon.supcon_loss(z) == pytest.approx(supcon.supcon_loss(z, np.arange(7)), rel=1e-6)
    words = np.array(["cat", "dog", "owl"])[labels]
    assert (
        supcon.supcon_loss(z, words)
        == supcon.supcon_loss(z, labels)
        == supcon.supcon_loss(z, list(words))
        == supcon.supcon_loss(z, labels - 40)
    )


def test_two_dimensions_are_one_view_and_equal_embeddings_give_ln():
    z, labels = case(views=1)
    assert supcon.supcon_loss(z[:, 0], labels) == supcon.supcon_loss(z, labels)
    _, gradient = supcon.supcon_loss(z[:, 0].astype(np.float64), labels, return_gradient=True)
    assert gradient.shape == (7, 5) and gradient.dtype == np.float32
    assert supcon.supcon_loss(np.tile(unit(np.ones(4)), (12, 1)), np.zeros(12)) == pytest.approx(
        np.log(11), rel=1e-6
    )


def test_anchors_without_a_positive_are_no_nan():
    z, _ = case(views=1)
    loss, gradient = supcon.supcon_loss(z[:, 0], np.arange(7), return_gradient=True)
    assert loss == 0 and not gradient.any()


@pytest.mark.parametrize(
    "change, error, words",
    [
        (dict(temperature=0), ValueError, "temperature"),
        (dict(temperature=float("nan")), ValueError, "temperature"),
        (dict(temperature="hot"), TypeError, "temperature"),
        (dict(form="inside"), ValueError, "'out', 'in'"),
        (dict(reduction=2.5), ValueError, "reduction"),
        (dict(normalize="yes"), TypeError, "normalize"),
        (dict(labels=[0, 1]), ValueError, "expected \\[7\\]"),
        (dict(labels=[0.5, np.nan] + [1] * 5), ValueError, "NaN"),
        (dict(labels=np.zeros(7), mask=np.ones((7, 7), np.float32)), ValueError, "both"),
        (dict(mask=np.ones((7, 6), np.float32)), ValueError, "\\[7, 7\\]"),
        (dict(mask=-np.ones((7, 7), np.float32)), ValueError, "mask"),
        (dict(form="in", denominator="one_positive"), ValueError, ""),
        (dict(features=np.ones((2, 2, 2, 2), np.float32)), ValueError, "\\[2, 2, 2, 2\\]"),
        (dict(features=np.ones((4, 4), np.int32)), TypeError, "int32"),
        (dict(features=np.full((7, 4), np.nan, np.float32)), ValueError, ""),
        (dict(features=np.ones((0, 4), np.float32)), ValueError, ""),
        (dict(n_jobs=100000), ValueError, "1024"),
    ],
)
def test_errors_name_the_value(change, error, words):
    with pytest.raises(error, match=words or None) as raised:
        supcon.supcon_loss(**{"features": case()[0]} | change)
    assert isinstance(raised.value, supcon.SupConError) and len(str(raised.value)) > 15


def test_capped_positives_leave_numerator_and_denominator():
    z, _ = case(samples=6, views=1)
    z, labels = z[:, 0], np.array([0, 0, 0, 1, 1, 1])
    similarity = z.astype(float) @ z.T.astype(float) / 0.3

    def of(i, p):  # the one positive and the negatives
        return (
            np.log(np.exp(similarity[i, p]) + np.exp(similarity[i, labels != labels[i]]).sum())
            - similarity[i, p]
        )

    chosen = set()
    for seed in range(20):
        found = supcon.supcon_loss(
            z, labels, temperature=0.3, positives_cap=1, seed=seed, reduction="none"
        )
        np.testing.assert_array_equal(
            found,
            supcon.supcon_loss(
                z, labels, temperature=0.3, positives_cap=1, seed=seed, reduction="none"
            ),
        )
        fits = [
            [
                p
                for p in range(6)
                if p != i and labels[p] == labels[i] and abs(of(i, p) - found[i]) < 2e-5
            ]
            for i in range(6)
        ]
        assert all(len(it) == 1 for it in fits)
        chosen |= {(i, it[0]) for i, it in enumerate(fits)}
    assert len(chosen) == 12  # each anchor has had either positive
    with pytest.raises(ValueError, match="positives_cap"):
        supcon.supcon_loss(z, labels, positives_cap=-1)


@pytest.mark.parametrize("rule", ["any", "all", "jaccard"])
def test_masks_of_several_labels(rule):
    labels = np.random.default_rng(0).random((20, 70)) < 0.03
    shared = (labels[:, None] & labels).sum(-1)
    either = (labels[:, None] | labels).sum(-1)
    expected = {
        "any": shared > 0,
        "all": (shared == either) & (shared > 0),
        "jaccard": shared / np.maximum(either, 1),
    }[rule].astype(np.float32)
    np.fill_diagonal(expected, 1)
    for given in (labels, labels.astype(int), labels.astype(float)):
        np.testing.assert_allclose(supcon.mask_from_multilabel(given, rule), expected, rtol=1e-6)
    assert np.isfinite(supcon.supcon_loss(case(samples=20)[0], mask=expected))


def test_masks_of_values():
    values = np.random.default_rng(0).normal(size=(9, 2))
    squares = ((values[:, None] - values) ** 2).sum(-1)
    np.testing.assert_allclose(
        supcon.mask_from_values(values, 0.7), np.exp(-squares / 2 / 0.7**2), rtol=1e-6
    )
    np.testing.assert_array_equal(
        supcon.mask_from_values([0, 1], 1), supcon.mask_from_values(np.array([[0.0], [1.0]]), 1)
    )


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: supcon.mask_from_multilabel([[0, 2]]), ValueError, "2"),
        (lambda: supcon.mask_from_multilabel([0, 1]), ValueError, "\\[2\\]"),
        (lambda: supcon.mask_from_multilabel([["a"]]), TypeError, "type"),
        (lambda: supcon.mask_from_multilabel([[0, 1]], "some"), ValueError, "'jaccard'"),
        (lambda: supcon.mask_from_values([1.0], 0), ValueError, "bandwidth"),
        (lambda: supcon.mask_from_values([np.nan], 1), ValueError, "finite"),
        (lambda: supcon.mask_from_values([], 1), ValueError, "samples is 0"),
        (lambda: supcon.mask_from_values(["a"], 1), TypeError, "type"),
    ],
)
def test_masks_refuse(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_large_batch_needs_no_square():
    random = np.random.default_rng(0)
    z = unit(random.normal(size=(6000, 16))).astype(np.float32)
    labels = random.integers(0, 10, 6000)
    picked = random.choice(6000, 20, replace=False)
    similarity = z[picked].astype(float) @ z.T.astype(float) / 0.1
    similarity[np.arange(20), picked] = -np.inf
    positive = (labels[picked, None] == labels) & (np.arange(6000) != picked[:, None])
    total = np.log(np.exp(similarity).sum(1))
    expected = total - np.where(positive, similarity, 0).sum(1) / positive.sum(1)
    np.testing.assert_allclose(
        supcon.supcon_loss(z, labels, reduction="none")[picked], expected, rtol=1e-5
    )


def queue_reference(
    queries, keys, labels, queue, queue_labels, positives, temperature, denominator="all"
):
    """Each query's loss (None without a positive), dense and in double."""
    contrasts = np.concatenate([keys.reshape(-1, keys.shape[-1]), queue]).astype(float)
    own = np.repeat(np.arange(len(queries)), keys.shape[1])
    for i, query in enumerate(np.asarray(queries, float)):
        s = contrasts @ query / temperature
        same = np.concatenate(
            [
                own == i if labels is None else np.asarray(labels)[own] == labels[i],
                np.zeros(len(queue), bool)
                if labels is None or queue_labels is None
                else np.asarray(queue_labels) == labels[i],
            ]
        )
        takes_part = np.ones(len(s), bool)
        if not positives:
            takes_part[len(own) :] = ~same[len(own) :]
        chosen, below = (
            same & takes_part,
            takes_part if denominator == "all" else takes_part & ~same,
        )
        yield -(s[chosen] - np.log(np.exp(s[below]).sum())).mean()


@pytest.mark.parametrize(
    "labeled, queue_labeled, positives, keys, queue",
    [
        (False, False, True, 1, 9),
        (True, True, True, 1, 9),
        (True, True, False, 2, 9),
        (True, False, True, 3, 9),
        (True, False, True, 2, 0),
    ],
)
@pytest.mark.parametrize("denominator", ["all", "negatives"])
def test_queue_is_the_formula(labeled, queue_labeled, positives, keys, queue, denominator):
    random = np.random.default_rng(8)
    unit = lambda *shape: (lambda it: it / np.linalg.norm(it, axis=-1, keepdims=True))(
        random.normal(size=shape)
    )
    rows, own, others = unit(6, 5), unit(6, keys, 5), unit(queue, 5)
    labels = list("abacab") if labeled else None
    queue_labels = list("abcdaabbd")[:queue] if queue_labeled else None
    given = dict(
        labels=labels,
        queue=others if queue else None,
        queue_labels=queue_labels,
        queue_positives=positives,
        temperature=0.4,
        denominator=denominator,
    )
    exact = lambda q: np.array(
        list(queue_reference(q, own, labels, others, queue_labels, positives, 0.4, denominator))
    )
    loss, gradient = supcon.supcon_loss_queue(
        rows, own if keys > 1 else own[:, 0], **given, return_gradient=True
    )
    assert loss == pytest.approx(exact(rows).mean(), abs=1e-5)
    np.testing.assert_allclose(
        supcon.supcon_loss_queue(rows, own, **given, reduction="none", scale=2),
        2 * exact(rows),
        atol=1e-5,
    )
    for place in np.ndindex(rows.shape):
        step = np.zeros_like(rows)
        step[place] = 1e-5
        assert gradient[place] == pytest.approx(
            (exact(rows + step).mean() - exact(rows - step).mean()) / 2e-5, abs=2e-5
        )


@pytest.mark.parametrize(
    "change, error, words",
    [
        (dict(queries=np.zeros((2, 3, 2))), ValueError, r"queries have the shape \[2, 3, 2\]"),
        (dict(keys=np.ones((3, 2))), ValueError, r"\[2, keys, 2\]"),
        (dict(queue=np.ones((3, 4))), ValueError, r"\[m, 2\]"),
        (
            dict(queue_labels=[1, 2]),
            ValueError,
            r"queue_labels have the shape \[2\]; expected \[3\]",
        ),
        (dict(labels=None), ValueError, "without labels"),
        (dict(labels=[1]), ValueError, r"expected \[2\]"),
        (dict(temperature=0), ValueError, "temperature"),
        (dict(queue=np.full((3, 2), np.nan)), ValueError, "queue entry 0 has a value"),
        (dict(queries=np.eye(2, dtype=int)), TypeError, "int64"),
        (dict(queue_positives="yes"), TypeError, "queue_positives"),
    ],
)
def test_queue_errors(change, error, words):
    given = (
        dict(
            queries=np.eye(2),
            keys=np.eye(2),
            labels=[0, 1],
            queue=np.ones((3, 2)),
            queue_labels=[0, 1, 2],
        )
        | change
    )
    with pytest.raises(error, match=words):
        supcon.supcon_loss_queue(**given)


def test_n_pairs_of_sohn_and_of_the_paper():
    """Sohn's loss (NIPS 2016, equation 6) has N anchors and N − 1 negatives; one positive a row is
    the paper's reading of it: 2N anchors, 2(N − 1) negatives.
    """
    z, _ = case(samples=20, views=2, dimension=8, seed=4)
    anchors, positives = z[:, 0].astype(np.float64), z[:, 1].astype(np.float64)
    scores = anchors @ positives.T
    sohn = np.log(np.exp(scores - scores.diagonal()[:, None]).sum(1))
    found = supcon.supcon_loss_queue(z[:, 0], z[:, 1], temperature=1, reduction="none")
    np.testing.assert_allclose(found, sohn, atol=1e-6)

    rows, labels = z.reshape(40, 8), np.arange(40) // 2
    losses = []
    for i, row in enumerate(rows.astype(np.float64)):
        negatives = rows[labels != labels[i]].astype(np.float64)
        assert len(negatives) == 2 * (20 - 1)
        losses.append(
            np.log(1 + np.exp(negatives @ row - rows[i ^ 1].astype(np.float64) @ row).sum())
        )
    found = supcon.supcon_loss(rows, labels, temperature=1, positives_cap=1)
    np.testing.assert_allclose(found, np.mean(losses), atol=1e-6)
    # Twice the negatives at random directions: about log 2 more.
    assert 0.5 < np.mean(losses) - sohn.mean() < 0.9
