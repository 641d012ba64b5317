"""Chooses the recipe that a careful person would begin with, from the data at hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ._augmentation import augment
from ._data import Dataset
from ._features import using_readable
from ._generated import AugmentationOptions, Head, Stem
from ._library import defaults
from ._model import Model
from ._options import AUGMENTATION, TRAIN, augmentations, words
from ._presets import WIDTH
from ._rows import MEANINGS
from ._training import options_struct
from ._types import Float32, Int64

SAMPLE = 500  # images that are compared
SIDE = 32  # pixels of their sides
CROPS = (0.2, 0.35, 0.5, 0.7)
LARGEST_BATCH = 256
FULL_RATE = 64  # the least batch that has the default learning rate
SMALL = 64 * 64  # pixels of images whose batches are not limited by memory
ROUNDS, CACHE = 4, 2 << 30  # of views that are kept, and the bytes that they may take
# Pixels of the shorter side from which training takes smaller views, and the fractions of it. All
# stages on these are both faster and more accurate than the last stage alone on views of full size,
# even where the given weights know the classes (docs/accuracy.md).
LARGE, PARTS = 128, (1 / 2, 3 / 4)
# Given weights learn more by AdamW than by SGD in as many steps (docs/accuracy.md). The size of its
# steps does not depend on the gradient's, so that nothing is scaled by the batch.
ADAMW_RATE, ADAMW_RATE_GIVEN_WEIGHTS, ADAMW_DECAY = 1e-3, 3e-4, 0.05
FINE_TUNING = {"freeze_stages", "unfreeze_epochs", "layer_decay", "feature_cache"}
# The options that `suited` chooses, and by what; help texts have this in the place of the library's
# defaults.
CHOICES = {
    "epochs": "depends on the images",
    "batch_size": "depends on the images",
    "optimizer": "sgd, or adamw from given weights",
    "learning_rate": "depends on the batch and the optimizer",
    "reference_batch": "256, or 0 for batches below 256 and with adamw",
    "weight_decay": f"{TRAIN['weight_decay'].default}, or {ADAMW_DECAY} with adamw",
    "validation_fraction": f"{TRAIN['validation_fraction'].default}, or 0 below 1000 images",
    "validation_every": "1, or only at the end from given weights",
    "freeze_stages": "0, but from given weights it depends on the images",
    "feature_cache": "0, but from given weights it depends on the images",
    "image_size_schedule": "none, but from given weights it depends on the images",
    "augmentation": "depends on the images",
}
# The same of a model with random weights, whose width `model_options` chooses.
MODEL_CHOICES = {"width": f"{WIDTH}, or 64 if architecture is given"}
# Views keep their class if at least this fraction of them, relative to the images themselves, have
# a nearest image of their class. Mirrored Fashion-MNIST has 0.74, mirrored digits have 0.35 to
# 0.51; crops of 70 % of the area have 0.77 to 0.85, crops of 20 % have 0.47 to 0.55.
KEEPS_MIRRORED, KEEPS_CROPPED = 0.65, 0.75
# Given weights know the classes if at least this fraction of the images are nearest to one of their
# class. Where 0.83 were, training the last stage alone cost up to 5 points (docs/accuracy.md).
KNOWN = 0.95


def suited(
    data: Dataset,
    options: dict[str, Any],
    size: tuple[int, int],
    begun: Model | None = None,
    is_judged: bool = False,
    searches: bool = False,
    is_watched: bool = False,
) -> tuple[dict[str, Any], str]:
    """Returns the options of `train` with those that are not given chosen for these images, and a
    sentence that says what was chosen and why.

    options : what the caller gave, without None
    size : height and width of the model's images
    begun : the model whose weights training starts from; None: random ones
    is_judged : whether there are other images to judge the model by
    searches : whether the learning rate will be searched for, beginning with the chosen one
    is_watched : whether a callback follows the accuracy of held-out images
    """
    options_struct(options)  # refuses values of a wrong type
    asks = {"validation_every", "patience", "restore_best"} & options.keys()
    is_watched = is_watched or any(options[it] for it in asks)
    if not options.get("batch_size"):  # 0: by the data
        options = {name: it for name, it in options.items() if name != "batch_size"}
    chosen: dict[str, Any] = {}
    told = [] if begun else [image_size(size, data)]
    classes = len(data.class_names) if data.labels is not None else 0
    held_out = options.get("validation_fraction")
    if held_out is None and not is_watched:
        held_out, few = 0.05, data.count < 1000
        # Held-out images show how a long run goes on; a short one from given weights only needs
        # to be judged at its end.
        if few or (begun is not None and is_judged):
            chosen["validation_fraction"] = held_out = 0.0
            why = "of fewer than 1000" if few else "as others are there to judge by"
            told.append(f"no image is held out, {why}")
    fraction = 0.05 if held_out is None else held_out
    count = data.count - int(data.count * (fraction if 0 <= fraction < 1 else 0))
    batch = options.get("batch_size", min(LARGEST_BATCH, count))
    # The library fits the batch to the chunks, which limit the memory.
    if "batch_size" not in options and not options.get("chunk_size"):
        per_class, pixels = options.get("images_per_class") or 0, size[0] * size[1]
        chosen["batch_size"] = batch = batch_size(count, classes, per_class, pixels)
        told.append(
            f"batches of {batch}, so that an epoch of {count} images has {count // batch} steps"
        )
    if options.get("objective") != "linear":
        found, why = optimization(options, batch, begun is not None)
        chosen |= found
        told += [why] if why else []
    if "epochs" not in options:
        chosen["epochs"] = epochs(count, begun is not None)
        told.append(f"{chosen['epochs']} epochs, fewer the more images there are")
    if not {"learning_rate", "warmup_epochs", "warmup_steps"} & options.keys() and not searches:
        told.append(rate(options | chosen, batch, begun is not None))
    is_free = options.get("objective") != "linear" and not FINE_TUNING & options.keys()
    if begun is not None and is_free and size[0] * size[1] <= SMALL:
        told.append("all stages are trained, as the images are small")
    elif begun is not None and is_free:
        tuned, why = fine_tuning(begun, data, count, options | chosen)
        chosen |= tuned
        told.append(why)
        if held_out and not {"validation_fraction", "validation_every"} & options.keys():
            chosen["validation_every"] = (options | chosen)["epochs"]
            told.append("the held-out images judge at the end alone, as that embeds all images")
    if "augmentation" not in options:
        views, why = augmentation(data)
        if views is not None:
            chosen["augmentation"] = views
        told.append(why)
    return options | chosen, "; ".join(told) if chosen else ""


def image_size(size: tuple[int, int], data: Dataset) -> str:
    """Returns a phrase that says the size of the model's images, and whether it is reduced."""
    told, theirs = f"images of {size[0]}x{size[1]} pixels", data.median_size
    if size[0] * size[1] >= theirs[0] * theirs[1]:
        return told
    about = "" if data.height else "about "
    return (
        f"{told}, to which yours of {about}{theirs[0]}x{theirs[1]} are reduced, as time grows with "
        "the pixels"
    )


