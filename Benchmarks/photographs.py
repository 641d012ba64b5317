"""Fine-tuning by the whole program: `supcon train FOLDER --init WEIGHTS` without any other choice,
on photographs at 224×224, from weights of a ResNet-50 under torchvision's names.
peers/photographs.py does it in PyTorch. Prints a JSON line: the accuracy on the 800 test images,
and the seconds, of the clock and of the processor, from the start of the program to its report;
and, not among these seconds, the accuracy on 3,200 more crops of the test tiles.

    python3 Benchmarks/photographs.py [--count 2000] [--side 224]
        [--architecture resnet50] [--threads 2] [--prepare] [-- OPTIONS of supcon train]
        [--steps N]     so many steps of 32 images with views of half, three quarters and all of
                        the side, and an embedding, to be timed; no accuracy

The photographs are those that come with scikit-image: a class is one of them, and an image a crop
of it, resized. Each is a checkerboard of tiles of about 100 pixels, of which a third is for
testing; a crop lies within one tile, so that the parts have no pixel in common. The weights are a
stand-in for ImageNet's: trained once, for a few minutes, on other data (scikit-learn's photographs
and Fashion-MNIST). Images and weights are kept in build/benchmarks; --prepare makes these alone.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SCRATCH = Path(__file__).resolve().parent.parent / "build" / "benchmarks"
NAMES = [
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "clock_motion",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "ihc",
    "moon",
    "motorcycle_left",
    "page",
    "retina",
    "rocket",
]
TILE = 100  # pixels, about
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def checkerboard(photograph: np.ndarray, tile: int = TILE) -> "list[tuple[np.ndarray, str]]":
    """The tiles, of about that many pixels a side, each with its part."""
    rows, columns = (max(3, round(it / tile)) for it in photograph.shape[:2])
    return [
        (it, "train" if (i + j) % 3 else "test")
        for i, row in enumerate(np.array_split(photograph, rows, axis=0))
        for j, it in enumerate(np.array_split(row, columns, axis=1))
    ]


def photograph(name: str) -> np.ndarray:
    import skimage
    from PIL import Image

    kind = "jpg" if name in ("hubble_deep_field", "retina", "rocket") else "png"
    return np.asarray(Image.open(f"{skimage.data_dir}/{name}.{kind}").convert("RGB"))


def cut(tile: np.ndarray, side: int, random: np.random.Generator, least: float = 0.5) -> np.ndarray:
    """A random square of the tile, of at least that part of its shorter side, resized."""
    from PIL import Image

    edge = round(min(tile.shape[:2]) * random.uniform(least, 1))
    top, left = (random.integers(it - edge + 1) for it in tile.shape[:2])
    crop = Image.fromarray(tile[top : top + edge, left : left + edge])
    return np.asarray(crop.resize((side, side), Image.Resampling.BICUBIC))


def crops(
    part: str, count: int, side: int, seed: int, tile: int = TILE, least: float = 0.5
) -> "tuple[np.ndarray, np.ndarray]":
    """Returns uint8 [count, side, side, 3] and labels [count], of `part` "train" or "test".
    tile, least: as `checkerboard` and `cut` have them.
    """
    images, labels = np.zeros((count, side, side, 3), np.uint8), np.arange(count) % len(NAMES)
    random = np.random.default_rng([seed, part == "test"])
    for label, name in enumerate(NAMES):
        tiles = [it for it, its in checkerboard(photograph(name), tile) if its == part]
        for index in np.flatnonzero(labels == label):
            images[index] = cut(tiles[random.integers(len(tiles))], side, random, least)
    return images, labels


def others(count: int, side: int, seed: int) -> "tuple[np.ndarray, np.ndarray]":
    """Returns images of other data, as `crops` does: of scikit-learn's two photographs, a class a
    tile, and of Fashion-MNIST, a quarter of the images.
    """
    from fashion_mnist import read
    from PIL import Image
    from sklearn.datasets import load_sample_images

    random = np.random.default_rng(seed)
    tiles = [it for whole in load_sample_images().images for it, _ in checkerboard(whole)]
    labels = np.arange(count) % len(tiles)
    images = [cut(tiles[it], side, random) for it in labels[: count * 3 // 4]]
    clothes, kinds = (it[: count - len(images)] for it in read("train"))
    labels[len(images) :] = kinds + len(tiles)
    images += [
        np.asarray(Image.fromarray(it).convert("RGB").resize((side, side))) for it in clothes
    ]
    return np.stack(images), labels


def weights(architecture: str) -> Path:
    """The stand-in's file, made if it is not there."""
    import supcon

    path = SCRATCH / f"photographs-{architecture}.safetensors"
    if not path.exists():
        SCRATCH.mkdir(parents=True, exist_ok=True)
        model = supcon.Model(architecture, stem="imagenet", image_size=64, mean=MEAN, std=STD)
        images, labels = others(3000, 64, 0)
        supcon.train(
            model,
            supcon.Dataset.from_images(images, labels),
            epochs=8,
            batch_size=32,
            objective="cross_entropy",
            learning_rate=0.05,
            reference_batch=0,
            validation_fraction=0,
            augmentation={"kind": "simclr", "crop_scale_min": 0.4},
            stop_on_collapse=False,
        )
        supcon.export_torchvision(model.reset_classifier(), path)
    return path


