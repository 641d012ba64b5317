import re
import signal

import files
import numpy as np
import pytest
from commands import TRAIN, run

# A job in the background of a shell starts with SIGINT ignored, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def digits():
    """scikit-learn's digits, 8x8 gray pixels: (images, labels)."""
    datasets = pytest.importorskip("sklearn.datasets")
    found = datasets.load_digits()
    return (found.images * (255 / 16)).astype(np.uint8), found.target


@pytest.fixture(scope="session")
def shapes():
    """96 images of 12x12 gray pixels with their labels: upright or lying bars."""
    random = np.random.default_rng(5)
    images, labels = random.integers(0, 60, (96, 12, 12)).astype(np.uint8), np.arange(96) % 2
    for image, label in zip(images, labels):
        at = random.integers(1, 10)
        (image if label else image.T)[at : at + 2] = 220
    return images, labels


@pytest.fixture(scope="session")
def color(shapes):
    """32 of the shapes in three channels, with their labels."""
    images, labels = shapes
    return np.repeat(images[:32, ..., None], 3, axis=3), labels[:32]


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of train/ (64 images) and test/ (24), each with PNG files of lying and upright
    bars in a folder per class.
    """
    random = np.random.default_rng(5)
    root = tmp_path_factory.mktemp("photos")
    for part, count in (("train", 64), ("test", 24)):
        images = random.integers(0, 60, (count, 12, 12, 3)).astype(np.uint8)
        labels = np.arange(count) % 2
        for image, label in zip(images, labels):
            at = random.integers(1, 10)
            (image if label else image.transpose(1, 0, 2))[at : at + 2] = 220
        files.folder(root / part, images, labels)
    return root


@pytest.fixture(scope="session")
def photo_model(photos):
    """The path of a model that the command has trained on photos/train."""
    path = photos / "model.safetensors"
    found = run("train", photos / "train", "--output", path, *TRAIN)
    assert found.stdout.strip() == str(path)
    assert re.search(r"^epoch 2/2  loss \d+\.\d+.* images/s", found.stderr, re.M)
    assert "64 images, 12x12" in found.stderr
    return path


@pytest.fixture
def small():
    """Options of a run that takes a moment. One thread: two that wait for each other are slow when
    the machine is busy.
    """
    return dict(
        width=4,
        epochs=2,
        batch_size=16,
        validation_fraction=0.0,
        projection_dim=16,
        precision="f32",
        random_state=3,
        learning_rate=0.05,
        n_jobs=1,
    )


class Stop(Exception):
    """What a test's callback raises."""


@pytest.fixture
def stop():
    return Stop
