"""Writes resnet_reference.json: what torchvision's ResNets compute, in double precision, for
weights and images made by a formula that the Swift test shares.

    pip install torch torchvision && python make_resnet_reference.py

Parameter p (in the order of `names`), element i:  base + amplitude * wave(i, p), wave(i, p) =
sin(0.7 i + 0.013 i² + p).  The objective is ½|z − c|² + ½|logits − d|², z the unit-length
projection.
"""

import json
import math
import pathlib

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

torch.set_default_dtype(torch.float64)


def wave(count, phase):
    i = torch.arange(count, dtype=torch.float64)
    return torch.sin(0.7 * i + 0.013 * i * i + phase)


def build(case):
    width, channels = case["width"], case["channels"]
    block = BasicBlock if case["architecture"] == "resnet18" else Bottleneck
    # torchvision's own arguments for these names
    groups, per_group = {"resnext50_32x4d": (32, 4), "wide_resnet50_2": (1, 128)}.get(
        case["architecture"], (1, 64)
    )
    net = ResNet(
        block, case["blocks"], num_classes=case["classes"], groups=groups, width_per_group=per_group
    )
    net.inplanes = width
    if case["stem"] == "cifar":
        net.conv1, net.maxpool = nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.Identity()
    else:
        net.conv1 = nn.Conv2d(channels, width, 7, 2, 3, bias=False)
    net.bn1 = nn.BatchNorm2d(width)
    for stage in range(4):
        setattr(
            net,
            f"layer{stage + 1}",
            net._make_layer(
                block, width << stage, case["blocks"][stage], stride=1 if stage == 0 else 2
            ),
        )
    features = width * 8 * block.expansion
    net.fc = nn.Linear(features, case["classes"])
    hidden = case.get("hidden", features)
    norm = [nn.BatchNorm1d(hidden)] if case["head"].endswith("_bn") else []
    layers = [nn.Linear(features, hidden), *norm, nn.ReLU()]
    if case["head"].startswith("mlp3"):
        layers += [
            nn.Linear(hidden, hidden),
            *([nn.BatchNorm1d(hidden)] if norm else []),
            nn.ReLU(),
        ]
    net.head = (
        nn.Linear(features, case["projection"])
        if case["head"] == "linear"
        else nn.Sequential(*layers, nn.Linear(hidden, case["projection"]))
    )
    return net


def fill(net):
    for p, (name, value) in enumerate(sorted(net.named_parameters())):
        w = wave(value.numel(), p).reshape(value.shape)
        if value.dim() > 1:
            w = w * math.sqrt(1 / value[0].numel())
        elif name.endswith("weight"):
            # A block whose last gamma is small is close to the identity: deep networks stay
            # well-conditioned.
            w = (0.1 if name.endswith("bn3.weight") else 1) + 0.2 * w
        else:
            w = 0.1 * w
        value.data = w


def run(net, x, normalize):
    fc, net.fc = net.fc, nn.Identity()
    r = net(x)
    net.fc = fc
    u = nn.functional.normalize(r, dim=1) if normalize else r
    return r, nn.functional.normalize(net.head(u), dim=1), fc(u)


def reference(case):
    net = build(case)
    fill(net)
    n, c, h, w = case["images"], case["channels"], case["height"], case["width_pixels"]
    x = (
        wave(n * h * w * c, 0.5)
        .reshape(n, h, w, c)
        .mul(1 + torch.arange(n).reshape(n, 1, 1, 1) * 0.3)
        .permute(0, 3, 1, 2)
    )
    target_z, target_logits = (
        wave(n * case["projection"], 1.5).reshape(n, -1),
        wave(n * case["classes"], 2.5).reshape(n, -1),
    )
    optimizer = torch.optim.SGD(net.parameters(), case["rate"], momentum=0.9, weight_decay=1e-3)
    out = dict(case, losses=[])
    for step in range(3):
        net.train()
        r, z, logits = run(net, x, case.get("normalize", False))
        loss = 0.5 * (z - target_z).square().sum() + 0.5 * (logits - target_logits).square().sum()
        optimizer.zero_grad()
        loss.backward()
        out["losses"].append(loss.item())
        if step == 0:
            out["features"], out["z"], out["logits"] = (
                v.detach().flatten().tolist() for v in (r, z, logits)
            )
            out["gradients"] = {
                name: {"length": p.grad.norm().item(), "first": p.grad.flatten()[:6].tolist()}
                for name, p in sorted(net.named_parameters())
            }
        optimizer.step()
    net.eval()
    with torch.no_grad():
        r, z, logits = run(net, x, case.get("normalize", False))
    out["evaluated_logits"] = logits.flatten().tolist()
    out["evaluated"] = r.flatten().tolist()
    out["running"] = {
        name: value.flatten()[:4].tolist()
        for name, value in net.named_buffers()
        if "running" in name
    }
    return out


cases = [
    dict(
        name="resnet18",
        architecture="resnet18",
        blocks=[2, 2, 2, 2],
        stem="cifar",
        width=8,
        channels=3,
        images=5,
        height=11,
        width_pixels=10,
        head="mlp",
        projection=7,
        rate=0.005,
        classes=3,
    ),
    dict(
        name="resnet50",
        architecture="resnet50",
        blocks=[3, 4, 6, 3],
        stem="imagenet",
        width=4,
        channels=1,
        images=6,
        height=64,
        width_pixels=70,
        head="mlp_bn",
        projection=5,
        rate=0.00002,
        classes=4,
    ),
    dict(
        name="resnext50_32x4d, three layers, r normalized",
        architecture="resnext50_32x4d",
        blocks=[3, 4, 6, 3],
        stem="cifar",
        width=16,
        channels=3,
        images=4,
        height=9,
        width_pixels=8,
        head="mlp3",
        hidden=24,
        projection=5,
        rate=0.0002,
        classes=3,
        normalize=True,
    ),
    dict(
        name="wide_resnet50_2, three layers with batch norm",
        architecture="wide_resnet50_2",
        blocks=[3, 4, 6, 3],
        stem="cifar",
        width=4,
        channels=3,
        images=6,
        height=12,
        width_pixels=11,
        head="mlp3_bn",
        hidden=20,
        projection=6,
        rate=0.00002,
        classes=3,
    ),
    dict(
        name="resnet18, linear head, r normalized",
        architecture="resnet18",
        blocks=[2, 2, 2, 2],
        stem="cifar",
        width=4,
        channels=1,
        images=5,
        height=10,
        width_pixels=9,
        head="linear",
        projection=7,
        rate=0.002,
        classes=3,
        normalize=True,
    ),
]


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return {k: rounded(v) for k, v in value.items()} if isinstance(value, dict) else value


pathlib.Path(__file__).with_name("resnet_reference.json").write_text(
    json.dumps([rounded(reference(case)) for case in cases]) + "\n"
)
