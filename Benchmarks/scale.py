#!/usr/bin/env python3
"""Predicts a training step on many machines from what was measured on one: `python3 scale.py`
prints the table of docs/scale.md.

    step = compute + loss + gather + sums + agreement, one after the other, as they run

compute: seconds per view times the views of a machine. loss: grows with the square of the batch,
and is shared. gather: every machine receives the embeddings of all others. sums: of the loss's
sums, the embeddings' gradient and the parameters', each a ring, 2 (M - 1)/M of the bytes, and 2
log2 M latencies. agreement: three small gathers and the running statistics, log2 M latencies each.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    name: str
    gradient_bytes: float
    seconds_per_view: float
    # Of the loss and its gradient for 8,192 rows of 128.
    loss_seconds: float


def step(network: Network, machines: int, batch: int, bandwidth: float, latency: float) -> dict:
    rows, hops = 2 * batch, math.log2(machines) if machines > 1 else 0
    share = (machines - 1) / machines
    summed = rows * 8, rows * 128 * 4, network.gradient_bytes
    parts = {
        "compute": rows / machines * network.seconds_per_view,
        "loss": network.loss_seconds * (rows / 8192) ** 2 / machines,
        "gather": share * rows * 128 * 4 / bandwidth + hops * latency,
        "sum": 2 * share * sum(summed) / bandwidth + 2 * len(summed) * hops * latency,
        "agreement": 4 * hops * latency,
    }
    return parts | {"step": sum(parts.values())}


# seconds_per_view and loss_seconds: bench "train-step resnet50", bf16, and "loss", on two cores of
# Zen 4; a machine of 32 such cores is taken to be 16 times as fast, which was not measured.
SMALL = Network("ResNet-50 224x224, 2 cores", 4 * 27.9e6, 0.560 / 16, 0.077)
LARGE = Network("ResNet-50 224x224, 32 cores", 4 * 27.9e6, 0.560 / 16 / 16, 0.077 / 16)


def main() -> None:
    for network in (SMALL, LARGE):
        print(f"\n{network.name}; batch 6,144")
        print("| machines | Gbit/s | compute | loss | exchange | step | speed-up | efficiency |")
        print("|---|---|---|---|---|---|---|---|")
        alone = step(network, 1, 6144, 1, 0)["step"]
        for gigabits, latency in ((10, 50e-6), (100, 5e-6)):
            for machines in (8, 32, 128, 512, 1024):
                it = step(network, machines, 6144, gigabits * 1e9 / 8, latency)
                exchange = it["gather"] + it["sum"] + it["agreement"]
                print(
                    f"| {machines} | {gigabits} | {it['compute']:.2f} s | {it['loss']:.2f} s | "
                    f"{exchange:.2f} s | {it['step']:.2f} s | {alone / it['step']:.0f} | "
                    f"{100 * alone / it['step'] / machines:.0f} % |"
                )


if __name__ == "__main__":
    main()
