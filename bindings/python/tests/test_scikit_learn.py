"""scikit-learn's own checks of an estimator, and its tools around ours."""

import logging

import files
import numpy as np
import pytest

import supcon

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import RocCurveDisplay, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

CHECKED = dict(
    epochs=1,
    width=8,
    batch_size=4,
    n_jobs=1,
    validation_fraction=0,
    stop_on_collapse=False,
    precision="f32",
)
# bindings/python/README.md has the reasons too
SAMPLED = {
    "check_sample_weight_equivalence_on_dense_data": "training draws batches and views at random: "
    "an image of weight 2 and two of it are drawn differently, and contrasted with each other",
}
EXPECTED = {
    supcon.SupConEncoder: SAMPLED,
    supcon.SupConClassifier: SAMPLED
    | {
        "check_methods_sample_order_invariance": "logits are f32: their last bit goes by an "
        "image's offset in the batch, and the check allows 1e-7",
    },
}


@pytest.fixture(autouse=True)
def quiet():
    logger = logging.getLogger("supcon")
    before = logger.level
    logger.setLevel(logging.CRITICAL)  # of warnings about 20 random points
    yield
    logger.setLevel(before)


@parametrize_with_checks(
    [it(**CHECKED) for it in EXPECTED],
    expected_failed_checks=lambda estimator: EXPECTED[type(estimator)],
)
@pytest.mark.filterwarnings("ignore")
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_no_check_is_hidden():
    for kind in EXPECTED:
        tags = kind().__sklearn_tags__()
        assert tags.input_tags.two_d_array and tags.input_tags.three_d_array
        assert not (tags.no_validation or tags._skip_test or tags.non_deterministic)


@pytest.mark.parametrize("kind", ["uint8", "unit", "scaled"])
def test_a_table_is_flattened_images(digits, small, kind):
    images, labels = digits
    images, labels = images[:200], labels[:200]
    if kind == "uint8":
        table, pixels = images.reshape(200, -1), images
    elif kind == "unit":
        pixels = (images / 255).astype(np.float32)
        table = pixels.reshape(200, -1)
    else:  # digits as they come, 0 to 16
        table = load_digits().data[:200]
        pixels = (table / 16).astype(np.float32).reshape(200, 8, 8)
    by_table = supcon.SupConEncoder(**small).fit(table, labels)
    by_images = supcon.SupConEncoder(**small).fit(pixels, labels)
    np.testing.assert_array_equal(by_table.transform(table[:20]), by_images.transform(pixels[:20]))
    assert by_table.image_shape_ == (8, 8, 1) and by_table.n_features_in_ == 64


def test_rows_of_a_table_have_the_sides_that_are_asked_for(small):
    random = np.random.default_rng(0)
    for features, size, shape in (
        (96, (8, 12), (8, 12, 1)),
        (96, None, (1, 96, 1)),
        (64, (4, 4), (8, 8, 1)),
    ):
        rows = random.random((32, features))
        encoder = supcon.SupConEncoder(**small, image_size=size).fit(rows, np.arange(32) % 2)
        assert encoder.image_shape_ == shape
        assert encoder.model_.image_size == (size or shape[:2])


@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")  # scikit-learn's sum
def test_a_table_keeps_the_scale_of_fit(small):
    random = np.random.default_rng(0)
    rows = random.normal(5, 40, (48, 25))
    encoder = supcon.SupConEncoder(**small).fit(rows, np.arange(48) % 3)
    wide = np.clip(rows, rows.min(), rows.max())
    wide[0, 0] = 1e300
    bounded = rows.copy()
    bounded[0, 0] = rows.max()
    np.testing.assert_array_equal(encoder.transform(wide), encoder.transform(bounded))
    np.testing.assert_array_equal(encoder.transform(rows[:1]), encoder.transform(rows)[:1])
    huge = np.where(random.random((48, 25)) < 0.5, -1.7e308, 1.7e308)
    assert np.isfinite(supcon.SupConEncoder(**small).fit_transform(huge, np.arange(48) % 3)).all()
    images = (random.random((48, 5, 5)) * 255).astype(np.uint8)
    with pytest.raises(ValueError, match="fitted on images"):
        supcon.SupConEncoder(**small).fit(images).transform(images.reshape(48, -1))


@pytest.fixture(scope="module")
def two(shapes):
    images, labels = shapes
    options = dict(width=4, epochs=2, batch_size=16, validation_fraction=0.0, projection_dim=16)
    options |= dict(precision="f32", random_state=3, learning_rate=0.05, n_jobs=1)
    estimator = supcon.SupConClassifier(**options)
    return estimator.fit(images, np.array(["lying", "upright"])[labels]), images, labels


