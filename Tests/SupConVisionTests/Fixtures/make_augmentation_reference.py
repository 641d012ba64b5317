"""Writes augmentation_reference.json: what Pillow and torchvision (double precision) make of small
images. pip install torch torchvision pillow numpy
"""

import json
import os

import numpy as np
import torch
from PIL import Image
from reference_images import image, numbers, tensor
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as F

resizes = []
for seed, (h, w, c, box, oh, ow) in enumerate(
    [
        # height, width, channels, (top, left, height, width), output
        (32, 32, 3, (0, 0, 32, 32), 32, 32),
        (32, 32, 3, (3, 5, 21, 17), 32, 32),
        (40, 50, 3, (2, 1, 36, 48), 20, 27),
        (30, 60, 3, (0, 0, 30, 60), 17, 34),
        (33, 41, 1, (4, 6, 25, 31), 19, 18),
        (9, 11, 3, (0, 0, 9, 11), 23, 35),
        (50, 64, 3, (1, 0, 49, 64), 7, 9),
        (1, 1, 3, (0, 0, 1, 1), 4, 5),
        (7, 90, 1, (0, 0, 7, 90), 3, 2),
        (12, 10, 4, (2, 2, 9, 7), 6, 5),
        (24, 57, 3, (5, 3, 1, 54), 2, 31),
        (5, 82, 1, (0, 1, 5, 80), 3, 33),
        (6, 77, 4, (1, 0, 5, 77), 3, 20),
        (28, 28, 1, (1, 4, 22, 20), 28, 28),
        (31, 29, 3, (2.25, 3.5, 25.3, 22.75), 16, 18),
        (20, 22, 1, (0.6, 1.9, 14.2, 15.05), 21, 19),
    ]
):
    a = image(h, w, c, seed)
    top, left, height, width = box
    y0, x0, y1, x1 = (
        int(np.floor(top)),
        int(np.floor(left)),
        int(np.ceil(top + height)),
        int(np.ceil(left + width)),
    )
    part = a[y0:y1, x0:x1]
    inner = (left - x0, top - y0, left - x0 + width, top - y0 + height)
    # channel by channel: Pillow would multiply by the fourth one, alpha
    planes = [
        np.array(
            Image.fromarray(np.ascontiguousarray(part[:, :, k])).resize(
                (ow, oh), Image.Resampling.BILINEAR, box=inner
            )
        )
        for k in range(c)
    ]
    whole = all(float(v).is_integer() for v in box)
    exact = (
        F.resized_crop(tensor(a), top, left, height, width, [oh, ow], antialias=True)
        if whole
        else None
    )
    resizes.append(
        dict(
            seed=seed,
            height=h,
            width=w,
            channels=c,
            box=box,
            outHeight=oh,
            outWidth=ow,
            pillow=np.stack(planes, -1).reshape(-1).tolist(),
            torchvision=numbers(exact) if whole else None,
        )
    )

colors, a = [], tensor(image(6, 7, 3, 99))
gray = tensor(image(6, 7, 1, 98))
a[:, 0, 0] = 0
a[:, 0, 1] = 1
a[:, 0, 2] = 0.5
a[0, 0, 3] = a[1, 0, 3]
a[1, 0, 4] = a[2, 0, 4]  # black, white, gray, ties
a[:, 1, 0] = torch.tensor([1.0, 0, 0])
a[:, 1, 1] = torch.tensor([0, 1.0, 0])
a[:, 1, 2] = torch.tensor([0, 0, 1.0])
for name, call, values in [
    ("brightness", F.adjust_brightness, (0, 0.6, 1.4)),
    ("contrast", F.adjust_contrast, (0, 0.6, 1.4)),
    ("saturation", F.adjust_saturation, (0, 0.6, 1.4)),
    ("hue", F.adjust_hue, (-0.5, -0.1, 0.1, 0.37, 0.5)),
    ("gray", lambda t, v: F.rgb_to_grayscale(t, 3), (0,)),
]:
    for v in values:
        colors.append(dict(operation=name, value=v, result=numbers(call(a, v))))
colors.append(
    dict(
        operation="brightness, hue, contrast, saturation",
        value=1.3,
        result=numbers(
            F.adjust_saturation(
                F.adjust_contrast(F.adjust_hue(F.adjust_brightness(a, 1.3), 0.13), 1.3), 1.3
            )
        ),
    )
)
grays = [
    dict(operation=name, value=v, result=numbers(call(gray, v)))
    for name, call in (("brightness", F.adjust_brightness), ("contrast", F.adjust_contrast))
    for v in (0.6, 1.4)
]

blurs = []
for seed, (h, w, sigma) in enumerate([(20, 23, 0.1), (20, 43, 1.0), (61, 69, 2.0), (44, 25, 0.7)]):
    radius = min(h, w) // 10 // 2
    blurred = F.gaussian_blur(tensor(image(h, w, 1, seed)), [2 * radius + 1] * 2, [sigma] * 2)
    blurs.append(dict(seed=seed, height=h, width=w, sigma=sigma, result=numbers(blurred)))

crops = []
torch.manual_seed(0)
for h, w, scale, ratio in [
    (32, 32, (0.2, 1), (3 / 4, 4 / 3)),
    (300, 400, (0.08, 1), (3 / 4, 4 / 3)),
    (20, 100, (0.2, 1), (3 / 4, 4 / 3)),
    (9, 7, (0.5, 1), (0.5, 2)),
]:
    draws = np.array(
        [RandomResizedCrop.get_params(torch.empty(3, h, w), scale, ratio) for _ in range(40000)],
        np.float64,
    )  # top, left, height, width
    crops.append(
        dict(
            height=h,
            width=w,
            scale=scale,
            ratio=ratio,
            mean=draws.mean(0).tolist(),
            deviation=draws.std(0).tolist(),
            area=float((draws[:, 2] * draws[:, 3]).mean() / (h * w)),
        )
    )

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "augmentation_reference.json")
json.dump(
    dict(
        resizes=resizes,
        image=numbers(a),
        grayImage=numbers(gray),
        colors=colors,
        grays=grays,
        blurs=blurs,
        crops=crops,
    ),
    open(path, "w"),
    separators=(",", ":"),
)
