"""Accuracy of the reference recipe on Fashion-MNIST: SupCon (or cross-entropy), ResNet-18 of width
16 with the CIFAR stem, batches of 256, SGD 0.9, weight decay 1e-4, cosine with 100 warm-up steps,
temperature 0.1, crops of half the area or more, and flips. One JSON line per run: a linear probe
and a weighted vote of 20 neighbors on the encoder's output, over all 10,000 test images.

    python3 Benchmarks/fashion_mnist.py [--objective supcon|cross_entropy] [--epochs 4] [--seeds 0 1
    2] [--methods linear knn] [--embed int8] [--set NAME=VALUE ...]    options of SupConEncoder
"""

import argparse
import gzip
import json
import sys
import time
from pathlib import Path

import numpy as np

import supcon

FOLDER = Path("/usr/share/datasets/fashion-mnist")  # Debian's dataset-fashion-mnist


def read(part: str, folder: Path = FOLDER) -> "tuple[np.ndarray, np.ndarray]":
    images = np.frombuffer(
        gzip.open(folder / f"{part}-images-idx3-ubyte.gz").read(), np.uint8, offset=16
    ).reshape(-1, 28, 28)
    return images, np.frombuffer(
        gzip.open(folder / f"{part}-labels-idx1-ubyte.gz").read(), np.uint8, offset=8
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objective", default="supcon", choices=["supcon", "cross_entropy"])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--methods", nargs="+", default=["linear", "knn"])
    parser.add_argument("--embed", choices=["int8"], help="the precision, if it is not the model's")
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="options of SupConEncoder, values in JSON",
    )
    options = parser.parse_args()
    more = {name: json.loads(value) for name, value in (pair.split("=", 1) for pair in options.set)}
    recipe = dict(
        architecture="resnet18",
        width=16,
        stem="cifar",
        batch_size=256,
        learning_rate=0.2,
        reference_batch=0,
        warmup_steps=100,
        temperature=0.1,
        mean=[0.286],
        std=[0.353],
        augmentation={
            "kind": "crop_flip",
            "crop_scale_min": 0.5,
            "crop_ratio_min": 1,
            "crop_ratio_max": 1,
        },
        validation_fraction=0,
    )
    recipe.update(more)
    (train, train_labels), (test, test_labels) = read("train"), read("t10k")
    for seed in options.seeds:
        encoder = supcon.SupConEncoder(
            objective=options.objective,
            epochs=options.epochs,
            random_state=seed,
            verbose=sys.stderr.isatty(),
            **recipe,
        )
        start = time.perf_counter()
        encoder.fit(train, train_labels)
        seconds = time.perf_counter() - start
        if options.embed:
            encoder.model_.quantize(train[:512])
        a, b = encoder.transform(train), encoder.transform(test)
        score = {
            method: supcon.evaluate(a, train_labels, b, test_labels, method).top1
            for method in options.methods
        }
        print(
            json.dumps(
                {
                    "case": f"fashion-mnist {options.objective} {options.epochs} epochs",
                    "seed": seed,
                    "train_s": round(seconds, 1),
                    **score,
                    **more,
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