def sized(path: Path, side: int) -> Path:
    """The file of the same weights for images of another size than 224."""
    import supcon

    made = path.with_name(f"{path.stem}-{side}.safetensors")
    supcon.load(path, image_size=side).save(made)
    return made


def folder(count: int, side: int) -> Path:
    """The folder with train/CLASS/N.jpg and the same in test and more, made if it is not there."""
    from PIL import Image

    path = SCRATCH / f"photographs-{count}-{side}"
    if not (path / "more").exists():
        made = path.with_suffix(".part")
        for part, tiles, number, seed in (
            ("train", "train", count, 0),
            ("test", "test", 800, 0),
            ("more", "test", 3200, 1),
        ):
            for index, (image, label) in enumerate(zip(*crops(tiles, number, side, seed))):
                (made / part / NAMES[label]).mkdir(parents=True, exist_ok=True)
                name = made / part / NAMES[label] / f"{index:05}.jpg"
                Image.fromarray(image).save(name, quality=92)
        shutil.rmtree(path, ignore_errors=True)  # of an earlier version, without more
        made.rename(path)
    return path


def accuracy(model: Path, images: Path, threads: int) -> float:
    """The fraction of the images whose class the model's classifier tells."""
    import supcon

    data = supcon.ImageFolder(images)
    found = supcon.load(model, n_jobs=threads).embed(data, "logits").argmax(1)
    return float((found == data.labels).mean())


def timed(options) -> None:
    """Prints the seconds, of the clock and of the processor, of a step by size and of embedding an
    image, without the first step. They do not depend on the weights.
    """
    import supcon

    model = supcon.Model(
        options.architecture, stem="imagenet", image_size=options.side, n_jobs=options.threads
    )
    images, labels = crops("train", 32, options.side, 0)
    data = supcon.Dataset.from_images(images, labels)
    for side in (options.side // 2, options.side * 3 // 4, options.side):
        ends = []

        def hear(event, ends=ends) -> None:
            if event.kind == "step":
                ends.append((time.perf_counter(), time.process_time()))

        supcon.train(
            model.copy(),
            data,
            epochs=options.steps + 1,
            batch_size=32,
            image_size_schedule=[side],
            validation_fraction=0,
            stop_on_collapse=False,
            callbacks=hear,
        )
        took, used = ((b - a) / options.steps for a, b in zip(ends[0], ends[-1]))
        print(json.dumps({"side": side, "step_s": round(took, 3), "cpu_s": round(used, 3)}))
    model.embed(images)
    begun = time.perf_counter(), time.process_time()
    model.embed(images)
    took, used = ((b - a) / 32 for a, b in zip(begun, (time.perf_counter(), time.process_time())))
    print(json.dumps({"embed_s": round(took, 4), "cpu_s": round(used, 4)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--architecture", default="resnet50")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--steps", type=int)
    parser.add_argument("more", nargs="*", help="arguments of supcon train, after --")
    options = parser.parse_args()
    if options.steps:
        timed(options)
        return
    images, init = folder(options.count, options.side), weights(options.architecture)
    if options.prepare:
        print(json.dumps({"folder": str(images), "weights": str(init)}))
        return
    output = SCRATCH / "photographs-run"
    if options.side != 224:  # a file of torchvision's says no size
        init = sized(init, options.side)
    command = [sys.executable, "-m", "supcon", "train", images / "train", "--val", images / "test"]
    command += ["--init", init, "--output", output, "--threads", options.threads, *options.more]
    begun = time.perf_counter()
    done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True)
    took, used = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    run = Path(done.stdout.strip())
    with np.load(run / "evaluation.npz") as file:
        metrics = json.loads(str(file["metrics"]))
    more = accuracy(run / "model.safetensors", images / "more", options.threads)
    print(
        json.dumps(
            {
                "accuracy": round(metrics["top1"], 4),
                "accuracy_of_more": round(more, 4),
                "seconds": round(took, 1),
                "cpu_s": round(used.ru_utime + used.ru_stime, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
