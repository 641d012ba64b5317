"""Combines many thumbnails into one picture in the page's style sheet."""

from __future__ import annotations

import base64
import io
import math

import numpy as np

from .._pictures import png
from .._types import Array


class Sprites:
    """Pictures [n, h, w, 3], shown with a long side of about `side` pixels of the page."""

    def __init__(self, name: str, pictures: Array, side: int):
        self.name, (count, height, width, _) = name, pictures.shape
        longest = max(height, width)
        self.small = longest * 2 <= side
        factor = max(1, side // longest) if self.small else side / longest
        self.height, self.width = round(height * factor), round(width * factor)
        self.columns = max(1, min(count, math.isqrt(max(1, count - 1)) + 1))
        self.rows = -(-count // self.columns) or 1
        self.picture = _encoded(self._sheet(pictures)) if count else ""

    def _sheet(self, pictures: Array) -> Array:
        count, height, width, _ = pictures.shape
        sheet = np.zeros((self.rows * self.columns, height, width, 3), np.uint8)
        sheet[:count] = pictures
        sheet = sheet.reshape(self.rows, self.columns, height, width, 3)
        return sheet.transpose(0, 2, 1, 3, 4).reshape(self.rows * height, self.columns * width, 3)

    @property
    def kind(self) -> str:
        return f"thumb {self.name}{' small' if self.small else ''}"

    def style(self) -> str:
        if not self.picture:
            return ""
        return (
            f".{self.name} {{ width: {self.width}px; height: {self.height}px; "
            f"background-size: {self.columns * self.width}px {self.rows * self.height}px; "
            f"background-image: url({self.picture}); }}"
        )

    def place(self, at: int) -> str:
        row, column = divmod(at, self.columns)
        return f"background-position:-{column * self.width}px -{row * self.height}px"

    def show(self, at: int, words: str = "") -> str:
        """Returns a picture as HTML; `words` must be escaped already."""
        return (
            f'<span class="{self.kind}" style="{self.place(at)}" role="img" '
            f'aria-label="{words}"></span>'
        )

    def attributes(self, at: int) -> str:
        """Returns attributes for the page's script, which shows the picture beside the pointer."""
        return f'data-kind="{self.kind}" data-thumb="{self.place(at)}"'


def _encoded(pixels: Array) -> str:
    """Returns a data URL: PNG, or JPEG for a large picture if Pillow is installed."""
    content, kind = None, "jpeg"
    if pixels.size > 1 << 18:
        try:
            from PIL import Image
        except ImportError:
            pass
        else:
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "JPEG", quality=85)
            content = file.getvalue()
    if content is None:
        content, kind = png(pixels, 6), "png"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
