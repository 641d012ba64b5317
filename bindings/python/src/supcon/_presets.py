"""Published recipes by name."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from . import _generated
from ._data import Dataset
from ._errors import ArgumentError
from ._files import statistics
from ._library import check, defaults, lib
from ._options import AUGMENTATION, LOSS, MODEL, MODEL_DATA, TRAIN, shortest, words


@dataclass(frozen=True, repr=False)
class Preset:
    """A published recipe: `name`; `description`, whose it is and what differs; every option of the
    model and of its training, in the form that ``supcon.Model(**preset.model)`` and
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
    """The names that `preset` knows."""
    return [lib.supcon_preset_name(it).decode() for it in range(lib.supcon_preset_count())]


def preset(name: str) -> Preset:
    """A published recipe in full; ArgumentError, with the names that there are, for another."""
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
    """As `augment` takes them."""
    if not pointer:
        return None
    fields = words(pointer[0], AUGMENTATION)
    return {"kind": fields.pop("augmentation"), **fields}


def suitable_size(data: Dataset) -> tuple[int, int]:
    """What a model for these images is made for unless somebody says otherwise: their own size, but
    224 for photographs, which differ in size or have more than 512 pixels a side.
    """
    has_one = data.height and max(data.height, data.width) <= 512
    return (data.height, data.width) if has_one else (224, 224)


def model_options(recipe: Preset | None, data: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    """What `Model` takes for these images: what is `given`, else the recipe's, else what the images
    say of themselves. None is not given. Mean and deviation of the recipe are of images with its
    own number of channels.
    """
    options = dict(recipe.model) if recipe else {}
    if options.pop("channels", data.channels) != data.channels:
        del options["mean"], options["std"]
    options = (
        {"image_size": suitable_size(data)} | options | only(given) | {"channels": data.channels}
    )
    if options.keys() >= {"mean", "std"}:
        return options
    mean, std = statistics(data)  # looks at every pixel
    return {"mean": mean, "std": std} | options


def train_options(recipe: Preset | None, given: dict[str, Any]) -> dict[str, Any]:
    """What `train` takes: what is `given`, else the recipe's. None is not given. A dict without
    "kind" for an augmentation, or for one of a pair, changes the recipe's.
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
    """An augmentation, a dict or a pair of them, with these fields in the place of its own."""
    return (
        tuple(changed(it, fields) for it in augmentation)
        if isinstance(augmentation, tuple)
        else augmentation | fields
    )


def only(given: dict[str, Any]) -> dict[str, Any]:
    """Without what is None."""
    return {name: value for name, value in given.items() if value is not None}
