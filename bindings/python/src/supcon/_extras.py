"""Imports packages that only some functions need."""

from __future__ import annotations

import importlib
from typing import Any


def needed(module: str, extra: str, what: str) -> Any:
    """Imports a module; ImportError says which function needs it and how to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # it is installed, and lacks a dependency of its own
        raise ImportError(
            f"{what} needs the package {error.name}: pip install 'supcon[{extra}]'", name=error.name
        ) from None
