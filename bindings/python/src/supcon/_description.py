"""The properties of a model, read from the library."""

from __future__ import annotations

import ctypes
import hashlib
from typing import TYPE_CHECKING, Any

from . import _abi, _generated, _safetensors
from ._library import check, defaults, lib
from ._shown import number_of, some, table


class Description:
    """The properties of a `Model`."""

    _handle: _abi.Handle

    if TYPE_CHECKING:

        def to_bytes(self) -> bytes: ...

    @property
    def _info(self) -> _abi.ModelInfo:
        info = defaults(_abi.ModelInfo)
        check(lib.supcon_model_get_info(self._handle, ctypes.byref(info)))
        return info

    @property
    def architecture(self) -> str:
        """The architecture: "resnet18" and so on."""
        name: bytes = self._info.architecture
        return name.decode()

    @property
    def width(self) -> int:
        """The number of channels of the first stage."""
        return int(self._info.width)

    @property
    def channels(self) -> int:
        """The number of channels of images."""
        return int(self._info.channels)

    @property
    def image_size(self) -> tuple[int, int]:
        """The height and width that the model is made for."""
        info = self._info
        return info.image_height, info.image_width

    @property
    def stem(self) -> str:
        """The first layers: "imagenet" or "cifar"."""
        return _generated.Stem(self._info.stem).word

    @property
    def zero_init_last_gamma(self) -> str:
        """Whether residual blocks began as the identity: "on" or "off"."""
        return _generated.ZeroInit(self._info.zero_init_last_gamma).word

    @property
    def head(self) -> str:
        """The projection head: "none", "linear", "mlp", "mlp_bn", "mlp3" or "mlp3_bn"."""
        return _generated.Head(self._info.head).word

    @property
    def head_hidden(self) -> int:
        """The width of the head's hidden layer."""
        return int(self._info.head_hidden)

    @property
    def projection_dim(self) -> int:
        """The dimension of the projection z; 0 without a head."""
        return int(self._info.projection_dim)

    @property
    def classes(self) -> int:
        """The number of classes of the linear classifier; 0 without one."""
        return int(self._info.classes)

    @property
    def normalize_features(self) -> bool:
        """Whether head and classifier take the encoder's output scaled to length 1."""
        return bool(self._info.normalize_features)

    @property
    def precision(self) -> str:
        """The number format of the encoder: "f32" or "bf16"."""
        return _generated.Precision(self._info.precision).word

    @property
    def resize(self) -> str:
        """The way images of another shape are brought to `image_size`: "squash" or "crop"."""
        return _generated.Resize(self._info.resize).word

    @property
    def int8(self) -> bool:
        """Whether the encoder embeds in int8, after `quantize`."""
        return bool(self._info.int8)

    @property
    def embedding_dim(self) -> int:
        """The dimension of the embedding r."""
        return int(self._info.embedding_dim)

    @property
    def parameters(self) -> int:
        """The number of trained parameters."""
        return int(self._info.parameters)

    @property
    def mean(self) -> list[float]:
        """The mean of each channel, of pixels from 0 to 1."""
        info = self._info
        return list(info.mean)[: info.channels]

    @property
    def std(self) -> list[float]:
        """The standard deviation of each channel, of pixels from 0 to 1."""
        info = self._info
        return list(info.std)[: info.channels]

    @property
    def class_names(self) -> list[str]:
        """The names of the classifier's classes."""
        names = [lib.supcon_model_class_name(self._handle, it) for it in range(self.classes)]
        return [
            str(at) if it is None else it.decode("utf-8", "replace") for at, it in enumerate(names)
        ]

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of a SHA-256 over everything an embedding depends on: the encoder's
        parameters, the images' size, mean and deviation. Precision and int8 are left out.
        """
        tensors, metadata = _safetensors.parsed(self.to_bytes())
        digest = hashlib.sha256()
        for name in sorted(tensors):
            if name.startswith(("conv1.", "bn1.", "layer")) and not name.endswith(
                "batches_tracked"
            ):
                digest.update(name.encode() + tensors[name].tobytes())
        for key in ("architecture", "stem", "image_height", "image_width", "mean", "std"):
            digest.update(metadata["supcon." + key].encode() + b"\0")
        return digest.hexdigest()[:16]

    def info(self) -> dict[str, Any]:
        """Returns all of these properties as a dict."""
        names = (
            "architecture",
            "width",
            "channels",
            "image_size",
            "stem",
            "zero_init_last_gamma",
            "head",
            "head_hidden",
            "projection_dim",
            "normalize_features",
            "classes",
            "precision",
            "resize",
            "int8",
            "embedding_dim",
            "parameters",
            "mean",
            "std",
        )
        return {name: getattr(self, name) for name in names} | {"class_names": self.class_names}

    def __repr__(self) -> str:
        info = self._info
        return (
            f"<supcon.Model {info.architecture.decode()} of width {info.width} for "
            f"{info.image_height}x{info.image_width}x{info.channels}, "
            f"{'int8' if info.int8 else _generated.Precision(info.precision).word}, "
            f"embeddings of {info.embedding_dim}, {info.classes or 'no'} classes>"
        )

    def _repr_html_(self) -> str:
        height, width = self.image_size
        head = f"{self.head}, to {self.projection_dim}" if self.projection_dim else "none"
        rows: list[tuple[str, object]] = [
            ("encoder", f"{self.architecture} of width {self.width}, {self.stem} stem"),
            ("images", f"{height} × {width}, {number_of(self.channels, 'channel')}, {self.resize}"),
            ("embedding", self.embedding_dim),
            ("projection head", head),
            ("classes", some(self.class_names) if self.classes else "none"),
            ("parameters", f"{self.parameters:,}"),
            ("computes in", "int8" if self.int8 else self.precision),
        ]
        return table("supcon.Model", rows)
