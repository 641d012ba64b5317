"""Table 6: the number of positives of an anchor."""

from ._study import Arm, Claim, Settings, Study, sgd

PAPER = {1: 69.3, 3: 76.6, 5: 78.0, 7: 78.4, 9: 78.3, 0: 78.5}


def named(cap: int) -> str:
    return f"at most {cap}" if cap else "all"


def arms(settings: Settings) -> list[Arm]:
    return [
        Arm(named(cap), sgd(settings, positives_cap=cap), paper={"top1": paper})
        for cap, paper in PAPER.items()
    ]


def claims(settings: Settings) -> list[Claim]:
    return [
        Claim("three positives are better than one", named(3), named(1), 7.3),
        Claim("all are better than one", named(0), named(1), 9.2),
        Claim("all are hardly better than five", named(0), named(5), 0.5, margin=1.0),
    ]


STUDY = Study(
    "positives",
    "Number of positives",
    "The paper (ResNet-50, ImageNet) lets each anchor have at most so many "
    "positives: one is like SimCLR with labels, more help, most of it by "
    "five.",
    arms,
    claims,
    needs=("positives_cap",),
    notes="Positives that are not chosen are neither positives nor negatives. An "
    "anchor has about (views × batch / classes − 1) of them here, many "
    "more "
    "than with ImageNet's 1000 classes.",
    full="ImageNet, for each CAP:\n\n    supcon train imagenet/train -o "
    "m.safetensors --architecture resnet50 --image-size 224 --epochs 350 "
    "--batch-size "
    "6144 --positives-cap CAP\n    supcon evaluate m.safetensors imagenet/train imagenet/val",
)
