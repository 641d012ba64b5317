"""Times what is reached from Python: `python3 ours.py WORK NAME=VALUE …` prints a JSON line
(`overlap` one too). run.py has the table of cases.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import main, report, timed

ROOT = Path(__file__).resolve().parent.parent


def embed(architecture, batch, precision, threads=2, side=224, runs=9) -> None:
    """Images (u8, of the model's size) to embeddings. int8: calibrated on these images."""
    import numpy as np

    import supcon

    model = supcon.Model(
        architecture,
        stem="imagenet",
        head="none",
        image_size=side,
        precision="f32" if precision == "int8" else precision,
        n_jobs=threads,
    )
    images = np.random.default_rng(0).integers(0, 255, (batch, side, side, 3), dtype=np.uint8)
    if precision == "int8":
        model = model.quantize(images)
    report(timed(lambda: model.embed(images, batch_size=batch), runs, 2))


def startup(threads=2, runs=5) -> None:
    """A new Python that imports the package, reads a model and embeds one image."""
    import supcon

    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/model.safetensors"
        supcon.Model("resnet18", stem="imagenet", head="none", image_size=224).save(file)
        code = (
            f"import numpy, supcon; supcon.load({file!r}, "
            f"n_jobs={threads}).embed(numpy.zeros((1, 224, 224, 3), numpy.uint8))"
        )
        report(timed(lambda: subprocess.run([sys.executable, "-c", code], check=True), runs))


def overlap(
    augmentation="simclr",
    monitor=0,
    checkpoint=0,
    batch=256,
    side=28,
    channels=1,
    width=16,
    precision="bf16",
    threads=2,
    steps=12,
    epochs=3,
) -> None:
    """Steps of the whole trainer: loader, augmentation, kNN monitor, checkpoints beside the
    network. The first epoch does not count.
    """
    import numpy as np

    import supcon

    random = np.random.default_rng(0)
    count = -(-batch * steps * 10 // 9) + 20 if monitor else batch * steps
    images = random.integers(0, 255, (count, side, side, channels), dtype=np.uint8)
    labels = np.arange(count) % 10
    model = supcon.Model(
        "resnet18",
        width=width,
        stem="cifar",
        channels=channels,
        image_size=side,
        precision=precision,
        n_jobs=threads,
    )
    between, ends, last = [], [], time.perf_counter()

    def hear(event):
        nonlocal last
        now, before = time.perf_counter(), last
        last = now
        if event.epoch > 1 and event.kind == "step" and event.step > 1:
            between.append(now - before)
        if event.epoch > 1 and event.kind == "epoch":
            ends.append(now - before)

    with tempfile.TemporaryDirectory() as folder:
        supcon.train(
            model,
            supcon.Dataset.from_images(images, labels),
            epochs=epochs,
            batch_size=batch,
            augmentation=augmentation,
            callbacks=hear,
            validation_fraction=0.1 if monitor else 0,
            checkpoint_folder=folder if checkpoint else None,
            stop_on_collapse=False,
        )
    report(between, epoch_end_s=round(statistics.median(ends), 6), training_images=batch * steps)


def epoch(
    freeze, precision, cache, images=96, batch=16, side=224, threads=2, epochs=3, folder=None
) -> None:
    """Epochs of the whole trainer with frozen stages, SimCLR views of random images of 256 pixels;
    the first, which fills the cache, does not count. folder: the cache is in a file there. cpu_s:
    the processor's seconds for an epoch, which others on the machine disturb less.
    """
    import numpy as np

    import supcon

    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (images, 256, 256, 3), dtype=np.uint8)
    model = supcon.Model(
        "resnet50", stem="imagenet", image_size=side, precision=precision, n_jobs=threads
    )
    ends = [(time.perf_counter(), time.process_time())]

    def hear(event):
        if event.kind == "epoch":
            ends.append((time.perf_counter(), time.process_time()))

    supcon.train(
        model,
        supcon.Dataset.from_images(pixels, np.arange(images) % 8),
        epochs=epochs,
        batch_size=batch,
        freeze_stages=freeze,
        feature_cache=cache,
        feature_cache_folder=folder,
        validation_fraction=0,
        stop_on_collapse=False,
        callbacks=[hear],
    )
    lasted = [tuple(b - a for a, b in zip(*pair)) for pair in zip(ends[1:], ends[2:])]
    cpu_s = round(statistics.median(cpu for _, cpu in lasted), 3)
    report([seconds for seconds, _ in lasted], images=images, cpu_s=cpu_s)


def ranks(ranks=1, threads=1, **more) -> None:
    """Steps of several processes over MPI; with ranks=1 of one without."""
    words = [
        f"{name}={value}" for name, value in dict(ranks=ranks, threads=threads, **more).items()
    ]
    launch = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", str(ranks)]
    program = [sys.executable, str(ROOT / "Benchmarks" / "ranks.py"), *words]
    subprocess.run((launch if ranks > 1 else []) + program, check=True)


def fashion_mnist(threads=2, seeds=1, **options) -> None:
    """The whole program, a process per seed: seconds from its start to its end, and the accuracy
    that it reaches. Options are those of fashion_mnist.py.
    """
    seconds, accuracies = [], []
    for seed in range(seeds):
        words = [
            word for name, value in options.items() for word in (f"--{name}", *str(value).split())
        ]
        start = time.perf_counter()
        out = subprocess.run(
            [
                sys.executable,
                str(ROOT / "Benchmarks" / "fashion_mnist.py"),
                "--seeds",
                str(seed),
                *words,
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        seconds.append(time.perf_counter() - start)
        accuracies.append(json.loads(out.stdout.splitlines()[-1])["linear"])
    report(seconds, accuracy=round(statistics.mean(accuracies), 4))


def photographs(threads=2, count=2000) -> None:
    """The whole program of photographs.py, whose images and weights are made before."""
    words = [sys.executable, str(ROOT / "Benchmarks" / "photographs.py"), f"--count={count}"]
    subprocess.run([*words, "--prepare"], check=True, capture_output=True)
    out = subprocess.run(
        [*words, f"--threads={threads}"], check=True, capture_output=True, text=True
    )
    found = json.loads(out.stdout.splitlines()[-1])
    report([found["seconds"]], accuracy=found["accuracy"], cpu_s=found["cpu_s"])


if __name__ == "__main__":
    main(
        {
            "embed": embed,
            "startup": startup,
            "overlap": overlap,
            "epoch": epoch,
            "ranks": ranks,
            "fashion-mnist": fashion_mnist,
            "photographs": photographs,
        }
    )
