"""Published recipes by name."""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from typing import Any

from . import _generated
from ._data import Dataset
from ._errors import ArgumentError
from ._files import statistics
from ._library import check, defaults, lib
from ._options import AUGMENTATION, LOSS, MODEL, MODEL_DATA, TRAIN, shortest, words

LARGEST = 224 * 224  # pixels of images that random weights are trained on
NARROWEST = 32  # pixels of a side, below which long images are not reduced to that
# Channels of the first stage where neither width nor architecture is given. 32 take four times as
# long, for half a point (docs/accuracy.md).
WIDTH = 16


@dataclass(frozen=True, repr=False)
class Preset:
    """A published recipe. `name`; `description`, which says whose it is and where it differs; every
    option of the model and of its training, in the form that ``supcon.Model(**preset.model)`` and
    ``supcon.train(model, data, **preset.train)`` take. ``preset.train | {"epochs": 20}`` changes
    one.
    """

    name: str
    description: str
    model: dict[str, Any]
    train: dict[str, Any]

    def __repr__(self) -> str:
        parts = [f"<supcon.Preset {self.name}: {self.description}"]
        for part in ("model", "train"):
            parts += [f"  {part}"] + [
                f"    {name} = {value!r}" for name, value in getattr(self, part).items()
            ]
        return "\n".join(parts) + ">"


def presets() -> list[str]:
    """Returns the names that `preset` accepts."""
    return [lib.supcon_preset_name(it).decode() for it in range(lib.supcon_preset_count())]


def preset(name: str) -> Preset:
    """Returns a published recipe in full. ArgumentError, listing the names, for an unknown one."""
    if not isinstance(name, str) or "\0" in name:
        raise ArgumentError(f"preset is {name!r}; expected one of {', '.join(presets())}")
    model, train = defaults(_generated.ModelOptions), defaults(_generated.TrainOptions)
    check(lib.supcon_preset(name.encode(), ctypes.byref(model), ctypes.byref(train)))
    of_model = words(model, MODEL | MODEL_DATA)
    size = of_model.pop("image_height"), of_model.pop("image_width")
    numbers = {
        it: [shortest(number) for number in getattr(model, it)[: model.channels]]
        for it in ("mean", "std")
    }
    views, others = _views(train.augmentation), _views(train.augmentation_second)
    of_train = (
        words(train, TRAIN)
        | words(train.loss[0], LOSS)
        | {
            "augmentation": (views, others) if others else views,
            "seed": train.seed,
        }
    )
    return Preset(
        name,
        lib.supcon_preset_description(name.encode()).decode(),
        of_model | {"image_size": size} | numbers,
        of_train,
    )


def _views(pointer: Any) -> dict[str, Any] | None:
    """Returns augmentation options in the form that `augment` takes."""
    if not pointer:
        return None
    fields = words(pointer[0], AUGMENTATION)
    return {"kind": fields.pop("augmentation"), **fields}


def suitable_size(data: Dataset) -> tuple[int, int]:
    """Returns the image size of a model with random weights for these images: their own, or, if
    they differ, a square of the median height or width, the smaller; of 224x224 pixels at most.
    """
    size = (data.height, data.width) if data.height else (min(data.median_size),) * 2
    scale = min(1.0, math.sqrt(LARGEST / max(1, size[0] * size[1])))
    height, width = (max(min(it, NARROWEST), round(it * scale), 1) for it in size)
    return height, width


def model_options(recipe: Preset | None, data: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of `Model` for these images: those in `given`, else the recipe's, else
    those that the images suggest. None counts as not given. The recipe's mean and deviation apply
    only to images with its number of channels.
    """
    options = dict(recipe.model) if recipe else {}
    if options.pop("channels", data.channels) != data.channels:
        del options["mean"], options["std"]
    given = only(given)
    chosen: dict[str, Any] = {"image_size": suitable_size(data)}
    if recipe is None and "architecture" not in given:
        chosen["width"] = WIDTH
    options = chosen | options | given | {"channels": data.channels}
    if options.keys() >= {"mean", "std"}:
        return options
    mean, std = statistics(data)  # reads every pixel
    return {"mean": mean, "std": std} | options


def train_options(recipe: Preset | None, given: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of `train`: those in `given`, else the recipe's. None counts as not
    given. A dict without "kind" as an augmentation, or as one of a pair, changes fields of the
    recipe's.
    """
    options = (recipe.train if recipe else {}) | only(given)
    if recipe and given.get("augmentation") is not None:
        options["augmentation"] = _augmentation_over(
            recipe.train["augmentation"] or {}, given["augmentation"]
        )
    return options


def _augmentation_over(base: Any, given: Any) -> Any:
    if isinstance(given, dict) and "kind" not in given:
        return changed(base, given)
    if isinstance(given, (tuple, list)) and len(given) == 2:
        parts = base if isinstance(base, tuple) else (base, base)
        return tuple(
            part if it is None else _augmentation_over(part, it) for part, it in zip(parts, given)
        )
    return given


def changed(augmentation: Any, fields: dict[str, Any]) -> Any:
    """Returns an augmentation, a dict or a pair of them, with these fields replaced."""
    return (
        tuple(changed(it, fields) for it in augmentation)
        if isinstance(augmentation, tuple)
        else augmentation | fields
    )


def only(given: dict[str, Any]) -> dict[str, Any]:
    """Returns the entries that are not None."""
    return {name: value for name, value in given.items() if value is not None}
