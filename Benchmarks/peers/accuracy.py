"""One run in PyTorch, f32, one thread, for ../accuracy.py to be compared with. FILE is an .npz of
images and labels to train on and to test on. Prints a JSON line. Its curve is as in ../accuracy.py.

cross-entropy: SGD 0.9 with Nesterov, rate 0.1, weight decay 5e-4, batches of 128, five epochs of
warm-up, cosine; one view, by crops of half the area or more, mirrored where that is right. It has
twice the epochs, since it has half the views.

supcontrast: two views, temperature 0.1, SGD 0.9, weight decay 1e-4, batches of 256 or a quarter of
the images, cosine after a tenth of warm-up; the rate (0.05, 0.15, 0.5) and the least area of crops
(0.2, 0.6) by six runs of a sixth of the epochs on four fifths of the training images, judged by the
neighbors of the last fifth; then a linear probe.
"""

import argparse
import json
import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from fashion_mnist import probe
from peers import encoder, supcon

RATES, CROPS = (0.05, 0.15, 0.5), (0.2, 0.6)
PARTS, JUDGES = (1 / 8, 1 / 4, 1 / 2), 2000  # of the curve


class Clock:
    """Seconds of the processor, without those that measuring the curve takes."""

    def __init__(self):
        self.begun, self.curve = time.process_time(), []

    def seconds(self):
        return round(time.process_time() - self.begun, 1)

    def hear(self, accuracy):
        """Adds what `accuracy` returns to the curve."""
        now = time.process_time()
        self.curve.append([self.seconds(), round(accuracy(), 4)])
        self.begun += time.process_time() - now


def view(x, least, mirrors, most=1.0, size=None):
    """A square crop of `least` to `most` of the area at a random place, resized back, or to
    `size`.
    """
    n, size = len(x), size or x.shape[-1]
    side = torch.empty(n).uniform_(least, most).sqrt()
    mirror = (torch.rand(n) < 0.5 * mirrors).float() * -2 + 1
    place, zero = (torch.rand(n, 2) * 2 - 1) * (1 - side)[:, None], torch.zeros(n)
    rows = ([side * mirror, zero, place[:, 0]], [zero, side, place[:, 1]])
    affine = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = F.affine_grid(affine, [*x.shape[:2], size, size], align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def train(
    net, parameters, x, y, epochs, batch, rate, warm_up, decay, nesterov, step_loss, hear=None
):
    """Trains, and calls `hear` after PARTS of the epochs."""
    optimizer = torch.optim.SGD(
        parameters, rate, momentum=0.9, weight_decay=decay, nesterov=nesterov
    )
    batch = min(batch, len(x))
    steps = epochs * (len(x) // batch)
    warm = max(1, round(warm_up * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * step / steps)),
    )
    told = [math.ceil(it * epochs) for it in PARTS] if hear else []
    net.train()
    for epoch in range(epochs):
        for index in torch.randperm(len(x))[: len(x) // batch * batch].split(batch):
            optimizer.zero_grad()
            step_loss(x[index], y[index]).backward()
            optimizer.step()
            schedule.step()
        if epoch + 1 in told:
            net.eval()
            hear(net)
            net.train()
    net.eval()


@torch.inference_mode()
def features(net, x):
    return torch.cat([F.normalize(net(part)) for part in x.split(500)])


def network(x, width):
    """ResNet-18 with the stem that suits the size."""
    return encoder("resnet18", "cifar" if x.shape[-1] <= 64 else "imagenet", width, x.shape[1])


def contrastive(x, y, width, epochs, rate, least, mirrors, hear=None):
    net = network(x, width)

    def loss(images, labels):
        z = F.normalize(net(torch.cat([view(images, least, mirrors) for _ in range(2)])))
        return supcon(z, labels.repeat(2))

    batch = min(256, len(x) // 4)
    train(net, net.parameters(), x, y, epochs, batch, rate, 0.1, 1e-4, False, loss, hear)
    return net[0]


def neighbors(net, x, y, others, truth):
    """The accuracy of the vote of the ten nearest."""
    nearest = (features(net, others) @ features(net, x).T).topk(10).indices
    return (y[nearest].mode(1).values == truth).float().mean().item()


def tuned(x, y, width, epochs, mirrors):
    """Rate and least area of crops, by short runs on a part of the training images."""
    cut = len(x) * 4 // 5
    found = {
        (rate, least): neighbors(
            contrastive(x[:cut], y[:cut], width, max(3, epochs // 6), rate, least, mirrors),
            *(x[:cut], y[:cut], x[cut:], y[cut:]),
        )
        for rate in RATES
        for least in CROPS
    }
    return max(found, key=found.get)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("method", choices=["cross-entropy", "supcontrast"])
    for name in ("seed", "width", "epochs"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    with np.load(options.file) as file:
        parts = [file[it] for it in file.files]
    x, test = (
        torch.tensor(it).reshape(*it.shape[:3], -1).permute(0, 3, 1, 2).float() / 255
        for it in parts[::2]
    )
    mean, std = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True)
    x, test = (x - mean) / std, (test - mean) / std
    y, truth = (torch.tensor(it).long() for it in parts[1::2])
    mirrors = "fashion" in options.file or "photographs" in options.file
    more, clock = {}, Clock()
    if options.method == "cross-entropy":
        classes = int(y.max()) + 1
        net = torch.nn.Sequential(
            network(x, options.width)[0], torch.nn.Linear(options.width * 8, classes)
        )

        def loss(images, labels):
            return F.cross_entropy(net(view(images, 0.5, mirrors)), labels)

        @torch.inference_mode()
        def accuracy(count=None):
            guesses = torch.cat([net(part).argmax(1) for part in test[:count].split(500)])
            return (guesses == truth[:count]).float().mean().item()

        def hear(_):
            clock.hear(lambda: accuracy(JUDGES))

        epochs = 2 * options.epochs
        train(net, net.parameters(), x, y, epochs, 128, 0.1, 5 / epochs, 5e-4, True, loss, hear)
    else:
        rate, least = tuned(x, y, options.width, options.epochs, mirrors)
        more = {"rate": rate, "crops": least, "tuning_cpu_s": clock.seconds()}

        def accuracy(count=None):
            return probe(features(net, x), y, features(net, test[:count]), truth[:count])

        def hear(trained):
            nonlocal net
            net = trained[0]
            clock.hear(lambda: accuracy(JUDGES))

        net, clock = None, Clock()
        net = contrastive(x, y, options.width, options.epochs, rate, least, mirrors, hear)
    more |= {"cpu_s": clock.seconds(), "curve": clock.curve}
    print(json.dumps({"accuracy": round(accuracy(), 4)} | more))


if __name__ == "__main__":
    main()