def network(model: Model, given: dict[str, Any], begun: bool, has_new_head: bool) -> str:
    """Returns a phrase that says which width, stem and head the model has, and why; "" if all are
    given.

    given : the caller's options of the model, in which None counts as not given
    begun : whether its weights are given
    has_new_head : whether its head is random all the same
    """
    stem, head = model.stem, model.head
    if begun and not has_new_head:
        return f"the stem {stem} and the head {head}, which the given weights have"
    told = []
    if begun:
        told.append(f"the stem {stem}, which the given weights have")
    elif given.get("width") is None and given.get("architecture") is None:
        told.append(
            f"{model.architecture} of width {model.width}, as width 64 takes ten times as long or "
            "more"
        )
    if not begun and given.get("stem") in (None, "auto"):
        told.append(f"the stem {stem} ({MEANINGS[Stem][stem]}), by {MEANINGS[Stem]['auto']}")
    if given.get("head") is None:
        why = "which is new" if begun else "whatever the images"
        told.append(f"the head {head} ({MEANINGS[Head][head]}), {why}")
    return "; ".join(told)


def classifier_flip(options: dict[str, Any]) -> tuple[bool, str]:
    """Chooses whether the linear classifier is fitted on flipped images too: where views are
    flipped, which says that a flip does not change an image's class. Returns also a phrase.

    options : those of `train`
    """
    for way in augmentations(options.get("augmentation")):
        fields = words(way or defaults(AugmentationOptions), AUGMENTATION)
        if fields["augmentation"] == "none" or not fields["flip_probability"]:
            return False, ""
    return True, "the linear classifier is fitted on the flipped images too, as views are flipped"


