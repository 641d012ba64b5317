"""Writes the *.safetensors beside this file, by the reference implementation of the format and
numpy.

    pip install safetensors numpy ml_dtypes && python make_fixtures.py

numbers.safetensors   a few types and shapes.
torchvision.safetensors, timm.safetensors, supcontrast.safetensors
                      tiny ResNets under the names that those projects give them. Element i of the
                      parameter that is number p in the sorted list of this library's names is ((7 i
                      + 13 p) mod 61 - 30) / 64, of a running variance that + 1: exact in every
                      type. The Swift tests know the formula and the names.
"""

import pathlib

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent


def resnet(blocks, bottleneck, kernel, width, channels, head, classes):
    """{our name: shape}"""
    shapes = {}

    def conv(name, outputs, inputs, side):
        shapes[name + ".weight"] = (outputs, inputs, side, side)

    def norm(name, n):
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{leaf}"] = (n,)

    def linear(name, outputs, inputs):
        shapes[name + ".weight"], shapes[name + ".bias"] = (outputs, inputs), (outputs,)

    conv("conv1", width, channels, kernel), norm("bn1", width)
    x = width
    for stage, count in enumerate(blocks):
        inner = width << stage
        outer = inner * (4 if bottleneck else 1)
        for block in range(count):
            name = f"layer{stage + 1}.{block}"
            sides = (
                [(inner, x, 1), (inner, inner, 3), (outer, inner, 1)]
                if bottleneck
                else [(inner, x, 3), (outer, inner, 3)]
            )
            for i, (outputs, inputs, side) in enumerate(sides):
                (
                    conv(f"{name}.conv{i + 1}", outputs, inputs, side),
                    norm(f"{name}.bn{i + 1}", outputs),
                )
            if x != outer or (stage > 0 and block == 0):
                conv(f"{name}.downsample.0", outer, x, 1), norm(f"{name}.downsample.1", outer)
            x = outer
    for name, outputs, inputs in head(x):
        linear(name, outputs, inputs)
    if classes:
        linear("fc", classes, x)
    return shapes


def values(shapes):
    tensors = {}
    for p, name in enumerate(sorted(shapes)):
        i = np.arange(int(np.prod(shapes[name])), dtype=np.int64)
        tensors[name] = (
            ((7 * i + 13 * p) % 61 - 30) / 64 + (1 if name.endswith("running_var") else 0)
        ).reshape(shapes[name])
    return tensors


def write(file, tensors, rename, dtypes, metadata=None):
    out = {}
    for k, (name, array) in enumerate(sorted(tensors.items())):
        out[rename(name)] = array.astype(dtypes[k % len(dtypes)])
        assert (out[rename(name)].astype(np.float64) == array).all()
        if name.endswith("running_mean"):
            out[rename(name.replace("running_mean", "num_batches_tracked"))] = np.array(1234)
    save_file(out, str(here / file), metadata)


write(
    "torchvision.safetensors",
    values(resnet([2, 2, 2, 2], False, 7, 2, 3, lambda r: [], 5)),
    lambda n: n,
    [np.float32],
)
write(
    "timm.safetensors",
    values(resnet([3, 4, 6, 3], True, 7, 1, 1, lambda r: [], 3)),
    lambda n: n,
    [np.float32, np.float16, ml_dtypes.bfloat16, np.float64],
    {"format": "pt"},
)
write(
    "supcontrast.safetensors",
    values(resnet([2, 2, 2, 2], False, 3, 2, 3, lambda r: [("head.0", r, r), ("head.2", 6, r)], 0)),
    lambda n: (
        ("module." if n.startswith("head") else "module.encoder.")
        + n.replace("downsample", "shortcut")
    ),
    [np.float32],
)
save_file(
    {
        "f32": np.array([[1.5, -2.25, 3e38], [0, -0.0, 1e-45]], np.float32),
        "f64": np.array([0.1, -1e300, 2.0**-149], np.float64),
        "f16": np.array([1, -2, 65504, 2.0**-24, 2.0**-14, 0.333251953125, np.inf], np.float16),
        "i64": np.array(-5, np.int64),
        "u8": np.arange(3, dtype=np.uint8),
        "empty": np.zeros((0, 4), np.float32),
        "flags": np.array([True, False]),
    },
    str(here / "numbers.safetensors"),
    {"who": 'numpy \u00fc \U0001f600 "quoted"'},
)
