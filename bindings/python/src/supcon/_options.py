"""The options of the library, told once: the Python keyword, the field of the struct, and the words
for docstrings and --help.

Defaults are not here: they are read from the library (`default_of`), and an option that is None
stays as the library has it.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass

import numpy as np

from . import _abi, _convert
from ._errors import ArgumentError
from ._library import defaults, initial


@dataclass(frozen=True)
class Option:
    """One keyword. `kind`: int, float, bool, str ("word" of the library), bytes (a path), or an
    enumeration of the header.
    """

    name: str
    struct: type
    field: str
    kind: type
    help: str

    @property
    def choices(self) -> list[str] | None:
        return [it.word for it in self.kind] if issubclass(self.kind, _abi.Choice) else None

    @property
    def default(self):
        return default_of(self.struct, self.field, self.kind)

    def number(self, value):
        """`value` as the field takes it; an exception that names the option if it cannot be."""
        if issubclass(self.kind, _abi.Choice):
            return _convert.choice(self.name, value, self.kind)
        if self.kind is bool:
            return _convert.flag(self.name, value)
        if self.kind is int:
            return _convert.integer(
                self.name, value, *_convert.RANGES[dict(self.struct._fields_)[self.field]]
            )
        if self.kind is float:
            return _convert.real(self.name, value)
        if self.kind is bytes:
            return _convert.path(self.name, value)
        if not isinstance(value, str) or "\0" in value:
            raise ArgumentError(
                f"{self.name} is {value!r}; expected a word such as {self.default!r}"
            )
        return value.encode()


@functools.lru_cache(maxsize=None)
def _library_defaults(struct):
    return initial(struct)


def default_of(struct, field: str, kind: type):
    """What the library's init function sets `field` to, as Python writes it."""
    return _word(_library_defaults(struct), field, kind)


def _word(struct, field: str, kind: type):
    """The field of a filled struct, as Python writes it."""
    value = getattr(struct, field)
    if value is None:
        return None
    if issubclass(kind, _abi.Choice):
        return kind(value).word
    if kind is bool:
        return bool(value)
    if kind is float and dict(struct._fields_)[field] is ctypes.c_float:
        return shortest(value)
    return value.decode() if isinstance(value, bytes) else value


def shortest(value: float) -> float:
    """The shortest decimal that is this f32: 0.1, not 0.10000000149."""
    return float(str(np.float32(value)))


def words(struct, table: dict[str, Option]) -> dict:
    """Every option of the table by its name, as a filled struct has it: what `build` makes the
    struct of.
    """
    return {name: _word(struct, option.field, option.kind) for name, option in table.items()}


def _table(struct, *rows) -> dict[str, Option]:
    """Rows (name or "name=field", kind, help)."""
    options = {}
    for name, kind, text in rows:
        name, _, field = name.partition("=")
        options[name] = Option(name, struct, field or name, kind, text)
    return options


