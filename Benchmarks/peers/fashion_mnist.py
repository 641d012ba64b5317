"""The reference recipe in PyTorch, f32, for ../fashion_mnist.py to be compared with: SupCon,
ResNet-18 of width 16 with the CIFAR stem, SGD 0.9, weight decay 1e-4, cosine with 100 warm-up
steps, temperature 0.1, two views by crops of half the area or more and flips (--views 1: the images
as they are). Prints a JSON line: the accuracy of a linear probe on the encoder's output over all
test images; with --steps N, the seconds of a step, the mean of N, and of embedding an image.
"""

import argparse
import gzip
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from peers import encoder, supcon

FOLDER = Path("/usr/share/datasets/fashion-mnist")  # Debian's dataset-fashion-mnist


def read(part):
    """Images [n, 1, 28, 28] from 0 to 1, and labels."""
    images = np.frombuffer(
        gzip.open(FOLDER / f"{part}-images-idx3-ubyte.gz").read(), np.uint8, offset=16
    ).reshape(-1, 1, 28, 28)
    labels = np.frombuffer(
        gzip.open(FOLDER / f"{part}-labels-idx1-ubyte.gz").read(), np.uint8, offset=8
    )
    return torch.tensor(images).float() / 255, torch.tensor(labels).long()


def normalized(x):
    return (x - 0.286) / 0.353


def view(x):
    """A square crop of half to all of the area at a random place, resized back, every other one
    mirrored.
    """
    n = len(x)
    side = torch.empty(n).uniform_(0.5, 1).sqrt()
    mirror = (torch.rand(n) < 0.5).float() * -2 + 1
    place = (torch.rand(n, 2) * 2 - 1) * (1 - side)[:, None]
    zero = torch.zeros(n)
    affine = torch.stack(
        [
            torch.stack([side * mirror, zero, place[:, 0]], 1),
            torch.stack([zero, side, place[:, 1]], 1),
        ],
        1,
    )
    return normalized(
        F.grid_sample(
            x, F.affine_grid(affine, list(x.shape), align_corners=False), align_corners=False
        )
    )


def train(net, x, y, epochs, batch, rate, views):
    optimizer = torch.optim.SGD(net.parameters(), rate, momentum=0.9, weight_decay=1e-4)
    steps = epochs * (len(x) // batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / steps)),
    )
    net.train()
    for _ in range(epochs):
        for index in torch.randperm(len(x))[: len(x) // batch * batch].split(batch):
            z = F.normalize(
                net(
                    torch.cat([view(x[index]) for _ in range(views)])
                    if views > 1
                    else normalized(x[index])
                )
            )
            optimizer.zero_grad()
            supcon(z, y[index].repeat(views)).backward()
            optimizer.step()
            schedule.step()


@torch.inference_mode()
def embed(net, x):
    net[0].eval()
    return torch.cat([F.normalize(net[0](normalized(part))) for part in x.split(500)])


def probe(a, ya, b, yb, l2=1e-4):
    """Softmax regression by L-BFGS on `a`, its accuracy on `b`."""
    a, b = a.clone() * 10, b.clone() * 10
    linear = torch.nn.Linear(a.shape[1], int(ya.max()) + 1)
    optimizer = torch.optim.LBFGS(linear.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def objective():
        optimizer.zero_grad()
        value = F.cross_entropy(linear(a), ya) + l2 * linear.weight.square().sum()
        value.backward()
        return value

    optimizer.step(objective)
    return (linear(b).argmax(1) == yb).float().mean().item()


def main():
    parser = argparse.ArgumentParser()
    for name, kind, standard in (
        ("epochs", int, 4),
        ("batch", int, 256),
        ("rate", float, 0.2),
        ("views", int, 2),
        ("seed", int, 0),
        ("threads", int, 2),
    ):
        parser.add_argument(f"--{name}", type=kind, default=standard)
    parser.add_argument("--steps", type=int)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    (x, y), (test, test_labels) = read("train"), read("t10k")
    net = encoder("resnet18", "cifar", 16, 1)
    if options.steps:
        ends = []
        for steps in (10, options.steps):  # the first ten warm up
            some = steps * options.batch
            ends.append(time.perf_counter())
            train(net, x[:some], y[:some], 1, options.batch, options.rate, options.views)
        ends.append(time.perf_counter())
        embed(net, test)
        step, image = (ends[2] - ends[1]) / options.steps, (time.perf_counter() - ends[2]) / 1e4
        print(json.dumps({"step_s": round(step, 4), "embed_s": round(image, 6)}))
        return
    train(net, x, y, options.epochs, options.batch, options.rate, options.views)
    print(
        json.dumps(
            {
                "seed": options.seed,
                "linear": round(probe(embed(net, x), y, embed(net, test), test_labels), 4),
            }
        )
    )


if __name__ == "__main__":
    main()
