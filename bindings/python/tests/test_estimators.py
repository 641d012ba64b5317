"""SupConEncoder and SupConClassifier as scikit-learn's estimators, and without it."""

import json
import pickle
import subprocess
import sys

import files
import numpy as np
import pytest

import supcon

OPTIONS = dict(
    width=8,
    batch_size=64,
    precision="f32",
    random_state=0,
    validation_fraction=0.0,
    projection_dim=32,
    n_jobs=1,
)


@pytest.fixture(scope="module")
def parts(digits):
    images, labels = digits
    return images[:1200], labels[:1200], images[1200:], labels[1200:]


@pytest.fixture(scope="module")
def learned(parts):
    crops = {"kind": "crop_flip", "crop_scale_min": 0.6, "flip_probability": 0}
    return supcon.SupConClassifier(**OPTIONS, epochs=20, learning_rate=0.5, augmentation=crops).fit(
        *parts[:2]
    )


def test_learns_the_digits(learned, parts):
    train, train_labels, test, test_labels = parts
    assert learned.score(test, test_labels) > 0.85
    assert (
        supcon.evaluate(
            learned.transform(train), train_labels, learned.transform(test), test_labels, "knn"
        ).top1
        > 0.85
    )
    probabilities = learned.predict_proba(test)
    assert probabilities.shape == (len(test), 10) and np.allclose(
        probabilities.sum(1), 1, atol=1e-4
    )
    assert (
        learned.classes_[probabilities.argmax(1)] == learned.predict(test)
    ).all() and learned.decision_function(test).shape == (len(test), 10)
    assert learned.history_["loss"][19] < learned.history_["loss"][0]
    assert (
        learned.n_features_in_ == 64
        and learned.image_shape_ == (8, 8, 1)
        and learned.model_.image_size == (8, 8)
    )


def test_mean_and_deviation_are_the_datas(learned, parts):
    assert learned.model_.mean == pytest.approx(
        [parts[0].mean() / 255], rel=1e-5
    ) and learned.model_.std == pytest.approx([parts[0].std() / 255], rel=1e-5)


def test_pickle_and_clone(learned, parts):
    base = pytest.importorskip("sklearn.base")
    again = pickle.loads(pickle.dumps(learned))
    np.testing.assert_array_equal(again.predict_proba(parts[2]), learned.predict_proba(parts[2]))
    assert (
        repr(again.history_) == repr(learned.history_)
        and again.get_params() == learned.get_params()
    )
    fresh = base.clone(learned)
    assert not hasattr(fresh, "model_") and fresh.get_params() == learned.get_params()
    assert fresh.set_params(epochs=1, form="in").form == "in"
    with pytest.raises(ValueError, match="epoch_count"):
        fresh.set_params(epoch_count=1)


def test_between_other_steps(shapes, small):
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    images, labels = shapes
    words = np.where(labels == 1, "upright", "lying")
    pipeline = make_pipeline(supcon.SupConEncoder(**small), LogisticRegression())
    assert (
        set(pipeline.fit(images, words).predict(images)) <= {"upright", "lying"}
        and 0 <= pipeline.score(images, words) <= 1
    )
    search = GridSearchCV(
        supcon.SupConClassifier(**small), {"temperature": [0.1, 0.5]}, cv=2, error_score="raise"
    ).fit(images, words)
    assert search.best_params_["temperature"] in (0.1, 0.5) and set(search.predict(images)) <= {
        "upright",
        "lying",
    }
    names = supcon.SupConEncoder(**small).fit(images, labels).get_feature_names_out()
    assert names.shape == (32,) and names[1] == "supconencoder1"
    assert (
        type(
            supcon.SupConEncoder(**small)
            .fit(images)
            .set_output(transform="default")
            .transform(images)
        )
        is np.ndarray
    )


def test_evaluate_without_fit(shapes):
    exceptions = pytest.importorskip("sklearn.exceptions")
    for call in (
        lambda: supcon.SupConEncoder().transform(shapes[0]),
        lambda: supcon.SupConClassifier().predict(shapes[0]),
    ):
        with pytest.raises(exceptions.NotFittedError, match="not fitted"):
            call()


