"""Figure 4: the effect of the batch size."""

from ._study import Arm, Claim, Settings, Study, sgd


def sizes(settings: Settings) -> list[int]:
    most = settings.batch_size
    return [most // 8, most // 4, most // 2, most, most * 2]


def arms(settings: Settings) -> list[Arm]:
    return [
        Arm(
            f"batches of {it}",
            sgd(settings, rate=0.2, batch_size=it) | {"reference_batch": settings.batch_size},
            x=it,
        )
        for it in sizes(settings)
    ]


def claims(settings: Settings) -> list[Claim]:
    small, *_, usual, large = sizes(settings)
    return [
        Claim(
            f"batches of {usual} are better than of {small}",
            f"batches of {usual}",
            f"batches of {small}",
        ),
        Claim(
            f"twice as large ones change it by less than half a point ({large} against {usual})",
            f"batches of {large}",
            f"batches of {usual}",
            0,
            margin=0.5,
        ),
    ]


STUDY = Study(
    "batch-size",
    "Batch size",
    "The paper trains with batches of 6144 images and finds 2048 enough "
    "(section 4.4): larger batches bring more positives and negatives to "
    "each anchor, "
    "and SupCon needs fewer than SimCLR.",
    arms,
    claims,
    axis="images per batch",
    logarithmic=True,
    notes="The rate grows with the batch, as in the paper; all have the same "
    "number of epochs, so that large batches have fewer steps, which in a "
    "short "
    "run is what hurts them.",
    full="ImageNet, for each SIZE (a batch that does not fit the memory is "
    "split by --chunk-size):\n\n    supcon train imagenet/train -o "
    "m.safetensors "
    "--architecture resnet50 --image-size 224 --epochs 350 --batch-size "
    "SIZE\n    supcon evaluate m.safetensors imagenet/train imagenet/val",
)