def optimization(options: dict[str, Any], batch: int, begun: bool) -> tuple[dict[str, Any], str]:
    """Chooses the optimizer, its weight decay and the learning rate; returns also a phrase, if the
    optimizer is chosen. A rate is taken as it is, whoever chose it; but SGD from given weights, and
    batches above 256, scale it linearly (arXiv:1706.02677).

    options : those of `train`
    begun : whether the weights that training starts from are given
    """
    found: dict[str, Any] = {"optimizer": "adamw"} if begun else {}
    if (found | options).get("optimizer") == "adamw":
        found["reference_batch"] = 0
        found["learning_rate"] = ADAMW_RATE_GIVEN_WEIGHTS if begun else ADAMW_RATE
        found["weight_decay"] = ADAMW_DECAY
    elif not begun and batch < LARGEST_BATCH and "reference_batch" not in options:
        found["reference_batch"] = 0
        if options.get("optimizer") in (None, "sgd"):
            found["learning_rate"] = sgd_rate(batch)
    found = {name: it for name, it in found.items() if name not in options}
    if "optimizer" not in found:
        return found, ""
    decay = (found | options)["weight_decay"]
    return found, (
        f"adamw with a weight decay of {decay:g}, by which given weights learn more than by sgd in "
        "as many steps"
    )


def sgd_rate(batch: int) -> float:
    """Returns the learning rate of random weights for batches of fewer than 256: the default from
    64 on, and in proportion to the batch below, to two digits (docs/accuracy.md).
    """
    most: float = TRAIN["learning_rate"].default
    return float(f"{most * min(1, batch / FULL_RATE):.2g}")


def rate(options: dict[str, Any], batch: int, begun: bool) -> str:
    """Returns a phrase that says the learning rate of these options, and why it is that."""
    found = options.get("learning_rate", TRAIN["learning_rate"].default)
    reference = options.get("reference_batch", TRAIN["reference_batch"].default)
    why = "whatever the batch"
    if reference:
        found, why = found * batch / reference, "in proportion to the batch"
    elif not begun and options.get("optimizer") in (None, "sgd"):
        why = f"in proportion to the batch below {FULL_RATE}"
    warm = min(10.0, options["epochs"] / 10)
    return f"the learning rate {found:g}, {why}, after a warm-up of {warm:g} epochs"


