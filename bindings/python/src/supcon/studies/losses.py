"""Tables 1 to 3: the forms of the loss, and other objectives."""

from .. import _options
from ._study import Arm, Claim, Settings, Study, sgd

# The form in arXiv:2004.11362; Sohn's own (NIPS 2016) has N anchors and N − 1 negatives.
N_PAIRS = "N-pairs, 2(N − 1) negatives"
GRID = tuple({"learning_rate": it} for it in (0.1, 0.3))


def arms(settings: Settings) -> list[Arm]:
    found = [
        Arm("SupCon, L_out", sgd(settings), grid=GRID, paper={"top1": 96.0}),
        Arm(
            "SupCon, L_in",
            sgd(settings, form="in"),
            grid=GRID,
            paper={"top1": "67.4 on ImageNet (L_out 78.7)"},
        ),
        Arm(
            "SimCLR",
            sgd(settings, objective="simclr", temperature=0.5, scale=5.0),
            grid=GRID,
            paper={"top1": 93.6},
        ),
        Arm(
            "cross-entropy",
            sgd(settings, objective="cross_entropy"),
            grid=GRID,
            paper={"top1": 95.0},
        ),
    ]
    if "max_margin" in _options.TRAIN["objective"].choices:
        found.append(
            Arm(
                "max-margin", sgd(settings, objective="max_margin"), grid=GRID, paper={"top1": 92.4}
            )
        )
    if "positives_cap" in _options.LOSS:
        found.append(
            Arm(N_PAIRS, sgd(settings, views=1, positives_cap=1, temperature=1.0), grid=GRID)
        )
    return found


def claims(settings: Settings) -> list[Claim]:
    names, first = [it.name for it in arms(settings)], "SupCon, L_out"
    others = (("cross-entropy", 1.0), ("SimCLR", 2.4), ("max-margin", 3.6), (N_PAIRS, None))
    return [
        Claim(f"SupCon is better than {it}", first, it, paper)
        for it, paper in others
        if it in names
    ] + [Claim("L_out is better than L_in", first, "SupCon, L_in", 11.3)]


STUDY = Study(
    "losses",
    "Losses",
    "The paper's figures are for ResNet-50 on CIFAR-10 (table 2); L_in "
    "against L_out is for ImageNet (section 3.2.2).",
    arms,
    claims,
    measures=("top1", "map_at_r", "ece"),
    notes="The learning rate is chosen for each loss by the validation images. "
    "SupCon, L_in, SimCLR and N-pairs get a linear classifier on the "
    "frozen "
    "encoder. SimCLR's temperature is 0.5, as in the reference; its loss "
    "is scaled by 5 to have the gradients of temperature 0.1. All augment "
    "alike "
    "(crops and flips), where the paper's SimCLR has color jitter besides. "
    "N-pairs is the paper's reading of it: every image is an anchor, with one positive and all "
    "images of other classes as negatives (2(N − 1) of N pairs); Sohn's own loss (NIPS 2016) has "
    "N anchors and N − 1 negatives.",
    full="CIFAR-10, for OBJECTIVE in supcon, simclr, cross_entropy, "
    "max_margin:\n\n    supcon train "
    "cifar10:data_batch_1.bin,data_batch_2.bin,data_batch_3.bin,data_batch_4.bin,data_batch_5.bin "
    "-o m.safetensors --architecture resnet50 --stem "
    "cifar --epochs 1000 --batch-size 1024 --learning-rate 0.5 "
    "--reference-batch 0 --objective OBJECTIVE\n    supcon evaluate "
    "m.safetensors "
    "cifar10:data_batch_1.bin,… cifar10:test_batch.bin",
)
