"""The picture of the demo: embeddings on a plane, and images beside those that the encoder finds
alike.
"""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from sklearn.manifold import TSNE

POINTS = 2000  # of the map: t-SNE takes seconds for these, minutes for all
NEIGHBORS = 7
INK, MUTED, ALIKE, OTHER = "#1d2433", "#6b7385", "#2a8a57", "#c8453b"


def draw(
    path: Path,
    rows: np.ndarray,
    images: np.ndarray,
    labels: np.ndarray,
    classes: list[str],
    subtitle: str,
) -> None:
    """Writes the picture. rows [n, d]: embeddings of length 1; images [n, h, w]; labels [n]."""
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK})
    figure = plt.figure(figsize=(14, 7.6), dpi=130, facecolor="white")
    figure.text(0.03, 0.945, "Fashion-MNIST, as the encoder sees it", fontsize=18, weight="bold")
    figure.text(
        0.03, 0.91, f"{len(rows):,} test images it was not trained on; {subtitle}", color=MUTED
    )
    _map(figure.add_axes([0.02, 0.02, 0.52, 0.86]), rows, labels, classes)
    _neighbors(figure, rows, images, labels, classes)
    figure.savefig(path)
    plt.close(figure)


def _map(axes, rows, labels, classes) -> None:
    """t-SNE of some of the rows, which are of length 1: Euclidean distance orders them as the
    cosine does.
    """
    chosen = np.random.default_rng(0).permutation(len(rows))[:POINTS]
    points = TSNE(init="pca", perplexity=30, max_iter=400, random_state=0).fit_transform(
        rows[chosen]
    )
    colors = plt.get_cmap("tab10")
    for at, name in enumerate(classes):
        own = points[labels[chosen] == at]
        axes.scatter(*own.T, s=9, color=colors(at), alpha=0.75, linewidths=0, label=name)
    axes.legend(
        loc="lower left",
        ncols=5,
        frameon=False,
        markerscale=2.2,
        handletextpad=0.2,
        columnspacing=1.2,
        bbox_to_anchor=(0, -0.02),
    )
    axes.margins(0.04, 0.08)
    axes.axis("off")


def _neighbors(figure, rows, images, labels, classes) -> None:
    """A row per class: an image of it, and the test images nearest to it by cosine; green if they
    are of its class.
    """
    queries = [np.flatnonzero(labels == at)[0] for at in range(len(classes))]
    figure.text(0.655, 0.895, "an image", ha="center", color=MUTED)
    figure.text(0.69, 0.895, "the nearest of the others", color=MUTED)
    height = 0.86 / len(queries)
    for row, query in enumerate(queries):
        order = np.argsort(-rows @ rows[query], kind="stable")
        near = order[order != query][:NEIGHBORS]
        bottom = 0.88 - (row + 1) * height
        figure.text(0.615, bottom + height / 2, classes[labels[query]], ha="right", va="center")
        for column, index in enumerate([query, *near]):
            left = 0.625 + column * 0.043 + (0.012 if column else 0)
            axes = figure.add_axes([left, bottom + 0.006, 0.039, height - 0.012])
            axes.imshow(images[index], cmap="gray_r", vmin=0, vmax=255, aspect="equal")
            axes.set(xticks=[], yticks=[])
            color = MUTED if column == 0 else ALIKE if labels[index] == labels[query] else OTHER
            for spine in axes.spines.values():
                spine.set(color=color, linewidth=1 if column == 0 else 2)
