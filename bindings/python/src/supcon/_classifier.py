"""The scikit-learn classifier: an encoder with a linear classifier behind it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _generated
from ._collectives import Collectives
from ._data import Dataset
from ._encoder import SupConEncoder
from ._errors import ArgumentError, ShapeError
from ._inputs import labeled
from ._model import Model
from ._options import CLASSIFIER, build, documented, words
from ._recipe import classifier_flip
from ._sklearn import ClassifierMixin, class_labels, is_table_of_targets, keep_arguments
from ._suiting import trains_classifier
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
from ._types import Array


@documented(CLASSIFIER)
class SupConClassifier(ClassifierMixin, SupConEncoder):
    """A `SupConEncoder` with a linear classifier. The classifier is fitted on the frozen embeddings
    after contrastive training; with the objectives "cross_entropy" and "max_margin", and with
    `joint_classifier`, it is trained together with the encoder.

    Parameters
    ----------
    {options}

    and those of `SupConEncoder`. Where classifier_flip is None and there is no preset, the
    classifier is also fitted on flipped images if the views of training are flipped.

    Attributes are those of `SupConEncoder`, and `l2_` and `flip_`, the weight of the squared
    weights with which the linear classifier was fitted after the encoder, and whether it was also
    fitted on flipped images; None where they were trained together.
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
        # generated: _encoder.py CLASSIFIER
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
        classifier_iterations: int | None = None,
        classifier_l2: float | None = None,
        classifier_flip: bool | None = None,
        # end of generated
    ) -> None:
        keep_arguments(self, locals())

    def fit(self, X: Images, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Trains encoder and classifier. Works like `SupConEncoder.fit`, but needs labels: y, or
        the data set's.
        """
        data, options = self._fit(X, y, sample_weight)
        self.l2_: float | None = None
        if not trains_classifier(options["objective"], options.get("joint_classifier")):
            self.model_.fit_classifier(
                data,
                iterations=self.classifier_iterations,
                l2=self.classifier_l2,
                flip=bool(self.flip_),
            )
            self.l2_ = self.model_.classifier_l2
        return self

    def _choose_classifier(self, options: dict[str, Any]) -> str:
        self.flip_: bool | None = None
        if trains_classifier(options["objective"], options.get("joint_classifier")):
            return ""
        given = {name: getattr(self, name) for name in CLASSIFIER}
        self.flip_ = words(build(CLASSIFIER, **given), CLASSIFIER)["classifier_flip"]
        if self.classifier_flip is not None or self.preset is not None:
            return ""
        self.flip_, told = classifier_flip(options)
        return told

    def _data(self, X: Any, y: Any, options: dict[str, Any]) -> tuple[Dataset, Array | None]:
        if is_table_of_targets(y):
            raise ShapeError(
                f"y has the shape {list(np.shape(y))}; expected [n]: a classifier tells "
                "one class of an image. SupConEncoder takes several labels; targets "
                "beside the classes go into the data set (with_targets)"
            )
        data, classes = labeled(X, None if y is None else class_labels(y))
        if classes is None:
            raise ArgumentError(
                f"{type(self).__name__} requires y to be passed, but the target y is None: the "
                "images have no labels of their own"
            )
        if len(classes) < 2:
            raise ArgumentError(
                f"all {len(data)} images are of one class, {str(classes[0])!r}; expected labels "
                "of 2 classes or more"
            )
        return data, classes

    def decision_function(self, X: Images) -> Float32:
        """Returns the classifier's logits, float32 [n, classes]. For two classes it returns their
        difference, [n]: above 0 where the second class is more likely.
        """
        logits = self._embed(X, "logits", False)
        return logits if logits.shape[1] != 2 else logits[:, 1] - logits[:, 0]

    def predict_proba(self, X: Images) -> Float32:
        """Returns the probability of each of `classes_`, float32 [n, classes]."""
        return self._embed(X, "probabilities", False)

    def score(
        self, X: Images, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Returns the mean accuracy on images. y None: the labels are those of the data set."""
        if y is None:
            data, classes = labeled(X)
            y = None if classes is None else classes[data.class_indices]
        return super().score(X, y, sample_weight)

    def predict(self, X: Images) -> Array:
        """Returns the most likely of `classes_` for each image, [n]."""
        scores = self.decision_function(X)
        indices = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(1)
        labels: Array = np.asarray(self.classes_)[indices]
        return labels
