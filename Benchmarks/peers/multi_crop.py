"""Whether views of mixed sizes (multi-crop, arXiv:2006.09882) pay for SupCon: ResNet-18 on slices
of Fashion-MNIST, in as much time as two views of full size take for --epochs. Small views are
passes of their own, with batch statistics of their own, and crops of less area. One thread, f32.
Prints a JSON line per run: a linear probe and the ten nearest neighbors on the 10,000 test images.

    python multi_crop.py [--images 2000] [--width 8] [--epochs 20] [--seeds 0 1 2]
        [--results FILE]     what FILE has is not run again
"""

import argparse
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from accuracy import features, neighbors, network, train, view
from fashion_mnist import probe, read
from peers import supcon

# Groups of views: how many, of which side, of which least and most area.
WAYS = {
    "2 of 28": [(2, 28, 0.4, 1.0)],
    "2 of 28, 2 of 16": [(2, 28, 0.4, 1.0), (2, 16, 0.2, 0.4)],
    "1 of 28, 2 of 16 of any area": [(1, 28, 0.4, 1.0), (2, 16, 0.4, 1.0)],
    "2 of 20": [(2, 20, 0.4, 1.0)],
    "4 of 28": [(4, 28, 0.4, 1.0)],
}


def objective(net, way):
    def loss(images, labels):
        rows = [
            net(torch.cat([view(images, least, True, most, size) for _ in range(count)]))
            for count, size, least, most in way
        ]
        return supcon(F.normalize(torch.cat(rows)), labels.repeat(sum(it[0] for it in way)))

    return loss


def step_seconds(x, y, width, way):
    """The processor's seconds of a step, the least of five after the first."""
    net, least = network(x, width), float("inf")
    loss = objective(net, way)
    for number in range(6):
        begun = time.process_time()
        loss(x[:256], y[:256]).backward()
        if number:
            least = min(least, time.process_time() - begun)
    return least


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = options.results and options.results.exists()
    done = [json.loads(it) for it in options.results.read_text().splitlines()] if known else []
    (images, labels), (test, truth) = read("train"), read("t10k")
    images, test = (images - 0.286) / 0.353, (test - 0.286) / 0.353
    seconds = {name: step_seconds(images, labels, options.width, way) for name, way in WAYS.items()}
    for seed in options.seeds:
        torch.manual_seed(seed)
        some = torch.randperm(len(images))[: options.images]
        x, y = images[some], labels[some]
        for name, way in WAYS.items():
            if any((it["views"], it["seed"]) == (name, seed) for it in done):
                continue
            torch.manual_seed(seed)
            net, begun = network(x, options.width), time.process_time()
            epochs = round(options.epochs * seconds["2 of 28"] / seconds[name])
            train(
                net,
                *(net.parameters(), x, y, epochs, min(256, len(x) // 4), 0.15, 0.1, 1e-4, False),
                objective(net, way),
            )
            took = time.process_time() - begun
            rows = features(net[0], x), y, features(net[0], test), truth
            line = {"views": name, "seed": seed, "epochs": epochs, "cpu_s": round(took, 1)}
            line |= {"linear": round(probe(*rows), 4)}
            line |= {"knn": round(neighbors(net[0], x, y, test, truth), 4)}
            print(json.dumps(line), flush=True)
            if options.results:
                with options.results.open("a") as file:
                    file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
