"""Supplement: augmentations of the contrastive and the linear stage."""

from __future__ import annotations

from typing import Any

from ._study import Arm, Claim, Settings, Study, crops, sgd

KINDS = {
    "AutoAugment": "autoaugment_cifar10",
    "RandAugment": "randaugment",
    "SimAugment": "simaugment",
    "Stacked RandAugment": "stacked_randaugment",
}


def of(settings: Settings, kind: str) -> dict[str, Any]:
    return crops(settings) | {"kind": kind}


def arms(settings: Settings) -> list[Arm]:
    return [
        Arm(
            f"{first} → {second}",
            sgd(settings) | {"augmentation": of(settings, KINDS[first])},
            second=sgd(settings, rate=1.0, weight_decay=0.0)
            | {"augmentation": of(settings, KINDS[second])},
            paper={"top1": 78.6} if first == second == "AutoAugment" else {},
        )
        for first in KINDS
        for second in KINDS
    ]


def claims(settings: Settings) -> list[Claim]:
    best = "AutoAugment → AutoAugment"
    return [
        Claim(f"AutoAugment in both stages is better than {it} in both", best, f"{it} → {it}")
        for it in KINDS
        if it != "AutoAugment"
    ]


STUDY = Study(
    "augmentations",
    "Augmentations of the two stages",
    "The paper tries sixteen pairs of augmentations, of the contrastive "
    "and of the linear stage, with ResNet-50 on ImageNet, and finds "
    "AutoAugment → "
    "AutoAugment the best at 78.6.",
    arms,
    claims,
    needs=tuple(f"augmentation={it}" for it in KINDS.values()),
    notes="CIFAR-10's policy stands for AutoAugment. The policies were found for "
    "color photographs: on gray images their color operations do nothing "
    "or "
    "little.",
    full="    supcon train imagenet/train -o m.safetensors --architecture "
    "resnet50 --image-size 224 --epochs 350 --batch-size 6144 "
    "--augmentation FIRST\n  "
    "  supcon train imagenet/train -o l.safetensors --init m.safetensors "
    "--objective linear --augmentation SECOND --epochs 90",
)
