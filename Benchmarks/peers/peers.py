"""Times the libraries that one would use instead: `python peers.py WORK NAME=VALUE …` in an
environment that has them prints a JSON line. ../cases.py has the table.

Every work is what the library's own counterpart does: the same network, batch, precision and number
of threads, in the form that is fastest for that peer.
"""

import os
import statistics
import subprocess
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from timing import main, report, timed

warnings.filterwarnings("ignore")


# ---------------------------------------------------------------------------------------------
# training steps
def encoder(architecture, stem, width, channels):
    """torchvision's ResNet without its classifier, with the stem for small images, of another
    width and for other channels where that is asked for, and a head of two layers.
    """
    import torchvision
    from torch import nn

    resnet = getattr(torchvision.models, architecture)(width_per_group=64)
    if width != 64:  # of basic blocks
        resnet.inplanes = width
        for stage, blocks in enumerate(
            (resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4)
        ):
            made = resnet._make_layer(
                torchvision.models.resnet.BasicBlock,
                width << stage,
                len(blocks),
                stride=1 if stage == 0 else 2,
            )
            setattr(resnet, f"layer{stage + 1}", made)
    if stem == "cifar":
        resnet.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        resnet.maxpool = nn.Identity()
    elif (width, channels) != (64, 3):
        resnet.conv1 = nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)
    resnet.bn1 = nn.BatchNorm2d(width)
    dimension = resnet.fc.in_features * width // 64
    resnet.fc = nn.Identity()
    return nn.Sequential(
        resnet, nn.Linear(dimension, dimension), nn.ReLU(inplace=True), nn.Linear(dimension, 128)
    )


def supcon(z, labels, temperature=0.1):
    """The loss as SupContrast computes it, with the similarities of all pairs in memory."""
    import torch

    similarity = z @ z.T / temperature
    similarity = similarity - similarity.amax(1, keepdim=True).detach()
    others = ~torch.eye(len(z), dtype=torch.bool)
    positives = (labels[:, None] == labels[None, :]) & others
    log_share = similarity - (similarity.exp() * others).sum(1, keepdim=True).log()
    return -((log_share * positives).sum(1) / positives.sum(1).clamp(min=1)).mean()


def partly_frozen(net, stages):
    """The encoder of `encoder` and its head, cut behind the frozen stages."""
    import torch
    from torch import nn

    resnet, *head = net

    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            parts = [getattr(resnet, f"layer{i}") for i in range(1, 5)]
            self.frozen = nn.Sequential(
                resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool, *parts[:stages]
            )
            self.frozen.requires_grad_(False).eval()
            self.trained = nn.Sequential(*parts[stages:], resnet.avgpool, nn.Flatten(), *head)

        def forward(self, x):
            with torch.no_grad():
                x = self.frozen(x)
            return self.trained(x)

    return Cut()


