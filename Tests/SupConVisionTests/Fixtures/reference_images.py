"""Images that the tests make too, and how the references write numbers: for
make_augmentation_reference.py and make_policy_reference.py.
"""

import numpy as np
import torch


def image(height, width, channels, seed):
    """Bytes of a linear congruential generator (Numerical Recipes), as in the tests."""
    x, out = seed, []
    for _ in range(height * width * channels):
        x = (x * 1664525 + 1013904223) % 2**32
        out.append(x >> 24)
    return np.array(out, np.uint8).reshape(height, width, channels)


def tensor(array):
    return torch.from_numpy(array.astype(np.float64) / 255).permute(2, 0, 1)


def numbers(chw, digits=6):
    return [round(float(v), digits) for v in chw.permute(1, 2, 0).reshape(-1)]