MODEL = _table(
    _abi.ModelOptions,
    (
        "architecture",
        str,
        "resnet18, 26, 34, 50, 101, 152 or 200, resnext50_32x4d, resnext101_32x8d "
        "or _64x4d, wide_resnet50_2 or wide_resnet101_2",
    ),
    ("width", int, "channels of the first stage"),
    (
        "stem",
        _abi.Stem,
        "first layers; auto: cifar (3x3, stride 1) up to 64 pixels, imagenet "
        "(7x7, stride 2, max pool) above",
    ),
    (
        "head",
        _abi.Head,
        "projection head behind the encoder while training; mlp: linear, ReLU, "
        "linear; mlp_bn: with batch norm; mlp3 and mlp3_bn: three layers",
    ),
    ("head_hidden", int, "width of the head's hidden layers; 0: as wide as the encoder's output"),
    ("projection_dim", int, "dimension of the projection z"),
    (
        "normalize_features",
        bool,
        "head and classifier take the encoder's output at length 1, as in the paper",
    ),
    ("zero_init_last_gamma", bool, "each residual block begins as the identity"),
    ("precision", _abi.Precision, "auto: bf16 where the CPU has bf16 instructions, else f32"),
)
# those that the data or another option decides
MODEL_DATA = _table(
    _abi.ModelOptions,
    ("channels", int, "channels of the images, 1 to 4"),
    ("image_height", int, "height that the model is made for, in pixels; other images are resized"),
    ("image_width", int, "width that the model is made for, in pixels"),
    ("classes", int, "classes of the linear classifier; 0: none yet"),
    ("seed", int, "seed of the initial weights"),
)
TRAIN = _table(
    _abi.TrainOptions,
    (
        "objective",
        _abi.Objective,
        "supcon: the contrastive loss with labels; simclr: without; "
        "cross_entropy: the baseline; linear: the classifier alone; "
        "max_margin: another baseline, the large-margin softmax",
    ),
    ("joint_classifier", bool, "train the classifier in the same run, behind a stop-gradient"),
    ("epochs", int, "passes over the training images"),
    ("batch_size", int, "images per step, before views"),
    ("views", int, "augmented views per image; 1 for cross_entropy, linear and max_margin"),
    (
        "images_per_class",
        int,
        "0: plain shuffle; M: batches of batch_size / M classes with M images each",
    ),
    ("learning_rate", float, "of a batch of reference_batch images"),
    (
        "reference_batch",
        int,
        "the rate used is learning_rate * batch_size / reference_batch; 0: learning_rate as it is",
    ),
    ("schedule", _abi.Schedule, "of the learning rate"),
    (
        "optimizer",
        _abi.Optimizer,
        "sgd; lars: layer-wise rates; rmsprop: TensorFlow's form; adamw (a "
        "learning_rate of 1e-3 and reference_batch 0 are usual)",
    ),
    ("momentum", float, "of sgd, lars and rmsprop"),
    ("nesterov", bool, "Nesterov's form of momentum (sgd, lars)"),
    ("weight_decay", float, "of the optimizer; adamw's is decoupled"),
    (
        "decay_norm_and_bias",
        bool,
        "weight decay acts on batch norm and biases too (never with lars)",
    ),
    (
        "trust_coefficient",
        float,
        "lars: a weight's rate is multiplied by this * |weight| / |gradient + "
        "weight_decay * weight|",
    ),
    ("rmsprop_decay", float, "rmsprop: of the mean of squared gradients"),
    ("beta1", float, "adamw: decay of the mean of gradients"),
    ("beta2", float, "adamw: decay of the mean of squared gradients"),
    ("epsilon", float, "adamw and rmsprop; -1: 1e-8 for adamw, 1e-3 for rmsprop"),
    ("warmup_steps", int, "steps of linear warm-up; -1: as many as warmup_epochs says"),
    (
        "warmup_epochs",
        float,
        "epochs of linear warm-up, where warmup_steps is -1; -1: 10, but at "
        "most a tenth of the run",
    ),
    ("warmup_start", float, "share of the rate that warm-up begins with"),
    ("schedule_after_warmup", bool, "the schedule begins when warm-up has ended, not with the run"),
    ("final_rate", float, "share of the rate that the cosine schedule ends with"),
    ("gamma", float, "step schedule: what the rate is multiplied by at each milestone"),
    ("exponential_factor", float, "exponential schedule: what the rate is multiplied by"),
    ("exponential_epochs", float, "exponential schedule: after so many epochs each"),
    (
        "ema_decay",
        float,
        "validation and the model at the end have the moving average of the "
        "weights with this decay; 0: off",
    ),
    (
        "chunk_size",
        int,
        "images in the network at a time, a divisor of batch_size, for exact "
        "gradients of large batches in little memory; 0: batch_size",
    ),
    (
        "margin",
        int,
        "max_margin: the angle to the true class's weights counts so many times; 1: cross-entropy",
    ),
    ("label_smoothing", float, "of the classifier's targets"),
    (
        "mixup_alpha",
        float,
        "cross_entropy and linear: blend images of a batch, by a share from "
        "Beta(alpha, alpha); 0: not",
    ),
    (
        "cutmix_alpha",
        float,
        "cross_entropy and linear: paste a box of another image of the batch, "
        "its area by Beta(alpha, alpha); 0: not",
    ),
    (
        "positives",
        _abi.Positives,
        "supcon: what makes images positives of each other; classes: the same "
        "class; any, all, jaccard: targets of 0 and 1 that share a "
        "label, are the same, or by how much they share; kernel: targets of "
        "real numbers, by a Gaussian of their distance",
    ),
    (
        "label_bandwidth",
        float,
        "kernel: the deviation of its Gaussian, above 0, in the targets' unit",
    ),
    (
        "queue_mode",
        _abi.Queue,
        "memory variant: contrast with a momentum encoder's keys and a queue "
        "of earlier ones; entries of the same label are positives, or "
        "take no part (negatives)",
    ),
    ("queue_size", int, "keys that the queue holds"),
    ("key_momentum", float, "of the momentum encoder"),
    (
        "freeze_stages",
        int,
        "the stem and the encoder's stages up to this one are not trained and run in inference "
        "form, in int8 if the model embeds in int8; 0: none, 4: the whole encoder",
    ),
    (
        "freeze_norm",
        bool,
        "the encoder's batch norms use their running statistics and leave them as they are",
    ),
    (
        "layer_decay",
        float,
        "learning rate of a stage over that of the one behind it; head and classifier have the "
        "full rate",
    ),
    (
        "validation_fraction",
        float,
        "share of the images held out for kNN@1 and early stopping; 0: none",
    ),
    ("validation_every", int, "epochs between validations"),
    ("patience", int, "stop after so many validations without a better kNN@1; 0: never"),
    (
        "checkpoint_folder",
        bytes,
        "folder that gets last.supcon after each epoch and best.safetensors",
    ),
    ("resume", bool, "go on from last.supcon of the checkpoint folder if it is there"),
    (
        "loader_threads",
        int,
        "threads that decode and augment ahead of the step; 0: as many as compute",
    ),
    ("stop_on_collapse", bool, "a collapsed or diverged run is an error; otherwise it only warns"),
    ("restore_best", bool, "at the end the model is the one with the best kNN@1, not the last"),
)
LOSS = _table(
    _abi.LossOptions,
    ("temperature", float, "temperature of the contrastive loss, above 0"),
    (
        "form",
        _abi.Form,
        "out: mean over positives outside the logarithm (equation 2 of the "
        "paper); in: inside (equation 3)",
    ),
    (
        "denominator",
        _abi.Denominator,
        "all: every other view; one_positive: the positive at hand and the "
        "negatives; negatives: those alone",
    ),
    ("anchors", _abi.Anchors, "all: every view is an anchor; first: the first view of each image"),
    (
        "reduction",
        _abi.Reduction,
        "mean: over the anchors that have a positive; mean_all: over all anchors",
    ),
    ("scale", float, "factor on the loss"),
    (
        "positives_cap",
        int,
        "most positives that count for an anchor, its image's other views "
        "first, then others at random anew in every step; 0: all",
    ),
)
# those that training decides
LOSS_ALONE = _table(
    _abi.LossOptions,
    ("normalize", bool, "divide each row by its length first, and differentiate through it"),
    ("seed", int, "of the choice among more positives than positives_cap"),
)
AUGMENTATION = _table(
    _abi.AugmentationOptions,
    (
        "augmentation=kind",
        _abi.AugmentationKind,
        "none: resize; crop_flip; simclr: crop, flip, color jitter, gray, and "
        "from 128 pixels on blur; autoaugment_...: crop, flip, a "
        "sub-policy; randaugment: crop, flip, operations at one magnitude; "
        "simaugment: simclr with a warp; stacked_randaugment: both",
    ),
    ("crop_scale_min", float, "smallest share of the area that a crop keeps"),
    ("crop_scale_max", float, "largest share of the area that a crop keeps"),
    ("crop_ratio_min", float, "smallest width / height of a crop"),
    ("crop_ratio_max", float, "largest width / height of a crop"),
    ("flip_probability", float, "of a horizontal flip"),
    ("jitter_probability", float, "of color jitter"),
    ("brightness", float, "factor within 1 +- this"),
    ("contrast", float, "factor within 1 +- this"),
    ("saturation", float, "factor within 1 +- this; color images"),
    ("hue", float, "shift within +- this, in turns, at most 0.5; color images"),
    ("gray_probability", float, "of turning gray; color images"),
    (
        "blur_probability",
        float,
        "of Gaussian blur; -1: 0.5 if the smaller side is 128 pixels or more, else 0",
    ),
    ("blur_sigma_min", float, "smallest deviation of the blur, in pixels"),
    ("blur_sigma_max", float, "largest deviation of the blur, in pixels"),
    ("randaugment_operations", int, "operations that RandAugment draws, 0 to 16"),
    ("randaugment_magnitude", float, "of RandAugment's operations, 0 to 30"),
    ("warp_probability", float, "of a warp; simaugment and stacked_randaugment"),
    (
        "warp_strength",
        float,
        "largest spread of the warp's control points, as a share of the smaller side",
    ),
    (
        "fill",
        float,
        "what shears, translations, rotations and cutout put outside the image, 0 to 1",
    ),
    (
        "cutout",
        float,
        "side of a square of fill, as a share of the smaller side; autoaugment "
        "and randaugment; 0: none",
    ),
)
CLASSIFIER = _table(
    _abi.ClassifierOptions,
    (
        "classifier_iterations=iterations",
        int,
        "of L-BFGS at most, when the linear classifier is fitted",
    ),
    ("classifier_l2=l2", float, "weight of the squared weights of the linear classifier"),
)
EMBED = _table(
    _abi.EmbedOptions,
    (
        "output",
        _abi.Output,
        "encoder: r, what to use; projection: z, behind the head; logits and "
        "probabilities: of the classifier",
    ),
    ("normalize", bool, "scale each row to length 1 (encoder and projection only)"),
    ("batch_size", int, "images per pass; 0: chosen by the library"),
)
EVALUATE = _table(
    _abi.EvaluateOptions,
    (
        "method",
        _abi.Method,
        "linear: softmax regression; knn: vote of the k nearest by cosine; "
        "prototypes: the nearest class mean by cosine",
    ),
    ("k", int, "knn: neighbors"),
    (
        "temperature",
        float,
        "knn: a neighbor's weight is exp(cosine / temperature); prototypes: "
        "probabilities are the softmax of cosine / temperature",
    ),
    ("iterations", int, "linear: of L-BFGS at most"),
    ("l2", float, "linear: weight of the squared weights"),
)
CALIBRATION = _table(_abi.CalibrationOptions, ("bins", int, "of confidence, of equal width"))
OOD = _table(_abi.OodOptions, ("k", int, "the neighbor whose distance counts"))
NEAREST = _table(
    _abi.NearestOptions,
    ("k", int, "neighbors of a query"),
    ("normalize", bool, "divide rows by their lengths: similarities are cosines"),
)
LOAD = _table(
    _abi.LoadOptions,
    ("architecture", str, "None: by the parameters' names and shapes"),
    ("stem", _abi.Stem, "auto: by the first convolution's shape"),
    ("precision", _abi.Precision, "auto: bf16 where the CPU has bf16 instructions, else f32"),
    ("image_height", int, "0: by the metadata, else 32 for a CIFAR stem and 224 for ImageNet's"),
    ("image_width", int, "0: like image_height"),
)
DATASET = _table(
    _abi.DatasetOptions,
    (
        "on_error",
        _abi.OnError,
        "of a file that is no readable image; skip: leave it out and say so; refuse: an error",
    ),
    (
        "channels",
        int,
        "of the images that come out: 1 (gray) or 3 (RGB); 0: 3 for files, as stored elsewhere",
    ),
    (
        "max_pixels",
        int,
        "that an image in a file may have: one that claims more counts as unreadable; 0: 178956970",
    ),
)


