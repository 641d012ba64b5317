"""Exports a model as ONNX, for ONNX Runtime, OpenVINO and others."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _generated
from ._architecture import SMALLEST, Convolution, Parts
from ._convert import choice
from ._errors import ArgumentError, StateError
from ._extras import needed
from ._files import write as write_whole
from ._generated import OutputName
from ._model import Model
from ._types import Array, ArrayLike, PathLike

OPSET, IR_VERSION = 17, 8


def export_onnx(
    model: Model,
    path: PathLike,
    *,
    outputs: OutputName | Sequence[OutputName] = ("encoder",),
    normalize: bool = True,
    int8: bool | None = None,
) -> None:
    """Writes `model` as ONNX (opset 17). Batch norms are folded into the convolutions; weights are
    float32 whatever the model computes in.

    The input "images" is float32 [batch, channels, height, width] of pixels from 0 to 1 in the
    model's image size, any number of them; mean and deviation are applied in the graph, resizing is
    the caller's. The metadata have what `supcon.Model.info` tells.

    Parameters
    ----------
    model : Model
    path : path
    outputs : one or several of {"encoder", "projection", "logits", "probabilities"}
        The names in the graph: "embedding" [batch, embedding_dim], "projection" [batch,
        projection_dim], "logits" and "probabilities" [batch, classes].
    normalize : bool, default True
        Whether embedding and projection have length 1, as those of `Model.embed`.
    int8 : bool, optional
        Whether the encoder computes in int8, by pairs of QuantizeLinear and DequantizeLinear with
        the ranges that `Model.quantize` found; None: whether the model does.

    Raises
    ------
    ImportError without the package onnx; StateError for an output that the model does not have, or
    int8 of a model that was not quantized; OSError.
    """
    write_whole(
        os.fspath(path), lambda file: file.write(_serialized(model, outputs, normalize, int8))
    )


def export_openvino(model: Model, path: PathLike, **options: Any) -> None:
    """Writes `model` as OpenVINO's IR, PATH.xml with PATH.bin beside it, converted by OpenVINO from
    the output of `export_onnx`, whose options it takes. Weights stay float32.
    """
    openvino = needed("openvino", "openvino", "an export to OpenVINO")
    path = os.fspath(path)
    if not path.endswith(".xml"):
        raise ArgumentError(f"path is {path!r}; expected a name that ends in .xml")
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "model.onnx")
        export_onnx(model, source, **options)
        openvino.save_model(openvino.convert_model(source), path, compress_to_fp16=False)


def _serialized(
    model: Model, outputs: str | Sequence[str], normalize: bool, int8: bool | None
) -> bytes:
    onnx = needed("onnx", "onnx", "an export to ONNX")
    parts = Parts(model)
    wanted = [outputs] if isinstance(outputs, str) else list(outputs)
    for it in wanted:
        choice("an output", it, _generated.Output)
    if not wanted or len(set(wanted)) < len(wanted):
        raise ArgumentError(f"outputs are {wanted}; expected one or more, each once")
    if "projection" in wanted and parts.metadata["head"] == "none":
        raise StateError("the model has no projection head; expected other outputs")
    if {"logits", "probabilities"} & set(wanted) and parts.classes == 0:
        raise StateError("the model has no classifier; fit one, or expect other outputs")
    if int8 and parts.ranges is None:
        raise StateError("the model has no int8 ranges; call its quantize(images) first")
    graph = _Graph(onnx, parts, parts.ranges is not None if int8 is None else int8)
    graph.build(wanted, normalize)
    made: bytes = graph.model(model.info()).SerializeToString()
    return made


class _Graph:
    """The nodes and constants of an ONNX graph that is being built."""

    def __init__(self, onnx: Any, parts: Parts, int8: bool) -> None:
        self.onnx, self.parts, self.int8 = onnx, parts, int8
        self.ranges = parts.ranges or []
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.outputs: list[Any] = []

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(
            self.onnx.helper.make_node(kind, list(inputs), [output], name=output, **attributes)
        )
        return output

    def constant(self, name: str, values: ArrayLike, dtype: Any = np.float32) -> str:
        self.constants.append(
            self.onnx.numpy_helper.from_array(np.ascontiguousarray(values, dtype), name)
        )
        return name

    def build(self, wanted: list[str], normalize: bool) -> None:
        shape = (1, self.parts.channels, 1, 1)
        x = self.node(
            "Sub", ["images", self.constant("mean", np.reshape(self.parts.mean, shape))], "centered"
        )
        x = self.node(
            "Div", [x, self.constant("std", np.reshape(self.parts.std, shape))], "normalized"
        )
        values = {0: self.stored(x, 0)}
        for layer in self.parts.layers:
            if isinstance(layer, Convolution):
                values[layer.y] = self.convolution(layer, values)
            else:
                values[layer.y] = self.node(
                    "MaxPool",
                    [values[layer.x]],
                    f"value{layer.y}",
                    kernel_shape=[3, 3],
                    strides=[2, 2],
                    pads=[1, 1, 1, 1],
                )
        pooled = self.node("GlobalAveragePool", [values[self.parts.output]], "pooled")
        r = self.node("Flatten", [pooled], "encoder")
        if "encoder" in wanted:
            self.output("embedding", r, self.parts.embedding_dim, normalize)
        features = self.unit(r, "features") if self.parts.normalizes_features else r
        if "projection" in wanted:
            z, width = self.head(features)
            self.output("projection", z, width, normalize)
        if {"logits", "probabilities"} & set(wanted):
            logits = self.linear(features, "fc", "classifier")
            if "logits" in wanted:
                self.output("logits", logits, self.parts.classes, False)
            if "probabilities" in wanted:
                shares = self.node("Softmax", [logits], "shares", axis=1)
                self.output("probabilities", shares, self.parts.classes, False)

    def stored(self, x: str, value: int) -> str:
        """Returns a value as int8 represents it, after QuantizeLinear and DequantizeLinear."""
        if not self.int8:
            return x
        signed = self.parts.is_signed(value)
        step = self.constant(
            f"step{value}",
            np.float32(self.ranges[value]) / np.float32(127 if signed else 255),
        )
        zero = self.constant(f"zero{value}", 0, np.int8 if signed else np.uint8)
        quantized = self.node("QuantizeLinear", [x, step, zero], f"quantized{value}")
        return self.node("DequantizeLinear", [quantized, step, zero], f"value{value}")

    def convolution(self, layer: Convolution, values: dict[int, str]) -> str:
        name, (weight, bias) = layer.convolution, self.parts.folded(layer)
        kernel = weight.shape[2]
        if self.int8:
            weight_name, bias_name = self.bytes_of(layer, weight, bias)
        else:
            weight_name = self.constant(name + ".weight", weight)
            bias_name = self.constant(name + ".bias", bias)
        y = self.node(
            "Conv",
            [values[layer.x], weight_name, bias_name],
            name,
            kernel_shape=[kernel, kernel],
            strides=[layer.stride] * 2,
            pads=[kernel // 2] * 4,
            group=layer.groups,
        )
        if layer.residual is not None:
            y = self.node("Add", [y, values[layer.residual]], f"{name}.sum")
        if layer.relu:
            y = self.node("Relu", [y], f"{name}.relu")
        return self.stored(y, layer.y)

    def bytes_of(self, layer: Convolution, weight: Array, bias: Array) -> tuple[str, str]:
        """Adds int8 weights with a step for each output channel, and the bias in steps of the
        product.
        """
        name = layer.convolution
        divisor = 127 if self.parts.is_signed(layer.x) else 255
        x_step = float(np.float32(self.ranges[layer.x]) / np.float32(divisor))
        steps = np.abs(weight).reshape(len(weight), -1).max(1) / 127
        # For a channel that is almost off, the step is large enough for its bias to fit 32 bits.
        steps = np.maximum(steps, np.maximum(np.abs(bias) / (x_step * 2.0**30), 1e-20))
        steps = steps.astype(np.float32)
        numbers = np.rint(weight / steps.astype(np.float64)[:, None, None, None])
        weight_step = self.constant(f"{name}.weight_step", steps)
        weight_zero = self.constant(f"{name}.weight_zero", np.zeros(len(steps)), np.int8)
        stored = self.constant(f"{name}.weight_bytes", np.clip(numbers, -127, 127), np.int8)
        bias_steps = (steps * np.float32(x_step)).astype(np.float32)
        bias_step = self.constant(f"{name}.bias_step", bias_steps)
        bias_zero = self.constant(f"{name}.bias_zero", np.zeros(len(steps)), np.int32)
        whole = np.clip(np.rint(bias / bias_steps.astype(np.float64)), -(2.0**31), 2.0**31 - 1)
        stored_bias = self.constant(f"{name}.bias_numbers", whole, np.int32)
        return (
            self.node(
                "DequantizeLinear", [stored, weight_step, weight_zero], f"{name}.weight", axis=0
            ),
            self.node(
                "DequantizeLinear", [stored_bias, bias_step, bias_zero], f"{name}.bias", axis=0
            ),
        )

    def head(self, x: str) -> tuple[str, int]:
        width = 0
        for at, (kind, name) in enumerate(self.parts.head()):
            if kind == "linear":
                x, width = self.linear(x, name, name), len(self.parts.tensors[name + ".bias"])
            elif kind == "relu":
                x = self.node("Relu", [x], f"head.{at}")
            else:
                scale, shift = self.parts.norm(name)
                scaled = self.node(
                    "Mul", [x, self.constant(f"{name}.scale", scale)], f"{name}.scaled"
                )
                x = self.node("Add", [scaled, self.constant(f"{name}.shift", shift)], f"head.{at}")
        return x, width

    def linear(self, x: str, name: str, output: str) -> str:
        inputs = [
            x,
            self.constant(name + ".weight", self.parts.tensors[name + ".weight"]),
            self.constant(name + ".bias", self.parts.tensors[name + ".bias"]),
        ]
        return self.node("Gemm", inputs, output, transB=1)

    def unit(self, x: str, name: str) -> str:
        """Scales rows to length 1; zeros stay zeros."""
        length = self.node("ReduceL2", [x], f"{name}.length", axes=[1], keepdims=1)
        least = self.constant(f"{name}.least", SMALLEST)
        return self.node("Div", [x, self.node("Max", [length, least], f"{name}.divisor")], name)

    def output(self, name: str, x: str, width: int, normalize: bool) -> None:
        if normalize:
            self.unit(x, name)
        else:
            self.node("Identity", [x], name)
        self.outputs.append(
            self.onnx.helper.make_tensor_value_info(
                name, self.onnx.TensorProto.FLOAT, ["batch", width]
            )
        )

    def model(self, info: dict[str, Any]) -> Any:
        helper, parts = self.onnx.helper, self.parts
        images = helper.make_tensor_value_info(
            "images", self.onnx.TensorProto.FLOAT, ["batch", parts.channels, *parts.image_size]
        )
        graph = helper.make_graph(
            self.nodes, parts.architecture, [images], self.outputs, self.constants
        )
        made = helper.make_model(
            graph,
            producer_name="libsupcon",
            producer_version=parts.metadata["library"],
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        told = {
            it: value if isinstance(value, str) else json.dumps(value) for it, value in info.items()
        }
        helper.set_model_props(made, told)
        self.onnx.checker.check_model(made)
        return made
