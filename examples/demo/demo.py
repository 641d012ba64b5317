"""What libsupcon does, on 60,000 real images: pre-trains a small ResNet-18 on Fashion-MNIST with
the supervised contrastive loss, fits a linear classifier on its frozen embeddings, measures both on
the 10,000 test images, embeds these once more through the C example, and draws a picture of them.

    make demo

The recipe is the shortest that passes 91 %: width 16, CIFAR stem, batches of 128 images, one view
each, so that the positives of an image are the others of its class; temperature 0.1. Longer runs
want two augmented views (`views=2`, `augmentation="crop_flip"`).
"""

import argparse
import gzip
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from picture import draw

import supcon

CLASSES = [
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
]


def idx(path: Path) -> np.ndarray:
    """The numbers of an IDX file: a magic with the rank in its last byte, the sizes, then bytes."""
    content = gzip.open(path).read()
    rank = content[3]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(
        np.frombuffer(content, ">u4", rank, 4)
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data",
        type=Path,
        default="/usr/share/datasets/fashion-mnist",
        help="folder of the four IDX files (default: Debian's)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default="build/demo",
        help="folder for the model, the embeddings and the picture (default: build/demo)",
    )
    parser.add_argument(
        "--embed", type=Path, default="examples/c/build/embed_folder", help="the C example"
    )
    parser.add_argument("--epochs", type=int, default=2)
    return parser.parse_args()


class Clock:
    """Says what happens now, and at the end how long each part took."""

    def __init__(self):
        self.parts = []

    def __call__(self, what: str) -> None:
        print(f"\n{what}", flush=True)
        self.parts.append((what, time.monotonic()))

    def report(self) -> str:
        ends = [start for _, start in self.parts[1:]] + [time.monotonic()]
        lines = [f"{end - start:7.1f} s  {what}" for (what, start), end in zip(self.parts, ends)]
        return "\n".join([*lines, f"{ends[-1] - self.parts[0][1]:7.1f} s  in all"])


def main() -> int:
    options = arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    model, rows = options.output / "model.safetensors", options.output / "test_embeddings.npy"
    print(supcon.build_info())

    clock = Clock()
    clock("Reading Fashion-MNIST")
    train, train_labels = (
        idx(options.data / "train-images-idx3-ubyte.gz"),
        idx(options.data / "train-labels-idx1-ubyte.gz"),
    )
    test, test_labels = (
        idx(options.data / "t10k-images-idx3-ubyte.gz"),
        idx(options.data / "t10k-labels-idx1-ubyte.gz"),
    )
    print(
        f"{len(train):,} images to learn from, {len(test):,} to test with, "
        f"{train.shape[1]} × {train.shape[2]} pixels, {len(CLASSES)} classes"
    )

    clock(f"Training the encoder: {options.epochs} epochs of the supervised contrastive loss")
    encoder = supcon.SupConEncoder(
        "resnet18",
        width=16,
        stem="cifar",
        epochs=options.epochs,
        batch_size=128,
        views=1,
        augmentation="none",
        learning_rate=0.2,
        reference_batch=0,
        warmup_steps=100,
        temperature=0.1,
        validation_fraction=0.02,
        random_state=0,
        verbose=1,
    )
    encoder.fit(train, train_labels)

    clock("Fitting the linear classifier on the frozen embeddings")
    encoder.model_.fit_classifier(train, train_labels)
    encoder.model_.save(model)
    known = encoder.transform(train)

    clock("Embedding the test images through the C example")
    command = [options.embed, model, rows, options.data / "t10k-images-idx3-ubyte.gz"]
    print(" ".join(map(str, command)), flush=True)
    subprocess.run(command, check=True)
    seen = np.load(rows)
    difference = np.abs(seen - encoder.transform(test)).max()
    print(f"The same from Python: they differ by {difference:.1e} at most")

    clock("Testing")
    linear = float(np.mean(encoder.model_.embed(test, "logits", False).argmax(1) == test_labels))
    knn = supcon.evaluate(known, train_labels, seen, test_labels, "knn").top1
    print(
        f"linear classifier {linear:8.2%} of the {len(test):,} test "
        f"images\nnearest neighbors {knn:7.2%}"
    )

    clock("Drawing the picture")
    draw(
        options.output / "embedding.png",
        seen,
        test,
        test_labels,
        CLASSES,
        f"linear classifier {linear:.1%}, nearest neighbors {knn:.1%}",
    )

    print(
        f"\n{clock.report()}\n\nmodel       {model}\nembeddings  "
        f"{rows}\npicture     {options.output / 'embedding.png'}"
    )
    return 0 if math.isfinite(linear) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
    except FileNotFoundError as error:
        sys.exit(f"{error}; `make demo` installs and builds what is needed")
