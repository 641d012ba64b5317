import signal

import numpy as np
import pytest

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
