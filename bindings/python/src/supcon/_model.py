"""Models: an encoder with its projection head and classifier."""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Callable, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _abi, _convert, _generated, _schema
from ._augmentation import image_size as pair
from ._data import Dataset, from_pixels
from ._description import Description
from ._errors import ArgumentError, ForkError
from ._images import Pixels, floats, is_nothing
from ._inputs import labeled, source
from ._library import call, check, context, guarded, interruptible, lib, own
from ._options import CLASSIFIER, EMBED, LOAD, MODEL, MODEL_DATA, build, documented
from ._types import (
    ArrayLike,
    ClassWeight,
    EmbedProgress,
    Float32,
    Images,
    PathLike,
    PerChannel,
    Size,
)
from ._weights import weighted


@documented(MODEL)
class Model(Description):
    """An image encoder with random weights, to be trained by `supcon.train`; `supcon.load` gives
    one from a file. Any number of threads may embed with one model.

    Parameters
    ----------
    {options}
    image_size : int or (height, width), optional
        Pixels that the model is made for; other images are resized. None: the library's {side}.
    channels : int, optional
        Of the images, 1 to 4. None: the library's 3.
    mean, std : float or one per channel, optional
        Of pixels scaled to 0 … 1. None: the library's {mean} and {std}.
    classes : int, optional
        Of the linear classifier; None: none yet.
    seed : int, optional
        Of the initial weights.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.
    memory_limit : int, optional
        Bytes that a step of training or a pass of embedding may take; None: what the machine has
        free then. OutOfMemoryError where it is too little.
    """

    _failure: ForkError  # of a model that was unpickled where the library cannot be used
    stop_training = False  # set by a callback to end the run (`supcon.callbacks`)

    def __init__(
        self,
        architecture: str | None = None,
        *,
        # generated: MODEL -architecture
        stem: _generated.StemName | None = None,
        width: int | None = None,
        zero_init_last_gamma: bool | None = None,
        head: _generated.HeadName | None = None,
        head_hidden: int | None = None,
        projection_dim: int | None = None,
        precision: _generated.PrecisionName | None = None,
        normalize_features: bool | None = None,
        resize: _generated.ResizeName | None = None,
        # end of generated
        image_size: Size | None = None,
        channels: int | None = None,
        mean: PerChannel | None = None,
        std: PerChannel | None = None,
        classes: int | None = None,
        seed: int | None = None,
        n_jobs: int | None = None,
        memory_limit: int | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in MODEL | MODEL_DATA}
        if image_size is not None:
            given["image_height"], given["image_width"] = pair(image_size)
        options = build(MODEL | MODEL_DATA, **given)
        for name, values in (("mean", mean), ("std", std)):
            if values is not None:
                getattr(options, name)[: options.channels] = _convert.per_channel(
                    name, values, min(4, max(0, options.channels))
                )
        handle = _abi.ModelHandle()
        check(
            lib.supcon_model_create(
                context(n_jobs, memory_limit), ctypes.byref(options), ctypes.byref(handle)
            )
        )
        self._take(handle, n_jobs, memory_limit)

    def _take(self, handle: _abi.Handle, n_jobs: int | None, memory_limit: int | None) -> None:
        self._handle = own(self, handle, lib.supcon_model_free)
        self.n_jobs, self.memory_limit = n_jobs, memory_limit
        self._context = context(n_jobs, memory_limit)

    if not TYPE_CHECKING:  # a type checker would take every name for an attribute

        def __getattr__(self, name):
            if name == "_handle" and "_failure" in self.__dict__:
                raise self._failure
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def embed(
        self,
        images: Images,
        output: _generated.OutputName = "encoder",
        normalize: bool = True,
        *,
        batch_size: int | None = None,
        progress: EmbedProgress | None = None,
    ) -> Float32:
        """Images to embeddings.

        Parameters
        ----------
        images : uint8 or float from 0 to 1, [n, h, w], [n, h, w, c] or one image [h, w, c]; a path,
        the bytes of an encoded image, a Pillow image; a list of any of these, of arrays of
        different sizes too; a data set such as `ImageFolder`
            Images of another size than `image_size` are resized (bilinear, antialiased) as `resize`
            says; gray is made RGB for a model that takes that, RGB gray, and alpha is dropped.
            Nothing, such as an empty list, gives [0, dimension].
        output : {"encoder", "projection", "logits", "probabilities"}, default "encoder"
            r, what to use; z, behind the projection head; the classifier's.
        normalize : bool, default True
            Scale each row to length 1 (encoder and projection only).
        batch_size : int, optional
            Images per pass; None: chosen by the library.
        progress : callable, optional
            Called with (images done, images in all) now and then.

        Returns
        -------
        float32 [n, dimension]

        Raises
        ------
        ValueError (shape, channels), TypeError, StateError (no such output, or training is under
        way), FileError (an OSError), FormatError (a ValueError)
        """
        options = build(EMBED, output=output, normalize=normalize, batch_size=batch_size)
        dimension = lib.supcon_model_output_dimension(self._handle, options.output)
        if is_nothing(images):
            if dimension:
                return np.empty((0, dimension), np.float32)
            # The library says why there are no such rows.
            images = np.zeros((1, 1, 1, self.channels), np.uint8)
        found = source(images, self.channels)
        rows, step = (
            np.empty((len(found), dimension), np.float32),
            self._piece(options.batch_size),
        )
        start, (height, width) = 0, self.image_size
        some: Any
        while True:  # once even for nothing to do: the library says what is wrong then
            stop = min(start + step, len(found))
            part = rows[start:stop]
            is_whole = stop - start == len(found)
            if isinstance(found, Pixels):
                pixels = found if is_whole else found.slice(start, stop)
                function, some = lib.supcon_model_embed, ctypes.byref(pixels.struct)
            else:
                data = found if is_whole else found.subset(np.arange(start, stop))
                function, some = lib.supcon_model_embed_dataset, data._handle
            call(
                function,
                self._handle,
                some,
                ctypes.byref(options),
                floats(part),
                part.size,
                context=self._context,
                is_long=(stop - start) * height * width > 1 << 18,
                calls_back=_calls_back(found),
            )
            if progress:
                progress(stop, len(found))
            start = stop
            if start >= len(found):
                return rows

    def _piece(self, batch_size: int) -> int:
        """Images per call of the library: a few seconds of work, so that progress is told, in whole
        batches.
        """
        height, width = self.image_size
        return (batch_size or 256) * max(
            1, (1 << 24) // max(1, (batch_size or 256) * height * width)
        )

    def quantize(self, images: Images | None) -> Model:
        """From here on the encoder embeds in int8, in about half of bf16's time, until it is
        trained; `save` keeps it. `images`: some hundreds such as will be embedded, in any form that
        `embed` takes, to calibrate on; of more than 512, 512 from first to last are taken. None:
        back to `precision`. Nobody may use the model meanwhile. UnsupportedError on a CPU that
        cannot.
        """
        data = None if images is None else source(images, self.channels)
        if isinstance(data, Pixels):
            data = from_pixels(data)
        call(
            lib.supcon_model_quantize,
            self._handle,
            None if data is None else data._handle,
            context=self._context,
            calls_back=_calls_back(data),
        )
        return self

    def fit_classifier(
        self,
        images: Images,
        labels: ArrayLike | None = None,
        *,
        class_weight: ClassWeight | None = None,
        sample_weight: ArrayLike | None = None,
        iterations: int | None = None,
        l2: float | None = None,
        progress: Callable[[str, int, int], object] | None = None,
    ) -> Model:
        """Fits the linear classifier on the frozen, unaugmented embeddings and keeps it. `labels`:
        [n] of any kind, numbered in their order; None: the data set's own. Nobody may use the model
        meanwhile; after an exception it is as it was.

        class_weight : dict, "balanced" or [classes], optional
            As in `SupConEncoder`.
        sample_weight : [n], optional
            What each image counts, 0 or more: one of weight 2 is as good as two.
        progress : callable, optional
            ``progress(phase, done, total)``, phase "embed" (images) or "fit" (iterations; it may
            end before total). Returning True stops it with CanceledError, as Ctrl-C does with
            KeyboardInterrupt; what it raises comes out of this function.
        """
        data, classes = labeled(images, labels)
        data = weighted(data, classes, class_weight, sample_weight)
        options = build(CLASSIFIER, classifier_iterations=iterations, classifier_l2=l2)
        stopped: list[bool] = []

        def hear(phase: int, done: int, total: int, _: object) -> int:
            return int(
                bool(progress and progress(_abi.Phase(phase).word, done, total)) or bool(stopped)
            )

        options.progress = _schema.ProgressCallback(guarded(hear))
        with interruptible(lambda: stopped.append(True)):
            check(
                lib.supcon_model_fit_classifier(self._handle, data._handle, ctypes.byref(options))
            )
        return self

    def reset_classifier(self, classes: int = 0) -> Model:
        """Replaces the classifier by a new random one for `classes` classes; 0: takes it away, and
        `supcon.train` with the objective "cross_entropy" (full fine-tuning) or "linear" makes one
        for its data.
        """
        check(
            lib.supcon_model_reset_classifier(
                self._handle, _convert.integer("classes", classes, -(2**31), 2**31 - 1)
            )
        )
        return self

    def copy(self) -> Model:
        """The same model in memory of its own."""
        return _from_bytes(
            self.to_bytes(),
            "f32" if self.precision == "f32" else "auto",
            self.n_jobs,
            self.memory_limit,
        )

    def save(self, path: PathLike) -> None:
        """Writes a safetensors file with torchvision's parameter names and the configuration as
        metadata; whole or not at all. FileError (an OSError) otherwise.
        """
        check(lib.supcon_model_save(self._handle, _convert.path("path", path)))

    def to_bytes(self) -> bytes:
        """What `save` would write."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            self.save(path)
            return path.read_bytes()

    def __reduce__(self) -> tuple[Any, ...]:
        # bf16 is asked for again only where it is the default: the reader's CPU may lack it
        return _unpickled, (
            self.to_bytes(),
            "f32" if self.precision == "f32" and not self.int8 else "auto",
            self.n_jobs,
            self.memory_limit,
        )


def load(
    path: PathLike,
    architecture: str | None = None,
    stem: _generated.StemName | None = None,
    mean: PerChannel | None = None,
    std: PerChannel | None = None,
    precision: _generated.PrecisionName | None = "auto",
    *,
    image_size: Size | None = None,
    resize: _generated.ResizeName | None = None,
    n_jobs: int | None = None,
    memory_limit: int | None = None,
) -> Model:
    """A model from a safetensors file: ours, or one with the parameter names of torchvision, timm
    or SupContrast; "fc" becomes its classifier.

    Parameters
    ----------
    path : path
    architecture : str, optional
        resnet18 and so on; None: by the parameters' names and shapes.
    stem : {"auto", "imagenet", "cifar"}, optional
        None: by the first convolution's shape.
    mean, std : float or one per channel, optional
        Both or neither; None: by the metadata, else ImageNet's.
    precision : {"auto", "f32", "bf16"}, default "auto"
        bf16 where the CPU has bf16 instructions, else f32.
    image_size : int or (height, width), optional
        None: by the metadata, else 32 for a CIFAR stem and 224 for ImageNet's.
    resize : {"squash", "crop"}, optional
        How images of another shape are brought to that size; None: by the metadata, else "squash".
    n_jobs : int, optional
        Threads; None: every CPU this process may use.
    memory_limit : int, optional
        Bytes that a step of training or a pass of embedding may take; None: what the machine has
        free then. OutOfMemoryError where it is too little.

    Raises
    ------
    FileError (an OSError), FormatError (a ValueError), ArgumentError (a ValueError; a field that
    contradicts the file's metadata), OutOfMemoryError
    """
    height, width = (None, None) if image_size is None else pair(image_size)
    options = build(
        LOAD,
        architecture=architecture,
        stem=stem,
        precision=precision,
        image_height=height,
        image_width=width,
        resize=resize,
    )
    if (mean is None) != (std is None):
        raise ArgumentError("of mean and std one was given; expected both or neither")
    if mean is not None:
        options.has_mean_std = 1
        for name, values in (("mean", mean), ("std", std)):
            # how many channels there are the file says: a single number serves them all
            numbers = _convert.per_channel(
                name, values, min(4, max(1, len(values))) if isinstance(values, Sized) else 4
            )
            getattr(options, name)[: len(numbers)] = numbers
    model, handle = Model.__new__(Model), _abi.ModelHandle()
    check(
        lib.supcon_model_load(
            context(n_jobs, memory_limit),
            _convert.path("path", path),
            ctypes.byref(options),
            ctypes.byref(handle),
        )
    )
    model._take(handle, n_jobs, memory_limit)
    return model


def _from_bytes(
    content: bytes,
    precision: _generated.PrecisionName,
    n_jobs: int | None,
    memory_limit: int | None,
) -> Model:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.safetensors")
        Path(path).write_bytes(content)
        return load(path, precision=precision, n_jobs=n_jobs, memory_limit=memory_limit)


def _calls_back(data: Dataset | Pixels | None) -> bool:
    """Whether images are made by a function of Python's."""
    return any(isinstance(it, _abi.BatchCallback) for it in getattr(data, "_keep", ()))


def _unpickled(*arguments: Any) -> Model:
    """A model from a pickle. In a forked child, where the library cannot be used, its methods raise
    the ForkError: an exception while unpickling would end a worker of multiprocessing's pool, which
    would start another for ever.
    """
    try:
        return _from_bytes(*arguments)
    except ForkError as error:
        model = Model.__new__(Model)
        model._failure = error
        return model
