"""How near int8 embeddings are to f32's on real photographs: encoders at 224×224, trained with
cross-entropy (which ResNet-50 learns in fewer steps than contrast) on crops of the left two thirds
of sixteen photographs (the photograph is the label), calibrated on such crops, and compared on
crops of the right third, which neither has seen. A JSON line per network and precision: cosine of
each embedding to f32's (mean, smallest), and the share of crops whose nearest training crop is of
their photograph. Needs scikit-image and scikit-learn, whose photographs these are. --learning-rate
0.05 --no-zero-init makes a ResNet-50 with outliers, which bytes tell badly.

    python3 Benchmarks/int8_cosine.py [--steps 240] [--architectures resnet18 resnet50]
    [--learning-rate 0.02] [--no-zero-init]
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from skimage import color, data, transform, util
from sklearn.datasets import load_sample_images

import supcon

NAMES = [
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "retina",
    "rocket",
    "stereo_motorcycle",
]
SIDE = 224


def photographs():
    found = [getattr(data, name)() for name in NAMES] + load_sample_images().images
    found = [it[0] if isinstance(it, tuple) else it for it in found]
    return [util.img_as_ubyte(color.gray2rgb(it) if it.ndim == 2 else it[..., :3]) for it in found]


def crops(photographs, count, first, last, generator):
    """`count` squares of each photograph's columns first to last (shares of its width), of 60 to
    100 % of the smaller side, at 224×224.
    """
    images, labels = [], []
    for label, whole in enumerate(photographs):
        part = whole[:, int(first * whole.shape[1]) : int(last * whole.shape[1])]
        for _ in range(count):
            side = int(min(part.shape[:2]) * generator.uniform(0.6, 1))
            y, x = (generator.integers(0, size - side + 1) for size in part.shape[:2])
            images.append(
                util.img_as_ubyte(
                    transform.resize(
                        part[y : y + side, x : x + side], (SIDE, SIDE), anti_aliasing=True
                    )
                )
            )
            labels.append(label)
    return np.stack(images), np.array(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--architectures", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--learning-rate", type=float, default=0.02)
    parser.add_argument(
        "--no-zero-init", action="store_true", help="residual blocks do not begin as the identity"
    )
    options = parser.parse_args()
    generator, whole = np.random.default_rng(0), photographs()
    known, labels = crops(whole, 16, 0, 2 / 3, generator)
    fresh, truth = crops(whole, 16, 2 / 3, 1, generator)
    steps = len(known) // 16
    for architecture in options.architectures:
        model = supcon.Model(
            architecture,
            image_size=SIDE,
            mean=[0.485, 0.456, 0.406],
            std=[0.229, 0.224, 0.225],
            precision="bf16",
            zero_init_last_gamma="off" if options.no_zero_init else "on",
            seed=0,
        )
        supcon.train(
            model,
            supcon.Dataset.from_images(known, labels),
            epochs=max(1, options.steps // steps),
            batch_size=16,
            objective="cross_entropy",
            learning_rate=options.learning_rate,
            reference_batch=0,
            validation_fraction=0,
            augmentation={"kind": "crop_flip", "crop_scale_min": 0.5},
            seed=0,
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            model.save(path)
            models = {
                precision: supcon.load(path, precision=precision) for precision in ("f32", "bf16")
            } | {"int8": supcon.load(path, precision="bf16")}
        models["int8"].quantize(known)
        exact = models["f32"].embed(fresh)
        for precision, it in models.items():
            rows, gallery = it.embed(fresh), it.embed(known)
            cosine = (rows * exact).sum(1)
            print(
                json.dumps(
                    {
                        "case": f"photographs 224x224 {architecture}",
                        "precision": precision,
                        "images": len(rows),
                        "cosine_mean": round(float(cosine.mean()), 5),
                        "cosine_min": round(float(cosine.min()), 5),
                        "nearest_right": round(
                            float((labels[(rows @ gallery.T).argmax(1)] == truth).mean()), 4
                        ),
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
