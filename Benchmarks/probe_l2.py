#!/usr/bin/env python3
"""Accuracy of the linear probe by its l2, beside scikit-learn's LogisticRegression with C = 1 on
the same rows of length 1: digits and slices of Fashion-MNIST as pixels, clean, with noise on the
pixels, and with a fifth of the labels at random; and embeddings of Fashion-MNIST by small encoders
trained on those slices with labels (supcon) and without (simclr). Prints a row per case, the mean
over seeds, and how far each l2 is below the best of the grid.

    python3 Benchmarks/probe_l2.py [--folder FOLDER_OF_FASHION_MNIST] [--seeds 3]
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from fashion_mnist import read
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import supcon

GRID = [1e-4, 1e-3, 1e-2, 3e-2, 1e-1]
RULES = ["20/n", "50/n"]  # the last is scikit-learn's C = 1; the default is 5/n
FASHION, TESTED = "/usr/share/datasets/fashion-mnist", 3000


def partly_random(labels: np.ndarray, random) -> np.ndarray:
    wrong = random.random(len(labels)) < 0.2
    return np.where(wrong, random.integers(0, 10, len(labels)), labels)


def cases(folder: Path, seed: int):
    """(name, train rows, labels, test rows, labels)"""
    random = np.random.default_rng(seed)
    digits = load_digits()
    order = random.permutation(len(digits.target))
    pixels, labels = digits.data[order] / 16, digits.target[order]
    sets = [
        (f"digits {it}", pixels[:it], labels[:it], pixels[900:], labels[900:]) for it in (100, 900)
    ]
    (images, names), (tests, truth) = (read(it, folder) for it in ("train", "t10k"))
    tests, truth = tests[:TESTED], truth[:TESTED]
    order = random.permutation(len(images))
    flat, flat_tests = (it.reshape(len(it), -1) / 255 for it in (images[order[:4000]], tests))
    for count in (100, 1000, 4000):
        at = names[order[:count]]
        sets.append((f"fashion {count}", flat[:count], at, flat_tests, truth))
    for name, train, own, test, theirs in sets:
        yield name, train, own, test, theirs
        noise = random.normal(0, 0.5, train.shape), random.normal(0, 0.5, test.shape)
        yield f"{name}, noisy pixels", train + noise[0], own, test + noise[1], theirs
        yield f"{name}, noisy labels", train, partly_random(own, random), test, theirs
    for count in (1000, 4000):
        own, train = names[order[:count]], images[order[:count]]
        noisy = partly_random(own, random)
        for objective, fitted in (("supcon", own), ("supcon", noisy), ("simclr", own)):
            encoder = supcon.SupConEncoder(
                objective=objective, width=8, epochs=10, batch_size=128, random_state=seed
            ).fit(train, fitted)
            rows = encoder.transform(train), encoder.transform(tests)
            # the encoder and the probe see the same labels
            name = f"{objective} on fashion {count}"
            if fitted is own:
                yield name, rows[0], own, rows[1], truth
            if fitted is noisy or objective == "simclr":
                yield f"{name}, noisy labels", rows[0], noisy, rows[1], truth


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("--folder", type=Path, default=FASHION)
    options.add_argument("--seeds", type=int, default=3)
    options = options.parse_args()
    warnings.simplefilter("ignore")
    found: dict = {it: {} for it in [*GRID, *RULES, "default", "C = 1"]}
    for seed in range(options.seeds):
        for name, train, labels, test, truth in cases(Path(options.folder), seed):
            train, test = unit(train), unit(test)
            for it in [*GRID, *RULES, "default"]:
                l2 = float(it[:-2]) / len(train) if it in RULES else None if it == "default" else it
                scored = supcon.evaluate(train, labels, test, truth, "linear", l2=l2).top1
                found[it].setdefault(name, []).append(100 * scored)
            peer = LogisticRegression(C=1.0, max_iter=2000).fit(train, labels)
            found["C = 1"].setdefault(name, []).append(100 * peer.score(test, truth))
    names = list(found["C = 1"])
    print("| case | " + " | ".join(map(str, found)) + " |")
    print("|---" + "|---:" * len(found) + "|")
    means = {it: np.array([np.mean(found[it][name]) for name in names]) for it in found}
    for at, name in enumerate(names):
        print(f"| {name} | " + " | ".join(f"{means[it][at]:.1f}" for it in found) + " |")
    best = np.max([means[it] for it in GRID], axis=0)
    for title, reduce in (("mean", np.mean), ("largest", np.max)):
        cells = (f"{reduce(best - means[it]):.1f}" for it in found)
        print(f"| below the grid's best: {title} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
