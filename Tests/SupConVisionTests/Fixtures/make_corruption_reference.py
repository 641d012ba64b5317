"""Writes corruption_reference.json: what the benchmark's published programs make of one image:
values here and there of corruptions without chance, mean distances from the image for those with
it. pip install imagecorruptions numpy pillow scipy scikit-image opencv-python-headless setuptools

`imagecorruptions` is the program of ImageNet-C made a package; where it departs from it (zoom,
elastic, pixelate), and for CIFAR-10-C's numbers, the original's rule is written out here.
"""

import json
import os
import sys

import cv2
import numpy as np
import scipy.ndimage
import skimage.filters

# The package was written for older libraries.
np.float_ = np.float64
sys.modules["scipy.ndimage.interpolation"] = scipy.ndimage
_gaussian = skimage.filters.gaussian
skimage.filters.gaussian = lambda image, sigma, multichannel=None, **rest: _gaussian(
    image, sigma, channel_axis=-1 if multichannel else None, **rest
)
from imagecorruptions import corruptions as published  # noqa: E402
from PIL import Image  # noqa: E402


def picture(height, width):
    """Gradients and blocks; the tests make the same one."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((2 * x + (3 + c) * y + 80 * ((x // 11 + y // 7) % 2) + 40 * c) % 230 + 10).astype(
        np.uint8
    )


def zoomed(img, factor):
    h, w = img.shape[:2]
    ch, cw = int(np.ceil(h / factor)), int(np.ceil(w / factor))
    top, left = (h - ch) // 2, (w - cw) // 2
    img = scipy.ndimage.zoom(img[top : top + ch, left : left + cw], (factor, factor, 1), order=1)
    top, left = (img.shape[0] - h) // 2, (img.shape[1] - w) // 2
    return img[top : top + h, left : left + w]


def zoom_blur(x, factors):
    x = (np.array(x) / 255.0).astype(np.float32)
    return np.clip((x + sum(zoomed(x, it) for it in factors)) / (len(factors) + 1), 0, 1) * 255


def elastic(image, c):
    image = np.array(image, dtype=np.float32) / 255.0
    shape = image.shape[:2]
    center, s = np.float32([shape[1] // 2, shape[0] // 2]), min(shape) // 3
    before = np.float32([center + s, [center[0] + s, center[1] - s], center - s])
    after = before + np.random.uniform(-c[2], c[2], size=before.shape).astype(np.float32)
    image = cv2.warpAffine(
        image, cv2.getAffineTransform(before, after), shape[::-1], borderMode=cv2.BORDER_REFLECT_101
    )
    dx, dy = (
        _gaussian(np.random.uniform(-1, 1, size=shape), c[1], mode="reflect", truncate=3) * c[0]
        for _ in range(2)
    )
    y, x = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    planes = [
        scipy.ndimage.map_coordinates(image[..., k], (y + dy, x + dx), order=1, mode="reflect")
        for k in range(3)
    ]
    return np.clip(np.stack(planes, -1), 0, 1) * 255


ZOOM = [
    np.arange(1, 1.11, 0.01),
    np.arange(1, 1.16, 0.01),
    np.arange(1, 1.21, 0.02),
    np.arange(1, 1.26, 0.02),
    np.arange(1, 1.31, 0.03),
]
ZOOM_CIFAR = [
    np.arange(1, 1.06, 0.01),
    np.arange(1, 1.11, 0.01),
    np.arange(1, 1.16, 0.01),
    np.arange(1, 1.21, 0.01),
    np.arange(1, 1.26, 0.01),
]
ELASTIC = [
    (488, 170.8, 24.4),
    (488, 19.52, 48.8),
    (12.2, 2.44, 4.88),
    (17.08, 2.44, 4.88),
    (29.28, 2.44, 4.88),
]
ELASTIC_CIFAR = [
    (0, 0, 2.56),
    (1.6, 6.4, 2.24),
    (2.56, 1.92, 1.92),
    (3.2, 1.28, 1.6),
    (3.2, 0.96, 0.96),
]
DISK_CIFAR = [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)]


def defocus_cifar(x, severity):
    kernel = published.disk(*DISK_CIFAR[severity - 1])
    return (
        np.clip(np.stack([cv2.filter2D(x[..., k] / 255.0, -1, kernel) for k in range(3)], -1), 0, 1)
        * 255
    )


def jpeg(x, quality):
    from io import BytesIO

    file = BytesIO()
    Image.fromarray(x).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def pixelate(x, share):
    h, w = x.shape[:2]
    return np.array(
        Image.fromarray(x)
        .resize((int(w * share), int(h * share)), Image.BOX)
        .resize((w, h), Image.BOX)
    )


large, small = picture(72, 80), picture(32, 32)
exact = []
for size, _image, table in (
    (
        "large",
        large,
        {
            "defocus_blur": lambda s: published.defocus_blur(large.copy(), s),
            "brightness": lambda s: published.brightness(large.copy(), s),
            "contrast": lambda s: published.contrast(large.copy(), s),
            "zoom_blur": lambda s: zoom_blur(large, ZOOM[s - 1]),
            "pixelate": lambda s: pixelate(large, [0.6, 0.5, 0.4, 0.3, 0.25][s - 1]),
            "jpeg_compression": lambda s: jpeg(large, [25, 18, 15, 10, 7][s - 1]),
        },
    ),
    (
        "small",
        small,
        {
            "defocus_blur": lambda s: defocus_cifar(small, s),
            "zoom_blur": lambda s: zoom_blur(small, ZOOM_CIFAR[s - 1]),
            "pixelate": lambda s: pixelate(small, [0.95, 0.9, 0.85, 0.75, 0.65][s - 1]),
            "jpeg_compression": lambda s: jpeg(small, [80, 65, 58, 50, 40][s - 1]),
        },
    ),
):
    for name, make in table.items():
        for severity in range(1, 6):
            made = np.asarray(make(severity)).astype(np.float64).reshape(-1)
            exact.append(
                dict(
                    size=size,
                    name=name,
                    severity=severity,
                    result=[round(it, 3) for it in made[::31]],
                )
            )

chance = []
np.random.seed(0)
for name, make in (
    ("glass_blur", lambda s: published.glass_blur(large.copy(), s)),
    ("motion_blur", lambda s: published.motion_blur(large.copy(), s)),
    ("snow", lambda s: published.snow(large.copy(), s)),
    ("fog", lambda s: published.fog(large.copy(), s)),
    ("elastic_transform", lambda s: elastic(large, ELASTIC[s - 1])),
    ("gaussian_noise", lambda s: published.gaussian_noise(large, s)),
    ("shot_noise", lambda s: published.shot_noise(large, s)),
    ("impulse_noise", lambda s: published.impulse_noise(large, s)),
    ("small elastic_transform", lambda s: elastic(small, ELASTIC_CIFAR[s - 1])),
):
    base = small if name.startswith("small") else large
    for severity in range(1, 6):
        draws = [np.uint8(make(severity)).astype(float) for _ in range(120)]
        apart = [np.abs(it - base).mean() for it in draws]
        chance.append(
            dict(
                name=name,
                severity=severity,
                distance=float(np.mean(apart)),
                deviation=float(np.std(apart)),
                mean=float(np.mean([it.mean() for it in draws])),
                spread=float(np.mean([it.std() for it in draws])),
            )
        )

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corruption_reference.json")
json.dump(dict(exact=exact, chance=chance), open(path, "w"), separators=(",", ":"))
