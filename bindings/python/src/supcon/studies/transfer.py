"""Table 4: transfer of an encoder to other classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._data import Dataset
from .._model import Model
from ._data import some
from ._runner import Parts, encoder, new_model, stage
from ._study import Arm, Claim, Settings, Study, sgd

FROM = {
    "SupCon": ("supcon", 84.27),
    "cross-entropy": ("cross_entropy", 84.67),
    "SimCLR": ("simclr", 84.81),
}
# Images of each new class unless --per-class is given; with many, transfer has no effect.
FEW = 20


def prepare(settings: Settings, train: Dataset, test: Dataset, seed: int) -> Parts:
    """Takes the first half of the classes to train the encoder on, and a few images of the others
    to transfer to.
    """
    half = len(train.class_names) // 2
    old, new = np.arange(half), np.arange(half, len(train.class_names))
    known, validation = some(train, new).split(settings.validation, seed)
    return Parts(
        known.per_class(settings.per_class or FEW, seed),
        validation,
        some(test, new),
        some(train, old),
    )


def fit(settings: Settings, arm: Arm, options: dict[str, Any], parts: Parts, seed: int) -> Model:
    options, probe = dict(options), arm.name.endswith("probe")
    begin = options.pop("from")
    if begin is None:
        model = new_model(settings, options, parts.train, seed)
    else:
        scale = {"temperature": 0.5, "scale": 5.0} if begin == "simclr" else {}
        model = encoder(
            settings, sgd(settings, objective=begin) | scale, parts.pretrain or parts.train, seed
        )
    if probe:
        return model.fit_classifier(parts.train)
    model.reset_classifier()
    steps = max(1, len(parts.train) // options["batch_size"])
    stage(
        settings,
        model,
        parts.train,
        options | {"epochs": max(2, min(5 * settings.epochs, 150 // steps))},
        seed,
    )
    return model


def arms(settings: Settings) -> list[Arm]:
    tuned = {"objective": "cross_entropy", "batch_size": 32, "reference_batch": 0}
    rates = tuple({"learning_rate": it} for it in (0.01, 0.03, 0.1))
    found = []
    for name, (begin, paper) in FROM.items():
        found.append(
            Arm(
                f"{name}, fine-tuned",
                tuned | {"from": begin, "augmentation": sgd(settings)["augmentation"]},
                grid=rates,
                paper={"top1": paper},
            )
        )
    found.append(
        Arm(
            "from scratch",
            tuned | {"from": None, "augmentation": sgd(settings)["augmentation"]},
            grid=rates,
        )
    )
    return found + [
        Arm(f"{name}, linear probe", {"from": begin}) for name, (begin, _) in FROM.items()
    ]


def claims(settings: Settings) -> list[Claim]:
    return [
        Claim(
            "SupCon and cross-entropy transfer alike by fine-tuning",
            "SupCon, fine-tuned",
            "cross-entropy, fine-tuned",
            -0.40,
            margin=1.0,
        ),
        Claim(
            "SupCon and SimCLR transfer alike by fine-tuning",
            "SupCon, fine-tuned",
            "SimCLR, fine-tuned",
            -0.54,
            margin=1.0,
        ),
        Claim("pre-training helps", "SupCon, fine-tuned", "from scratch"),
    ]


STUDY = Study(
    "transfer",
    "Transfer to other classes",
    "The paper fine-tunes ResNet-50 encoders, trained on ImageNet, on "
    "twelve data sets: on average SupCon reaches 84.27, cross-entropy "
    "84.67, SimCLR "
    "84.81: on par.",
    arms,
    claims,
    measures=("top1", "map_at_r"),
    prepare=prepare,
    fit=fit,
    notes="Encoders are trained on the first half of the classes of one data "
    f"set, and meet the other half with few images of each ({FEW} unless "
    "--per-class says otherwise): the encoder and a new classifier "
    "together, with cross-entropy, at a rate that the validation images "
    "choose; or a "
    "linear probe on the frozen encoder.",
    full="Another data set, from a model of ImageNet:\n\n    supcon train "
    "flowers/train -o tuned.safetensors --init imagenet.safetensors "
    "--objective "
    "cross_entropy --learning-rate 0.01 --epochs 100\n    supcon train "
    "flowers/train -o probe.safetensors --init imagenet.safetensors "
    "--objective "
    "linear --learning-rate 1\n    supcon evaluate imagenet.safetensors "
    "flowers/train flowers/test",
)
