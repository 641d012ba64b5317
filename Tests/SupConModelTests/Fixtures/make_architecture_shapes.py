"""Writes architecture_shapes.json: names and shapes of the parameters of torchvision's grouped and
wide ResNets.

    pip install torch torchvision && python make_architecture_shapes.py
"""

import json
import pathlib

import torch
from torchvision import models

NAMES = [
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
]
shapes = {}
for name in NAMES:
    with torch.device("meta"):
        state = getattr(models, name)(weights=None).state_dict()
    shapes[name] = {
        key: list(value.shape)
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
pathlib.Path(__file__).with_name("architecture_shapes.json").write_text(
    json.dumps(shapes, separators=(",", ":")) + "\n"
)
