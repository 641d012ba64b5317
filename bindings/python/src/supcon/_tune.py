"""The learning rate of a run, found by short runs on a part of its training images."""

from __future__ import annotations

import ctypes
import math
import sys
from dataclasses import dataclass, fields
from typing import Any

from . import _schema
from ._collectives import Bound, Collectives, telling
from ._data import Dataset, calls_back
from ._library import call, context, guarded, interruptible, lib
from ._model import Model
from ._options import SEARCH, build
from ._shown import Shown
from ._training import is_first, options_struct


@dataclass(frozen=True, repr=False)
class Trial(Shown):
    """A short run.

    learning_rate : of the trial
    score : the mean probability that its model gives the class of a held-out image; where nothing
    is held out, minus the loss of the last epoch; -inf for a run that diverged
    accuracy : the fraction of the held-out images whose class the model names; NaN without them
    seconds, steps : of the trial
    judges : the number of held-out images; 0: the loss judged
    """

    learning_rate: float
    score: float
    accuracy: float
    seconds: float
    steps: int
    judges: int


@dataclass(frozen=True, repr=False)
class Tuning(Shown):
    """The result of `tune`.

    learning_rate : the chosen rate
    trials : in the order of their rates
    recipe : a phrase that says what was tried and chosen
    """

    learning_rate: float
    trials: list[Trial]
    recipe: str


def tune(
    model: Model,
    data: Dataset,
    *,
    seconds: float | None = None,
    verbose: int = 0,
    collectives: Collectives | None = None,
    **options: Any,
) -> Tuning:
    """Finds the learning rate of a run by short runs on a part of its training images.

    Each trial trains a copy of the model on the same images in the same order, its rate falling
    along a cosine after a short warm-up. The rates are a decade apart: `learning_rate` and those
    beside it, further to a side for as long as that is better, and last half a decade to either
    side of the best. A trial is judged by images that it did not train on: by the nearest neighbors
    of their embeddings (of their projections, if all four stages are frozen), or by the classifier
    where the objective trains one. Without labels, or with fewer than 20 images to judge by, the
    loss of the last epoch decides. Of the rates that are not clearly worse than the best, by more
    than twice the standard error of the difference, the one nearest to `learning_rate` is chosen.
    The same arguments come to the same rate, unless time runs out first.

    Parameters
    ----------
    model : Model
        What the run would begin with. It stays as it is.
    data : Dataset
        The images of the run. Those that it would hold out (validation_fraction) are not looked at,
        nor, of joined images, those of other processes.
    seconds : float, optional
        Time limit. When it is reached, trials stop and the best rate so far is chosen. None: 600.
    verbose : int
        1: a line for each trial on standard error.
    collectives : Collectives, optional
        The processes that will train together: rank 0 sweeps, and the others wait for its rate.
    **options
        As in `train`. learning_rate is where the sweep begins; "auto": the library's default.
        Options of the course of a whole run (schedule and warm-up, unfreeze_epochs, image sizes,
        validation, checkpoints) do not matter here.

    Raises
    ------
    StateError if every trial diverged or ran out of time; otherwise as `train`.
    """
    trials: list[Trial] = []
    bound = None if collectives is None else Bound(collectives)

    def hear(pointer: Any, _: object) -> int:
        trials.append(Trial(*(getattr(pointer.contents, it.name) for it in fields(Trial))))
        if verbose and is_first(bound):
            said = f"learning rate {trials[-1].learning_rate:g}: {_said(trials[-1])}"
            print(said, file=sys.stderr)
        return 0

    with telling(collectives):
        search = build(SEARCH, seconds=seconds)
        search.trial = _schema.TrialCallback(guarded(hear))
        is_auto = options.get("learning_rate") == "auto"
        run = options_struct(options | ({"learning_rate": None} if is_auto else {}))
        resources = context(model.n_jobs, model.memory_limit)
    rate = ctypes.c_double()
    given = (
        *(resources, model._handle, data._handle, ctypes.byref(run)),
        None if bound is None else ctypes.byref(bound.struct),
        *(ctypes.byref(search), ctypes.byref(rate)),
    )
    if bound is None:
        call(lib.supcon_find_learning_rate, *given, context=resources, calls_back=calls_back(data))
    else:
        with interruptible(lambda: lib.supcon_context_cancel(resources)):
            bound.check(lib.supcon_find_learning_rate(*given))
    trials.sort(key=lambda it: it.learning_rate)
    return Tuning(rate.value, trials, _recipe(rate.value, trials))


def _said(trial: Trial) -> str:
    if trial.score == -math.inf:
        return "diverged"
    if not trial.judges:
        return f"loss {-trial.score:.4g}"
    return f"{trial.score:.1%} sure of the class, {trial.accuracy:.1%} right"


def _recipe(rate: float, trials: list[Trial]) -> str:
    """Says in a phrase what was tried and chosen."""
    judged = "the loss"
    if trials[0].judges:
        judged = f"{trials[0].judges} images that they did not train on"
    rates = ", ".join(f"{it.learning_rate:g} ({_said(it)})" for it in trials)
    return (
        f"the learning rate {rate:g}, among the best of runs of {trials[0].steps} steps, judged by "
        f"{judged}: {rates}"
    )
