"""Reads and writes config.toml, which holds every option of a run; `supcon train --config` reads it
back.
"""

from __future__ import annotations

import importlib
import json
import math
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from . import _generated
from ._errors import ArgumentError, FormatError, UnsupportedError
from ._library import defaults
from ._model import Model
from ._options import (
    AUGMENTATION,
    CLASSIFIER,
    LOSS,
    MODEL,
    MODEL_DATA,
    TRAIN,
    augmentations,
    build,
    words,
)
from ._types import PathLike

SECTIONS = ("data", "model", "train", "loss", "augmentation", "augmentation_second", "classifier")
# Folders of the run and `resume` are not part of its recipe.
ELSEWHERE = ("checkpoint_folder", "feature_cache_folder", "resume")


def of_run(model: Model, options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns the sections for a model and the options of `supcon.train`, each option with the
    value in effect: the given one or the library's default.
    """
    train = words(build(TRAIN, **{it: options.get(it) for it in TRAIN}), TRAIN)
    loss = words(build(LOSS, **{it: options.get(it) for it in LOSS}), LOSS)
    train["seed"] = MODEL_DATA["seed"].default if options.get("seed") is None else options["seed"]
    known = model.info()
    described = {it: known[it] for it in known if it in MODEL or it in ("image_size", "channels")}
    if known["head"] == "none":  # it has no sizes
        described = {it: described[it] for it in described if it[:5] not in ("head_", "proje")}
    described |= {it: [float(f"{x:.6g}") for x in known[it]] for it in ("mean", "std")}
    first, second = augmentations(options.get("augmentation"))
    return {
        "model": described,
        "train": {it: value for it, value in train.items() if it not in ELSEWHERE},
        "loss": loss,
        "augmentation": _views(first or defaults(_generated.AugmentationOptions)),
        "augmentation_second": {} if second is None else _views(second),
        "classifier": words(build(CLASSIFIER), CLASSIFIER),
    }


def _views(struct: _generated.AugmentationOptions) -> dict[str, Any]:
    fields = words(struct, AUGMENTATION)
    return {"kind": fields.pop("augmentation"), **fields}


def text(sections: dict[str, dict[str, Any]], comment: str) -> str:
    """Returns the file's text. An option without a value becomes a comment, since TOML has
    no null.
    """
    lines = [f"# {it}" for it in comment.splitlines()]
    for section in SECTIONS:
        values = sections.get(section)
        if values:
            lines += ["", f"[{section}]"]
            lines += [_line(name, value) for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _line(name: str, value: Any) -> str:
    return f"# {name} is not set" if value is None else f"{name} = {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        value = float(value)
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, (list, tuple, np.ndarray)):
        return "[" + ", ".join(map(_value, value)) + "]"
    # JSON escapes as TOML does, except for DEL
    encoded = os.fspath(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return json.dumps(encoded, ensure_ascii=False).replace("\x7f", "\\u007f")


def read(path: PathLike) -> dict[str, dict[str, Any]]:
    """Reads the sections of a file. FormatError if it is not a valid file."""
    try:
        tomllib: Any = importlib.import_module("tomllib")
    except ImportError:
        try:
            tomllib = importlib.import_module("tomli")
        except ImportError:
            raise UnsupportedError(
                "reading TOML needs Python 3.11, or the package tomli: pip install tomli"
            ) from None
    try:
        with open(path, "rb") as file:
            found: dict[str, dict[str, Any]] = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{os.fspath(path)}: {error}") from None
    for name, values in found.items():
        if name not in SECTIONS or not isinstance(values, dict):
            raise ArgumentError(
                f"{os.fspath(path)} has {name!r} at its top; expected the sections "
                f"{', '.join(SECTIONS)}"
            )
    return found


def suggestion(word: str, known: Iterable[str]) -> str:
    """Returns "; did you mean X?" if a known word is close, else ""."""
    import difflib

    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""
