"""A photograph by its path and as an array of the same pixels, which Pillow decoded."""

from pathlib import Path

import numpy as np
import pytest

import supcon

FIXTURES = Path(__file__).parents[3] / "Tests" / "SupConVisionTests" / "Fixtures"


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("size", [16, 32, 64, 128, (40, 90)])
def test_path_and_array_give_the_same_view(orientation, size):
    image = pytest.importorskip("PIL.Image")
    ops = pytest.importorskip("PIL.ImageOps")
    path = FIXTURES / f"cat{orientation}.jpg"
    array = np.asarray(ops.exif_transpose(image.open(path)).convert("RGB"))[None]
    by_array = supcon.augment(array, "none", size=size)
    for exact, most in ((False, 0.5), (True, 0.05)):
        data = supcon.Dataset.from_files([path], exact_decoding=exact)
        by_path = supcon.augment(data, "none", size=size)
        assert np.abs(by_path - by_array).mean() * 255 < most