def test_without_labels_it_is_simclr(shapes, small):
    encoder = supcon.SupConEncoder(**small).fit(shapes[0])
    assert encoder.classes_ is None and encoder.transform(shapes[0]).shape == (96, 32)
    explicit = supcon.SupConEncoder(**small | dict(objective="simclr")).fit(shapes[0])
    assert encoder.model_.to_bytes() == explicit.model_.to_bytes()
    for estimator in (
        supcon.SupConClassifier(**small),
        supcon.SupConEncoder(**small, objective="cross_entropy"),
    ):
        with pytest.raises(ValueError, match="labels"):
            estimator.fit(shapes[0])


@pytest.mark.parametrize("options", [dict(objective="cross_entropy"), dict(joint_classifier=True)])
def test_classifiers_that_are_trained_along(options, shapes, small):
    images, labels = shapes
    classifier = supcon.SupConClassifier(**small | dict(epochs=8), **options).fit(
        images, labels == 1
    )
    assert (
        classifier.classes_.tolist() == [False, True] and classifier.predict(images).dtype == bool
    )
    assert classifier.history_["train_accuracy"][7] > 0.5 and classifier.model_.classes == 2


def test_files_and_folders(shapes, small, tmp_path):
    images, labels = shapes
    color = np.repeat(images[..., None], 3, axis=3)
    paths = files.folder(tmp_path, color, labels)
    folder = supcon.SupConClassifier(**small).fit(supcon.ImageFolder(tmp_path))
    assert folder.classes_.tolist() == ["lying", "upright"] == folder.model_.class_names and set(
        folder.predict(paths)
    ) <= {"lying", "upright"}
    listed = supcon.SupConClassifier(**small).fit(
        [str(it) for it in paths], np.array(["lying", "upright"])[labels]
    )
    assert listed.n_features_in_ == 12 * 12 * 3 and listed.model_.mean == pytest.approx([0.5] * 3)
    np.testing.assert_allclose(listed.transform(color), listed.transform(paths), atol=1e-5)
    relabeled = supcon.SupConEncoder(**small).fit(supcon.ImageFolder(tmp_path), np.arange(96) % 3)
    assert relabeled.classes_.tolist() == [0, 1, 2]
    files.png(tmp_path / "lying" / "large.png", np.zeros((30, 20, 3), np.uint8))
    with pytest.warns(supcon.SupConWarning, match="differ in size.*12x12"):
        assert supcon.SupConEncoder(**small).fit(
            supcon.ImageFolder(tmp_path)
        ).model_.image_size == (12, 12)
    (tmp_path / "lying" / "zero.png").write_bytes(b"")
    with pytest.raises((ValueError, OSError), match="zero.png"):
        listed.transform([tmp_path / "lying" / "zero.png"])


def test_data_sets_that_are_no_files(shapes, small):
    data = supcon.Dataset.from_images(*shapes)
    classifier = supcon.SupConClassifier(**small).fit(data)
    assert (
        classifier.classes_.tolist() == [0, 1] and 0 <= classifier.score(shapes[0], shapes[1]) <= 1
    )
    assert (
        classifier.model_.to_bytes()
        == supcon.SupConClassifier(**small).fit(*shapes).model_.to_bytes()
    )
    other = supcon.SupConEncoder(**small).fit(data, 1 - shapes[1])  # labels of its own
    assert (
        other.model_.to_bytes()
        == supcon.SupConEncoder(**small).fit(shapes[0], 1 - shapes[1]).model_.to_bytes()
    )


def test_bad_options_are_told_by_fit(shapes, small):
    for options, error, words in (
        (dict(augmentation="strong"), ValueError, "'none', 'crop_flip', 'simclr'"),
        (dict(random_state="x"), TypeError, "random_state"),
        (dict(objective="all"), ValueError, "objective"),
        (dict(mean=[1, 2]), ValueError, "1 channels"),
        (dict(checkpoint_folder="/proc/none"), OSError, "/proc/none"),
    ):
        with pytest.raises(error, match=words):
            supcon.SupConEncoder(**small | options).fit(*shapes)
    with pytest.raises(ValueError, match=r"\[96\]"):
        supcon.SupConEncoder(**small).fit(shapes[0], shapes[1][:-1])


