"""Supplement: the calibration of the classifier."""

from ._study import Arm, Claim, Settings, Study, sgd


def arms(settings: Settings) -> list[Arm]:
    return [
        Arm("cross-entropy", sgd(settings, objective="cross_entropy"), paper={"ece": 0.039}),
        Arm("SupCon", sgd(settings), paper={"ece": 0.024}),
        Arm(
            "SupCon, classifier by SGD",
            sgd(settings),
            second=sgd(settings, rate=1.0, weight_decay=0.0),
        ),
    ]


def claims(settings: Settings) -> list[Claim]:
    return [
        Claim(
            f"{name} is better calibrated than cross-entropy", name, "cross-entropy", 0.015, "ece"
        )
        for name in ("SupCon", "SupCon, classifier by SGD")
    ]


STUDY = Study(
    "calibration",
    "Calibration",
    "The paper's expected calibration error on clean ImageNet is .039 for "
    "cross-entropy and .024 for SupCon with ResNet-50 (.045 and .041 with "
    "ResNet-200).",
    arms,
    claims,
    measures=("ece", "nll", "top1"),
    notes="The first classifier on the frozen encoder is fitted by L-BFGS to the "
    "end, without augmentation, the second by SGD with crops, as in the "
    "paper. "
    "ECE has 15 bins of equal width (Guo et al., arXiv:1706.04599).",
    full="    supcon evaluate m.safetensors imagenet/train imagenet/val --calibration",
)
