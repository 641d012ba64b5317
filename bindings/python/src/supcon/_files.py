"""Reads and writes the command's files: targets, tables, and files that are written whole or not at
all.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from csv import Error as CsvError
from csv import reader as csv_lines
from typing import Any, BinaryIO

import numpy as np

from ._data import Dataset
from ._errors import ArgumentError, FormatError, ShapeError
from ._evaluation import Evaluation
from ._images import Pixels, channel_statistics
from ._measures import Calibration
from ._types import Array


def statistics(data: Dataset) -> tuple[list[float] | None, list[float] | None]:
    """Returns mean and deviation per channel of images in memory; None for others."""
    pixels = next((it for it in data._keep if isinstance(it, Pixels)), None)
    return channel_statistics(pixels.array) if pixels else (None, None)


def targets(path: str, data: Dataset, root: str) -> Array:
    """Reads the targets of each image of `data` from a file in the form that `supcon train --help`
    describes. `root`: the folder that its paths are relative to.
    """
    if path.endswith(".npy"):
        found: Array = np.load(path, allow_pickle=False)
        return found
    if not path.endswith(".csv"):
        raise ArgumentError(f"--targets is {path!r}; expected a name that ends in .npy or .csv")
    names: list[str] | None = None
    rows: list[list[float]] = []
    row_of: dict[str, int] = {}
    for at, line in _lines(path):
        if names is None:
            names, named = line, line[0] == "path"
            if named and data.paths is None:
                raise ArgumentError(
                    f"{at}: a column of paths, but the images of {root} are not files; "
                    "expected numbers alone, in the images' order"
                )
            continue
        if len(line) != len(names):
            raise FormatError(
                f"{at}: {len(line)} cells; expected {len(names)}, as in the line of names"
            )
        if named and row_of.setdefault(os.path.normpath(line[0]), len(rows)) != len(rows):
            raise FormatError(f"{at}: {line[0]} has a line before this one")
        try:
            rows.append([float(it) for it in line[named:]])
        except ValueError as error:
            raise FormatError(f"{at}: {error}") from None
    if names is None:
        raise FormatError(f"{path} is empty; expected a line of names and a line for each image")
    if named:
        wanted = [os.path.relpath(it, root) for it in data.paths or []]
        missing = [it for it in wanted if it not in row_of]
        if missing:
            raise FormatError(
                f"{path} has no line for {len(missing)} of {len(wanted)} images; the "
                f"first: {missing[0]}"
            )
        rows = [rows[row_of[it]] for it in wanted]
    if len(rows) != len(data):
        raise ShapeError(f"{path} has {len(rows)} lines of numbers for {len(data)} images")
    return np.array(rows).reshape(len(rows), -1)


def _lines(path: str) -> Iterator[tuple[str, list[str]]]:
    """Yields each line of a CSV file that is not empty: its position in words, and its cells."""
    with open(
        path, newline="", encoding="utf-8-sig", errors="surrogateescape"
    ) as file:  # Excel's files begin with a byte order mark
        table = csv_lines(file)
        try:
            for line in table:
                if line:
                    yield f"{path}, line {table.line_num}", line
        except CsvError as error:
            raise FormatError(f"{path}, line {table.line_num}: {error}") from None


def label_names(data: Dataset, spec: str) -> Array:
    """Returns the class name of each image, since two folders may number their classes differently;
    as integers if all names are.
    """
    if data.labels is None:
        raise ArgumentError(f"{spec} has no labels, which evaluation needs")
    names = np.array(data.class_names)
    with contextlib.suppress(ValueError):  # names that are not numbers stay strings
        names = names.astype(np.int64)
    return names[np.searchsorted(data.class_labels, data.labels)]


def writable(path: str) -> None:
    """Raises OSError at once, rather than after hours of work, if `path` cannot be written."""
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {folder}")
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a folder; expected a file to write")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{path} cannot be written: no permission for the folder {folder}")


def write(path: str, save: Callable[[BinaryIO], object]) -> None:
    """Calls save(file) on a temporary file in the same folder, and renames it to `path` when it is
    complete.
    """
    descriptor, temporary = tempfile.mkstemp(
        dir=os.path.dirname(os.path.abspath(path)), prefix=".supcon-"
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            save(file)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp lets only the owner read
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):  # Ctrl-C just after it got its name
            os.unlink(temporary)
        raise


def quoted(cell: str) -> str:
    """Quotes a cell of a CSV file where it is needed."""
    marks = any(mark in cell for mark in ',"\n\r')
    return '"' + cell.replace('"', '""') + '"' if marks else cell


def csv(file: BinaryIO, rows: Array, paths: list[str] | None) -> None:
    """Writes a header, then a row per image: its path, if it has one, and its numbers."""
    names = (["path"] if paths else []) + [f"e{it}" for it in range(rows.shape[1])]
    file.write((",".join(names) + "\n").encode())
    for at, row in enumerate(rows.tolist()):
        cells = ([quoted(paths[at])] if paths else []) + [f"{it:.8g}" for it in row]
        file.write(os.fsencode(",".join(cells) + "\n"))


def report(method: str, found: Evaluation, confusion: bool) -> str:
    """Formats the accuracy, a row per class, and the confusion matrix."""
    totals, right = found.confusion.sum(1), found.confusion.diagonal()
    names = [str(it) for it in found.classes]
    width = max(5, *map(len, names))
    top5 = f", top-5 {found.top5:.2%}" if len(names) > 5 else ""
    l2 = "" if found.l2 is None else f" (l2 {found.l2:.3g})"
    lines = [
        f"{method}: top-1 {found.top1:.2%}{top5} of {len(found.predictions)} images{l2}",
        "",
        f"{'class':{width}}  images  accuracy  mostly taken for",
    ]
    for at, name in enumerate(names):
        wrong = found.confusion[at].copy()
        wrong[at] = 0
        taken = f"{names[wrong.argmax()]} ({wrong.max()})" if wrong.any() else ""
        share = f"{right[at] / totals[at]:.2%}" if totals[at] else "-"
        lines.append(f"{name:{width}}  {totals[at]:6}  {share:>8}  {taken}".rstrip())
    if confusion:
        heads = [it if len(it) <= 8 else it[:7] + "…" for it in names]
        cell = max(len(str(found.confusion.max())), *map(len, heads))
        lines += [
            "",
            "confusion (rows: the truth, columns: the guess)",
            " " * width + "".join(f" {it:>{cell}}" for it in heads),
        ]
        lines += [
            f"{name:{width}}" + "".join(f" {it:>{cell}}" for it in row)
            for name, row in zip(names, found.confusion)
        ]
    return "\n".join(lines) + "\n"


def plain(found: object) -> dict[str, Any]:
    """Converts a dataclass of numbers and arrays for JSON."""
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in vars(found).items()
    }


def reliability(method: str, found: Calibration) -> str:
    """Formats calibration errors, and a row per bin that has images."""
    bins = len(found.bin_counts)
    lines = [
        f"{method}: expected calibration error {found.expected_calibration_error:.4f}, "
        f"largest of a bin {found.maximum_calibration_error:.4f}, "
        f"negative log-likelihood {found.negative_log_likelihood:.4f}, Brier "
        f"score {found.brier_score:.4f}",
        "",
        "confidence     images  mean confidence  accuracy",
    ]
    for at, count in enumerate(found.bin_counts):
        if count:
            lines.append(
                f"{at / bins:5.3f} - {(at + 1) / bins:5.3f}  {count:6}  "
                f"{found.bin_confidences[at]:15.2%}  {found.bin_accuracies[at]:8.2%}"
            )
    return "\n".join(lines) + "\n"
