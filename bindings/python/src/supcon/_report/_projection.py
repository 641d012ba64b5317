"""Projects embeddings to two dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._errors import ArgumentError
from .._types import Array

NAMES = ("pca", "umap", "tsne")


def project(rows: Array, names: Sequence[str] | None = None) -> dict[str, Array]:
    """Returns a dict from the projection's title to float [n, 2], scaled to -1 … 1. `names`: some
    of `NAMES`; None: PCA, and UMAP or else t-SNE, whichever is installed.
    """
    rows = np.asarray(rows, np.float64)
    known = {"pca": pca, "umap": umap, "tsne": tsne}
    if names is not None:
        for name in names:
            if name not in known:
                raise ArgumentError(f"projection is {name!r}; expected one of {', '.join(NAMES)}")
    found = {}
    for name in ("pca", "umap", "tsne") if names is None else names:
        if names is None and name == "tsne" and "UMAP" in found:
            continue
        made = known[name](rows)
        if made is not None:
            found[{"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE"}[name]] = _scaled(made)
        elif names is not None:
            package = {"umap": "umap-learn", "tsne": "scikit-learn"}[name]
            raise ArgumentError(f"projection {name!r} needs {package}: pip install {package}")
    return found


def pca(rows: Array) -> Array:
    """Projects to the two directions of most variance, each signed so that its largest weight is
    positive.
    """
    if len(rows) == 0:
        return np.empty((0, 2))
    centered = rows - rows.mean(0)
    _, _, directions = np.linalg.svd(centered, full_matrices=False)
    directions = directions[:2]
    largest = np.abs(directions).argmax(1)
    directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
    found = centered @ directions.T
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1])))


def umap(rows: Array) -> Array | None:
    if len(rows) < 20:
        return None
    try:
        from umap import UMAP
    except ImportError:
        return None
    found: Array = UMAP(metric="cosine", n_neighbors=15, random_state=0, n_jobs=1).fit_transform(
        rows
    )
    return found


def tsne(rows: Array) -> Array | None:
    if len(rows) < 20:
        return None
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        return None
    perplexity = min(30, (len(rows) - 1) / 3)
    found: Array = TSNE(init="pca", perplexity=perplexity, random_state=0).fit_transform(rows)
    return found


def _scaled(points: Array) -> Array:
    if len(points) == 0:
        return points
    low, high = points.min(0), points.max(0)
    scaled: Array = (points - (low + high) / 2) / max(float((high - low).max()) / 2, 1e-12)
    return scaled
