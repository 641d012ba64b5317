"""The effect of the length of the training."""

from ._study import Arm, Claim, Settings, Study, sgd


def lengths(settings: Settings) -> list[int]:
    return sorted(
        {
            max(1, settings.epochs // 4),
            max(1, settings.epochs // 2),
            settings.epochs,
            2 * settings.epochs,
        }
    )


def named(name: str, epochs: int) -> str:
    return f"{name}, {epochs} {'epoch' if epochs == 1 else 'epochs'}"


def arms(settings: Settings) -> list[Arm]:
    return [
        Arm(
            named(name, it),
            sgd(settings, objective=objective, epochs=it),
            x=it,
        )
        for objective, name in (("supcon", "SupCon"), ("cross_entropy", "cross-entropy"))
        for it in lengths(settings)
    ]


def claims(settings: Settings) -> list[Claim]:
    short, *_, long = lengths(settings)
    return [
        Claim(
            f"SupCon gains by {long} epochs over {short}",
            named("SupCon", long),
            named("SupCon", short),
        ),
        Claim(
            f"after {long} epochs SupCon is better than cross-entropy",
            named("SupCon", long),
            named("cross-entropy", long),
        ),
        Claim(
            f"after {short} epochs it is, too",
            named("SupCon", short),
            named("cross-entropy", short),
        ),
    ]


STUDY = Study(
    "epochs",
    "Length of the training",
    "The paper pre-trains for 350 epochs on ImageNet (700 for ResNet-200) "
    "and for 1000 on CIFAR, where cross-entropy gets 500: SupCon is "
    "trained for "
    "longer, and each of its steps sees two views of an image.",
    arms,
    claims,
    notes="Two views per image make an epoch of SupCon about twice as long as "
    "one of cross-entropy: rows of equal time are SupCon's of n epochs and "
    "cross-entropy's of 2 n.",
    full="CIFAR-10, for each EPOCHS:\n\n    supcon train cifar10:… -o "
    "m.safetensors --architecture resnet50 --stem cifar --batch-size 1024 "
    "--learning-rate "
    "0.5 --reference-batch 0 --epochs EPOCHS\n    supcon evaluate "
    "m.safetensors cifar10:… cifar10:test_batch.bin",
)
