"""An index of embeddings, with an id for each row and the fingerprint of the model."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ._convert import integer
from ._errors import ArgumentError, ElementTypeError, FormatError, ShapeError, StateError
from ._extras import needed
from ._measures import rows_of
from ._nearest import nearest
from ._shown import some, table
from ._types import ArrayLike, PathLike

if TYPE_CHECKING:
    from ._model import Model
from ._types import Array

FORMAT = "1"


class Neighbors(NamedTuple):
    """The result of `Index.search`, nearest first: similarities (cosines) float32 [m, k]; indices
    int64 [m, k], in the order of adding; ids [m, k], added with those rows.
    """

    similarities: Array
    indices: Array
    ids: Array


class Index:
    """Embeddings with ids, searched exactly by cosine: every row is compared. Several threads may
    search at once; `add` needs the index for itself.

        index = supcon.Index(model)
        index.add(model.embed(paths), paths)
        index.save("photos.index"); index = supcon.Index.load("photos.index")
        similarities, _, ids = index.search(model.embed(["query.jpg"]), k=5)

    Parameters
    ----------
    model : Model, optional
        The one that embeds; its fingerprint is kept, and `check` tells whether another model is the
        same.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.
    """

    def __init__(self, model: Model | None = None, *, n_jobs: int | None = None) -> None:
        self.n_jobs = n_jobs
        self.model_fingerprint = None if model is None else model.fingerprint
        self._rows = np.empty((0, 0), np.float32)  # of length 1, or 0; with space behind the last
        self._count = 0
        self._ids: list[Any] = []
        self._id_array: Array | None = None  # made on first use

    def __len__(self) -> int:
        return self._count

    @property
    def dimension(self) -> int:
        """The dimension of the embeddings; 0 while there are none."""
        return self._rows.shape[1]

    @property
    def embeddings(self) -> Array:
        """The embeddings scaled to length 1, float32 [n, dimension]: a read-only view."""
        rows = self._rows[: self._count]
        rows.flags.writeable = False
        return rows

    @property
    def ids(self) -> Array:
        """The ids, [n]: int64, or strings as objects."""
        if self._id_array is None:
            self._id_array = _array(self._ids)
        return self._id_array

    def __repr__(self) -> str:
        return f"<supcon.Index of {len(self)} embeddings of {self.dimension}>"

    def _repr_html_(self) -> str:
        rows: list[tuple[str, object]] = [
            ("embeddings", f"{len(self):,}"),
            ("dimension", self.dimension),
            ("ids", some(self.ids, 4)),
        ]
        return table("supcon.Index", rows)

    def add(self, embeddings: ArrayLike, ids: Iterable[int | PathLike] | None = None) -> Index:
        """Adds rows float [n, d], scaled to length 1.

        ids : [n], optional
            Integers, or strings or paths, of one kind in the whole index; None: their numbers, in
            the order of adding.
        """
        rows = rows_of(embeddings, "embeddings")
        if self._count and rows.shape[1] != self.dimension:
            raise ShapeError(
                f"embeddings have {rows.shape[1]} numbers; expected {self.dimension}, as many as "
                "those in the index"
            )
        if not np.isfinite(rows).all():
            bad = int(np.flatnonzero(~np.isfinite(rows).all(1))[0])
            raise ArgumentError(f"embedding {bad} is not finite; expected finite numbers")
        names = _checked_ids(ids, len(rows), self._count)
        if self._ids and names and type(names[0]) is not type(self._ids[0]):
            raise ElementTypeError(
                f"ids are of type {type(names[0]).__name__}; expected "
                f"{type(self._ids[0]).__name__}, as those in the index"
            )
        end = self._count + len(rows)
        if end > len(self._rows) or self.dimension != rows.shape[1]:
            grown = np.empty((max(end, self._count * 3 // 2), rows.shape[1]), np.float32)
            if self._count:
                grown[: self._count] = self._rows[: self._count]
            self._rows = grown
        step = max(1, (1 << 20) // max(1, rows.shape[1]))
        for at in range(0, len(rows), step):
            part = rows[at : at + step].astype(np.float64)
            length = np.sqrt(np.einsum("ij,ij->i", part, part))[:, None]
            self._rows[self._count + at : self._count + at + len(part)] = part / np.where(
                length > 0, length, 1
            )
        self._ids += names
        self._id_array, self._count = None, end
        return self

    def search(self, queries: ArrayLike, k: int = 10) -> Neighbors:
        """Returns the k most similar rows for each query float [m, d], or all rows if there are
        fewer.
        """
        if not self._count:
            raise StateError("the index is empty; add embeddings before searching")
        asked = rows_of(queries, "queries")
        if asked.shape[1] != self.dimension:
            raise ShapeError(
                f"queries have {asked.shape[1]} numbers; expected {self.dimension}, as many as the "
                "embeddings in the index"
            )
        lengths = np.sqrt(np.einsum("ij,ij->i", asked, asked, dtype=np.float64))[:, None]
        if not np.isfinite(lengths).all():
            bad = int(np.flatnonzero(~np.isfinite(lengths))[0])
            raise ArgumentError(f"query {bad} is not finite; expected finite numbers")
        unit = (asked / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        similarities, indices = nearest(
            self._rows[: self._count],
            unit,
            k=min(integer("k", k, 1, 2**31 - 1), self._count),
            normalize=False,
            n_jobs=self.n_jobs,
        )
        return Neighbors(similarities, indices, self.ids[indices])

    def check(self, model: Model) -> None:
        """Raises StateError unless `model` is the one that the index was made with."""
        if self.model_fingerprint not in (None, model.fingerprint):
            raise StateError(
                f"the index was made by the model {self.model_fingerprint}, and this is "
                f"{model.fingerprint}: their embeddings cannot be compared"
            )

    def save(self, path: PathLike) -> None:
        """Writes embeddings, ids and fingerprint as a safetensors file, whole or not at all."""
        from . import _safetensors

        tensors = {"embeddings": self.embeddings}
        if self._ids and isinstance(self._ids[0], str):
            names = [os.fsencode(it) for it in self._ids]
            tensors["id_bytes"] = np.frombuffer(b"".join(names), np.uint8)
            tensors["id_ends"] = np.cumsum([len(it) for it in names], dtype=np.int64)
        else:
            tensors["ids"] = np.array(self._ids, np.int64)
        metadata = {"supcon.index": FORMAT}
        if self.model_fingerprint is not None:
            metadata["supcon.model_fingerprint"] = self.model_fingerprint
        _safetensors.write(path, tensors, metadata)

    @classmethod
    def load(cls, path: PathLike, *, n_jobs: int | None = None) -> Index:
        """Reads an index that `save` wrote. FileError, FormatError."""
        from . import _safetensors

        tensors, metadata = _safetensors.read(path)
        if metadata.get("supcon.index") != FORMAT:
            raise FormatError(
                f"{os.fspath(path)!r} has {metadata.get('supcon.index')!r} as supcon.index; "
                f"expected {FORMAT!r}, the format of an index"
            )
        rows = tensors.get("embeddings", np.empty(0))
        try:
            if rows.ndim != 2:
                raise FormatError(f"its embeddings have the shape {list(rows.shape)}")
            index = cls(n_jobs=n_jobs)
            index.add(rows, _stored_ids(tensors))
            # `add` has rounded them again: keep the stored bits.
            index._rows = np.ascontiguousarray(rows, np.float32)
            lengths = np.einsum("ij,ij->i", index._rows, index._rows, dtype=np.float64)
            if not ((abs(lengths - 1) < 1e-3) | (lengths == 0)).all():
                raise FormatError("its embeddings are not of length 1")
        except (FormatError, ShapeError, ArgumentError, ElementTypeError) as error:
            raise FormatError(f"{os.fspath(path)!r} is no index: {error}") from None
        index.model_fingerprint = metadata.get("supcon.model_fingerprint")
        return index

    def to_faiss(self) -> Any:
        """Returns a `faiss.IndexFlatIP` of the embeddings, inside an `IndexIDMap2` for integer ids.
        faiss takes no strings: it finds row numbers, and ``index.ids[numbers]`` are their ids.
        """
        faiss = needed("faiss", "faiss", "an export to faiss")
        flat = faiss.IndexFlatIP(self.dimension)
        rows = np.ascontiguousarray(self.embeddings)
        if not self._ids or isinstance(self._ids[0], str):
            flat.add(rows)
            return flat
        mapped = faiss.IndexIDMap2(flat)
        mapped.add_with_ids(rows, self.ids)
        return mapped

    def to_usearch(self, **options: Any) -> Any:
        """Returns a `usearch.index.Index` (HNSW: approximate) of the embeddings, by inner product.
        Its keys are the integer ids, or row numbers if ids are strings. options: those of usearch
        (connectivity, dtype, …).
        """
        usearch = needed("usearch.index", "usearch", "an export to usearch")
        index = usearch.Index(ndim=self.dimension, metric="ip", **({"dtype": "f32"} | options))
        named = self._ids and isinstance(self._ids[0], str)
        keys = np.arange(len(self)) if named else self.ids
        if len(keys) and keys.min() < 0:
            raise ArgumentError(f"id {keys.min()} is negative; usearch takes 0 or more")
        if len(np.unique(keys)) < len(keys):
            raise ArgumentError("two rows have one id; usearch takes each id once")
        index.add(keys.astype(np.uint64), np.ascontiguousarray(self.embeddings))
        return index


def _array(ids: list[Any]) -> Array:
    if ids and isinstance(ids[0], str):
        named = np.empty(len(ids), object)
        named[:] = ids
        return named
    return np.array(ids, np.int64)


def _checked_ids(ids: Any, count: int, start: int) -> list[Any]:
    """Returns `count` ids as a list of ints or of strings."""
    if ids is None:
        return list(range(start, start + count))
    found = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    if len(found) != count:
        raise ShapeError(
            f"there are {len(found)} ids for {count} embeddings; expected one for each"
        )
    if all(isinstance(it, (str, os.PathLike)) for it in found):
        return [os.fspath(it) for it in found]
    if not all(isinstance(it, (int, np.integer)) and not isinstance(it, bool) for it in found):
        raise ElementTypeError(
            "ids are of other or mixed types; expected all integers or all strings"
        )
    bad = next((it for it in found if not -(2**63) <= it < 2**63), None)
    if bad is not None:
        raise ArgumentError(f"an id is {bad}; expected 64 bits")
    return [int(it) for it in found]


def _stored_ids(tensors: dict[str, Array]) -> list[Any]:
    if "ids" in tensors:
        return list(tensors["ids"].astype(np.int64).reshape(-1).tolist())
    ends, text = tensors.get("id_ends"), tensors.get("id_bytes")
    if ends is None or text is None or ends.dtype.kind != "i" or text.dtype != np.uint8:
        raise FormatError("it has no ids")
    steps = np.diff(ends, prepend=0)
    if (steps < 0).any() or (ends[-1] if len(ends) else 0) != text.size:
        raise FormatError(f"its id_ends do not divide its {text.size} id_bytes")
    content = text.tobytes()
    return [
        os.fsdecode(content[start:end])
        for start, end in zip((ends - steps).tolist(), ends.tolist())
    ]
