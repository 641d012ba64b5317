"""Writes policy_reference.json: what torchvision (v2, double precision) makes of policies'
operations, its tables of sub-policies, and thin-plate splines by scipy. pip install torch
torchvision numpy scipy
"""

import json
import os

import numpy as np
import torch
from reference_images import image, numbers, tensor
from scipy.interpolate import RBFInterpolator
from scipy.ndimage import map_coordinates
from torchvision.transforms import InterpolationMode, autoaugment
from torchvision.transforms.v2 import AutoAugment

policies = {
    name: [
        [[*step[:2], step[2] or 0] for step in pair]
        for pair in autoaugment.AutoAugment(policy).policies
    ]
    for name, policy in (
        ("imageNet", autoaugment.AutoAugmentPolicy.IMAGENET),
        ("cifar10", autoaugment.AutoAugmentPolicy.CIFAR10),
    )
}
space = [*autoaugment.RandAugment()._augmentation_space(31, (32, 32))]

# each operation of a policy at magnitudes (of 0 to 9) that put no pixel halfway between two, both
# signs
tv, operations = AutoAugment(interpolation=InterpolationMode.NEAREST, fill=0.25), []
for seed, (name, (magnitudes, signed)) in enumerate(tv._AUGMENTATION_SPACE.items()):
    for h, w, c in ((13, 17, 3), (24, 19, 1), (28, 21, 3)):
        for index in (3, 5, 8) if signed or name in ("Posterize", "Solarize") else (0,):
            if c == 1 and name == "Color":
                continue
            table = magnitudes(10, h, w)
            for sign in (1, -1) if signed else (1,):
                made = tv._apply_image_or_video_transform(
                    tensor(image(h, w, c, seed)),
                    name,
                    sign * float(table[index]) if table is not None else 0.0,
                    interpolation=InterpolationMode.NEAREST,
                    fill={torch.Tensor: 0.25},
                )
                operations.append(
                    dict(
                        name=name,
                        seed=seed,
                        height=h,
                        width=w,
                        channels=c,
                        magnitude=index,
                        negative=sign < 0,
                        result=numbers(made, 4)[::7],
                    )
                )  # every seventh value

warps = []
for seed, (h, w, spread) in enumerate(((20, 23, 1.5), (31, 18, 4.0), (9, 40, 0.5))):
    random = np.random.default_rng(seed)
    flows = spread * random.normal(size=(4, 2))
    points = (
        np.array([[(i + 1) * h / 3, (j + 1) * w / 3] for i in range(2) for j in range(2)]) + flows
    )
    grid = (
        np.stack(np.meshgrid(np.arange(h), np.arange(w), indexing="ij"), -1)
        .reshape(-1, 2)
        .astype(float)
    )
    moved = (grid - RBFInterpolator(points, flows, kernel="thin_plate_spline", degree=1)(grid)).T
    planes = image(h, w, 3, seed).astype(np.float64) / 255
    result = np.stack(
        [map_coordinates(planes[..., k], moved, order=1, mode="nearest") for k in range(3)], -1
    )
    warps.append(
        dict(
            seed=seed,
            height=h,
            width=w,
            points=points.tolist(),
            flows=flows.tolist(),
            result=[round(float(v), 4) for v in result.reshape(-1)[::7]],
        )
    )

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "policy_reference.json")
json.dump(
    dict(policies=policies, space=space, operations=operations, warps=warps),
    open(path, "w"),
    separators=(",", ":"),
)
