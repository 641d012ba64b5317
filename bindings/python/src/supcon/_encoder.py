"""The scikit-learn transformer: an encoder trained with the contrastive loss."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _generated
from ._augmentation import image_size as pair
from ._collectives import Collectives, telling
from ._data import Dataset
from ._errors import ArgumentError, ShapeError, SupConWarning
from ._inputs import labeled
from ._model import Model, load
from ._options import LOSS, MODEL, TRAIN, documented
from ._presets import (
    Preset,
    model_options,
    only,
    preset,
    suitable_size,
    train_options,
)
from ._recipe import CHOICES, MODEL_CHOICES, network, suited
from ._sklearn import (
    BaseEstimator,
    NotFittedError,
    TransformerMixin,
    column_or_1d,
    is_table_of_targets,
    keep_arguments,
)
from ._tables import Table, is_table, rows_of_table
from ._types import (
    ArrayLike,
    Augmentation,
    Callbacks,
    ClassWeight,
    Float32,
    Images,
    PathLike,
    PerChannel,
    RandomState,
    Size,
)

if TYPE_CHECKING:
    from typing_extensions import Self
from ._suiting import (
    BESIDE_INIT,
    by_targets,
    need_encoder,
    objective_for,
    seed_of,
    suit_classifier,
    suit_head,
    trains_classifier,
)
from ._training import Training, history_table, train
from ._tune import tune
from ._types import Array
from ._weights import weighted
from .callbacks import watch_held_out

_MODEL = (*MODEL, "image_size", "mean", "std")
_TRAINING = (*TRAIN, *LOSS, "augmentation")


@documented(MODEL, TRAIN, LOSS, instead=CHOICES | MODEL_CHOICES)
class SupConEncoder(TransformerMixin, BaseEstimator):
    """A scikit-learn transformer that turns images into embeddings, with an encoder trained by the
    supervised contrastive loss.

    Parameters
    ----------
    An option that is None has its value in `preset`, or without a preset the default given here.
    Some defaults depend on the images, and on whether weights are given (`init`); `recipe_` says
    what was chosen, and why.

    {options}
    augmentation : str, dict or a pair of them, default depends on the images
        As in `augment`; a pair is for an image's first view and for its others. With a preset, a
        dict without "kind" changes fields of its augmentation.
    preset : str, optional
        The name of a published recipe, one of `supcon.presets`, for all options that are None;
        `supcon.preset` shows it in full. The "linear" ones are second stages, which need `init`,
        as the objective "linear" does.
    image_size : int or (height, width), optional
        The size in pixels that the model is made for; other images are resized. None: the
        preset's; without one the images' own, or, if they differ, a square of the median height
        or width, the smaller; of 224x224 pixels at most.
    mean, std : float or one per channel, optional
        Mean and standard deviation of pixels from 0 to 1. None: the preset's for images with three
        channels, or computed from an array of images; for files the library's {mean} and {std}.
    init : path or Model, optional
        The weights to begin with instead of random ones: a safetensors file as `supcon.load` takes
        it, or a model, which is copied. Of the options that describe a model, precision and those
        of the head alone may be given then; these ask for a new random head. Weights without a
        head, as torchvision's and timm's, get one, unless the objective has no use for it. A
        classifier for other classes than the data's is replaced by a new one: with the objective
        "cross_entropy" this is transfer by full fine-tuning.
    output, normalize : as in `Model.embed`, default "encoder" and True
        The output that `transform` returns.
    random_state : int, numpy RandomState or Generator, optional
        The seed of weights, sampling, augmentation and the validation split. None: the library's
        seed, which is fixed.
    n_jobs : int, optional
        Number of threads. None and -1: every CPU this process may use. None with a model in `init`:
        the model's.
    memory_limit : int, optional
        Bytes that a step of training or a pass of embedding may take; None: the memory that is free
        then, or the limit of a model in `init`. OutOfMemoryError if it is too little.
    verbose : int, default 0
        1: show progress with loss, rate and time left on standard error.
    class_weight : dict, "balanced" or [classes], optional
        The weight of each class in the losses: by label (1 for labels that the dict lacks),
        images / (classes * images of the class), or in the order of `classes_`. It multiplies the
        losses of the class's anchors, and those of its rows where a classifier is trained.
    callbacks : list, optional
        Objects of `supcon.callbacks` and functions ``f(event)``, called after each step and epoch
        (see `supcon.Event`), or a single one. One that returns True ends the training.
    collectives : optional
        The processes that train together, as in `supcon.train`; each calls `fit` with the same
        data. None: this one alone.

    Attributes
    ----------
    model_ : Model
        ``model_.save(path)`` writes it.
    recipe_ : str
        The preset's name, or what was chosen for these images, and why.
    classes_ : [classes]
        The labels in ascending order; None after a fit without labels.
    history_ : pandas DataFrame, or dict of lists without pandas
        The figures of each epoch: epoch, loss, learning_rate, knn_accuracy, train_accuracy,
        alignment, uniformity, anchors_without_positive, images_per_second; NaN if not measured.
    image_shape_ : (height, width, channels)
        The shape of the images in `fit`; height and width are 0 for files of different sizes.
    n_features_in_ : int
        height * width * channels; not set for files of different sizes.
    feature_names_in_ : [n_features_in_]
        The columns of a DataFrame in `fit`.
    """

    def __init__(
        self,
        architecture: str | None = None,
        *,
        # generated: MODEL TRAIN LOSS -architecture
        stem: _generated.StemName | None = None,
        width: int | None = None,
        zero_init_last_gamma: _generated.ZeroInitName | None = None,
        head: _generated.HeadName | None = None,
        head_hidden: int | None = None,
        projection_dim: int | None = None,
        precision: _generated.PrecisionName | None = None,
        normalize_features: bool | None = None,
        resize: _generated.ResizeName | None = None,
        objective: _generated.ObjectiveName | None = None,
        joint_classifier: bool | None = None,
        views: int | None = None,
        positives: _generated.PositivesName | None = None,
        margin: int | None = None,
        label_bandwidth: float | None = None,
        label_smoothing: float | None = None,
        mixup_alpha: float | None = None,
        cutmix_alpha: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        images_per_class: int | None = None,
        chunk_size: int | None = None,
        queue_mode: _generated.QueueName | None = None,
        queue_size: int | None = None,
        key_momentum: float | None = None,
        loader_threads: int | None = None,
        optimizer: _generated.OptimizerName | None = None,
        momentum: float | None = None,
        weight_decay: float | None = None,
        nesterov: bool | None = None,
        decay_norm_and_bias: bool | None = None,
        trust_coefficient: float | None = None,
        rmsprop_decay: float | None = None,
        beta1: float | None = None,
        beta2: float | None = None,
        epsilon: float | None = None,
        ema_decay: float | None = None,
        learning_rate: float | Literal["auto"] | None = None,
        min_lr: float | None = None,
        reference_batch: int | None = None,
        schedule: _generated.ScheduleName | None = None,
        warmup_epochs: float | None = None,
        warmup_steps: int | None = None,
        schedule_after_warmup: bool | None = None,
        warmup_start: float | None = None,
        milestones: Sequence[int] | None = None,
        gamma: float | None = None,
        exponential_factor: float | None = None,
        exponential_epochs: float | None = None,
        freeze_stages: int | None = None,
        freeze_norm: bool | None = None,
        unfreeze_epochs: Sequence[int] | None = None,
        layer_decay: float | None = None,
        image_size_schedule: Sequence[int] | None = None,
        random_image_size: bool | None = None,
        feature_cache: int | None = None,
        feature_cache_folder: str | os.PathLike[str] | None = None,
        freeze_int8: bool | None = None,
        validation_every: int | None = None,
        validation_fraction: float | None = None,
        checkpoint_folder: str | os.PathLike[str] | None = None,
        resume: bool | None = None,
        patience: int | None = None,
        restore_best: bool | None = None,
        stop_on_collapse: bool | None = None,
        sync_batch_norm: bool | None = None,
        gradient_precision: _generated.GradientPrecisionName | None = None,
        temperature: float | None = None,
        form: _generated.FormName | None = None,
        denominator: _generated.DenominatorName | None = None,
        anchors: _generated.AnchorsName | None = None,
        reduction: _generated.ReductionName | None = None,
        scale: float | None = None,
        positives_cap: int | None = None,
        # end of generated
        # shared keywords
        augmentation: Augmentation | None = None,
        preset: str | None = None,
        init: Model | PathLike | None = None,
        image_size: Size | None = None,
        mean: PerChannel | None = None,
        std: PerChannel | None = None,
        output: _generated.OutputName = "encoder",
        normalize: bool = True,
        random_state: RandomState | None = None,
        n_jobs: int | None = None,
        memory_limit: int | None = None,
        verbose: int = 0,
        callbacks: Callbacks | None = None,
        class_weight: ClassWeight | None = None,
        collectives: Collectives | None = None,
        # end of shared keywords
    ) -> None:
        keep_arguments(self, locals())

    def fit(self, X: Images, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Trains the encoder.

        Parameters
        ----------
        X : uint8 [n, h, w] or [n, h, w, c], floats from 0 to 1 of those shapes, a list of paths, a
        data set such as `supcon.ImageFolder`, or a table [n, features]
            A row of a table is a flattened gray image: of `image_size`, if that has as many pixels
            as there are features; else a square, if that number is a square; else a single row of
            pixels. Values are bytes from 0 to 255 if the table is uint8, and floats from 0 to 1 if
            all lie there. Others are scaled so that the table's smallest becomes 0 and its largest
            1; `transform` clips to that range.
        y : [n] or [n, dimension], optional
            [n]: labels of any kind. [n, dimension] of 0 and 1: several labels per image, whose
            positives `positives` determines (None: "any", those that share a label). Real numbers,
            [n] or [n, dimension], with positives="kernel". None: the labels of the data set, or
            else its targets; without either, the objective "supcon" becomes "simclr".
        sample_weight : [n], optional
            The weight of each image in the losses, 0 or more, multiplied with `class_weight`; the
            products are scaled to a mean of 1.

        Returns
        -------
        self
            An exception that ends training (KeyboardInterrupt, one of a callback, an unreadable
            file, a full disk) comes out of `fit`; `model_` then has what was learned until then.
        """
        self._fit(X, y, sample_weight)
        return self

    def _data(self, X: Any, y: Any, options: dict[str, Any]) -> tuple[Dataset, Array | None]:
        """Returns the images with their labels and targets, and the classes. Sets `positives` in
        `options` where y holds targets.
        """
        unsaid = self.positives is None and options.get("objective") in (None, "supcon")
        if unsaid and is_table_of_targets(y):
            options["positives"] = "any"
        if y is None or not by_targets(options):
            data, classes = labeled(
                X, y if y is None or is_table_of_targets(y) else column_or_1d(y, warn=True)
            )
            if unsaid and data.labels is None and data.targets is not None:
                if not np.isin(data.targets, (0, 1)).all():
                    raise ArgumentError(
                        "the data set has no labels, and targets other than 0 and 1; expected "
                        "positives='kernel' with a label_bandwidth, or "
                        "objective='simclr', which uses neither"
                    )
                options["positives"] = "any"
            return data, classes
        data, classes = labeled(X)
        return data.with_targets(y), classes

    def _fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None
    ) -> tuple[Dataset, dict[str, Any]]:
        """Trains, and returns the data and the options that it trained with."""
        with telling(self.collectives):
            data, classes, table, model, options = self._prepared(X, y, sample_weight)
        training, keep = Training(), False
        try:
            train(
                model,
                data,
                **options,
                callbacks=self.callbacks,
                collectives=self.collectives,
                verbose=self.verbose,
                training=training,
            )
            keep = True
        except BaseException:
            keep = training.steps > 0  # what was learned is kept however the run ends
            raise
        finally:
            if keep:
                self.model_, self.classes_ = model, classes
                self.history_ = history_table(training.history)
                self._table = table
                self.image_shape_ = (data.height, data.width, data.channels)
                if data.height:
                    self.n_features_in_ = data.height * data.width * data.channels
        return data, options

    def _prepared(
        self, X: Any, y: Any, sample_weight: ArrayLike | None
    ) -> tuple[Dataset, Any, Any, Model, dict[str, Any]]:
        """Returns the data, its classes and table, the model, and the options of a fit."""
        recipe = None if self.preset is None else preset(self.preset)
        given = {name: getattr(self, name) for name in _TRAINING}
        searches = given["learning_rate"] == "auto"
        given |= {"learning_rate": None} if searches else {}
        options = train_options(recipe, given | {"seed": seed_of(self.random_state)})
        if self.init is None:
            need_encoder(options, "init=MODEL or a file of one")
        X, table = self._seen(X)
        data, classes = self._data(X, y, options)
        data = weighted(data, classes, self.class_weight, sample_weight)
        options["objective"] = objective_for(options, data)
        begun = self._given()
        self.recipe_ = self.preset or ""
        if recipe is None:
            size = pair(self.image_size or suitable_size(data))
            size = size if begun is None else begun.image_size
            found, self.recipe_ = suited(
                *(data, only(options), size, begun),
                searches=searches,
                is_watched=watch_held_out(self.callbacks),
            )
            options |= found
        learns_classes = trains_classifier(options["objective"], options.get("joint_classifier"))
        model = self._new(data, recipe, options) if begun is None else begun
        given = {name: getattr(self, name) for name in _MODEL}
        has_new_head = begun is not None and suit_head(begun, recipe, given, options)
        more = self._choose_classifier(options)
        if recipe is None:
            told = network(model, given, begun is not None, has_new_head)
            self.recipe_ = "; ".join(filter(None, (self.recipe_, told, more)))
            if self.verbose and self.recipe_:
                print(self.recipe_, file=sys.stderr)
        if begun is not None and learns_classes:
            suit_classifier(begun, data)
        if searches:
            tuning = tune(
                model, data, verbose=self.verbose, collectives=self.collectives, **options
            )
            options["learning_rate"] = tuning.learning_rate
            self.recipe_ = "; ".join(filter(None, (self.recipe_, tuning.recipe)))
        return data, classes, table, model, options

    def _choose_classifier(self, options: dict[str, Any]) -> str:
        """Chooses how a linear classifier will be fitted; returns a phrase that says it."""
        return ""

    def _new(self, data: Dataset, recipe: Preset | None, options: dict[str, Any]) -> Model:
        """Makes a model with random weights."""
        given = {name: getattr(self, name) for name in _MODEL}
        made = model_options(recipe, data, given | {"seed": options.get("seed")})
        model = Model(**made, n_jobs=self.n_jobs, memory_limit=self.memory_limit)
        is_chosen = self.image_size is not None or recipe is not None
        if not is_chosen and model.image_size != (data.height, data.width):
            what = f"have {data.height}x{data.width} pixels" if data.height else "differ in size"
            warnings.warn(
                f"the images {what} and image_size is None: they are resized to "
                f"{'x'.join(map(str, model.image_size))} pixels",
                SupConWarning,
                stacklevel=4,
            )
        return model

    def _given(self) -> Model | None:
        """Returns the model of `init`, a copy or from its file."""
        if self.init is None:
            return None
        for name, value in only({name: getattr(self, name) for name in _MODEL}).items():
            if name not in BESIDE_INIT:
                raise ArgumentError(
                    f"{name} is {value!r} and init is given: its model has a {name} of its "
                    "own; expected one of the two"
                )
        how: dict[str, Any] = {
            "precision": self.precision,
            "n_jobs": self.n_jobs,
            "memory_limit": self.memory_limit,
        }
        return self.init.copy(**how) if isinstance(self.init, Model) else load(self.init, **how)

    def _seen(self, X: Any) -> tuple[object, Table | None]:
        """Returns X of `fit` as images, and how a table's rows become images."""
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
        if not is_table(X):
            return X, None
        rows = rows_of_table(self, X, reset=True)
        table = Table(rows, None if self.image_size is None else pair(self.image_size))
        return table.images(rows), table

    def _embed(self, X: Any, output: _generated.OutputName, normalize: bool) -> Float32:
        """Embeds X, which is given as in `fit`."""
        model = self._model
        if is_table(X):
            if self._table is None:
                raise ShapeError(
                    f"X has the shape {list(np.shape(X))}, and {type(self).__name__} was fitted on "
                    "images; expected images here too"
                )
            X = self._table.images(rows_of_table(self, X, reset=False))
        return model.embed(X, output, normalize)

    def transform(self, X: Images) -> Float32:
        """Embeds images, given as in `fit`; returns float32 [n, dimension]."""
        return self._embed(X, self.output, self.normalize)

    @property
    def _model(self) -> Model:
        if not hasattr(self, "model_"):
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' "
                "with images first."
            )
        return self.model_

    def get_feature_names_out(self, input_features: object = None) -> Array:
        """Returns the names of the columns of `transform`."""
        model = self._model
        widths = {"encoder": model.embedding_dim, "projection": model.projection_dim}
        width = widths.get(self.output, model.classes)
        return np.array([f"{type(self).__name__.lower()}{it}" for it in range(width)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]  # scikit-learn's alone
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
