"""Data sets from files written here, and from functions."""

import files
import numpy as np
import pytest

import supcon


def pixels_of(data, size=12):
    """What the library reads, by way of a view that changes nothing."""
    model = supcon.Model(
        width=4, image_size=size, channels=data.channels, precision="f32", mean=0, std=1
    )
    return model.embed(data)


def test_folder(shapes, tmp_path):
    images, labels = shapes
    paths = files.folder(tmp_path, images[:10], labels[:10])
    (tmp_path / "lying" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    data = supcon.ImageFolder(tmp_path, channels=1)
    assert (
        isinstance(data, supcon.Dataset)
        and len(data) == 10
        and data.class_names == ["lying", "upright"]
    )
    assert (data.height, data.width, data.channels) == (
        12,
        12,
        1,
    ) and "10 images, 12x12, 1 channel, 2 classes" in repr(data)
    assert data.labels.tolist() == [0] * 5 + [1] * 5
    assert (
        sorted(data.paths) == sorted(map(str, paths))
        and len(data.skipped) == 1
        and "broken.png" in data.skipped[0]
    )
    with pytest.raises(supcon.FormatError, match="broken.png"):
        supcon.ImageFolder(tmp_path, on_error="refuse")
    order = [data.paths.index(str(it)) for it in paths]
    model = supcon.Model(width=4, image_size=12, channels=1, precision="f32")
    np.testing.assert_allclose(model.embed(data)[order], model.embed(images[:10]), atol=1e-5)
    np.testing.assert_allclose(model.embed(paths), model.embed(images[:10]), atol=1e-5)


def test_idx_and_cifar(shapes, tmp_path):
    images, labels = shapes
    files.idx(tmp_path / "images", images)
    files.idx(tmp_path / "labels", labels)
    data = supcon.Dataset.from_idx(tmp_path / "images", tmp_path / "labels")
    assert (
        len(data) == 96
        and data.channels == 1
        and data.paths is None
        and (data.labels == labels).all()
        and data.class_names == ["0", "1"]
    )
    assert supcon.Dataset.from_idx(tmp_path / "images").labels is None
    model = supcon.Model(width=4, image_size=12, channels=1, precision="f32")
    np.testing.assert_allclose(model.embed(data), model.embed(images), atol=1e-6)

    color = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    records = [
        bytes([label]) + image.transpose(2, 0, 1).tobytes()
        for label, image in zip([3, 0, 9, 1], color)
    ]
    for at in range(2):
        (tmp_path / f"batch_{at}.bin").write_bytes(b"".join(records[2 * at : 2 * at + 2]))
    data = supcon.Dataset.from_cifar([tmp_path / "batch_0.bin", tmp_path / "batch_1.bin"])
    assert data.labels.tolist() == [3, 0, 9, 1] and (data.height, data.width, data.channels) == (
        32,
        32,
        3,
    )
    model = supcon.Model(width=4, precision="f32")
    np.testing.assert_allclose(model.embed(data), model.embed(color), atol=1e-6)


def test_subset_and_split(shapes):
    images, labels = shapes
    data = supcon.Dataset.from_images(images, labels)
    assert data.subset([5, 2, 2]).labels.tolist() == [1, 0, 0]
    first, second = data.split(0.25, seed=1)
    assert (
        len(first) + len(second) == 96 and 20 <= len(second) <= 28 and set(second.labels) == {0, 1}
    )
    del data, first
    assert pixels_of(second).shape == (len(second), 32)
    for bad in ([96], [-1], [[0]]):
        with pytest.raises(ValueError):
            supcon.Dataset.from_images(images).subset(bad)
    with pytest.raises(ValueError, match="1.5"):
        second.split(1.5)


def test_function(shapes, stop):
    images, labels = shapes
    asked = []

    def make(indices):
        asked.append(indices)
        return images[indices][..., None]

    data = supcon.Dataset.from_function(make, 96, 12, 12, 1, labels)
    np.testing.assert_allclose(
        pixels_of(data), pixels_of(supcon.Dataset.from_images(images)), atol=1e-6
    )
    assert sorted(set(np.concatenate(asked).tolist())) == list(range(96))

    def fails(indices):
        raise stop("no more images")

    with pytest.raises(stop, match="no more images"):
        pixels_of(supcon.Dataset.from_function(fails, 5, 12, 12, 1))
    with pytest.raises(ValueError, match=r"\[5, 3, 3, 1\]"):
        pixels_of(
            supcon.Dataset.from_function(
                lambda indices: np.zeros((5, 3, 3, 1), np.uint8), 5, 12, 12, 1
            )
        )


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda it: supcon.ImageFolder(it / "absent"), OSError, "absent"),
        (lambda it: supcon.ImageFolder(it), ValueError, ""),
        (lambda it: supcon.ImageFolder(3), TypeError, "expected a path"),
        (lambda it: supcon.ImageFolder("a\0b"), ValueError, "NUL"),
        (lambda it: supcon.ImageFolder(it, on_error="shrug"), ValueError, "'skip', 'refuse'"),
        (lambda it: supcon.Dataset.from_files([]), ValueError, ""),
        (lambda it: supcon.Dataset.from_files(["a"], [1, 2]), ValueError, "2 labels for 1"),
        (lambda it: supcon.Dataset.from_idx(it / "absent"), OSError, "absent"),
        (lambda it: supcon.Dataset.from_files([it / "a.png"], on_error="refuse"), OSError, "a.png"),
        (
            lambda it: supcon.Dataset.from_images(np.zeros((2, 4, 4), np.uint8), [0.5, 1]),
            TypeError,
            "float64",
        ),
        (lambda it: supcon.Dataset.from_cifar([it / "x"], 11), ValueError, ""),
    ],
)
def test_errors(make, error, words, tmp_path):
    with pytest.raises(error, match=words or None) as raised:
        make(tmp_path)
    assert isinstance(raised.value, supcon.SupConError)


