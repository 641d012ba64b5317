#!/usr/bin/env python3
"""Measure what `zero_init_last_gamma` does to networks of several depths and widths: 500 images of
Fashion-MNIST at 16×16, 20 epochs in batches of 64, else the defaults of `supcon.SupConEncoder`.
Print a JSON line per run: the last epoch's loss, and a linear probe and kNN on 2,000 test images.

    PYTHONPATH=bindings/python/src python3 Benchmarks/zero_init.py [NETWORK:WIDTH …] [--seeds 0 1]
"""

import argparse
import json

import numpy as np
from fashion_mnist import read

import supcon

NETWORKS = ("resnet18:8", "resnet18:16", "resnet18:64", "resnet50:16", "resnet50:64")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NETWORK:WIDTH")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    (images, labels), (test, truth) = read("train"), read("t10k")
    for name in options.networks:
        architecture, width = name.split(":")
        for seed in options.seeds:
            some = np.random.default_rng(seed).permutation(len(images))[:500]
            for zero in ("off", "on"):
                encoder = supcon.SupConEncoder(
                    architecture,
                    width=int(width),
                    image_size=16,
                    stem="cifar",
                    zero_init_last_gamma=zero,
                    epochs=options.epochs,
                    stop_on_collapse=False,
                    random_state=seed,
                    n_jobs=options.threads,
                ).fit(images[some], labels[some])
                rows = encoder.transform(images[some]), labels[some]
                rows += encoder.transform(test[:2000]), truth[:2000]
                found = {it: round(supcon.evaluate(*rows, it).top1, 4) for it in ("linear", "knn")}
                loss = round(float(list(encoder.history_["loss"])[-1]), 3)
                line = {"network": name, "seed": seed, "zero_init_last_gamma": zero, "loss": loss}
                print(json.dumps(line | found), flush=True)


if __name__ == "__main__":
    main()
