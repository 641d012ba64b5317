"""Writes architecture_shapes.json: names and shapes of the parameters of torchvision's grouped and
wide ResNets, and of timm's ResNet-26.

    pip install torch torchvision timm && python make_architecture_shapes.py
"""

import json
import pathlib

import timm
import torch
from torchvision import models

NAMES = [
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
    "resnet26",
]
shapes = {}
for name in NAMES:
    with torch.device("meta"):
        net = getattr(models, name)(weights=None) if name in NAMES[:-1] else timm.create_model(name)
        state = net.state_dict()
    shapes[name] = {
        key: list(value.shape)
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
pathlib.Path(__file__).with_name("architecture_shapes.json").write_text(
    json.dumps(shapes, separators=(",", ":")) + "\n"
)
