"""Imports weights from PyTorch and exports to it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from . import _safetensors
from ._architecture import Parts
from ._errors import ArgumentError, FileError, FormatError, UnsupportedError
from ._extras import needed
from ._files import write as write_whole
from ._generated import StemName
from ._model import ADVICE, Model, load
from ._types import Array, PathLike, PerChannel, Size

# Of several networks in one checkpoint, the one trained by gradients comes before its average.
PREFIXES = (
    "encoder_q.",  # MoCo v1, v2
    "base_encoder.",  # MoCo v3
    "online_encoder.",  # BYOL
    "student.",
    "backbone.",  # lightly, SimCLR in PyTorch
    "encoder.",  # SupContrast
    "resnet.",
    "convnet.",
    "net.",
    "model.",
    "module.",
    "_orig_mod.",
    "f.",
)
AVERAGES = re.compile(
    r"(^|\.)(encoder_k|momentum_encoder|target_encoder|target_network|teacher|backbone_momentum|"
    r"projection_head_momentum|projector_momentum)\."
)
# Parts of a checkpoint that our models lack.
OTHERS = re.compile(r"(^|\.)(queue|queue_ptr|predictor|prediction_head|prototypes)(\.|$)")
# Keys of a checkpoint's dictionary of weights.
INSIDE = ("state_dict", "model_state_dict", "model", "net", "weights", "teacher")
HEAD = re.compile(r"^(head|fc|projection_head|projector|projection|g|contrastive_head)\.(.+)$")


def import_torch(
    source: PathLike,
    path: PathLike,
    *,
    architecture: str | None = None,
    stem: StemName | None = None,
    image_size: Size | None = None,
    mean: PerChannel | None = None,
    std: PerChannel | None = None,
    n_jobs: int | None = None,
) -> Model:
    """Reads an encoder that PyTorch trained and writes it as a model of this library.

    `source` is a file that torch.save() wrote (.pth, .pt, .bin, .tar; read with
    ``weights_only=True``, so that it runs no code) or a safetensors file, of the ResNets of
    torchvision and timm, or of a training by SupContrast, SimCLR, MoCo or BYOL: wrappers' prefixes
    ("module.encoder_q."), an nn.Sequential's numbers and averaged copies of the network are seen
    to. The projection head comes along where it is one that this library has.

    timm's resnetaa50 and resnetblur50 have resnet50's parameters and other layers between them:
    they are refused where a config.json beside `source` names them, and cannot be told otherwise.
    Their embeddings would be wrong.

    Parameters
    ----------
    source, path : path
    architecture, stem, image_size, mean, std, n_jobs
        As of `supcon.load`; None: by the parameters, ImageNet's mean and deviation.

    Returns
    -------
    Model, which `path` holds.

    Raises
    ------
    ImportError without torch, for a file of torch.save(); FormatError, which lists parameters that
    are missing and parameters that have no place; FileError (an OSError).
    """
    tensors, metadata = _read(source)
    if any(it.startswith("supcon.") and it != _safetensors.CHECKSUM for it in metadata):
        raise ArgumentError(f"{os.fspath(source)!r} is a model of this library; use supcon.load")
    named = _named(tensors, os.fspath(source))
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, Path(os.fspath(source)).stem + ".safetensors")
        _safetensors.write(file, named, {"format": "pt"})
        beside = Path(os.fspath(source)).with_name("config.json")
        if beside.is_file():  # `load` looks there for what timm says of the weights
            shutil.copyfile(beside, os.path.join(folder, "config.json"))
        try:
            model = load(
                file,
                architecture=architecture,
                stem=stem,
                mean=mean,
                std=std,
                image_size=image_size,
                n_jobs=n_jobs,
            )
        except FormatError as error:
            told = str(error).removesuffix(f"; {ADVICE}").replace(file, os.fspath(source))
            raise FormatError(told.replace(folder, str(beside.parent))) from None
    model.save(path)
    return model


def export_torchvision(model: Model, path: PathLike) -> None:
    """Writes `model` as a state_dict (torch.save; safetensors for a name that ends so) that a
    ResNet of torchvision takes with ``load_state_dict(..., strict=True)``:

        net = torchvision.models.resnet50(num_classes=classes)   # a model with a classifier
        net.fc = torch.nn.Identity()                             # one without

    The projection head stays behind. A CIFAR stem or other than three channels need
    ``net.conv1 = torch.nn.Conv2d(channels, 64, 3, padding=1, bias=False)`` and ``net.maxpool =
    torch.nn.Identity()`` first. torchvision has no ResNet of another width than 64:
    UnsupportedError.
    """
    parts = Parts(model)
    if re.fullmatch(r"resnet\d+[dt]", parts.architecture):
        raise UnsupportedError(f"torchvision has no {parts.architecture}")
    if parts.width != 64:
        raise UnsupportedError(
            f"the model has width {parts.width}; torchvision's ResNets have width 64"
        )
    tensors = {
        name: tensor for name, tensor in parts.tensors.items() if not name.startswith("head.")
    }
    path = os.fspath(path)
    if path.endswith(".safetensors"):
        _safetensors.write(path, tensors, {"format": "pt"})
        return
    torch = needed("torch", "torch", "an export to torchvision")
    state = {name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()}
    write_whole(path, lambda file: torch.save(state, file))


def _read(source: PathLike) -> tuple[dict[str, Array], dict[str, str]]:
    path = os.fspath(source)
    if path.endswith(".safetensors"):
        return _safetensors.read(path)
    torch = needed("torch", "torch", "an import from PyTorch")
    if not os.path.isfile(path):
        raise FileError(f"cannot read {path!r}: there is no such file")
    try:
        with _harmless(torch):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # pickle's, zipfile's, torch's own
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise FormatError(f"{path!r} cannot be read with weights_only: {told[0]}") from None
    while isinstance(found, dict) and not any(
        isinstance(it, torch.Tensor) for it in found.values()
    ):
        inner = next((it for it in INSIDE if isinstance(found.get(it), dict)), None)
        if inner is None:
            break
        found = found[inner]
    if not isinstance(found, dict):
        raise FormatError(f"{path!r} holds a {type(found).__name__}; expected a state_dict")
    tensors = {}
    for name, tensor in found.items():
        if isinstance(name, str) and isinstance(tensor, torch.Tensor):
            tensor = tensor.detach()
            tensors[name] = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    if not tensors:
        raise FormatError(f"{path!r} holds no tensors by name; expected a state_dict")
    return tensors, {}


def _harmless(torch: Any) -> AbstractContextManager[Any]:
    """Returns a context in which weights_only also accepts harmless objects that trainings keep
    beside the weights: parsed arguments (SupContrast's), numpy's numbers. Before 2.5, torch has no
    such context.
    """
    if not hasattr(torch.serialization, "safe_globals"):
        return contextlib.nullcontext()
    from argparse import Namespace

    number = np.float64(0).__reduce__()[0]  # the function that makes one
    kinds = {type(np.dtype(it)) for it in (np.float64, np.float32, np.int64, np.int32, np.bool_)}
    safe: AbstractContextManager[Any] = torch.serialization.safe_globals(
        [Namespace, np.dtype, number, *kinds]
    )
    return safe


def _named(tensors: dict[str, Array], path: str) -> dict[str, Array]:
    """Returns the tensors under the names that this library reads."""
    kept = {
        name: tensor
        for name, tensor in tensors.items()
        if not AVERAGES.search(name)
        and not OTHERS.search(name)
        and not name.endswith("num_batches_tracked")
    }
    stripped: dict[str, tuple[str, Array, bool]] = {}
    for name, tensor in kept.items():
        short, contrastive = _stripped(name)
        if short in stripped:
            raise FormatError(
                f"{path!r}: tensors {stripped[short][0]} and {name} are both {short}; expected one "
                "network"
            )
        stripped[short] = (name, tensor, contrastive)
    numbered = _sequential(stripped)
    named, head, is_projection = {}, {}, False
    for short, (_, tensor, contrastive) in stripped.items():
        found = HEAD.match(short)
        if found and not (found[1] == "fc" and found[2] in ("weight", "bias") and not contrastive):
            head[short] = tensor
            is_projection = True
            continue
        parts = short.split(".")
        if parts[0] in numbered:
            parts[0] = numbered[parts[0]]
        named[".".join(parts)] = tensor
    if is_projection:
        named |= _head(head, path)
    return named


def _stripped(name: str) -> tuple[str, bool]:
    """Returns the name without wrappers' prefixes, and whether "fc" is a projection in such a file,
    as it is in MoCo's.
    """
    contrastive, rest = False, name
    while True:
        prefix = next((it for it in PREFIXES if rest.startswith(it)), None)
        if prefix is None:
            return rest, contrastive
        contrastive |= prefix in ("encoder_q.", "base_encoder.", "online_encoder.")
        rest = rest[len(prefix) :]


def _sequential(names: Collection[str]) -> dict[str, str]:
    """Maps the numbers of an nn.Sequential's children to names: convolution, norm, four
    stages, fc.
    """
    numbers = sorted({int(it.split(".")[0]) for it in names if it.split(".")[0].isdecimal()})
    stages = [it for it in numbers if f"{it}.0.conv1.weight" in names]
    plain = [it for it in numbers if it not in stages]
    if len(stages) != 4 or not 2 <= len(plain) <= 3:
        return {}
    found = {str(plain[0]): "conv1", str(plain[1]): "bn1"}
    found |= {str(it): f"layer{at}" for at, it in enumerate(stages, 1)}
    return found | ({str(plain[2]): "fc"} if len(plain) == 3 else {})


def _head(tensors: dict[str, Array], path: str) -> dict[str, Array]:
    """Renames a projection head's linear layers and norms, in order, as SupContrast names them."""
    modules: dict[str, dict[str, Array]] = {}
    for name, tensor in tensors.items():
        module, _, parameter = name.rpartition(".")
        modules.setdefault(module, {})[parameter] = tensor
    order = sorted(modules, key=lambda it: [int(n) for n in re.findall(r"\d+", it)])
    kinds = "".join(
        "n" if "running_mean" in modules[it] else "l" if modules[it]["weight"].ndim == 2 else "?"
        for it in order
        if "weight" in modules[it]
    )
    slots = {
        "l": ("head",),
        "ll": ("head.0", "head.2"),
        "lnl": ("head.0", "head.1", "head.3"),
        "lll": ("head.0", "head.2", "head.4"),
        "lnlnl": ("head.0", "head.1", "head.3", "head.4", "head.6"),
    }.get(kinds)
    if slots is None or len(kinds) != len(order):
        raise FormatError(
            f"{path!r} has a head of {', '.join(sorted(tensors)[:8])}, which is none that this "
            "library has; leave it out"
        )
    named: dict[str, Array] = {}
    for slot, module in zip(slots, order):
        found = modules[module]
        if "bias" not in found:  # often left out before a norm, where it has no effect
            found["bias"] = np.zeros(len(found["weight"]), np.float32)
        named |= {f"{slot}.{parameter}": tensor for parameter, tensor in found.items()}
    return named