def training_step(
    architecture, stem, width, channels, side, views, precision, mode, layout, threads, freeze=0
):
    """The call that does one step. freeze: the stem and so many stages are not trained: they run in
    evaluation mode and without a graph.
    """
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    order = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    net = encoder(architecture, stem, width, channels).to(memory_format=order)
    images = torch.randn(views, channels, side, side).contiguous(memory_format=order)
    labels = torch.randint(10, (views // 2,)).repeat(2)
    if freeze:
        net = partly_frozen(net, freeze)
    optimizer = torch.optim.SGD(
        [it for it in net.parameters() if it.requires_grad], 0.05, momentum=0.9, weight_decay=1e-4
    )
    forward = torch.compile(net) if mode == "compile" else net

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            w = forward(images)
        loss = supcon(torch.nn.functional.normalize(w.float()), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def train_step(runs=5, **shape):
    report(timed(training_step(**shape), runs, 2))


def busy(foreign, rounds=4, seconds=4, **shape):
    """As Benchmarks/swift/busy.swift does it, with the same foreign process."""
    step = training_step(**shape)

    def lasting(limit):
        times = []
        while sum(times) < limit or len(times) < 3:
            times += timed(step, 1, 0)
        return times

    step(), step()
    quiet_times, busy_times = [], []
    for _ in range(rounds):
        quiet_times += lasting(seconds / 2)
        process = subprocess.Popen([foreign, "foreign"])
        try:
            busy_times += lasting(seconds)
        finally:
            process.kill()
            process.wait()
    report(
        busy_times,
        quiet_s=statistics.median(quiet_times),
        slowdown=statistics.mean(busy_times) / statistics.mean(quiet_times),
    )


# ---------------------------------------------------------------------------------------------
# loss
def loss(n, form, threads, d=128):
    import torch
    from pytorch_metric_learning.losses import SupConLoss

    torch.set_num_threads(threads)
    z = torch.nn.functional.normalize(torch.randn(n, d)).requires_grad_()
    labels = torch.randint(n // 16, (n // 2,)).repeat(2)
    call = SupConLoss(0.1) if form == "metric-learning" else supcon
    report(timed(lambda: call(z, labels).backward(), 3 if n > 4000 else 7))


# ---------------------------------------------------------------------------------------------
# inference
def embed(architecture, batch, precision, engine, threads, side=224, runs=9):
    import numpy as np
    import torch
    import torchvision

    torch.set_num_threads(threads)
    net = getattr(torchvision.models, architecture)()
    net.fc = torch.nn.Identity()
    net.eval()
    images = torch.randn(batch, 3, side, side)
    if engine == "torch":
        net, images = (
            net.to(memory_format=torch.channels_last),
            images.contiguous(memory_format=torch.channels_last),
        )
        with (
            torch.inference_mode(),
            torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
        ):
            return report(timed(lambda: net(images), runs, 2))
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"supcon-peers-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    file = folder / f"{architecture}-{batch}.onnx"
    if not file.exists():
        torch.onnx.export(net, images, str(file), dynamo=False, opset_version=17)
    pixels = np.ascontiguousarray(images.numpy())
    if engine == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        feed = {session.get_inputs()[0].name: pixels}
        return report(timed(lambda: session.run(None, feed), runs, 2))
    import openvino

    if precision == "int8":
        file = quantized(file, pixels)
    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": "f32" if precision == "int8" else precision,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(core.read_model(str(file)), "CPU", settings).create_infer_request()
    report(timed(lambda: request.infer({0: pixels}), runs, 2))


def quantized(file, pixels):
    """The model in int8 with a step per output channel, calibrated on `pixels`: as ONNX Runtime
    quantizes it, and as OpenVINO then runs it.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Once(CalibrationDataReader):
        def __init__(self, feed):
            self.feeds = iter([feed])

        def get_next(self):
            return next(self.feeds, None)

    to = file.with_suffix(".int8.onnx")
    if not to.exists():
        quantize_static(
            str(file),
            str(to),
            Once({onnx.load(str(file)).graph.input[0].name: pixels}),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    return to


def startup(threads, runs=5):
    """A new Python that imports torch, reads a model and embeds one image."""
    import tempfile

    import torch
    import torchvision

    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/model.pt"
        torch.save(torchvision.models.resnet18().state_dict(), file)
        code = (
            f"import torch, torchvision; torch.set_num_threads({threads}); m = "
            "torchvision.models.resnet18()\n"
            f"m.load_state_dict(torch.load({file!r})); m.fc = torch.nn.Identity(); m.eval()\n"
            "with torch.inference_mode(): m(torch.zeros(1, 3, 224, 224))"
        )
        report(timed(lambda: subprocess.run([sys.executable, "-c", code], check=True), runs))


# ---------------------------------------------------------------------------------------------
# images
def torchvision_views(side):
    from torchvision import transforms as t

    return t.Compose(
        [
            t.RandomResizedCrop(side, scale=(0.2, 1)),
            t.RandomHorizontalFlip(),
            t.RandomApply([t.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
            t.RandomGrayscale(0.2),
            t.ToTensor(),
            t.Normalize([0.5] * 3, [0.2] * 3),
        ]
    )


def augment(source, side, library, threads=1):
    """On one thread, whatever `threads` says."""
    import numpy as np

    pixels = np.random.default_rng(0).integers(0, 255, (source, source, 3), dtype=np.uint8)
    if library == "albumentations":
        import albumentations as a
        import cv2

        cv2.setNumThreads(1)
        views = a.Compose(
            [
                a.RandomResizedCrop(size=(side, side), scale=(0.2, 1)),
                a.HorizontalFlip(),
                a.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
                a.ToGray(p=0.2),
                a.Normalize((0.5,) * 3, (0.2,) * 3),
            ]
        )
        return report(timed(lambda: views(image=pixels), 500, 50))
    import torch
    from PIL import Image

    torch.set_num_threads(1)
    image, views = Image.fromarray(pixels), torchvision_views(side)
    report(timed(lambda: views(image), 300, 20))


def jpeg(file, side, threads=1):
    """On one thread, as torchvision's ImageFolder reads its files."""
    import torch
    from PIL import Image

    torch.set_num_threads(1)
    views = torchvision_views(side)

    def view():
        with open(file, "rb") as bytes_of_it:
            return views(Image.open(bytes_of_it).convert("RGB"))

    report(timed(view, 60, 5))


# ---------------------------------------------------------------------------------------------
# whole program
def ddp(ranks=2, threads=1, **more):
    """Steps of several processes over gloo: ddp.py is a rank."""
    words = [f"{name}={value}" for name, value in dict(ranks=ranks, **more).items()]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    program = str(Path(__file__).resolve().parent / "ddp.py")
    subprocess.run([sys.executable, *launch, program, *words], check=True)


def fashion_mnist(threads, epochs=4, seeds=1, **more):
    """A process per seed, from its start to its end."""
    import json
    import statistics
    import time

    seconds, accuracies = [], []
    for seed in range(seeds):
        words = [
            str(Path(__file__).with_name("fashion_mnist.py")),
            *(
                f"--{name}={value}"
                for name, value in dict(epochs=epochs, seed=seed, threads=threads, **more).items()
            ),
        ]
        start = time.perf_counter()
        out = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)
        seconds.append(time.perf_counter() - start)
        accuracies.append(json.loads(out.stdout.splitlines()[-1])["linear"])
    report(seconds, accuracy=round(statistics.mean(accuracies), 4))


def photographs(folder, threads, count=2000, **more):
    """From its start to its end; ../photographs.py has made the images and the weights."""
    import json
    import time

    words = [str(Path(__file__).with_name("photographs.py")), f"{folder}/photographs-{count}-224"]
    words += [f"{folder}/photographs-resnet50.safetensors", f"--threads={threads}"]
    words += [f"--{name}={value}" for name, value in more.items()]
    start = time.perf_counter()
    out = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)
    took = time.perf_counter() - start
    found = json.loads(out.stdout.splitlines()[-1])
    report([took], accuracy=found["accuracy"], cpu_s=found["cpu_s"])


if __name__ == "__main__":
    main(
        {
            "train-step": train_step,
            "busy": busy,
            "loss": loss,
            "embed": embed,
            "startup": startup,
            "augment": augment,
            "jpeg": jpeg,
            "ddp": ddp,
            "fashion-mnist": fashion_mnist,
            "photographs": photographs,
        }
    )
