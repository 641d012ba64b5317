"""Builds the page of a report, section by section."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from .._assessment import Assessment
from .._library import build_info
from .._progress import clock
from .._types import Array
from ._charts import curves, legend, matrix, reliability, scatter
from ._sprites import Sprites

MOST_CLASSES, MOST_PAIRS = 40, 10


class Page:
    """A report's page; `html` builds it from the content of a run's folder."""

    def __init__(
        self,
        name: str,
        found: Assessment,
        summary: list[dict[str, Any]],
        config: str,
        projections: dict[str, Array],
    ) -> None:
        self.name, self.found, self.summary, self.config = name, found, summary, config
        self.projections = projections
        mapped, mistaken = len(found.mapped), len(found.mapped) + len(found.mistakes)
        self.map = Sprites("m", found.thumbs[:mapped], 64)
        self.mistakes = Sprites("w", found.thumbs[mapped:mistaken], 96)
        self.queries = Sprites("q", found.thumbs[mistaken:], 58)
        flat = found.neighbor_thumbs
        self.neighbors = Sprites("n", flat.reshape(-1, *flat.shape[2:]), 58)
        self.views = Sprites("v", found.views.reshape(-1, *found.views.shape[2:]), 58)

    def html(self) -> str:
        sections = [
            ("curves", "Curves", self._curves()),
            ("confusion", "Confusion", self._confusion()),
            ("map", "Map of the embeddings", self._map()),
            ("neighbors", "Nearest neighbors", self._neighbors()),
            ("mistakes", "Worst mistakes", self._mistakes()),
            ("calibration", "Calibration", self._calibration()),
            ("views", "What training sees", self._views()),
            ("config", "Configuration", self._config()),
        ]
        sections = [it for it in sections if it[2]]
        here = files(__package__)

        def read(name: str) -> str:
            return (here / name).read_text(encoding="utf-8")

        sprites = (self.map, self.mistakes, self.queries, self.neighbors, self.views)
        style = read("page.css") + "\n".join(it.style() for it in sprites)
        links = "".join(f'<a href="#{it}">{title}</a>' for it, title, _ in sections)
        bodies = "\n".join(
            f'<section id="{it}" class="{it}-section"><h2>{title}</h2>{body}</section>'
            for it, title, body in sections
        )
        found = self.found
        judged = f"Judged by {found.metrics['images']:,} {escape(found.judged)}"
        judged += f"; {escape(found.guesser)} predicts" if len(found.predictions) else ""
        head = self.config.splitlines()[:2]
        about = " · ".join(escape(it.lstrip("# ")) for it in head)
        return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{escape(self.name)} · supcon</title>
<style>
{style}
</style>
</head>
<body>
<h1>{escape(self.name)}</h1>
<p class="soft">{about}<br>{judged}.</p>
{self._tiles()}
<nav>{links}</nav>
{bodies}
<footer>{escape(build_info())}</footer>
<div id="tip" role="status"></div>
<script>
{read("page.js")}
</script>
</body>
</html>
"""

    def _tiles(self) -> str:
        metrics, tiles = self.found.metrics, []
        for name, words, form in (
            ("top1", "top-1 accuracy", "{:.2%}"),
            ("top5", "top-5 accuracy", "{:.2%}"),
            ("knn_top1", "nearest neighbors", "{:.2%}"),
            ("map_at_r", "MAP@R", "{:.2%}"),
            ("expected_calibration_error", "calibration error", "{:.4f}"),
        ):
            if name in metrics:
                tiles.append((form.format(metrics[name]), words))
        if self.summary:
            last = self.summary[-1]
            tiles.append((f"{last['train_loss']:.4g}", f"loss of epoch {last['epoch']}"))
            tiles.append((clock(last["seconds"]), "training time"))
        made = "".join(f'<div class="tile"><b>{a}</b><span>{b}</span></div>' for a, b in tiles)
        return f'<div class="tiles">{made}</div>'

    def _curves(self) -> str:
        if not self.summary:
            return ""

        def column(name: str) -> Array:
            return np.array([row[name] for row in self.summary])

        charts = []
        for title, unit, names in (
            ("Loss", "", {"train_loss": "training"}),
            (
                "Accuracy, %",
                " %",
                {"eval_knn_top1": "kNN@1, held-out images", "train_top1": "classifier, training"},
            ),
            ("Learning rate", "", {"lr": "learning rate"}),
            (
                "Geometry of the embeddings",
                "",
                {"eval_alignment": "alignment", "eval_uniformity": "uniformity"},
            ),
        ):
            series = {words: column(it) for it, words in names.items()}
            series = {it: values for it, values in series.items() if np.isfinite(values).any()}
            if series:
                drawn = curves(column("epoch"), series, unit, title)
                charts.append(f"<div><h3>{title}</h3>{drawn}</div>")
        return f'<div class="two">{"".join(charts)}</div>'

    def _confusion(self) -> str:
        counts, names = self.found.confusion, self.found.class_names
        if not counts.any():
            return ""
        wrong = counts.copy()
        np.fill_diagonal(wrong, 0)
        note, shown = "", np.arange(len(names))
        if len(names) > MOST_CLASSES:
            worst = np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:MOST_CLASSES]
            shown = np.sort(worst)
            note = f" Of {len(names)} classes the {MOST_CLASSES} with the most mistakes are shown."
        order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]
        rows = []
        for truth, guess in zip(*np.unravel_index(order, wrong.shape)):
            if wrong[truth, guess]:
                part = wrong[truth, guess] / counts[truth].sum()
                rows.append(
                    f"<tr><td>{escape(names[truth])}</td><td>{escape(names[guess])}</td>"
                    f'<td class="number">{wrong[truth, guess]:,}</td>'
                    f'<td class="number">{part:.1%}</td></tr>'
                )
        pairs = (
            "<table><thead><tr><th>is</th><th>taken for</th>"
            '<th class="number">images</th><th class="number">of its class</th></tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table>"
            if rows
            else "<p>No image was taken for another class.</p>"
        )
        drawn = matrix(counts[np.ix_(shown, shown)], [names[it] for it in shown])
        return (
            f'<p class="soft">Rows are what images are, columns what they were taken for.{note}</p>'
            f'<div class="two"><div>{drawn}</div><div><h3>Most confused</h3>{pairs}</div></div>'
        )

    def _words(self, at: int) -> str:
        """Describes an image: its class, its prediction, its name."""
        found, lines = self.found, []
        if len(found.labels):
            lines.append(found.class_names[found.labels[at]])
        if len(found.predictions) and found.predictions[at] != found.labels[at]:
            lines.append(
                f"taken for {found.class_names[found.predictions[at]]} "
                f"({found.confidences[at]:.0%} sure)"
            )
        return "\n".join([*lines, str(found.names[at])])

    def _map(self) -> str:
        found = self.found
        if len(found.mapped) < 3:
            return ""
        buttons = "".join(
            f'<button data-projection="{at}" aria-pressed="{str(at == 0).lower()}">{it}</button>'
            for at, it in enumerate(self.projections)
        )
        switch = f'<div class="switch">{buttons}</div>' if len(self.projections) > 1 else ""
        drawn = scatter(
            self.projections,
            found.labels[found.mapped] if len(found.labels) else [],
            [self._words(it) for it in found.mapped],
            [self.map.attributes(it) for it in range(len(found.mapped))],
        )
        some = f"{len(found.mapped):,} of {found.metrics['images']:,} images"
        choose = " Choose classes below to see them alone." if found.class_names else ""
        return (
            f'<p class="soft">Near points are images that the model finds alike: {some}.{choose}'
            f"</p>{switch}{drawn}{legend(found.class_names)}"
        )

    def _neighbors(self) -> str:
        found, rows = self.found, []
        for row, query in enumerate(found.queries):
            label = found.labels[query] if len(found.labels) else None
            file = str(found.names[query])
            name = escape(found.class_names[label] if label is not None else file)
            tip = escape("\n".join([found.class_names[label], file]) if label is not None else file)
            cells = [
                f'<figure class="first" data-tip="{tip}">{self.queries.show(row, name)}'
                f'<figcaption><b class="name">{name}</b></figcaption></figure>'
            ]
            for at, cosine in enumerate(found.neighbor_cosines[row]):
                words = escape(found.neighbor_names[row, at])
                said, mark = "", ""
                if label is not None:
                    other = found.neighbor_labels[row, at]
                    kind = "good" if other == label else "bad"
                    class_name = escape(found.class_names[other])
                    words = f"{class_name}\n{words}"
                    said = f'<span class="name {kind}">{class_name}</span>'
                    mark = f'<span class="{kind}">{"✓" if kind == "good" else "✗"}</span> '
                picture = self.neighbors.show(row * found.neighbor_cosines.shape[1] + at, words)
                cells.append(
                    f'<figure data-tip="{words}">{picture}<figcaption>{said}{mark}'
                    f'<span class="soft">{cosine:.3f}</span></figcaption></figure>'
                )
            rows.append(f'<div class="row">{"".join(cells)}</div>')
        if not rows or found.neighbor_cosines.shape[1] == 0:
            return ""
        return (
            '<p class="soft">Each row: an image, and the training images whose embeddings are '
            f'nearest by cosine.</p><div class="rows">{"".join(rows)}</div>'
        )

    def _mistakes(self) -> str:
        found, cards = self.found, []
        for at, it in enumerate(found.mistakes):
            words = escape(self._words(it))
            truth = escape(found.class_names[found.labels[it]])
            guess = escape(found.class_names[found.predictions[it]])
            cards.append(
                f'<figure data-tip="{words}">{self.mistakes.show(at, words)}<figcaption>{truth}<br>'
                f'<span class="bad">→ {guess}</span> <span class="soft">'
                f"{found.confidences[it]:.0%}</span></figcaption></figure>"
            )
        if not cards:
            return ""
        return (
            '<p class="soft">What the image is → what it was taken for, and how sure the '
            f'classifier was: the surest first.</p><div class="cards">{"".join(cards)}</div>'
        )

    def _calibration(self) -> str:
        found = self.found
        if not found.bin_counts.any():
            return ""
        error = found.metrics["expected_calibration_error"]
        mean = np.average(found.bin_confidences, weights=found.bin_counts)
        right = np.average(found.bin_accuracies, weights=found.bin_counts)
        words = "surer than it is right" if mean > right else "less sure than it is right"
        words = "as sure as it is right" if abs(mean - right) < 0.01 else words
        drawn = reliability(found.bin_counts, found.bin_confidences, found.bin_accuracies)
        return (
            f'<div class="two"><div>{drawn}</div><div><p>Of the images that the classifier is 80% '
            "sure of, 80% should be right: bars reach the dashed line then.</p>"
            f"<p>Here it is {mean:.1%} sure on average and {right:.1%} right: {words}. The "
            f"expected calibration error is {error:.4f}, the negative log-likelihood "
            f"{found.metrics['negative_log_likelihood']:.4f}.</p>"
            '<p class="soft">Gray: how many images have that confidence.</p></div></div>'
        )

    def _views(self) -> str:
        found, rows = self.found, []
        if found.views.shape[1] < 2:
            return ""
        for row, name in enumerate(found.view_names):
            cells = []
            for column in range(found.views.shape[1]):
                words = "the image" if column == 0 else f"view {column}"
                picture = self.views.show(row * found.views.shape[1] + column, words)
                first = ' class="first"' if column == 0 else ""
                cells.append(f"<figure{first}>{picture}</figure>")
            rows.append(f'<div class="row" title="{escape(name)}">{"".join(cells)}</div>')
        return (
            '<p class="soft">Left, before the line, the image as the model sees it when it '
            "embeds; then views that "
            f'training would make of it.</p><div class="views rows">{"".join(rows)}</div>'
        )

    def _config(self) -> str:
        return f"<details><summary>config.toml</summary><pre>{escape(self.config)}</pre></details>"
