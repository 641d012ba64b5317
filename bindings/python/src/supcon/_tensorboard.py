"""Writes TensorBoard's events with its own library, if that is installed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ._types import PathLike

if TYPE_CHECKING:
    from ._training import Event


def writer(folder: PathLike) -> Any:
    """Returns an object with ``add_scalar(tag, value, step)`` and ``close()``, or None without
    tensorboard.
    """
    try:
        from tensorboard.summary import Writer
    except ImportError:
        return None
    return Writer(str(folder))


def add(events: Any, event: Event) -> None:
    """Writes the figures of an epoch, with the tags of torch's examples."""
    tags = {
        "train/loss": event.loss,
        "train/learning_rate": event.learning_rate,
        "train/images_per_second": event.images_per_second,
        "train/top1": event.train_accuracy,
        "validation/knn_top1": event.knn_accuracy,
        "validation/alignment": event.alignment,
        "validation/uniformity": event.uniformity,
    }
    for tag, value in tags.items():
        if math.isfinite(value):
            events.add_scalar(tag, value, event.epoch)
