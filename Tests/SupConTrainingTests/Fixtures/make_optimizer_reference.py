"""Writes optimizer_reference.json: what torch.optim's AdamW and SGD make of weights and gradients
by a formula that the Swift test shares, in double precision.

    pip install torch && python make_optimizer_reference.py

Element i of the weights is wave(i, 1), of the gradient of step t (from 0) wave(i, 2 + t); wave(i,
p) = sin(0.7 i + 0.013 i² + p).
"""

import json
import pathlib

import torch

COUNT, STEPS = 48, 6


def wave(phase):
    i = torch.arange(COUNT, dtype=torch.float64)
    return torch.sin(0.7 * i + 0.013 * i * i + phase)


def run(make):
    w = torch.nn.Parameter(wave(1))
    optimizer = make([w])
    for step in range(STEPS):
        w.grad = wave(2 + step)
        optimizer.step()
    return w.detach().tolist()


cases = {
    "adamw": run(
        lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)
    ),
    "adamw_usual": run(lambda p: torch.optim.AdamW(p, lr=0.001)),
    "sgd": run(lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01)),
    "nesterov": run(
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.01)
    ),
}
pathlib.Path(__file__).with_name("optimizer_reference.json").write_text(
    json.dumps({"steps": STEPS, "cases": cases}) + "\n"
)
