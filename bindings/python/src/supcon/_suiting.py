"""Holds the rules that suit a run, and a model with given weights, to the data. The command and
the estimators share them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _convert
from ._data import Dataset
from ._errors import ArgumentError
from ._model import Model
from ._presets import Preset
from ._types import RandomState


def trains_classifier(objective: str | None, joint_classifier: bool | None) -> bool:
    """Tells whether a run trains the classifier itself, so that none is fitted afterwards."""
    return objective in ("cross_entropy", "linear", "max_margin") or bool(joint_classifier)


def need_encoder(options: dict[str, Any], init: str) -> None:
    """Raises ArgumentError if a run without a trained encoder would only fit a classifier to random
    weights. `init`: how the caller gives an encoder, for the message.
    """
    if options.get("objective") == "linear":
        raise ArgumentError(
            "objective is 'linear', which trains the classifier alone and needs an "
            f"encoder that has been trained; expected {init}, or another objective"
        )


HEAD = ("head", "head_hidden", "projection_dim")
BESIDE_INIT = ("precision", *HEAD)  # options of a model that may be given beside its weights


def suit_head(
    model: Model, recipe: Preset | None, given: dict[str, Any], options: dict[str, Any]
) -> bool:
    """Gives a model of given weights a new projection head, as the caller describes it; or, if the
    weights have none, as torchvision's and timm's, and the run contrasts projections, the recipe's,
    or the default. Returns whether the head is new.

    given : the caller's options of the model, in which None counts as not given
    options : those of `train`
    """
    wanted = {name: given[name] for name in HEAD if given.get(name) is not None}
    contrasts = not trains_classifier(options.get("objective"), joint_classifier=None)
    if not wanted and (model.head != "none" or not contrasts):
        return False
    if model.head != "none":
        wanted = {"head": model.head} | wanted
    elif recipe is not None:
        wanted = {name: recipe.model[name] for name in HEAD} | wanted
    model.reset_head(**wanted, seed=options.get("seed"))
    return True


def suit_classifier(model: Model, data: Dataset) -> None:
    """Removes the classifier of a model that was fitted on other classes than the data's; the run
    makes a new one.
    """
    if model.classes and model.class_names != data.class_names:
        model.reset_classifier()


def by_targets(options: dict[str, Any]) -> bool:
    """Tells whether targets, rather than labels, make images positives of each other."""
    return options.get("positives") not in (None, "classes")


def objective_for(options: dict[str, Any], data: Dataset) -> str | None:
    """Returns the objective for this data. Without labels it is SimCLR's in the place of the
    supervised contrastive loss; other objectives need labels.
    """
    objective = options.get("objective")
    if data.labels is not None or (objective in (None, "supcon") and by_targets(options)):
        return objective
    if objective not in (None, "supcon", "simclr"):
        raise ArgumentError(
            f"objective is {objective!r}, which needs labels; pass y, or use objective='simclr'"
        )
    return "simclr"


def seed_of(random_state: RandomState | None) -> int | None:
    """Returns the seed for a random_state: None for None (the library's seed), an int unchanged, or
    a number drawn from a numpy RandomState or Generator.
    """
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63 - 1))
    return (
        None
        if random_state is None
        else _convert.integer("random_state", random_state, 0, 2**64 - 1)
    )
