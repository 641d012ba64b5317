"""Supplement: optimizers of the contrastive and the linear stage."""

from __future__ import annotations

from typing import Any

from ._study import Arm, Claim, Settings, Study, sgd

# options of the first and of the linear stage, with rates for a small run
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "LARS": (
        {"optimizer": "lars", "learning_rate": 4.0, "weight_decay": 1e-4},
        {"optimizer": "lars", "learning_rate": 10.0, "weight_decay": 0.0},
    ),
    "RMSProp": (
        {"optimizer": "rmsprop", "learning_rate": 0.02},
        {"optimizer": "rmsprop", "learning_rate": 0.1, "weight_decay": 0.0},
    ),
    "SGD": ({"learning_rate": 0.2}, {"learning_rate": 1.0, "weight_decay": 0.0}),
}


def arms(settings: Settings) -> list[Arm]:
    return [
        Arm(
            f"{first} → {second}",
            sgd(settings) | KINDS[first][0],
            second=sgd(settings) | KINDS[second][1],
            paper={"top1": 78.7} if (first, second) == ("LARS", "RMSProp") else {},
            grid=tuple(
                {"learning_rate": KINDS[first][0]["learning_rate"] * it} for it in (0.3, 1, 3)
            )
            if first == second
            else ({"learning_rate": KINDS[first][0]["learning_rate"]},),
        )
        for first in KINDS
        for second in KINDS
    ]


def claims(settings: Settings) -> list[Claim]:
    return [Claim("LARS → RMSProp is better than SGD → SGD", "LARS → RMSProp", "SGD → SGD")]


STUDY = Study(
    "optimizers",
    "Optimizers of the two stages",
    "The paper tries nine pairs of optimizers, of the contrastive and of "
    "the linear stage, with ResNet-50 on ImageNet, and finds LARS → "
    "RMSProp the best "
    "at 78.7.",
    arms,
    claims,
    needs=("optimizer=lars", "optimizer=rmsprop"),
    notes="Rates are of this size of run; pairs of one optimizer with itself are "
    "tried at three rates of the first stage.",
    full="    supcon train imagenet/train -o m.safetensors --architecture "
    "resnet50 --image-size 224 --epochs 350 --batch-size 6144 --optimizer "
    "lars "
    "--learning-rate 0.4\n    supcon train imagenet/train -o l.safetensors "
    "--init m.safetensors --objective linear --optimizer rmsprop "
    "--learning-rate 0.05 --epochs 90",
)