def test_no_pickle(shapes):
    import pickle

    with pytest.raises(TypeError, match="paths and labels"):
        pickle.dumps(supcon.Dataset.from_images(shapes[0]))


def test_the_constructor_says_how_a_data_set_is_made(shapes):
    images, labels = shapes
    for arguments in ((images, labels), (images,), ("photos",), (None,)):
        with pytest.raises(TypeError, match=r"Dataset\.from_images\(images, labels\)"):
            supcon.Dataset(*arguments)


def test_targets(shapes):
    images, labels = shapes
    values = np.stack([np.arange(96.0), np.arange(96) / 7], 1)
    data = supcon.Dataset.from_images(images, labels).with_targets(values)
    np.testing.assert_array_equal(data.targets, values)
    assert (
        (data.labels == labels).all()
        and data.with_targets(None).targets is None
        and supcon.Dataset.from_images(images).targets is None
    )
    for part in (
        data.subset([5, 2, 2]),
        *data.split(0.25),
        data.per_class(7),
        data.with_labels(None),
        data.corrupted("fog"),
        *data.with_labels(None).split(0.5),
    ):
        np.testing.assert_allclose(part.targets[:, 0] / 7, part.targets[:, 1])
    assert data.subset([5, 2, 2]).targets[:, 0].tolist() == [5, 2, 2]
    assert (
        data.with_targets(labels).targets.tolist() == [[it] for it in labels]
        and data.with_targets(labels == 1).targets.sum() == 48
    )
    for bad, error, words in (
        ([1.0, 2.0], ValueError, r"\[2\]"),
        (np.zeros((96, 2, 2)), ValueError, r"\[96, 2, 2\]"),
        (["a"] * 96, TypeError, "numbers"),
        (np.full(96, np.nan), ValueError, "nan"),
        (np.zeros((96, 0)), ValueError, "0"),
    ):
        with pytest.raises(error, match=words):
            data.with_targets(bad)


def test_other_labels_and_fewer_images(shapes):
    images, labels = shapes
    data = supcon.Dataset.from_images(images, labels)
    named = data.with_class_names(["lying", "upright"])
    assert (
        named.class_names == ["lying", "upright"]
        and (named.labels == labels).all()
        and data.class_names == ["0", "1"]
    )
    noisy = named.with_label_noise(0.25, seed=4)
    assert (noisy.labels != labels).sum() == 24 and noisy.class_names == named.class_names
    assert (named.with_label_noise(0.25, seed=4).labels == noisy.labels).all() and (
        named.with_label_noise(0.25, seed=5).labels != noisy.labels
    ).any()
    assert np.bincount(data.per_class(7, seed=1).labels).tolist() == [7, 7] and np.bincount(
        data.long_tailed(6).labels
    ).tolist() == [48, 8]
    other = named.with_labels(labels + 3)
    assert other.class_names == ["3", "4"] and named.with_labels(None).labels is None
    np.testing.assert_allclose(pixels_of(other), pixels_of(data))
    for call, words in (
        (lambda: data.with_label_noise(-1), "rate is -1"),
        (lambda: data.per_class(0), "0"),
        (lambda: data.long_tailed(0.1), "0.1"),
        (lambda: data.with_labels([1]), "1 labels"),
        (lambda: data.with_class_names(["a"]), "1 names"),
        (lambda: data.with_class_names(["a", "b\0"]), "NUL"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    with pytest.raises(supcon.StateError, match="no labels"):
        supcon.Dataset.from_images(images).per_class(2)


def test_labels_that_are_ids(tmp_path):
    """Classes are the labels that occur: nothing is made for the numbers between them."""
    images = np.random.default_rng(0).integers(0, 256, (96, 16, 16, 3), np.uint8)
    ids = np.array([10**12, -(2**63), 7, 2**63 - 1], np.int64)
    labels = ids[np.arange(96) % 4]
    data = supcon.Dataset.from_images(images, labels)
    assert np.array_equal(data.labels, labels)
    assert np.array_equal(data.class_labels, np.sort(ids))
    assert data.class_names == [str(it) for it in np.sort(ids)]
    assert np.array_equal(data.subset([0]).class_labels, data.class_labels)
    named = data.with_class_names("abcd")
    assert named.class_names == ["a", "b", "c", "d"] and named.class_labels[1] == 7

    kw = dict(width=4, epochs=1, batch_size=16, n_jobs=1, random_state=0, image_size=16)
    by_data = supcon.SupConClassifier(**kw).fit(data)
    by_labels = supcon.SupConClassifier(**kw).fit(images, labels)
    assert np.array_equal(by_data.classes_, np.sort(ids))
    assert by_data.classes_.dtype == np.int64
    assert np.array_equal(by_data.predict_proba(images), by_labels.predict_proba(images))
    assert set(by_data.predict(images)) <= set(ids)
    by_data.model_.save(tmp_path / "ids.safetensors")
    assert supcon.load(tmp_path / "ids.safetensors").class_names == data.class_names
