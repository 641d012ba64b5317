"""The scikit-learn estimators."""

from __future__ import annotations

import inspect
import warnings

import numpy as np

from . import _abi
from ._data import Dataset, labelled
from ._errors import ArgumentError, ShapeError, SupConError, SupConWarning
from ._images import Pixels, channel_statistics
from ._model import Model, load
from ._options import CLASSIFIER, LOSS, MODEL, TRAIN, default_of, documented
from ._sklearn import BaseEstimator, ClassifierMixin, NotFittedError, TransformerMixin
from ._training import Training, objective_for, seed_of, suit_classifier, train, trains_classifier

_TRAINING = tuple(TRAIN) + tuple(LOSS)


def _keep(estimator, arguments: dict) -> None:
    for name, value in arguments.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)


@documented(MODEL, TRAIN, LOSS)
class SupConEncoder(TransformerMixin, BaseEstimator):
    """Images to embeddings, by an encoder trained with the supervised contrastive loss.

    Parameters
    ----------
    An option that is None is as the library has it: that is the default named here.

    {options}
    milestones : list of int, optional
        Step schedule: epochs after which the rate is multiplied by step_factor.
    augmentation : str, dict or a pair of them, default "simclr"
        As in `augment`; a pair: of an image's first view, and of its others.
    image_size : int or (height, width), optional
        Pixels that the model is made for; other images are resized. None: as large as the images, if they are of one size.
    mean, std : float or one per channel, optional
        Of pixels from 0 to 1. None: computed from an array of images; for files the library's {mean} and {std}.
    init : path or Model, optional
        What to begin with instead of random weights: a safetensors file as `supcon.load` takes it, or a model, which is copied. The options that describe a
        model are its own then, and may not be given. A classifier of other classes than the data's is replaced by a new one: with the objective
        "cross_entropy" and a small learning_rate this is transfer by full fine-tuning.
    output, normalize : as in `Model.embed`, default "encoder" and True
        What `transform` returns.
    random_state : int, numpy RandomState or Generator, optional
        Seed of weights, sampling, augmentation and the validation split. None: the library's seed, always the same.
    n_jobs : int, optional
        Threads. None and -1: every CPU this process may use.
    verbose : int, default 0
        1: progress with loss, rate and time left on standard error.
    callback : callable, optional
        ``callback(event)`` after each step and epoch (see `supcon.Event`); returning True ends the training there.

    Attributes
    ----------
    model_ : Model
        ``model_.save(path)`` writes it.
    classes_ : [classes]
        The labels in order; None after a fit without labels.
    history_ : list of Event
        What each epoch came to.
    image_shape_ : (height, width, channels)
        Of the images in `fit`; height and width are 0 for files of different sizes.
    n_features_in_ : int
        height * width * channels; not set for files of different sizes.
    """

    def __init__(
        self, architecture="resnet18", *, width=None, stem="auto", head="mlp", head_hidden=None, head_output=None, normalize_features=None, zero_init_last_gamma=None,
        precision="auto", objective="supcon", joint_classifier=None, epochs=None, batch_size=None, views=None, images_per_class=None, learning_rate=None,
        reference_batch=None, schedule=None, momentum=None, nesterov=None, weight_decay=None, decay_norm_and_bias=None, warmup_steps=None, warmup_start=None,
        final_rate=None, step_factor=None, validation_fraction=None, validation_every=None, patience=None, checkpoint_folder=None, resume=None,
        loader_threads=None, stop_on_collapse=None, keep_best=None, optimizer=None, trust_coefficient=None, rmsprop_decay=None, beta1=None, beta2=None,
        epsilon=None, exponential_factor=None, exponential_epochs=None, ema_decay=None, chunk_size=None, temperature=None, form=None,
        denominator=None, anchors=None, reduction=None, scale=None, positives_cap=None, margin=None, label_smoothing=None, mixup_alpha=None,
        cutmix_alpha=None, positives=None, label_bandwidth=None, queue_mode="off", queue_size=None, key_momentum=None,
        milestones=None, augmentation="simclr", init=None, image_size=None, mean=None, std=None, output="encoder", normalize=True, random_state=None, n_jobs=None,
        verbose=0, callback=None,
    ):
        _keep(self, locals())

    def fit(self, X, y=None):
        """Trains the encoder.

        Parameters
        ----------
        X : uint8 [n, h, w] or [n, h, w, c], floats from 0 to 1 of those shapes, a list of paths, or a data set such as `supcon.ImageFolder`
        y : [n] or [n, dimension], optional
            [n]: labels of any kind. [n, dimension] of 0 and 1, several labels an image: positives share a label, or go by what `positives` says ("any" if it is
            None). With positives="kernel" real numbers, [n] or [n, dimension]. None: the labels or targets of the data set; without any, the objective "supcon"
            becomes "simclr".

        Returns
        -------
        self
            After a KeyboardInterrupt or an exception of the callback, which come out of `fit`, `model_` is what was learnt until then.
        """
        positives = self.positives
        if positives is None and self.objective in (None, "supcon") and y is not None and len(getattr(y, "shape", None) or np.shape(y)) == 2:
            positives = "any"
        if y is None or positives in (None, "classes"):
            self._fit(*labelled(X, y), positives)
        else:
            data, classes = labelled(X)
            self._fit(data.with_targets(y), classes, positives)
        return self

    def _fit(self, data: Dataset, classes, positives) -> None:
        objective = objective_for(self.objective, data.labels is not None or positives not in (None, "classes"))
        seed = seed_of(self.random_state)
        model = self._start(data, objective, seed)
        training, keep = Training(), False
        options = {name: getattr(self, name) for name in _TRAINING} | {"objective": objective, "positives": positives}
        try:
            train(model, data, **options, milestones=self.milestones, augmentation=self.augmentation, seed=seed, callback=self.callback, verbose=self.verbose,
                  training=training)
            keep = True
        except SupConError:
            raise
        except BaseException:
            keep = training.steps > 0  # stopped from outside: what was learnt is kept
            raise
        finally:
            if keep:
                self.model_, self.classes_, self.history_ = model, classes, training.history
                self.image_shape_ = (data.height, data.width, data.channels)
                self.__dict__.pop("n_features_in_", None)
                if data.height:
                    self.n_features_in_ = data.height * data.width * data.channels

    def _start(self, data: Dataset, objective, seed) -> Model:
        """The model to train."""
        if self.init is None:
            mean, std = self._statistics(data)
            return Model(**{name: getattr(self, name) for name in MODEL}, image_size=self._size(data), channels=data.channels, mean=mean, std=std, seed=seed,
                         n_jobs=self.n_jobs)
        usual = inspect.signature(type(self).__init__).parameters
        for name in (*MODEL, "image_size", "mean", "std"):
            if name != "precision" and getattr(self, name) != usual[name].default:
                raise ArgumentError(f"{name} is {getattr(self, name)!r} and init is given: its model has a {name} of its own; expected one of the two")
        model = self.init.copy() if isinstance(self.init, Model) else load(self.init, precision=self.precision, n_jobs=self.n_jobs)
        if trains_classifier(objective, self.joint_classifier):
            suit_classifier(model, data)
        return model

    def _size(self, data: Dataset):
        if self.image_size is not None:
            return self.image_size
        if data.height:
            return data.height, data.width
        size = tuple(default_of(_abi.ModelOptions, it, int) for it in ("image_height", "image_width"))
        warnings.warn(f"the images differ in size and image_size is None: they are resized to {size[0]}x{size[1]} pixels", SupConWarning, stacklevel=4)
        return size

    def _statistics(self, data: Dataset):
        pixels = next((it for it in data._keep if isinstance(it, Pixels)), None)
        if pixels is None or (self.mean is not None and self.std is not None):
            return self.mean, self.std
        mean, std = channel_statistics(pixels.array)
        return mean if self.mean is None else self.mean, std if self.std is None else self.std

    def transform(self, X) -> np.ndarray:
        """Embeddings of images, float32 [n, dimension]; X as in `fit`."""
        return self._model.embed(X, self.output, self.normalize)

    @property
    def _model(self) -> Model:
        if not hasattr(self, "model_"):
            raise NotFittedError(f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with images first.")
        return self.model_

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the columns that `transform` makes."""
        model = self._model
        width = {"encoder": model.encoder_output, "projection": model.head_output}.get(self.output, model.classes)
        return np.array([f"{type(self).__name__.lower()}{it}" for it in range(width)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        tags.no_validation = True
        return tags


@documented(CLASSIFIER)
class SupConClassifier(ClassifierMixin, SupConEncoder):
    """A `SupConEncoder` with a linear classifier: fitted on the frozen embeddings after the contrastive training, or trained together with the encoder for
    objectives "cross_entropy" and "max_margin" and with `joint_classifier`.

    Parameters
    ----------
    {options}

    and those of `SupConEncoder`. Attributes are the same.
    """

    def __init__(
        self, architecture="resnet18", *, width=None, stem="auto", head="mlp", head_hidden=None, head_output=None, normalize_features=None, zero_init_last_gamma=None,
        precision="auto", objective="supcon", joint_classifier=None, epochs=None, batch_size=None, views=None, images_per_class=None, learning_rate=None,
        reference_batch=None, schedule=None, momentum=None, nesterov=None, weight_decay=None, decay_norm_and_bias=None, warmup_steps=None, warmup_start=None,
        final_rate=None, step_factor=None, validation_fraction=None, validation_every=None, patience=None, checkpoint_folder=None, resume=None,
        loader_threads=None, stop_on_collapse=None, keep_best=None, optimizer=None, trust_coefficient=None, rmsprop_decay=None, beta1=None, beta2=None,
        epsilon=None, exponential_factor=None, exponential_epochs=None, ema_decay=None, chunk_size=None, temperature=None, form=None,
        denominator=None, anchors=None, reduction=None, scale=None, positives_cap=None, margin=None, label_smoothing=None, mixup_alpha=None,
        cutmix_alpha=None, positives=None, label_bandwidth=None, queue_mode="off", queue_size=None, key_momentum=None,
        milestones=None, augmentation="simclr", init=None, image_size=None, mean=None, std=None, output="encoder", normalize=True, random_state=None, n_jobs=None,
        verbose=0, callback=None, classifier_iterations=None, classifier_l2=None,
    ):
        _keep(self, locals())

    def fit(self, X, y=None):
        """Trains encoder and classifier. As `SupConEncoder.fit`, but labels are needed: y, or the data set's."""
        shape = getattr(y, "shape", None) or np.shape(y)
        if y is not None and len(shape) != 1:
            raise ShapeError(f"y has the shape {list(shape)}; expected [n]: a classifier tells one class of an image. SupConEncoder takes several labels; targets beside "
                             "the classes go into the data set (with_targets)")
        data, classes = labelled(X, y)
        if classes is None:
            raise ArgumentError("y is None and the images have no labels; a classifier needs a label for each image")
        self._fit(data, classes, self.positives)
        if not trains_classifier(self.objective, self.joint_classifier):
            self.model_.fit_classifier(data, iterations=self.classifier_iterations, l2=self.classifier_l2)
        return self

    def decision_function(self, X) -> np.ndarray:
        """The classifier's logits, float32 [n, classes]."""
        return self._model.embed(X, "logits", False)

    def predict_proba(self, X) -> np.ndarray:
        """Probability of each of `classes_`, float32 [n, classes]."""
        return self._model.embed(X, "probabilities", False)

    def predict(self, X) -> np.ndarray:
        """The likeliest of `classes_` for each image, [n]."""
        logits = self.decision_function(X)
        return self.classes_[logits.argmax(1)]