def test_random_state(shapes, small):
    fits = [
        supcon.SupConEncoder(**small | dict(epochs=1, random_state=it))
        .fit(*shapes)
        .model_.to_bytes()
        for it in (3, 3, 4, np.random.RandomState(1), np.random.default_rng(1))
    ]
    assert fits[0] == fits[1] and len(set(fits)) == 4


def test_evaluate_by_labels_of_any_kind():
    random = np.random.default_rng(0)
    centers = np.eye(3)
    labels, others = (
        np.array(["b", "a", "c"])[np.arange(60) % 3],
        np.array(["b", "a", "c"])[np.arange(30) % 3],
    )
    rows, tests = (centers[np.arange(n) % 3] + random.normal(0, 0.05, (n, 3)) for n in (60, 30))
    for method in ("linear", "knn", "prototypes"):
        found = supcon.evaluate(rows, labels, tests, others, method)
        assert (
            found.top1 == found.top5 == 1
            and found.classes.tolist() == ["a", "b", "c"]
            and (found.predictions == others).all()
        )
        assert np.array_equal(found.confusion, np.diag([10, 10, 10]))
    others[0] = "a"
    found = supcon.evaluate(rows, labels, tests, others, "knn", k=5)
    assert found.top1 == pytest.approx(29 / 30) and found.confusion[0, 1] == 1
    for change, words in (
        (dict(method="best"), "'linear', 'knn', 'prototypes'"),
        (dict(k=-1, method="knn"), "k"),
        (dict(test=tests[:, :2]), "2"),
        (dict(test_labels=others[1:]), r"\[30\]"),
    ):
        with pytest.raises(ValueError, match=words):
            supcon.evaluate(
                **dict(train=rows, train_labels=labels, test=tests, test_labels=others) | change
            )


def test_words_for_labels_stay_in_the_file(shapes, small, tmp_path):
    images, labels = shapes
    words = np.array(["lying", "upright"])[labels]
    learned = supcon.SupConClassifier(**small).fit(images, words)
    assert learned.classes_.tolist() == ["lying", "upright"] == learned.model_.class_names
    learned.model_.save(tmp_path / "m.safetensors")
    assert supcon.load(tmp_path / "m.safetensors").class_names == ["lying", "upright"]
    assert supcon.SupConClassifier(**small).fit(images, labels * 5 - 2).model_.class_names == [
        "-2",
        "3",
    ]
    # a data set of arrays takes other labels too
    again = supcon.SupConClassifier(**small).fit(supcon.Dataset.from_images(images), words)
    assert (
        again.model_.class_names == ["lying", "upright"]
        and (again.predict(images) == learned.predict(images)).all()
    )


def tensor(model, name):
    """A tensor of a model by its bytes."""
    content = model.to_bytes()
    size = int.from_bytes(content[:8], "little")
    start, end = json.loads(content[8 : 8 + size])[name]["data_offsets"]
    return np.frombuffer(content[8 + size + start : 8 + size + end], np.float32)


