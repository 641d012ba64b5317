"""Figure 3: robustness to corruptions."""

from __future__ import annotations

import numpy as np

from .. import _abi
from .._measures import corruption_error
from .._model import Model
from .._types import Array
from ._runner import Outcome, Parts
from ._study import Arm, Claim, Settings, Study, sgd

SEVERITIES = range(1, 6)
LEAST = 0.01


def names() -> list[str]:
    return [it.word for it in _abi.Corruption]


def extra(model: Model, parts: Parts, settings: Settings) -> dict[str, float]:
    """Returns errors by corruption and severity, and the accuracy over all of them."""
    found: dict[str, float] = {}
    for name in names():
        for severity in SEVERITIES:
            data = parts.test.corrupted(name, severity)
            found[f"{name} {severity}"] = float(
                (model.embed(data, "probabilities", False).argmax(1) != data.labels).mean()
            )
    return found | {"corrupted": 1 - float(np.mean(list(found.values())))}


def arms(settings: Settings) -> list[Arm]:
    return [
        Arm(
            "cross-entropy",
            sgd(settings, objective="cross_entropy"),
            paper={"mce": 68.6, "relative_mce": 96.2},
        ),
        Arm("SupCon", sgd(settings), paper={"mce": 67.2, "relative_mce": 94.6}),
    ]


def table(it: Outcome, at: int) -> Array:
    """Returns the errors of a seed, [corruptions, severities]."""
    return np.array(
        [[it.measures[f"{name} {severity}"][at] for severity in SEVERITIES] for name in names()]
    )


def baseline(outcomes: list[Outcome]) -> tuple[Array, float, Array]:
    """Returns the mean errors of cross-entropy on corrupted and on clean images, and which
    corruptions cost it LEAST or more, so that their relative cost means something.
    """
    base = outcomes[0].measures
    corrupted, clean = (
        np.nanmean([table(outcomes[0], at) for at in range(len(base["top1"]))], axis=0),
        1 - float(np.nanmean(base["top1"])),
    )
    return corrupted, clean, corrupted.mean(1) - clean >= LEAST


def finish(outcomes: list[Outcome]) -> None:
    """Adds mCE and relative mCE, which need the baseline."""
    if "corrupted" not in outcomes[0].measures:
        return
    corrupted, clean, costly = baseline(outcomes)
    seeds = range(len(outcomes[0].measures["top1"]))
    for it in outcomes:
        it.measures["mce"], it.measures["relative_mce"] = (
            np.full(len(seeds), np.nan),
            np.full(len(seeds), np.nan),
        )
        for at in seeds:
            if "corrupted" in it.measures and np.isfinite(it.measures["corrupted"][at]):
                own = table(it, at)
                it.measures["mce"][at] = corruption_error(own, corrupted).mean
                if costly.any():
                    it.measures["relative_mce"][at] = corruption_error(
                        own[costly], corrupted[costly], 1 - it.measures["top1"][at], clean
                    ).relative_mean


def summary(outcomes: list[Outcome]) -> list[str]:
    lines = [
        "| accuracy % under | " + " | ".join(it.arm.name for it in outcomes) + " |",
        "|---|" + "---:|" * len(outcomes),
    ]
    for name in names():
        cells = [
            np.nanmean(
                [
                    1 - it.measures.get(f"{name} {severity}", np.array([np.nan]))
                    for severity in SEVERITIES
                ]
            )
            for it in outcomes
        ]
        lines.append(
            f"| {name.replace('_', ' ')} | " + " | ".join(f"{100 * it:.2f}" for it in cells) + " |"
        )
    if "corrupted" in outcomes[0].measures:
        harmless = [
            name.replace("_", " ")
            for name, counts in zip(names(), baseline(outcomes)[2])
            if not counts
        ]
        if harmless:
            lines += [
                "",
                f"The relative mCE leaves out what costs cross-entropy less than {100 * LEAST:g} "
                f"point of accuracy: {', '.join(harmless)}.",
            ]
    return lines


def claims(settings: Settings) -> list[Claim]:
    return [
        Claim("SupCon has the smaller mCE", "SupCon", "cross-entropy", 1.4, "mce"),
        Claim(
            "SupCon has the smaller relative mCE", "SupCon", "cross-entropy", 1.6, "relative_mce"
        ),
        Claim(
            "SupCon is more accurate on corrupted images",
            "SupCon",
            "cross-entropy",
            None,
            "corrupted",
        ),
    ]


STUDY = Study(
    "corruptions",
    "Robustness to corruptions",
    "The paper's mCE and relative mCE on ImageNet-C are 67.2 and 94.6 for "
    "SupCon, 68.6 and 96.2 for cross-entropy with ResNet-50 (ResNet-200: "
    "50.6 and "
    "66.5, 52.4 and 69.1).",
    arms,
    claims,
    measures=("corrupted", "mce", "relative_mce", "top1"),
    extra=extra,
    finish=finish,
    summary=summary,
    notes="mCE divides by the errors of a baseline: AlexNet's in the paper, here "
    "the mean ones of cross-entropy, which therefore has 100. The fifteen "
    "corruptions at five severities are computed from the test images.",
    full="    supcon study corruptions --data imagenet/train --test "
    "imagenet/val --architecture resnet50 --width 64 --epochs 350 "
    "--batch-size 6144",
)
