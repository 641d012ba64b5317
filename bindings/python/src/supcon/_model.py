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
from ._data import calls_back, from_pixels
from ._description import Description
from ._errors import ArgumentError, ForkError, FormatError
from ._images import Pixels, floats, is_nothing
from ._inputs import labeled, source
from ._library import call, check, context, guarded, lib, own
from ._measures import rows_of
from ._options import CLASSIFIER_ALONE, EMBED, LOAD, MODEL, MODEL_DATA, build, documented
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
    """An image encoder, with random weights until `supcon.train` trains it; `supcon.load` reads one
    from a file. Any number of threads may embed with one model at the same time.

    Parameters
    ----------
    {options}
    image_size : int or (height, width), optional
        The size in pixels that the model is made for; other images are resized. None: the library's
        {side}.
    channels : int, optional
        The images' channels, 1 to 4. None: the library's 3.
    mean, std : float or one per channel, optional
        Mean and standard deviation of pixels from 0 to 1. None: the library's {mean} and {std}.
    classes : int, optional
        Classes of the linear classifier; None: no classifier yet.
    seed : int, optional
        The seed of the initial weights.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.
    memory_limit : int, optional
        Bytes that a step of training or a pass of embedding may take; None: the memory that is free
        then. OutOfMemoryError if it is too little.
    """

    _failure: ForkError  # set when it was unpickled where the library cannot be used
    classifier_l2: float | None = None
    """The l2 with which `fit_classifier` fitted the classifier: its option, or what was chosen."""
    stop_training = False  # set by a callback to end the run (`supcon.callbacks`)

    def __init__(
        self,
        architecture: str | None = None,
        *,
        # generated: MODEL -architecture
        stem: _generated.StemName | None = None,
        width: int | None = None,
        zero_init_last_gamma: _generated.ZeroInitName | None = None,
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

    if not TYPE_CHECKING:  # else a type checker would accept any attribute

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
        flip: bool = False,
        progress: EmbedProgress | None = None,
    ) -> Float32:
        """Embeds images.

        Parameters
        ----------
        images : uint8 or float from 0 to 1, [n, h, w], [n, h, w, c] or one image [h, w, c]; a path,
        the bytes of an encoded image, a Pillow image; a list of any of these, of arrays of
        different sizes too; a data set such as `ImageFolder`
            Images of another size than `image_size` are resized (bilinear, antialiased) as `resize`
            says. Gray becomes RGB for a model that takes that, RGB becomes gray, and alpha is
            dropped. An empty list gives [0, dimension].
        output : {"encoder", "projection", "logits", "probabilities"}, default "encoder"
            "encoder": r, the one to use; "projection": z, behind the projection head; the others:
            the classifier's output.
        normalize : bool, default True
            Scale each row to length 1 (encoder and projection only).
        batch_size : int, optional
            Images per pass; None: chosen by the library.
        flip : bool, default False
            Flip each image left to right first.
        progress : callable, optional
            Called with (images done, total) now and then.

        Returns
        -------
        float32 [n, dimension]

        Raises
        ------
        ValueError (shape, channels), TypeError, StateError (no such output, or training is under
        way), FileError (an OSError), FormatError (a ValueError)
        """
        options = build(EMBED, output=output, normalize=normalize, batch_size=batch_size, flip=flip)
        dimension = lib.supcon_model_output_dimension(self._handle, options.output)
        if is_nothing(images):
            if dimension:
                return np.empty((0, dimension), np.float32)
            # One image, so that the library raises its error about the output.
            images = np.zeros((1, 1, 1, self.channels), np.uint8)
        found = source(images, self.channels)
        rows, step = (
            np.empty((len(found), dimension), np.float32),
            self._piece(options.batch_size),
        )
        start, (height, width) = 0, self.image_size
        some: Any
        while True:  # at least once, so that the library can raise its errors
            stop = min(start + step, len(found))
            part = rows[start:stop]
            is_whole = stop - start == len(found)
            is_long = True  # files may be large
            if isinstance(found, Pixels):
                pixels = found if is_whole else found.slice(start, stop)
                function, some = lib.supcon_model_embed, ctypes.byref(pixels.struct)
                is_long = max(pixels.array.size, pixels.count * height * width) > 1 << 18
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
                is_long=is_long,
                calls_back=calls_back(found),
            )
            if progress:
                progress(stop, len(found))
            start = stop
            if start >= len(found):
                return rows

    def _piece(self, batch_size: int) -> int:
        """Returns the number of images per call of the library, in whole batches: a few seconds of
        work, so that progress is reported in time.
        """
        height, width = self.image_size
        return (batch_size or 256) * max(
            1, (1 << 24) // max(1, (batch_size or 256) * height * width)
        )

    def quantize(self, images: Images | None) -> Model:
        """Makes the encoder embed in int8, in about half of bf16's time, or of f32's on a CPU
        without bf16, until it is trained again; `save` keeps this. `images`: some hundreds like
        those to embed, in any form that `embed` takes, for calibration; of more than 512, 512
        evenly spread ones are used. None: back to `precision`. Nobody may use the model meanwhile.
        UnsupportedError on a CPU that cannot.
        """
        data = None if images is None else source(images, self.channels)
        if isinstance(data, Pixels):
            data = from_pixels(data)
        call(
            lib.supcon_model_quantize,
            self._handle,
            None if data is None else data._handle,
            context=self._context,
            calls_back=calls_back(data),
        )
        return self

    def forward_head(
        self,
        features: ArrayLike,
        output: _generated.OutputName = "probabilities",
        normalize: bool = True,
    ) -> Float32:
        """Computes an output from features that were kept, as `embed` would from the images.

        Parameters
        ----------
        features : [n, dimension]
            The encoder's output for images: ``embed(images, normalize=False)``.
        output, normalize
            As in `embed`.

        Returns
        -------
        float32 [n, dimension of the output]

        Raises
        ------
        ArgumentError (a feature that is not finite), ShapeError, StateError (no such output, or
        training is under way)
        """
        options = build(EMBED, output=output, normalize=normalize)
        given = rows_of(features, "features")
        dimension = lib.supcon_model_output_dimension(self._handle, options.output)
        rows = np.empty((len(given), dimension), np.float32)
        if len(given) or not dimension:
            call(
                lib.supcon_model_forward_head,
                self._handle,
                floats(given),
                *given.shape,
                ctypes.byref(options),
                floats(rows),
                rows.size,
                context=self._context,
            )
        return rows

    def fit_classifier(
        self,
        images: Images,
        labels: ArrayLike | None = None,
        *,
        features: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        sample_weight: ArrayLike | None = None,
        iterations: int | None = None,
        l2: float | None = None,
        flip: bool = False,
        progress: Callable[[str, int, int], object] | None = None,
    ) -> Model:
        """Fits the linear classifier on the frozen, unaugmented embeddings and keeps it. `labels`:
        [n] of any kind, numbered in order; None: those of the data set. Nobody may use the model
        meanwhile; an exception leaves it unchanged.

        features : [n, dimension], optional
            The encoder's output for these images, ``embed(images, normalize=False)``, if it was
            kept; with flip, [2 n, dimension], behind it that with ``flip=True``. None: the images
            are embedded.
        class_weight : dict, "balanced" or [classes], optional
            As in `SupConEncoder`.
        sample_weight : [n], optional
            The weight of each image, 0 or more; one of weight 2 counts as two.
        iterations, l2 : optional
            The most iterations, and the weight of the squared weights. None: the library's
            defaults; for l2, 5 over the number of rows, or 0.05, 0.5 or 50 over it where that
            predicts held-out images better; with flip there are two rows for each image.
            `classifier_l2` has what was used.
        flip : bool, default False
            Also fit on the images flipped left to right. It suits images whose class a flip does
            not change; each image is then embedded twice.
        progress : callable, optional
            ``progress(phase, done, total)``, phase "embed" (images; with flip the flipped ones
            count too) or "fit" (iterations, those of choosing l2 included; it may end before
            total). Returning True stops it with CanceledError, as Ctrl-C does with
            KeyboardInterrupt; what it raises comes out of this function.
        """
        data, classes = labeled(images, labels)
        data = weighted(data, classes, class_weight, sample_weight)
        options = build(CLASSIFIER_ALONE, iterations=iterations, l2=l2, flip=flip)

        def hear(phase: int, done: int, total: int, _: object) -> int:
            return int(bool(progress and progress(_abi.Phase(phase).word, done, total)))

        hearing = _schema.ProgressCallback(guarded(hear))
        if progress is not None:
            options.progress = hearing
        l2_used = ctypes.c_float()
        function, kept = lib.supcon_model_fit_classifier, ()
        if features is not None:
            rows = rows_of(features, "features")
            function = lib.supcon_model_fit_classifier_on_features
            kept = (floats(rows), *rows.shape)
        call(
            function,
            self._handle,
            data._handle,
            *kept,
            ctypes.byref(options),
            ctypes.byref(l2_used),
            context=self._context,
            calls_back=progress is not None or calls_back(data),
        )
        self.classifier_l2 = l2_used.value
        return self

    def reset_head(
        self,
        head: _generated.HeadName | None = None,
        *,
        head_hidden: int | None = None,
        projection_dim: int | None = None,
        seed: int | None = None,
    ) -> Model:
        """Replaces the projection head by a new random one; "none" removes it. The parameters are
        those of `Model`, with the same defaults. Files of torchvision and timm have no head, so
        that a run contrasts the encoder's output itself; why a head is used: arXiv:2002.05709,
        section 4.2.
        """
        options = build(
            MODEL | MODEL_DATA,
            head=head,
            head_hidden=head_hidden,
            projection_dim=projection_dim,
            seed=seed,
        )
        check(
            lib.supcon_model_reset_head(
                self._handle,
                options.head,
                options.head_hidden,
                options.projection_dim,
                options.seed,
            )
        )
        return self

    def reset_classifier(self, classes: int = 0) -> Model:
        """Replaces the classifier by a new random one for `classes` classes. 0 removes it, and
        `supcon.train` with the objective "cross_entropy" (full fine-tuning) or "linear" makes one
        for its data.
        """
        check(
            lib.supcon_model_reset_classifier(
                self._handle, _convert.integer("classes", classes, -(2**31), 2**31 - 1)
            )
        )
        return self

    def copy(
        self,
        *,
        precision: _generated.PrecisionName | None = None,
        n_jobs: int | None = None,
        memory_limit: int | None = None,
    ) -> Model:
        """Returns a copy with memory of its own.

        Parameters
        ----------
        precision, n_jobs, memory_limit : optional
            As in `load`. None: the model's own.
        """
        return _from_bytes(
            self.to_bytes(),
            precision or self._precision_to_load(),
            self.n_jobs if n_jobs is None else n_jobs,
            self.memory_limit if memory_limit is None else memory_limit,
        )

    def save(self, path: PathLike) -> None:
        """Writes a safetensors file with torchvision's parameter names, and the configuration as
        metadata; completely or not at all. FileError (an OSError) otherwise.
        """
        check(lib.supcon_model_save(self._handle, _convert.path("path", path)))

    def to_bytes(self) -> bytes:
        """Returns the content of the file that `save` would write."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            self.save(path)
            return path.read_bytes()

    def _precision_to_load(self) -> _generated.PrecisionName:
        """Returns the precision that a copy loads with: bf16 is not demanded, as the reader's
        CPU may lack it, and "auto" keeps int8.
        """
        return "f32" if self.precision == "f32" and not self.int8 else "auto"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (
            self.to_bytes(),
            self._precision_to_load(),
            self.n_jobs,
            self.memory_limit,
        )


ADVICE = "supcon.import_torch (supcon import) reads models under more names"


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
    """Reads a model from a safetensors file: one of ours, or one with the parameter names of
    torchvision, timm or SupContrast, whose "fc" becomes the classifier; `import_torch` reads more
    of them. timm's anti-aliased ResNets are refused where a config.json beside the file names them,
    and cannot be told otherwise (see `import_torch`).

    Parameters
    ----------
    path : path
    architecture : str, optional
        "resnet18" and so on; None: determined by the parameters' names and shapes.
    stem : {"auto", "imagenet", "cifar"}, optional
        None: determined by the first convolution's shape.
    mean, std : float or one per channel, optional
        Both or neither. None: those in the metadata, else ImageNet's.
    precision : {"auto", "f32", "bf16"}, default "auto"
        bf16 where the CPU has bf16 instructions, else f32.
    image_size : int or (height, width), optional
        None: that in the metadata, else 32 for a CIFAR stem and 224 for ImageNet's.
    resize : {"squash", "crop"}, optional
        The way images of another shape are brought to that size. None: that in the metadata, else
        "squash".
    n_jobs : int, optional
        Threads; None: every CPU this process may use.
    memory_limit : int, optional
        Bytes that a step of training or a pass of embedding may take; None: the memory that is free
        then. OutOfMemoryError if it is too little.

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
            # the file determines the channels: a single number serves for all
            numbers = _convert.per_channel(
                name, values, min(4, max(1, len(values))) if isinstance(values, Sized) else 4
            )
            getattr(options, name)[: len(numbers)] = numbers
    model, handle = Model.__new__(Model), _abi.ModelHandle()
    encoded = _convert.path("path", path)
    try:
        check(
            lib.supcon_model_load(
                context(n_jobs, memory_limit), encoded, ctypes.byref(options), ctypes.byref(handle)
            )
        )
    except FormatError as error:
        if " has no tensor " not in str(error):
            raise
        raise FormatError(f"{error}; {ADVICE}") from None
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


def _unpickled(*arguments: Any) -> Model:
    """Restores a model from a pickle. In a forked child, where the library cannot be used, the
    model's methods raise the ForkError later: an exception while unpickling would end a worker of
    multiprocessing's pool, which would start another for ever.
    """
    try:
        return _from_bytes(*arguments)
    except ForkError as error:
        model = Model.__new__(Model)
        model._failure = error
        return model
