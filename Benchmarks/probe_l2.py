#!/usr/bin/env python3
"""Accuracy of the linear probe by its l2: each that the default chooses from, the default, and
scikit-learn's LogisticRegression with C = 1, on the same rows of length 1. They are digits and
slices of Fashion-MNIST as pixels, clean, with noise on the pixels, and with a fifth of the labels
at random; and embeddings of Fashion-MNIST by small encoders trained on those slices with labels
(supcon) and without (simclr). Prints a row per case, the mean over seeds, and how far each l2 is
below the best of those that the default chooses from.

    python3 Benchmarks/probe_l2.py [--folder FOLDER_OF_FASHION_MNIST] [--seeds 3]
    python3 Benchmarks/probe_l2.py --time     # what the choice adds to the time of a fit
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from fashion_mnist import read
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import supcon

RULES = [0.05, 0.5, 5, 50]  # divided by the number of rows; the last is scikit-learn's C = 1
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
                objective=objective,
                width=8,
                epochs=10,
                batch_size=128,
                reference_batch=256,
                random_state=seed,
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


def times() -> None:
    """Prints the seconds of a fit that chooses its l2, and of the same fit with that l2 given."""
    print("| rows | numbers | classes | chosen | seconds | with l2 given | ratio |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for count, dimension, classes in [
        *((it, 512, 10) for it in (1000, 10_000, 50_000)),
        *((it, 512, 100) for it in (10_000, 50_000)),
    ]:
        random = np.random.default_rng(0)
        labels = random.integers(0, classes, count)
        rows = random.normal(size=(classes, dimension))[labels]
        rows = (rows + 4 * random.normal(size=rows.shape)).astype(np.float32)
        seconds, l2 = [], None
        for _ in range(2):
            begin = time.perf_counter()
            l2 = supcon.evaluate(rows, labels, rows[:10], labels[:10], l2=l2, n_jobs=1).l2
            seconds.append(time.perf_counter() - begin)
        print(
            f"| {count:,} | {dimension} | {classes} | {l2 * count:.2g}/n | {seconds[0]:.2f} | "
            f"{seconds[1]:.2f} | {seconds[0] / seconds[1]:.1f} |",
            flush=True,
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("--folder", type=Path, default=FASHION)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--time", action="store_true")
    options = options.parse_args()
    if options.time:
        return times()
    warnings.simplefilter("ignore")
    chosen: dict = {}
    found: dict = {it: {} for it in [*RULES, "default", "C = 1"]}
    for seed in range(options.seeds):
        for name, train, labels, test, truth in cases(Path(options.folder), seed):
            train, test = unit(train), unit(test)
            for it in [*RULES, "default"]:
                l2 = None if it == "default" else it / len(train)
                scored = supcon.evaluate(train, labels, test, truth, "linear", l2=l2)
                found[it].setdefault(name, []).append(100 * scored.top1)
                if it == "default":
                    chosen.setdefault(name, []).append(f"{scored.l2 * len(train):.2g}")
            peer = LogisticRegression(C=1.0, max_iter=2000).fit(train, labels)
            found["C = 1"].setdefault(name, []).append(100 * peer.score(test, truth))
    names = list(found["C = 1"])
    heads = [f"{it}/n" if it in RULES else it for it in found]
    print("| case | " + " | ".join(heads) + " | chosen |")
    print("|---" + "|---:" * len(found) + "|---|")
    means = {it: np.array([np.mean(found[it][name]) for name in names]) for it in found}
    for at, name in enumerate(names):
        print(f"| {name} | " + " | ".join(f"{means[it][at]:.1f}" for it in found), end="")
        print(f" | {', '.join(chosen[name])} |", flush=True)
    best = np.max([means[it] for it in RULES], axis=0)
    for title, reduce in (("mean", np.mean), ("largest", np.max)):
        cells = (f"{reduce(best - means[it]):.1f}" for it in found)
        print(f"| below the best of the four: {title} | " + " | ".join(cells) + " | |")


if __name__ == "__main__":
    main()
