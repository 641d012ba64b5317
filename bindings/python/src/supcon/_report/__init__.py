"""Writes the report of a run: one page with everything in it, for any browser, without network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import _files
from .._assessment import Assessment, assess
from .._config import read
from .._data import Dataset
from .._errors import ArgumentError
from .._model import load
from .._options import DATASET
from .._run import Run, read_summary
from .._training import Training
from .._types import PathLike
from ._page import Page
from ._projection import project


def report(
    run: PathLike | Training,
    data: Dataset | None = None,
    test: Dataset | None = None,
    *,
    projections: Sequence[str] | None = None,
    n_jobs: int | None = None,
) -> Path:
    """Writes report.html into a run's folder: curves, confusion matrix, a map of the embeddings,
    nearest neighbors, the worst mistakes, calibration, and the views that training saw. It is one
    file that needs no network.

    Parameters
    ----------
    run : path or Training
        The folder that `supcon.train(…, run=…)` wrote, or what it returned.
    data : Dataset, optional
        The images that the run trained on. Needed only with `test`, and for a run that was stopped
        before its end.
    test : Dataset, optional
        Labeled images to judge the model by instead of those that the run held out.
    projections : list of {"pca", "umap", "tsne"}, optional
        Projections of the map. None: PCA, and UMAP or else t-SNE if umap-learn or scikit-learn is
        installed.
    n_jobs : int, optional
        Threads that judge the model. None: all CPUs.

    Returns
    -------
    pathlib.Path
        Of the page.

    Raises
    ------
    ArgumentError if the folder holds no run, or if the images are needed and were not given;
    FileError, FormatError.
    """
    path = run.run if isinstance(run, Training) else run
    if path is None:
        raise ArgumentError("the run has no folder; expected one that was trained with run=")
    folder = Run.at(path)
    if test is not None or not folder.evaluation.exists():
        _assess(folder, data, test, n_jobs)
    found = Assessment.load(folder.evaluation)
    config = folder.config.read_text(encoding="utf-8")
    name = folder.path.resolve().name
    made = project(found.embeddings, projections)
    page = Page(name, found, read_summary(folder.summary), config, made).html()
    _files.write(str(folder.report), lambda file: file.write(page.encode("utf-8", "replace")))
    return folder.report


def sources(
    run: PathLike, data: str | None, test: str | None
) -> tuple[Dataset | None, Dataset | None]:
    """Returns the images of DATA and TEST of the command line, or else those named in a run's
    config.toml; (None, None) if the report needs none.
    """
    from .. import _sources

    folder = Run.at(run)
    if test is None and data is None and folder.evaluation.exists():
        return None, None
    known = read(folder.config).get("data", {})
    path = known.get("path") if data is None else data
    if path is None:
        raise ArgumentError(f"{folder.config} does not say where the images are; expected --data")
    reading = {it: known[it] for it in DATASET if it in known}
    found, own = _sources.read(path, **reading)
    for name, change in (
        ("long_tailed", "long_tailed"),
        ("per_class", "per_class"),
        ("label_noise", "with_label_noise"),
    ):
        if known.get(name) is not None:
            seed = read(folder.config).get("train", {}).get("seed", 0)
            found = getattr(found, change)(known[name], seed)
    held = test or known.get("val")
    return found, _sources.read(held, beside=True, **reading)[0] if held else own


def _assess(
    folder: Run, data: Dataset | None, test: Dataset | None, n_jobs: int | None = None
) -> None:
    """Judges the model of a run's folder and writes the evaluation there."""
    if data is None:
        raise ArgumentError(
            f"{folder.path} has no evaluation of its model; expected data=, the images that the "
            "run trained on"
        )
    sections = read(folder.config)
    model = folder.model if folder.model.exists() else folder.checkpoints / "best.safetensors"
    options = sections.get("train", {}) | {"augmentation": sections.get("augmentation")}
    if sections.get("augmentation_second"):
        options["augmentation"] = options["augmentation"], sections["augmentation_second"]
    assess(load(model, n_jobs=n_jobs), data, options, test).save(folder.evaluation)
