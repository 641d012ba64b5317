"""What counts as images, and how everything else is refused."""

import numpy as np
import pytest

from supcon import _images


def test_strides_are_taken_as_they_are():
    images = np.arange(2 * 6 * 5 * 3, dtype=np.uint8).reshape(2, 6, 5, 3)
    flipped = images[:, 1:5, ::-1]
    found = _images.pixels(flipped)
    assert np.shares_memory(found.array, images) and found.struct.data == flipped.ctypes.data
    assert (
        found.struct.image_stride,
        found.struct.row_stride,
        found.struct.column_stride,
        found.struct.channel_stride,
    ) == (90, 15, -3, 1)
    planes = np.zeros((2, 3, 6, 5), np.float32)
    assert np.shares_memory(_images.pixels(planes.transpose(0, 2, 3, 1)).array, planes)


def test_gray_lists_doubles_and_odd_strides():
    gray = _images.pixels([np.zeros((4, 4), np.uint8)] * 3)
    assert (gray.count, gray.height, gray.width, gray.channels) == (3, 4, 4, 1)
    assert _images.pixels(np.full((1, 2, 2), 0.5)).array.dtype == np.float32
    assert _images.pixels(np.zeros((1, 2, 2), ">f4")).array.dtype == np.dtype("f4")
    packed = np.zeros(3, np.dtype([("pad", "u1"), ("pixels", "f4", (2, 2))]))["pixels"]
    assert packed.strides[0] % 4 and _images.pixels(packed).array.flags.aligned
    assert (
        _images.pixels(np.broadcast_to(np.zeros((2, 2), np.uint8), (5, 2, 2))).struct.image_stride
        == 4
    )


@pytest.mark.parametrize(
    "images, error, words",
    [
        (np.zeros((5, 64), np.uint8), ValueError, r"\[5, 64\].*reshape\(n, height, width\)"),
        (np.zeros((5, 3, 8, 8), np.uint8), ValueError, "transpose"),
        (np.zeros((5, 8, 8, 9), np.uint8), ValueError, "9 channels"),
        (np.zeros((0, 8, 8), np.uint8), ValueError, "at least one"),
        (np.zeros((2, 8, 8), np.int64), TypeError, "astype"),
        (np.zeros((2, 8, 8), bool), TypeError, "bool"),
        (np.full((2, 8, 8), 200.0), ValueError, "200.*/ 255"),
        (np.full((2, 8, 8), np.nan), ValueError, "nan"),
        (np.full((2, 8, 8), -0.1), ValueError, "-0.1"),
        ([np.zeros((2, 2)), np.zeros((3, 3))], ValueError, "different"),
        ("photos", TypeError, "ImageFolder"),
        (7, TypeError, "int64"),
        (None, TypeError, "object"),
        (np.array([["a"]]), TypeError, "<U1"),
    ],
)
def test_bad_images(images, error, words):
    with pytest.raises(error, match=words):
        _images.pixels(images)


def test_statistics():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (50, 7, 6, 3)).astype(np.uint8)
    for array, unit in (
        (images, 255),
        ((images / 255).astype(np.float32), 1),
        (np.zeros((2, 3, 3, 1), np.uint8), 255),
    ):
        mean, std = _images.channel_statistics(array)
        np.testing.assert_allclose(mean, array.astype(float).mean((0, 1, 2)) / unit, rtol=1e-6)
        np.testing.assert_allclose(
            std, np.maximum(array.astype(float).std((0, 1, 2)) / unit, 1 / 255), rtol=1e-6
        )


def test_labels():
    classes, numbers = _images.encode_labels(["b", "a", "b"], 3)
    assert (
        classes.tolist() == ["a", "b"]
        and numbers.tolist() == [1, 0, 1]
        and numbers.dtype == np.int64
    )
    for labels, error in (
        ([[1], [2]], ValueError),
        ([1, None], TypeError),
        ([1.0, np.nan], ValueError),
        ([1], ValueError),
    ):
        with pytest.raises(error):
            _images.encode_labels(labels, 2)


def test_paths():
    from pathlib import Path

    assert (
        _images.are_paths(["a.png", Path("b")])
        and _images.are_paths(np.array(["a", "b"]))
        and _images.are_paths(np.array([Path("a")], object))
    )
    assert (
        not _images.are_paths([])
        and not _images.are_paths(np.zeros((2, 2)))
        and not _images.are_paths("a.png")
        and not _images.are_paths(["a", 3])
    )
