"""PyTorch's side of ../photographs.py: from the same files and weights, SupCon fine-tuning of all
stages (bf16 autocast, channels last, two SimCLR views, SGD 0.9 with cosine), then a linear probe of
the test images. Prints a JSON line, as ../photographs.py does, and beside it, not among the
seconds, the accuracies of probes on flipped images too, by the weight of their squares.

    python photographs.py FOLDER WEIGHTS [--side 224] [--architecture resnet50] [--epochs 5]
        [--batch 32] [--rate 0.0125] [--threads 2] [--seed 0]
        [--steps N]     so many steps alone, to be timed; no accuracy
"""

import argparse
import json
import math
import resource
import time

import torch
import torch.nn.functional as F
import torchvision
from fashion_mnist import probe
from peers import supcon
from safetensors.torch import load_file
from torchvision import transforms as t

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def whole(side):
    return t.Compose([t.Resize((side, side)), t.ToTensor(), t.Normalize(MEAN, STD)])


class TwoViews:
    def __init__(self, side):
        self.view = t.Compose(
            [
                t.RandomResizedCrop(side, scale=(0.2, 1)),
                t.RandomHorizontalFlip(),
                t.RandomApply([t.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
                t.RandomGrayscale(0.2),
                t.RandomApply([t.GaussianBlur(23, (0.1, 2))], 0.5 * (side >= 128)),
                t.ToTensor(),
                t.Normalize(MEAN, STD),
            ]
        )

    def __call__(self, image):
        return torch.stack([self.view(image), self.view(image)])


def seconds() -> float:
    both = (resource.getrusage(it) for it in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(it.ru_utime + it.ru_stime for it in both)


@torch.no_grad()
def features(net, folder, side, flip=0):
    way = t.Compose([t.RandomHorizontalFlip(flip), whole(side)])
    images = torchvision.datasets.ImageFolder(folder, way)
    rows, labels = [], []
    for x, y in torch.utils.data.DataLoader(images, 32, num_workers=1):
        with torch.autocast("cpu", torch.bfloat16):
            rows.append(F.normalize(net(x.contiguous(memory_format=torch.channels_last)).float()))
        labels.append(y)
    return torch.cat(rows), torch.cat(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("weights")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--architecture", default="resnet50")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0.0125)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    encoder = getattr(torchvision.models, options.architecture)()
    width = encoder.fc.in_features
    encoder.fc = torch.nn.Identity()
    encoder.load_state_dict(load_file(options.weights), strict=True)
    encoder = encoder.to(memory_format=torch.channels_last)
    head = torch.nn.Sequential(
        torch.nn.Linear(width, width), torch.nn.ReLU(inplace=True), torch.nn.Linear(width, 128)
    )
    images = torchvision.datasets.ImageFolder(f"{options.folder}/train", TwoViews(options.side))
    ahead = {} if options.steps else {"num_workers": 1, "persistent_workers": True}
    loader = torch.utils.data.DataLoader(
        images, options.batch, shuffle=True, drop_last=True, **ahead
    )
    optimizer = torch.optim.SGD(
        [*encoder.parameters(), *head.parameters()], options.rate, momentum=0.9, weight_decay=1e-4
    )
    steps = options.epochs * len(loader)
    warm = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * step / steps)),
    )
    encoder.train()
    done, ends = 0, []
    for _ in range(options.epochs):
        for x, y in loader:
            x = torch.cat(list(x.unbind(1))).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                z = head(encoder(x))
            loss = supcon(F.normalize(z.float()), y.repeat(2))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            done += 1
            ends.append((time.perf_counter(), seconds()))
            if done % 10 == 0:
                print(done, steps, round(loss.item(), 3), round(seconds(), 1), flush=True)
            if done == options.steps:
                lasted = [(b - a) / (done - 2) for a, b in zip(ends[1], ends[-1])]
                print(json.dumps({"step_s": lasted[0], "cpu_s": lasted[1], "steps": steps}))
                return
    del loader  # ends its worker, whose seconds then count
    encoder.eval()
    known, fresh = (
        features(encoder, f"{options.folder}/{it}", options.side) for it in ("train", "test")
    )
    found = {"accuracy": round(probe(*known, *fresh), 4), "cpu_s": round(seconds(), 1)}
    more = features(encoder, f"{options.folder}/more", options.side)
    found["accuracy_of_more"] = round(probe(*known, *more), 4)
    flipped = features(encoder, f"{options.folder}/train", options.side, flip=1)
    both = [torch.cat(it) for it in zip(known, flipped)]
    found["with_flips"] = {
        l2: [round(probe(*both, *it, l2=l2), 4) for it in (fresh, more)] for l2 in (1e-4, 1e-5)
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