def test_begins_with_a_model(shapes, small, tmp_path):
    base = pytest.importorskip("sklearn.base")
    images, labels = shapes
    begun = supcon.SupConClassifier(**small).fit(images, labels).model_
    begun.save(tmp_path / "m.safetensors")
    before = begun.to_bytes()
    options = {
        name: value for name, value in small.items() if name not in ("width", "projection_dim")
    } | dict(objective="cross_entropy", learning_rate=1e-4)
    four = np.array(list("abcd"))[np.arange(96) % 4]
    tuned = supcon.SupConClassifier(init=begun, **options).fit(images, four)
    assert (
        tuned.model_.width == 4
        and tuned.model_.class_names == list("abcd")
        and tuned.predict(images).shape == (96,)
    )
    assert begun.to_bytes() == before and begun.class_names == ["0", "1"]
    start, end = begun.embed(images), tuned.transform(images)
    cosines = (start * end).sum(1)
    assert cosines.mean() > 0.9 and cosines.min() < 0.9999
    by_path = base.clone(supcon.SupConClassifier(init=tmp_path / "m.safetensors", **options)).fit(
        images, four
    )
    np.testing.assert_array_equal(by_path.transform(images), end)
    # the same classes: their classifier stays, and a rate of almost nothing leaves it as it was
    kept = supcon.SupConClassifier(init=begun, **options | dict(learning_rate=1e-9)).fit(
        images, labels
    )
    np.testing.assert_allclose(
        tensor(kept.model_, "fc.weight"), tensor(begun, "fc.weight"), atol=1e-4
    )
    assert np.abs(tensor(begun, "fc.weight")).max() > 2 / np.sqrt(
        32
    )  # twice a random one's largest
    with pytest.raises(supcon.ArgumentError, match="width is 8 and init"):
        supcon.SupConClassifier(init=begun, width=8, **options).fit(images, four)


def test_a_linear_stage_is_not_fitted_over(shapes, small):
    images, labels = shapes
    begun = supcon.SupConEncoder(**small).fit(images, labels).model_
    options = {
        name: value for name, value in small.items() if name not in ("width", "projection_dim")
    }
    probe = supcon.SupConClassifier(init=begun, objective="linear", **options | dict(epochs=1)).fit(
        images, labels
    )
    np.testing.assert_array_equal(probe.transform(images), begun.embed(images))
    assert probe.history_["train_accuracy"][0] >= 0
    assert (
        np.abs(probe.decision_function(images)).max() < 5
    )  # one epoch's; a fitted one is far from zero


WITHOUT = """
import sys
sys.modules["sklearn"] = None  # as if it were not installed
import numpy as np, pickle, supcon
images = np.random.default_rng(0).integers(0, 256, (32, 8, 8)).astype(np.uint8)
labels = np.arange(32) % 2
estimator = supcon.SupConClassifier(
    width=4, epochs=1, batch_size=16, validation_fraction=0, precision="f32", random_state=1,
    n_jobs=1,
)
assert repr(estimator).startswith("SupConClassifier(width=4, ")
assert estimator.get_params()["epochs"] == 1
try: estimator.predict(images); raise SystemExit("predicted before fit")
except ValueError as error: assert "not fitted" in str(error)
rows = estimator.set_params(epochs=2).fit_transform(images, labels)
assert rows.shape == (32, 32) and 0 <= estimator.score(images, labels) <= 1
assert np.array_equal(pickle.loads(pickle.dumps(estimator)).transform(images), rows)
try: estimator.set_params(wrong=1); raise SystemExit("took a wrong parameter")
except ValueError as error: assert "wrong" in str(error)
"""


def test_without_scikit_learn():
    subprocess.run([sys.executable, "-c", WITHOUT], check=True)


def test_import_is_light():
    code = (
        "import supcon, sys; assert not any(it in sys.modules for it in "
        "('sklearn', 'scipy', 'torch', 'argparse')), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_init_takes_the_estimators_precision_threads_and_memory(shapes):
    images, labels = shapes
    begun = supcon.Model(width=4, channels=1, image_size=12, precision="f32", n_jobs=1)
    options = {"init": begun, "epochs": 1, "batch_size": 32, "random_state": 0}
    kept = supcon.SupConEncoder(**options).fit(images, labels).model_
    assert (kept.precision, kept.n_jobs) == ("f32", 1)
    changed = supcon.SupConEncoder(**options, n_jobs=2, memory_limit=1 << 30).fit(images, labels)
    assert (changed.model_.n_jobs, changed.model_.memory_limit) == (2, 1 << 30)
    with pytest.raises(supcon.OutOfMemoryError):
        supcon.SupConEncoder(**options, memory_limit=1000).fit(images, labels)
    other = supcon.Model(width=4, channels=1, image_size=12, n_jobs=1)
    found = supcon.SupConEncoder(**options | {"init": other}, precision="f32").fit(images, labels)
    assert found.model_.precision == "f32"
