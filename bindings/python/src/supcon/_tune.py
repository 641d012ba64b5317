"""The learning rate of a run, found by short runs on a part of its training images."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np

from ._collectives import Bound, Collectives, first_does
from ._convert import real
from ._data import Dataset
from ._errors import ArgumentError, StateError
from ._evaluation import evaluate
from ._library import hushed
from ._model import Model
from ._options import TRAIN
from ._shown import Shown
from ._training import (
    Event,
    Trainer,
    Training,
    options_struct,
    seed_number,
    train,
    trains_classifier,
    validation_split,
)
from ._types import Array

TRIALS = 6  # a decade apart, at most; two more follow between them
HELD_OUT, FEWEST = 0.2, 20  # the fraction of the images that judges, and how many do at least
IMAGES, BATCHES = 2000, 8  # of a trial, at most: so many, or as many as make so many batches
# Steps of a trial: a twentieth of the run's, within these. On digits 20, 40 and 90 steps choose the
# same rate, and the run of 455 steps agrees with them.
FEWEST_STEPS, MOST_STEPS, PART = 20, 60, 20
# What a short run cannot have: the course of the whole run, and what that leaves behind.
LEFT_OUT = {
    "learning_rate",
    "min_lr",
    "schedule",
    "warmup_epochs",
    "warmup_steps",
    "schedule_after_warmup",
    "warmup_start",
    "milestones",
    "gamma",
    "exponential_factor",
    "exponential_epochs",
    "unfreeze_epochs",
    "image_size_schedule",
    "random_image_size",
    "validation_fraction",
    "validation_every",
    "patience",
    "checkpoint_folder",
    "resume",
    "restore_best",
}
UNSEEN = {"learning_rate", "checkpoint_folder", "resume"}  # by the ranks before a sweep


@dataclass(frozen=True, repr=False)
class Trial(Shown):
    """A short run.

    learning_rate : of the trial
    score : the mean probability that its model gives the class of a held-out image; where nothing
    is held out, minus the loss of the last epoch; -inf for a run that diverged
    accuracy : the fraction of the held-out images whose class the model names; NaN without them
    seconds : that it took
    """

    learning_rate: float
    score: float
    accuracy: float
    seconds: float


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
    seconds: float = 600.0,
    verbose: int = 0,
    collectives: Collectives | None = None,
    **options: Any,
) -> Tuning:
    """Finds the learning rate of a run by short runs on a part of its training images.

    Each trial trains a copy of the model on the same images in the same order, its rate falling
    along a cosine after a short warm-up. The rates are a decade apart: the library's default and
    those beside it, further to a side for as long as that is better, and last half a decade to
    either side of the best. A trial is judged by images that it did not train on: by the nearest
    neighbors of their embeddings, or by the classifier where the objective trains one. Without
    labels, or with fewer than 20 images to judge by, the loss of the last epoch decides. Of the
    rates that are not clearly worse than the best, by more than twice the standard error of the
    difference, the one nearest to the default is chosen. The same arguments come to the same rate,
    unless time runs out first.

    Parameters
    ----------
    model : Model
        What the run would begin with. It stays as it is.
    data : Dataset
        The images of the run. Those that it would hold out (validation_fraction) are not looked at,
        nor, of joined images, those of other processes.
    seconds : float
        Time limit. When it is reached, trials stop and the best rate so far is chosen.
    verbose : int
        1: a line for each trial on standard error.
    collectives : Collectives, optional
        The processes that will train together: rank 0 sweeps, and the others wait for its rate.
    **options
        As in `train`. Those of the course of a whole run (schedule and warm-up, unfreeze_epochs,
        image sizes, validation, checkpoints) do not matter here.

    Raises
    ------
    StateError if every trial diverged or ran out of time; otherwise as `train`.
    """
    if not real("seconds", seconds) > 0:
        raise ArgumentError(f"seconds is {seconds!r}; expected a number above 0")
    if collectives is None:
        return _swept(model, data, seconds, verbose, options, lambda: None)
    # A trainer that never runs: all ranks compare their options and data, and hear of one that
    # cannot begin, before they wait for rank 0.
    run = {name: it for name, it in options.items() if name not in UNSEEN}
    Trainer(model, data, options_struct(run), Bound(collectives))
    told = first_does(
        collectives,
        lambda beat: asdict(_swept(model, data, seconds, verbose, options, beat)),
    )
    return Tuning(**told | {"trials": [Trial(**it) for it in told["trials"]]})


def _swept(
    model: Model,
    data: Dataset,
    seconds: float,
    verbose: int,
    options: dict[str, Any],
    beat: Callable[[], None],
) -> Tuning:
    sweep = _Sweep(model, data, options, seconds, verbose, beat)
    default = TRAIN["learning_rate"].default
    sweep.by_decades(default)
    if sweep.best:
        middle = sweep.best.learning_rate
        for rate in (middle / 10**0.5, middle * 10**0.5):
            sweep.attempt(rate)
    if not sweep.best:
        raise StateError(
            f"no learning rate was found: none of {len(sweep.trials)} trials of {sweep.steps} "
            f"steps came to its end within {seconds:g} seconds without diverging; expected a "
            "learning_rate, or more seconds"
        )
    rate = sweep.nearest(sweep.best, default)
    return Tuning(rate, sweep.ordered, sweep.recipe(rate))


def _number(name: str, options: dict[str, Any]) -> int:
    """Returns an option of the run that counts something, or its default."""
    given = options.get(name)
    return int(TRAIN[name].default if given is None else TRAIN[name].number(given))


def _batch(model: Model, data: Dataset, options: dict[str, Any]) -> int:
    """Returns the number of images per step that the run takes by default."""
    run = {name: it for name, it in options.items() if name not in UNSEEN}
    return Trainer(model.copy(), data, options_struct(run)).batch_size


class _Sweep:
    """Trials of one model on the same images. `beat` is called after each step."""

    def __init__(
        self,
        model: Model,
        data: Dataset,
        options: dict[str, Any],
        seconds: float,
        verbose: int,
        beat: Callable[[], None],
    ):
        epochs = max(1, _number("epochs", options))
        seed = seed_number(options)
        own = data.own_part()
        batch = max(0, _number("batch_size", options)) or _batch(model, own, options)
        is_part = len(own) < len(data)
        data = validation_split(data, options)[0]  # what the run holds out stays unseen
        if is_part:  # of joined images, which may be fewer than a batch of all
            batch = min(batch, max(1, len(data)))
        run = len(data) // batch * epochs
        most = max(IMAGES, math.ceil(BATCHES * batch / (1 - HELD_OUT)))
        if len(data) > most:
            data = data.subset(np.random.default_rng(seed).permutation(len(data))[:most])
        # The training part keeps a batch.
        fraction = min(HELD_OUT, 1 - batch / max(1, len(data)))
        self.training, self.judges = data, None
        if data.labels is not None and fraction * len(data) >= FEWEST:
            self.training, self.judges = data.split(fraction, seed)
        per_epoch = max(1, len(self.training) // batch)
        rounds = math.ceil(min(MOST_STEPS, max(FEWEST_STEPS, run // PART)) / per_epoch)
        self.options = {name: it for name, it in options.items() if name not in LEFT_OUT}
        self.options |= {"epochs": rounds, "batch_size": batch, "validation_fraction": 0.0}
        self.model, self.verbose, self.steps = model, verbose, rounds * per_epoch
        self.beat = beat
        self.deadline = time.monotonic() + seconds
        self.trials: dict[float, Trial] = {}
        # By rate: the score of each image, of which a trial's is the mean; without diverged ones.
        self.scores: dict[float, Array] = {}

    @property
    def ordered(self) -> list[Trial]:
        return [self.trials[it] for it in sorted(self.trials)]

    @property
    def best(self) -> Trial | None:
        """The trial with the highest score; among equals, the one with the lowest rate."""
        finite = [it for it in self.ordered if it.score > -math.inf]
        return max(finite, key=lambda it: it.score, default=None)

    def nearest(self, best: Trial, default: float) -> float:
        """Returns the rate nearest to `default`, among those that are not clearly worse than the
        best.
        """
        fair = []
        for rate, scores in self.scores.items():
            less = self.scores[best.learning_rate] - scores
            if less.mean() <= 2 * less.std() / len(less) ** 0.5:
                fair.append(rate)
        return min(fair, key=lambda it: abs(math.log(it / default)))

    def by_decades(self, middle: float) -> None:
        """Tries a rate and those a decade beside it, and continues in the direction that improves;
        downwards if all diverge.
        """
        going = all(self.attempt(rate) for rate in (middle, middle / 10, middle * 10))
        while going and len(self.trials) < TRIALS:
            rates = sorted(self.trials)
            if self.best is None or self.best.learning_rate == rates[0]:
                going = self.attempt(rates[0] / 10)
            elif self.best.learning_rate == rates[-1]:
                going = self.attempt(rates[-1] * 10)
            else:
                return

    def attempt(self, rate: float) -> bool:
        """Trains with a rate, rounded to two digits, and judges the outcome. Returns False if the
        time is over.
        """
        rate, begun = float(f"{rate:.1e}"), time.monotonic()
        if rate in self.trials:
            return True
        model, training = self.model.copy(), Training()

        def late(event: Event) -> bool:
            self.beat()
            return time.monotonic() > self.deadline

        scores, accuracy = np.array([-math.inf]), math.nan
        try:
            with hushed():
                train(
                    model,
                    self.training,
                    **self.options,
                    learning_rate=rate,
                    callbacks=late,
                    training=training,
                )
        except StateError:  # diverged or collapsed
            if not training.steps:
                raise
        else:
            if training.stopped:
                return False
            scores, accuracy = self._judge(model, training.history[-1])
        if np.isfinite(scores).all():
            self.scores[rate], score = scores, float(scores.mean())
        else:
            score = -math.inf
        trial = Trial(rate, score, accuracy, time.monotonic() - begun)
        self.trials[rate] = trial
        if self.verbose:
            print(f"learning rate {rate:g}: {self._said(trial)}", file=sys.stderr)
        return True

    def _judge(self, model: Model, last: Event) -> tuple[Array, float]:
        """Returns the score of each image, and the accuracy, of a trial's model."""
        if self.judges is None:
            return np.array([-last.loss]), math.nan
        truth = cast(Array, self.judges.class_indices)
        found: Array
        if trains_classifier(self.options.get("objective"), self.options.get("joint_classifier")):
            found = model.embed(self.judges, "probabilities", False)
        else:
            votes = evaluate(
                model.embed(self.training),
                cast(Array, self.training.class_indices),
                model.embed(self.judges),
                truth,
                "knn",
                k=min(20, len(self.training)),
                n_jobs=model.n_jobs,
            )
            found = np.zeros((len(truth), len(self.judges.class_names)), np.float32)
            found[:, votes.classes] = votes.probabilities
        of_truth = found[np.arange(len(truth)), truth]
        return of_truth, float((found.argmax(1) == truth).mean())

    def _said(self, trial: Trial) -> str:
        if trial.score == -math.inf:
            return "diverged"
        if self.judges is None:
            return f"loss {-trial.score:.4g}"
        return f"{trial.score:.1%} sure of the class, {trial.accuracy:.1%} right"

    def recipe(self, rate: float) -> str:
        """Says in a phrase what was tried and chosen."""
        judged = "the loss"
        if self.judges is not None:
            judged = f"{len(self.judges)} images that they did not train on"
        rates = ", ".join(f"{it.learning_rate:g} ({self._said(it)})" for it in self.ordered)
        return (
            f"the learning rate {rate:g}, among the best of runs of "
            f"{self.steps} steps, judged by {judged}: {rates}"
        )
