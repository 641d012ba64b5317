"""Trains and embeds with the installed package, and checks that what is loaded came with it.

Runs in the root that wheel.sh makes.
"""

import base64
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

import supcon

# A JPEG of 8x8 pixels, all of the color (200, 30, 60).
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4R"
    "DgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wAARCAAIAAgDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAA"
    "AAf/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFQEBAQAAAAAAAAAAAAAAAAAABgj/xAAUEQEAAAAAAAAAAAAAAAAA"
    "AAAA/9oADAMBAAIRAxEAPwCFADS3X//Z"
)
# PNG and WebP (lossless) of 2x2 and 4x4 pixels of that color.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGM8IWfDwMDAxMDAwMDAAAAOTgEmR2hJIgAA"
    "AABJRU5ErkJggg=="
)
WEBP = base64.b64decode("UklGRh4AAABXRUJQVlA4TBEAAAAvA8AAAAdQjyKXp/+BiOh/AAA=")


def bars(count, random):
    """Images of upright or lying bars [count, 16, 16], with their labels."""
    images = random.integers(0, 60, (count, 16, 16)).astype(np.uint8)
    labels = np.arange(count) % 2
    for image, label in zip(images, labels):
        at = random.integers(1, 13)
        (image if label else image.T)[at : at + 3] = 220
    return images, labels


def check_bare():
    """Nothing here could lend the package a library."""
    for name in ("swift", "gcc", "cc", "ld"):
        assert shutil.which(name) is None, name
    engines = ("dnnl", "gomp", "jpeg", "png", "webp", "openblas", "swift", "OpenCL")
    for folder in ("/usr/lib", "/lib", "/lib64", "/opt"):
        for _, _, files in os.walk(folder, followlinks=True):
            for name in files:
                assert not any(f"lib{it}" in name for it in engines), (folder, name)


def check_loaded():
    """Every engine in this process lies in the package."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    loaded = {line.split(None, 5)[5] for line in maps if ".so" in line}
    own = os.path.dirname(os.path.dirname(supcon.__file__))
    for engine in ("libsupcon", "libdnnl", "libgomp", "libturbojpeg", "libpng16", "libwebp"):
        paths = [it for it in loaded if engine in os.path.basename(it)]
        assert paths and all(it.startswith(own) for it in paths), (engine, paths)


def main():
    check_bare()
    random = np.random.default_rng(1)
    images, labels = bars(128, random)
    others, theirs = bars(64, random)
    encoder = supcon.SupConEncoder(
        width=8, epochs=6, batch_size=32, learning_rate=0.2, random_state=0, n_jobs=2
    ).fit(images, labels)
    check_loaded()

    rows, queries = encoder.transform(images), encoder.transform(others)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    nearest = labels[(queries @ rows.T).argmax(1)]
    accuracy = (nearest == theirs).mean()
    assert accuracy >= 0.9, accuracy

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        encoder.model_.save(path)
        assert np.array_equal(supcon.load(path).embed(others), queries)
        for name, content in (("red.jpg", JPEG), ("red.png", PNG), ("red.webp", WEBP)):
            (Path(folder) / name).write_bytes(content)
        views = supcon.augment(supcon.ImageFolder(folder), "none", size=8)
        assert len(views) == 3, len(views)
        for view in views:
            assert np.abs(view.mean((0, 1)) * 255 - (200, 30, 60)).max() < 4, view.mean((0, 1))
    print(f"Python {sys.version.split()[0]}, numpy {np.__version__}: accuracy {accuracy:.2f}")


main()