def test_two_classes_have_one_score(two, shapes):
    fitted, images, labels = two
    scores, probabilities = fitted.decision_function(images), fitted.predict_proba(images)
    assert scores.shape == (96,) and probabilities.shape == (96, 2)
    # the log odds of the second class
    np.testing.assert_allclose(
        scores, np.log(probabilities[:, 1] / probabilities[:, 0]), rtol=1e-4, atol=1e-4
    )
    assert (fitted.predict(images) == np.where(scores > 0, "upright", "lying")).all()
    area = roc_auc_score(labels, scores)
    assert RocCurveDisplay.from_estimator(fitted, images, fitted.classes_[labels]).roc_auc == area


def test_tools_for_two_classes(two):
    fitted, images, labels = two
    for scoring in ("roc_auc", "average_precision", "neg_log_loss"):
        found = cross_val_score(fitted, images, labels, cv=2, scoring=scoring, error_score="raise")
        assert np.isfinite(found).all()
    calibrated = CalibratedClassifierCV(fitted, cv=2).fit(images, labels)
    assert log_loss(labels, calibrated.predict_proba(images)) < np.log(2)
    rest = OneVsRestClassifier(fitted).fit(images, np.arange(96) % 3)
    assert rest.predict(images).shape == (96,)


def test_labels_of_a_classifier(shapes, small):
    images, labels = shapes
    plain = supcon.SupConClassifier(**small).fit(images, labels)
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        column = supcon.SupConClassifier(**small).fit(images, labels[:, None])
    assert column.model_.to_bytes() == plain.model_.to_bytes()
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        supcon.SupConClassifier(**small).fit(images, labels + 0.5)
    with pytest.raises(ValueError, match="one class, 'a'"):
        supcon.SupConClassifier(**small).fit(images, np.full(96, "a"))
    for kinds in (["x", "yy"], [False, True], [-3, 10**12], [1.0, 2.0]):
        fitted = supcon.SupConClassifier(**small).fit(images, np.array(kinds)[labels])
        assert fitted.classes_.tolist() == kinds
        assert set(fitted.predict(images).tolist()) <= set(kinds)
    objects = supcon.SupConClassifier(**small).fit(images, np.array(["b", "a"], object)[labels])
    assert objects.classes_.tolist() == ["a", "b"]


def test_cross_validation_over_a_folder(shapes, small, tmp_path):
    images, labels = shapes
    files.folder(tmp_path, np.repeat(images[..., None], 3, axis=3), labels)
    folder = supcon.ImageFolder(tmp_path)
    names = np.array(folder.class_names)[folder.labels]
    scores = cross_val_score(
        supcon.SupConClassifier(**small), folder, names, cv=3, error_score="raise"
    )
    assert scores.shape == (3,) and (scores >= 0).all()
    search = GridSearchCV(
        supcon.SupConClassifier(**small), {"temperature": [0.1, 0.5]}, cv=2, error_score="raise"
    ).fit(folder, names)
    assert set(search.predict(folder)) <= {"lying", "upright"}
    train, test, _, test_names = train_test_split(
        folder, names, test_size=0.25, stratify=names, random_state=0
    )
    assert isinstance(train, supcon.Dataset) and len(train) == 72 and len(test) == 24
    assert (np.array(test.class_names)[test.labels] == test_names).all()
    fitted = supcon.SupConClassifier(**small).fit(train)
    assert fitted.score(test) == fitted.score(test, test_names)
    ids = supcon.Dataset.from_images(images, labels * 7 - 3)
    fitted = supcon.SupConClassifier(**small).fit(ids)
    assert fitted.score(ids) == fitted.score(images, labels * 7 - 3) > 0


def test_indices_of_a_data_set(shapes):
    images, labels = shapes
    data = supcon.Dataset.from_images(images, labels)
    for key in (slice(10, 2, -2), [3, 1, 1], np.arange(96) % 5 == 0, np.array([-1, 0]), 7, -2):
        found = data[key]
        assert found.labels.tolist() == np.atleast_1d(labels[key]).tolist()
    assert data.shape == (96,) and len(list(data)) == 96
    for key in (96, [0, 200], np.ones(5, bool), "a", (0, 1)):
        with pytest.raises(IndexError):
            data[key]


def test_history_is_a_table(two, monkeypatch):
    pandas = pytest.importorskip("pandas")
    fitted, images, labels = two
    assert isinstance(fitted.history_, pandas.DataFrame) and len(fitted.history_) == 2
    assert fitted.history_["epoch"].tolist() == [1, 2] and fitted.history_["loss"].notna().all()
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    again = supcon.SupConClassifier(**fitted.get_params()).fit(images, labels)
    assert again.history_["loss"] == fitted.history_["loss"].tolist()
    assert set(again.history_) == set(fitted.history_.columns)
