"""Takes a model's file apart for exports: its parameters under torchvision's names, its metadata,
and its layers in the order in which images pass them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Union

import numpy as np

from . import _safetensors

if TYPE_CHECKING:
    from ._model import Model
from ._types import Array

# The library's, written into the graphs that are exported: of a batch norm, and the smallest length
# that a row is divided by.
EPSILON = 1e-5
SMALLEST = 1e-12


class Convolution(NamedTuple):
    """The layer y = relu?(norm(convolution(x)) + residual?). Values have numbers; 0 is the
    image.
    """

    x: int
    y: int
    convolution: str
    norm: str
    stride: int
    groups: int
    relu: bool
    residual: int | None = None


class MaxPool(NamedTuple):
    """A max pool of 3x3 pixels, stride 2, padding 1."""

    x: int
    y: int


Layer = Union[Convolution, MaxPool]


class Parts:
    """The `tensors`, the `metadata` (without the prefix "supcon.") and the `layers` of a model."""

    def __init__(self, model: Model) -> None:
        self.tensors, metadata = _safetensors.parsed(model.to_bytes())
        self.metadata = {key[len("supcon.") :]: it for key, it in metadata.items()}
        self.mean: list[float] = json.loads(self.metadata["mean"])
        self.std: list[float] = json.loads(self.metadata["std"])
        # The largest magnitude of each value for int8; None without calibration.
        ranges = self.metadata.get("int8_ranges")
        self.ranges: list[float] | None = None if ranges is None else json.loads(ranges)
        self.stem, self.architecture = self.metadata["stem"], self.metadata["architecture"]
        self.channels, self.width = int(self.metadata["channels"]), int(self.metadata["width"])
        self.classes = int(self.metadata["classes"])
        self.image_size = int(self.metadata["image_height"]), int(self.metadata["image_width"])
        self.normalizes_features = self.metadata["normalize_features"] == "1"
        self.layers: list[Layer] = []
        self._values = 0
        if "conv1.6.weight" in self.tensors:
            x = self._convolution(0, "conv1.0", "conv1.1", 2)
            x = self._convolution(x, "conv1.3", "conv1.4")
            x = self._convolution(x, "conv1.6", "bn1")
        else:
            x = self._convolution(0, "conv1", "bn1", 2 if self.stem == "imagenet" else 1)
        if self.stem == "imagenet":
            x = self._add(MaxPool, x)
        for stage in range(1, 5):
            block = 0
            while f"layer{stage}.{block}.conv1.weight" in self.tensors:
                x = self._block(x, f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1)
                block += 1
        self.output = x

    @property
    def embedding_dim(self) -> int:
        last = [it for it in self.layers if isinstance(it, Convolution)][-1]
        return len(self.tensors[last.convolution + ".weight"])

    def folded(self, layer: Convolution) -> tuple[Array, Array]:
        """Returns weights and bias of a convolution with its batch norm folded in, float64."""
        scale, shift = self.norm(layer.norm)
        weight = self.tensors[layer.convolution + ".weight"].astype(np.float64)
        return weight * scale[:, None, None, None], shift

    def norm(self, name: str) -> tuple[Array, Array]:
        """Returns scale and shift of a batch norm by its running statistics, float64."""
        gamma, beta, mean, variance = (
            self.tensors[f"{name}.{it}"].astype(np.float64)
            for it in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + EPSILON)
        return scale, beta - scale * mean

    def head(self) -> list[tuple[str, str]]:
        """Returns the projection head as pairs ("linear", "norm" or "relu"; name)."""
        kind = self.metadata["head"]
        steps = {
            "none": [],
            "linear": ["linear"],
            "mlp": ["linear", "relu", "linear"],
            "mlp_bn": ["linear", "norm", "relu", "linear"],
            "mlp3": ["linear", "relu", "linear", "relu", "linear"],
            "mlp3_bn": ["linear", "norm", "relu", "linear", "norm", "relu", "linear"],
        }[kind]
        return [(it, "head" if kind == "linear" else f"head.{at}") for at, it in enumerate(steps)]

    def is_signed(self, value: int) -> bool:
        """Tells whether a value may be negative, as the image and a value without a ReLU after it
        may.
        """
        layer = None if value == 0 else self.layers[value - 1]
        return layer is None or (isinstance(layer, Convolution) and not layer.relu)

    def _add(self, kind: Callable[..., Layer], x: int, *rest: Any) -> int:
        self._values += 1
        self.layers.append(kind(x, self._values, *rest))
        return self._values

    def _convolution(
        self,
        x: int,
        name: str,
        norm: str,
        stride: int = 1,
        relu: bool = True,
        residual: int | None = None,
        inputs: int | None = None,
    ) -> int:
        weight = self.tensors[name + ".weight"]
        groups = 1 if inputs is None else inputs // weight.shape[1]
        return self._add(Convolution, x, name, norm, stride, groups, relu, residual)

    def _block(self, x: int, name: str, stride: int) -> int:
        # The stride is on the first 3x3 convolution, the shortcut between the last two.
        if f"{name}.conv3.weight" in self.tensors:
            inner = len(self.tensors[f"{name}.conv1.weight"])
            y = self._convolution(x, f"{name}.conv1", f"{name}.bn1")
            y = self._convolution(y, f"{name}.conv2", f"{name}.bn2", stride, inputs=inner)
            last = 3
        else:
            y = self._convolution(x, f"{name}.conv1", f"{name}.bn1", stride)
            last = 2
        if f"{name}.downsample.0.weight" in self.tensors:
            x = self._convolution(
                x, f"{name}.downsample.0", f"{name}.downsample.1", stride, relu=False
            )
        return self._convolution(y, f"{name}.conv{last}", f"{name}.bn{last}", residual=x)
