"""Writes the model card of a run: README.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ._assessment import Assessment
from ._data import Dataset
from ._library import build_info
from ._model import Model
from ._shown import number_of

if TYPE_CHECKING:
    from ._run import Run

MEASURES = {
    "top1": ("top-1 accuracy", "{:.2%}"),
    "top5": ("top-5 accuracy", "{:.2%}"),
    "knn_top1": ("accuracy of up to 20 nearest training images", "{:.2%}"),
    "map_at_r": ("MAP@R of the images among themselves", "{:.2%}"),
    "expected_calibration_error": ("expected calibration error", "{:.4f}"),
    "negative_log_likelihood": ("negative log-likelihood", "{:.4f}"),
    "alignment": ("alignment (mean squared distance within a class)", "{:.4f}"),
    "uniformity": ("uniformity (log mean exp(-2 distance²))", "{:.4f}"),
}
SHOWN = {  # section → its main options; config.toml has all
    "train": (
        "objective",
        "epochs",
        "batch_size",
        "views",
        "optimizer",
        "learning_rate",
        "schedule",
        "weight_decay",
        "positives",
    ),
    "loss": ("temperature",),
    "augmentation": ("kind",),
}


def text(run: Run, model: Model, data: Dataset) -> str:
    found, info = run.assessment, model.info()
    height, width = info["image_size"]
    name = json.dumps(run.path.name, ensure_ascii=False)
    lines = [
        "---",
        "library_name: supcon",
        "tags: [image-feature-extraction, supervised-contrastive-learning]",
        f"model_name: {name}",
        "---",
        f"# {run.path.name}",
        "",
        f"An image encoder, {info['architecture']} of width {info['width']}, trained with "
        f"libsupcon's objective `{run.sections['train'].get('objective')}` "
        "([Khosla et al.](https://arxiv.org/abs/2004.11362)). It turns an image into "
        f"{info['embedding_dim']} numbers of length 1.",
        "",
        "## Use",
        "",
        "```python",
        "import numpy as np",
        "import supcon",
        "",
        'model = supcon.load("model.safetensors")',
        f"images = np.zeros((2, {height}, {width}, {info['channels']}), np.uint8)",
        f"embeddings = model.embed(images)  # float32 [n, {info['embedding_dim']}]",
    ]
    if model.classes:
        lines += [
            'probabilities = model.embed(images, "probabilities", normalize=False)',
            "classes = [model.class_names[it] for it in probabilities.argmax(1)]",
        ]
    lines += [
        "```",
        "",
        "`images` may also be a list of paths of JPEG, PNG and WebP files. The file has "
        "torchvision's parameter names.",
        "",
        "## Data",
        "",
        *_data(run, data),
        "",
        "## Recipe",
        "",
        "| option | value |",
        "|---|---|",
    ]
    for section, names in SHOWN.items():
        values = run.sections[section]
        for it in names:
            what = "augmentation" if it == "kind" else it.replace("_", " ")
            lines += [f"| {what} | {values[it]} |"] if it in values else []
    lines += [
        "",
        "Every option is in [config.toml](config.toml), each epoch in [summary.csv](summary.csv).",
        "",
    ]
    if run.title:
        lines += [f"    {run.title}", ""]
    lines += ["## Metrics", "", *_metrics(found), "", f"{build_info()}."]
    return "\n".join(lines) + "\n"


def _data(run: Run, data: Dataset) -> list[str]:
    size = f"{data.height} × {data.width} pixels" if data.height else "different sizes"
    where = run.sections.get("data", {}).get("path")
    lines = [
        f"- {len(data):,} images of {size}, {number_of(data.channels, 'channel')}"
        + (f", from `{where}`" if where else "")
    ]
    if data.labels is not None:
        names = data.class_names
        more = "" if len(names) <= 30 else f" and {len(names) - 30} more"
        count = number_of(len(names), "class", "classes")
        lines.append(f"- {count}: {', '.join(names[:30])}{more}")
    if data.targets is not None:
        lines.append(f"- {number_of(data.targets.shape[1], 'target')} an image")
    return lines


def _metrics(found: Assessment | None) -> list[str]:
    if found is None:
        return ["The run was stopped before its end; nothing was measured."]
    rows = [
        f"| {words} | {form.format(found.metrics[name])} |"
        for name, (words, form) in MEASURES.items()
        if name in found.metrics
    ]
    count = found.metrics["images"]
    guesser = f"; {found.guesser} predicts" if len(found.predictions) else ""
    return [
        f"On {count:,} {found.judged}{guesser}.",
        "",
        "| measure | value |",
        "|---|---:|",
        *rows,
    ]
