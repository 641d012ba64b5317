"""Section 4: a momentum encoder and a queue instead of large batches."""

from ._study import Arm, Claim, Settings, Study, sgd


def arms(settings: Settings) -> list[Arm]:
    small = max(16, settings.batch_size // 4)
    queue = {"batch_size": small, "queue_size": 8 * settings.batch_size, "key_momentum": 0.99}
    return [
        Arm(f"batches of {settings.batch_size}", sgd(settings), paper={"top1": 78.7}),
        Arm(f"batches of {small}", sgd(settings, batch_size=small)),
        Arm(f"batches of {small}, queue, negatives", sgd(settings, queue_mode="negatives") | queue),
        Arm(
            f"batches of {small}, queue, positives and negatives",
            sgd(settings, queue_mode="positives_and_negatives") | queue,
            paper={"top1": 79.1},
        ),
    ]


def claims(settings: Settings) -> list[Claim]:
    large, small, negatives, both = (it.name for it in arms(settings))
    return [
        Claim(
            "with the queue small batches do as well as large ones", both, large, 0.4, margin=1.0
        ),
        Claim("the queue helps small batches", both, small),
        Claim("positives in the queue help", both, negatives),
    ]


STUDY = Study(
    "memory",
    "A momentum encoder and a queue",
    "The paper's variant with a momentum encoder and a queue of 8192 "
    "embeddings reaches 79.1 on ImageNet with batches of 256 (ResNet-50), "
    "where batches of "
    "6144 reach 78.7.",
    arms,
    claims,
    needs=("queue_mode",),
    full="    supcon train imagenet/train -o m.safetensors --architecture "
    "resnet50 --image-size 224 --batch-size 256 --queue-mode "
    "positives_and_negatives\n"
    "    supcon evaluate m.safetensors imagenet/train imagenet/val",
)
