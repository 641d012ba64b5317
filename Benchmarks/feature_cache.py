#!/usr/bin/env python3
"""What freezing, int8, a cache of few rounds of views, smaller views, another optimizer and no head
cost in accuracy beside fine-tuning all stages on fresh views as the recipe does: photographs
(photographs.py) from weights of a ResNet-18 that was trained on other data. Prints a JSON line per
run: a linear probe and kNN on test images, and seconds of the processor.

    PYTHONPATH=bindings/python/src python3 Benchmarks/feature_cache.py [--seeds 0 1 2]
        [--images 480] [--side 64] [--epochs 8] [--runs NAME …] [--learning-rate OF_ADAMW]
        [--results FILE]   what FILE has is not run again
"""

import argparse
import json
import time
from pathlib import Path

from photographs import crops, weights

import supcon
from supcon._recipe import optimization

ADAMW = optimization({}, 32, begun=True)[0]
SGD = dict.fromkeys(ADAMW)  # the library's defaults
RUNS = {
    "as given": None,
    "all stages": {},
    "all stages, SGD": SGD,
    "all stages, SGD at 0.05": SGD | {"learning_rate": 0.05, "reference_batch": 0},
    "all stages, SGD, no head": SGD | {"head": "none"},
    "all stages, smaller views": {"image_size_schedule": (1 / 2, 3 / 4)},  # of the side
    "stages 1 to 3 frozen": {"freeze_stages": 3},
    "… 4 rounds of views": {"freeze_stages": 3, "feature_cache": 4},
    "… 2 rounds of views": {"freeze_stages": 3, "feature_cache": 2},
    "… 1 round of views": {"freeze_stages": 3, "feature_cache": 1},
    "… in int8": {"freeze_stages": 3, "freeze_int8": True},
    "… in int8, 4 rounds of views": {"freeze_stages": 3, "feature_cache": 4, "freeze_int8": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--images", type=int, default=480)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--runs", nargs="+", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--learning-rate", type=float, default=ADAMW["learning_rate"])
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    known = options.results and options.results.exists()
    done = [json.loads(it) for it in options.results.read_text().splitlines()] if known else []
    init = weights("resnet18")
    for seed in options.seeds:
        images, labels = crops("train", options.images, options.side, seed)
        fresh, truth = crops("test", 800, options.side, seed)
        for name in options.runs:
            more = RUNS[name]
            key = {"run": name, "seed": seed, "rate_of_adamw": options.learning_rate}
            if any(key.items() <= it.items() for it in done):
                continue
            if more and "image_size_schedule" in more:
                if options.side < 128:  # the recipe takes them from there on
                    continue
                sizes = [round(options.side * it) for it in more["image_size_schedule"]]
                more = {"image_size_schedule": sizes}
            if more is not None:
                more = ADAMW | {"learning_rate": options.learning_rate} | more
            model, begun = supcon.load(init, image_size=options.side), time.process_time()
            if more is not None:
                model.reset_head(more.pop("head", "mlp"), seed=seed)
                supcon.train(
                    model,
                    supcon.Dataset.from_images(images, labels),
                    epochs=options.epochs,
                    batch_size=32,
                    validation_fraction=0,
                    stop_on_collapse=False,
                    seed=seed,
                    **more,
                )
            took = time.process_time() - begun
            rows = model.embed(images), labels, model.embed(fresh), truth
            found = {it: round(supcon.evaluate(*rows, it).top1, 4) for it in ("linear", "knn")}
            line = json.dumps(key | found | {"cpu_s": round(took, 1)})
            print(line, flush=True)
            if options.results:
                with options.results.open("a") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