def batch_size(count: int, classes: int, per_class: int, pixels: int) -> int:
    """Returns a batch size of 2 to 256, with about eight steps per epoch and four images of each
    class. It falls with the pixels of large images, which take memory, to 32.
    """
    wanted = max(16, count / 8, min(4 * classes, count / 2))
    most = max(32, min(LARGEST_BATCH, LARGEST_BATCH * SMALL // pixels))
    size = min(1 << round(math.log2(min(wanted, most))), max(2, count))
    if not per_class:
        return size
    return max(per_class, min(size // per_class, classes or size) * per_class)


def epochs(count: int, begun: bool) -> int:
    """Returns a number of epochs that falls with the square root of the number of images. Half as
    many cost one to two points of accuracy from random weights (docs/accuracy.md).
    """
    passes = 4000 / math.sqrt(max(1, count))
    return max(5, min(50, round(passes / 8))) if begun else max(10, min(200, round(passes)))


def fine_tuning(
    begun: Model, data: Dataset, count: int, options: dict[str, Any]
) -> tuple[dict[str, Any], str]:
    """Chooses how large images are trained on from given weights: from 128x128 on, all stages on
    views that are smaller than the model's images. Below that, where the weights tell the classes
    apart already, by the nearest other image (1-NN on embeddings), the last stage alone is trained,
    over a cache of views; else all stages.
    """
    found: dict[str, Any] = {}
    if min(begun.image_size) >= LARGE:
        why = "all stages are trained"
        if "image_size_schedule" not in options:
            parts = PARTS[: options["epochs"]]
            sizes = [round(begun.image_size[0] * it) for it in parts]
            found["image_size_schedule"] = sizes
            why += (
                f", on views of {', then '.join(map(str, sizes))} pixels, which take less than "
                "half of the time"
            )
        return found, why
    known = knowledge(begun, data)
    judged = f"by the given weights {known:.0%} of the images are nearest to one of their class"
    if known < KNOWN:
        why = "there are no labels" if data.labels is None else f"{judged}, fewer than {KNOWN:.0%}"
        return found, f"all stages are trained, as {why}"
    found["freeze_stages"] = 3
    rounds, gigabytes = cached_rounds(begun, count, options)
    why = f"the last stage alone is trained, as {judged}"
    if rounds:
        found["feature_cache"] = rounds
        why += (
            f", over what the others make of {rounds} rounds of views, computed once and kept "
            f"in {gigabytes:.1f} GB"
        )
    return found, why


def knowledge(begun: Model, data: Dataset) -> float:
    """Returns the fraction of up to 500 images whose nearest other, by the model's embeddings, has
    their class; 0 without labels.
    """
    data = data.own_part()
    if data.labels is None:
        return 0.0
    rows, embeddings = sampled(data, begun.embed)
    labels = data.labels[rows]
    cosines = embeddings @ embeddings.T
    np.fill_diagonal(cosines, -np.inf)
    return float((labels[cosines.argmax(1)] == labels).mean())


def sampled(data: Dataset, use: Callable[[Dataset], Float32]) -> tuple[Int64, Float32]:
    """Returns up to 500 rows at random, and `use` of their images, without those whose files turn
    out unreadable: a run replaces these, and tells of them.
    """
    rows = np.random.default_rng(0).permutation(data.count)[:SAMPLE]
    kept, used = using_readable(data.subset(rows), use)
    return rows[kept], used


def cached_rounds(begun: Model, count: int, options: dict[str, Any]) -> tuple[int, float]:
    """Returns the rounds of views whose output of the third stage fits in memory, at most 4, and
    the gigabytes that they take; 0 where a cache is of no use.
    """
    if {"mixup_alpha", "cutmix_alpha", "image_size_schedule"} & options.keys():
        return 0, 0.0
    stride = 4 if begun.stem == "cifar" else 16
    height, width = (-(-it // stride) for it in begun.image_size)
    view = height * width * begun.embedding_dim // 2 * (2 if begun.precision == "bf16" else 4)
    alone = options.get("objective") in ("cross_entropy", "max_margin")
    round_ = view * count * (1 if alone else options.get("views") or 2)
    room = min(CACHE, begun.memory_limit // 2) if begun.memory_limit else CACHE
    rounds = min(ROUNDS, room // round_)
    return rounds, round_ * rounds / 1e9


def augmentation(data: Dataset) -> tuple[dict[str, Any] | None, str]:
    """Chooses an augmentation by testing whether mirroring, and how much cropping, leaves images in
    their class, judged by the class of the nearest other image (1-NN on pixels). None: the
    library's default.
    """
    data = data.own_part()
    if data.labels is None:
        return None, "SimCLR's views, as there are no labels to judge views by"
    side = (min(SIDE, data.height), min(SIDE, data.width)) if data.height else (SIDE, SIDE)
    rows, gallery = sampled(data, lambda it: augment(it, "none", size=side).reshape(it.count, -1))
    sample, labels = data.subset(rows), data.labels[rows]

    def agreement(kind: str, **fields: float) -> float:
        """Returns the fraction of the views whose nearest image has their class."""
        views = augment(sample, {"kind": kind, **fields}, size=side).reshape(len(labels), -1)
        distances = (gallery**2).sum(1) - 2 * views @ gallery.T
        np.fill_diagonal(distances, np.inf)
        return float((labels[distances.argmin(1)] == labels).mean())

    plain = agreement("none")
    largest = np.unique(labels, return_counts=True)[1].max() / len(labels)
    if len(labels) < 50 or plain < max(0.5, 2 * largest) or plain <= largest:
        return None, "SimCLR's views, as photographs have them: pixels alone do not tell the class"
    whole = dict(crop_ratio_min=1, crop_ratio_max=1, crop_scale_min=1)
    mirrored = agreement("crop_flip", flip_probability=1, **whole) / plain
    found: dict[str, Any] = {"kind": "simclr"}
    if mirrored < KEEPS_MIRRORED:
        found["flip_probability"] = 0.0
    kind = "without" if mirrored < KEEPS_MIRRORED else "with"
    why = (
        f"SimCLR's views {kind} mirroring: of mirrored images {mirrored:.0%} as many are nearest "
        f"to their class as of the images themselves"
    )
    for scale in CROPS:
        kept = agreement("crop_flip", flip_probability=0, crop_scale_min=scale) / plain
        if kept >= KEEPS_CROPPED or scale == CROPS[-1]:
            found["crop_scale_min"] = scale
            return found, f"{why}; crops of at least {scale:.0%} of the area, with {kept:.0%}"
    raise AssertionError("the last crop is taken")
