"""Tests of DATA and IMAGES of the command line."""

import files
import numpy as np
import pytest
from commands import run

import supcon
from supcon import _sources


@pytest.mark.parametrize("word", ["train", "embed", "classify", "evaluate", "index"])
def test_how_images_are_read(word, photo_model, photos, tmp_path):
    """Every command takes the options of a data set, and they reach the library."""
    data = [photos / "train", photos / "test"] if word == "evaluate" else [photos / "train"]
    before = [] if word == "train" else [photo_model]
    names = {"classify": "out.csv", "embed": "out.npy"}
    output = [] if word == "evaluate" else ["-o", tmp_path / names.get(word, "out")]
    small = ["--epochs", "1", "--batch-size", "16"] if word == "train" else []

    def reads(*options, code=0):
        return run(word, *before, *data, *output, *small, *options, code=code).stderr

    reads("--exact-decoding", "--class-order", "natural", "--max-pixels", "144")
    assert "143" in reads("--max-pixels", "143", code=1)


def test_search_reads_images_as_it_is_told(photo_model, photos, tmp_path):
    run("index", photo_model, photos / "test", "-o", tmp_path / "test.npz")
    path = supcon.ImageFolder(photos / "test").paths[0]
    run("search", tmp_path / "test.npz", path, "--max-pixels", "144")
    assert "143" in run("search", tmp_path / "test.npz", path, "--max-pixels", "143", code=1).stderr


def test_options_of_files_are_refused_for_other_data(shapes, photos, tmp_path):
    """An option that would be ignored is an error that names it."""
    images, labels = shapes
    files.idx(tmp_path / "train-images-idx3-ubyte", images)
    files.idx(tmp_path / "train-labels-idx1-ubyte", labels)
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    cifar = tmp_path / "cifar"
    cifar.mkdir()
    (cifar / "train.bin").write_bytes(bytes(3074))
    everywhere = [tmp_path, tmp_path / "train-images-idx3-ubyte", tmp_path / "a.npz"]
    for data in [*everywhere, cifar, cifar / "train.bin", f"cifar100:{cifar}/train.bin", "digits"]:
        for name, value in (
            ("on_error", "skip"),
            ("max_pixels", 10**6),
            ("exact_decoding", True),
            ("class_order", "natural"),
        ):
            said = f"--{name.replace('_', '-')} does not apply: .* holds no image files"
            with pytest.raises(supcon.ArgumentError, match=said):
                _sources.read(str(data), **{name: value})
        _sources.read(str(data), exact_decoding=False, on_error=None)
    # images to judge by, beside a folder that the option applies to
    _sources.read(str(tmp_path / "a.npz"), beside=True, on_error="skip")
    said = run("train", tmp_path, "--on-error", "skip", "-o", tmp_path / "m", code=1).stderr
    assert said.startswith("supcon: error: --on-error does not apply: ")


def test_channels_of_every_kind_of_data(shapes, photos, tmp_path):
    images, labels = shapes
    files.idx(tmp_path / "train-images-idx3-ubyte", images)
    np.savez(tmp_path / "a.npz", images=images, labels=np.array(["a", "b"])[labels])
    (tmp_path / "train.bin").write_bytes(bytes(3074))
    for data, stored in (
        ("train-images-idx3-ubyte", 1),
        ("a.npz", 1),
        ("train.bin", 3),
        (photos / "train", 3),
        ("digits", 1),
    ):
        spec = str(data if data == "digits" else tmp_path / data)
        assert _sources.read(spec)[0].channels == stored
        for channels in (1, 3):
            found = _sources.read(spec, channels=channels)[0]
            assert found.channels == channels and (found.labels is None) == ("idx3" in spec)
        with pytest.raises(supcon.ArgumentError, match="channels is 2; expected 1"):
            _sources.read(spec, channels=2)


def test_kinds_of_data(shapes, tmp_path):
    images, labels = shapes
    np.savez(tmp_path / "a.npz", x_train=images, y_train=labels[:, None], x_test=images[:9])
    data, test = _sources.read(str(tmp_path / "a.npz"))
    np.testing.assert_array_equal(data.labels, labels)
    assert len(test) == 9 and test.labels is None
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, count in (("train", 96), ("t10k", 10)):
        files.idx(folder / f"{part}-images-idx3-ubyte", images[:count])
        files.idx(folder / f"{part}-labels-idx1-ubyte", labels[:count])
    data, test = _sources.read(str(folder))
    assert (len(data), len(test)) == (96, 10)
    np.testing.assert_array_equal(test.labels, labels[:10])
    data, test = _sources.read(str(folder / "train-images-idx3-ubyte"))
    assert test is None and len(data) == 96 and data.labels is not None
    cifar = tmp_path / "cifar"
    cifar.mkdir()
    random = np.random.default_rng(0)
    rows = random.integers(0, 10, (7, 3073)).astype(np.uint8)
    for name in [*(f"data_batch_{it}.bin" for it in range(1, 6)), "test_batch.bin"]:
        (cifar / name).write_bytes(rows.tobytes())
    data, test = _sources.read(str(cifar))
    assert (len(data), len(test)) == (35, 7)
    np.testing.assert_array_equal(test.labels, rows[:, 0])
    np.save(tmp_path / "b.npy", images)
    assert len(_sources.read(str(tmp_path / "b.npy"))[0]) == 96
    paths = files.folder(tmp_path / "files", images[:4], labels[:4])
    found = _sources.images([str(it) for it in paths])
    assert found.paths == [str(it) for it in paths]
    for wrong, said in (
        ("fashion-mnits", "did you mean fashion-mnist"),
        (str(tmp_path / "a.zip"), "there is no"),
        (str(tmp_path / "cifra"), "did you mean .*cifar"),
    ):
        with pytest.raises(OSError, match=said):
            _sources.read(wrong)
    with pytest.raises(supcon.ArgumentError, match="among 2 images"):
        _sources.images([str(paths[0]), str(cifar)])