def fill(struct, table: dict[str, Option], values: dict):
    """Sets the fields of `struct` whose option has a value in `values`; None leaves the default.
    ArgumentError for an unknown name.
    """
    for name, value in values.items():
        if name not in table:
            raise ArgumentError(f"{name!r} is no option here; expected one of {', '.join(table)}")
        if value is not None:
            setattr(struct, table[name].field, table[name].number(value))
    return struct


def build(table: dict[str, Option], **values):
    """A struct with the library's defaults, and `values` set."""
    return fill(defaults(next(iter(table.values())).struct), table, values)


def augmentations(value) -> tuple[_abi.AugmentationOptions | None, _abi.AugmentationOptions | None]:
    """An augmentation, or a pair of them: of an image's first view and of the others."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ArgumentError(
                f"augmentation has {len(value)} parts; expected one augmentation, or "
                "two: of an image's first view and of the others"
            )
        return augmentation(value[0]), augmentation(value[1]) or defaults(_abi.AugmentationOptions)
    return augmentation(value), None


def augmentation(value) -> _abi.AugmentationOptions | None:
    """A kind such as "simclr", or a dict with "kind" and fields such as {"kind": "simclr",
    "crop_scale_min": 0.5}; None: the default.
    """
    if value is None:
        return None
    fields = {"kind": value} if not isinstance(value, dict) else dict(value)
    fields["augmentation"] = fields.pop("kind", None)
    return build(AUGMENTATION, **fields)


def describe(*tables: dict[str, Option]) -> str:
    """Lines for a docstring, an option each: what it is, its choices and the library's default."""
    lines = []
    for table in tables:
        for option in table.values():
            kind = (
                f"{{{', '.join(map(repr, option.choices))}}}"
                if option.choices
                else {bytes: "path"}.get(option.kind, option.kind.__name__)
            )
            named = option.help.split()[0][-1] in ":,;"  # begins with a word of the library
            text = option.help if named else option.help[0].upper() + option.help[1:]
            lines.append(f"    {option.name} : {kind}, default {option.default!r}\n        {text}.")
    return "\n".join(lines)


def documented(*tables: dict[str, Option]):
    """A decorator that puts the options into the docstring in the place of "    {options}", and the
    library's {mean}, {std} and {side} of images.
    """

    def decorate(it):
        if it.__doc__:
            model = _library_defaults(_abi.ModelOptions)
            it.__doc__ = it.__doc__.replace("    {options}", describe(*tables))
            for name, value in (
                ("mean", model.mean[0]),
                ("std", model.std[0]),
                ("side", model.image_height),
            ):
                it.__doc__ = it.__doc__.replace(f"{{{name}}}", f"{value:g}")
        return it

    return decorate
