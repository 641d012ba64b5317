"""Knows which of timm's models have another one's parameters."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from ._errors import FormatError
from ._types import PathLike

# timm's models with the shapes of resnet50 but other layers between.
BLURRED = re.compile(r"(aa|blur)\d|avgpool_?aa|blurpool")


def refuse_blurred(source: PathLike) -> None:
    """Refuses timm's anti-aliased ResNets, which the configuration beside the file names."""
    beside = Path(os.fsdecode(source)).parent / "config.json"
    try:
        told = json.loads(beside.read_text())
        name = told.get("architecture") or told.get("pretrained_cfg", {}).get("architecture") or ""
    except (OSError, ValueError, AttributeError):
        return
    if isinstance(name, str) and BLURRED.search(name):
        raise FormatError(
            f"{os.fsdecode(source)!r} is a {name}, by {beside}: its anti-aliased layers are "
            "none that this library has"
        )
