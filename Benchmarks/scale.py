#!/usr/bin/env python3
"""Predicts a training step on many machines from what was measured on one: `python3 scale.py`
prints the tables of docs/scale.md.

    step = compute + loss + gather + sums of the loss + agreement + what of the gradients' exchange
    is not behind the backward pass

compute: seconds per view times the views of a machine, two thirds of it backward. loss: grows with
the square of the batch, and is shared. gather: every machine receives the embeddings of all others.
sums: a ring, 2 (M - 1)/M of the bytes, and 2 log2 M latencies each; of the loss, and of the
embeddings' gradient. gradients: eight such sums, of which the last begins when backward has ended,
and the others may take seven eighths of it; in bf16 each is an exchange of all with all, of
(M - 1)/M of half of the bytes, and a gather of as many, log2 M latencies each and a microsecond for
each message. agreement: three small gathers and the running statistics, log2 M latencies each.
"""

import math
from dataclasses import dataclass

BUCKETS = 8


@dataclass(frozen=True)
class Network:
    name: str
    gradient_bytes: float
    seconds_per_view: float
    # Of the loss and its gradient for 8,192 rows of 128.
    loss_seconds: float


def step(
    network: Network,
    machines: int,
    batch: int,
    bandwidth: float,
    latency: float,
    overlap: bool = True,
    bf16: bool = False,
) -> "dict[str, float]":
    rows, hops = 2 * batch, math.log2(machines) if machines > 1 else 0
    others = (machines - 1) / machines
    summed = rows * 8, rows * 128 * 4
    compute = rows / machines * network.seconds_per_view
    if bf16:
        gradients = others * network.gradient_bytes / bandwidth
        gradients += BUCKETS * (2 * hops * latency + (machines - 1) * 1e-6)
    else:
        gradients = 2 * others * network.gradient_bytes / bandwidth + BUCKETS * 2 * hops * latency
    if overlap:
        early = 1 - 1 / BUCKETS
        gradients = gradients / BUCKETS + max(0, early * (gradients - compute * 2 / 3))
    parts = {
        "compute": compute,
        "loss": network.loss_seconds * (rows / 8192) ** 2 / machines,
        "gather": others * rows * 128 * 4 / bandwidth + hops * latency,
        "sums": 2 * others * sum(summed) / bandwidth + 2 * len(summed) * hops * latency,
        "agreement": 4 * hops * latency,
        "gradients": gradients,
    }
    return parts | {"step": sum(parts.values())}


# seconds_per_view and loss_seconds: bench "train-step resnet50", bf16, and "loss", on two cores of
# Zen 5; a machine of 32 such cores is taken to be 16 times as fast, which was not measured.
SMALL = Network("ResNet-50 224x224, 2 cores", 4 * 27.9e6, 0.560 / 16, 0.077)
LARGE = Network("ResNet-50 224x224, 32 cores", 4 * 27.9e6, 0.560 / 16 / 16, 0.077 / 16)


def main() -> None:
    for network in (SMALL, LARGE):
        print(f"\n{network.name}; batch 6,144")
        print("| machines | Gbit/s | compute | one after the other | overlapped | bf16 too |")
        print("|---|---|---|---|---|---|")
        alone = step(network, 1, 6144, 1, 0)["step"]
        for gigabits, latency in ((10, 50e-6), (100, 5e-6)):
            for machines in (8, 32, 128, 512, 1024):
                kinds = ({"overlap": False}, {}, {"bf16": True})
                steps = [
                    step(network, machines, 6144, gigabits * 1e9 / 8, latency, **kind)
                    for kind in kinds
                ]
                told = " | ".join(
                    f"{it['step']:.2f} s, {alone / it['step']:.0f} times, "
                    f"{100 * alone / it['step'] / machines:.0f} %"
                    for it in steps
                )
                print(f"| {machines} | {gigabits} | {steps[0]['compute']:.2f} s | {told} |")


if __name__ == "__main__":
    main()
