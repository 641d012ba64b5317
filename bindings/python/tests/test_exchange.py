"""Models to ONNX, OpenVINO and torchvision, and weights from PyTorch: each against the engine that
reads or made them. What is not installed is skipped.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest

import supcon
from supcon import _safetensors

ARCHITECTURES = [
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet200",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
    "resnet26",
    "resnet10t",
    "resnet26d",
]
# Narrow, but wide enough for the groups.
WIDTHS = dict.fromkeys(ARCHITECTURES, 8) | {
    it: 16 for it in ARCHITECTURES if it.startswith("resnext")
}


def model(architecture="resnet18", **options):
    options = dict(width=WIDTHS[architecture], stem="cifar", image_size=16, seed=3) | options
    return settled(supcon.Model(architecture, precision="f32", n_jobs=1, **options))


def settled(made):
    """With norms that do something: random running statistics, scales and shifts."""
    tensors, metadata = _safetensors.parsed(made.to_bytes())
    random = np.random.default_rng(7)
    changed = {}
    for name, tensor in tensors.items():
        if name.endswith("running_mean") or (name.endswith(".bias") and tensor.ndim == 1):
            tensor = random.normal(0, 0.1, tensor.shape).astype(np.float32)
        elif name.endswith("running_var") or name.replace(".weight", ".running_var") in tensors:
            tensor = random.uniform(0.6, 1.4, tensor.shape).astype(np.float32)
        changed[name] = tensor
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        _safetensors.write(path, changed, metadata)
        return supcon.load(path, precision="f32", n_jobs=1)


def pixels(made, count=3, seed=0):
    height, width = made.image_size
    shape = (count, height, width, made.channels)
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def run_onnx(path, images):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {"images": images.transpose(0, 3, 1, 2)})
    return session, dict(zip([it.name for it in session.get_outputs()], found))


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_onnx_of_every_architecture(tmp_path, architecture, stem):
    pytest.importorskip("onnx")
    size = (16, 24) if stem == "cifar" else (64, 48)
    made = model(architecture, stem=stem, image_size=size)
    supcon.export_onnx(made, tmp_path / "m.onnx")
    for count in (1, 3):  # of any batch
        images = pixels(made, count)
        _, found = run_onnx(tmp_path / "m.onnx", images)
        np.testing.assert_allclose(found["embedding"], made.embed(images), atol=1e-5)


@pytest.mark.parametrize("head", ["linear", "mlp", "mlp_bn", "mlp3", "mlp3_bn"])
@pytest.mark.parametrize("channels", [1, 3])
def test_onnx_of_every_output(tmp_path, head, channels):
    pytest.importorskip("onnx")
    made = model(
        head=head,
        channels=channels,
        classes=5,
        projection_dim=12,
        normalize_features=channels == 1,
        mean=[0.2, 0.5, 0.7][:channels],
        std=[0.3, 0.1, 0.9][:channels],
    )
    names = {
        "encoder": "embedding",
        "projection": "projection",
        "logits": "logits",
        "probabilities": "probabilities",
    }
    images = pixels(made)
    for normalize in (True, False):
        supcon.export_onnx(made, tmp_path / "m.onnx", outputs=list(names), normalize=normalize)
        session, found = run_onnx(tmp_path / "m.onnx", images)
        for output, name in names.items():
            expected = made.embed(images, output, normalize=normalize)
            scale = max(1, abs(expected).max())
            np.testing.assert_allclose(found[name], expected, atol=1e-5 * scale)
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["mean"]) == made.mean and told["architecture"] == "resnet18"
    assert json.loads(told["class_names"]) == made.class_names


def test_onnx_in_int8(tmp_path):
    pytest.importorskip("onnx")
    images = pixels(model("resnet50", stem="imagenet", image_size=64), 24)
    for architecture, stem, size in (("resnet50", "imagenet", 64), ("resnet18", "cifar", 64)):
        made = model(architecture, stem=stem, image_size=size)
        exact = made.embed(images)
        with pytest.raises(supcon.StateError, match="quantize"):
            supcon.export_onnx(made, tmp_path / "m.onnx", int8=True)
        try:
            made.quantize(images)
        except supcon.UnsupportedError as error:
            pytest.skip(str(error))
        supcon.export_onnx(made, tmp_path / "m.onnx")
        found = run_onnx(tmp_path / "m.onnx", images)[1]
        onnx = pytest.importorskip("onnx")
        kinds = [it.op_type for it in onnx.load(tmp_path / "m.onnx").graph.node]
        assert kinds.count("QuantizeLinear") > kinds.count("Conv")
        ours = made.embed(images)
        # Both round, at other places here and there; f32 is as far from either.
        cosines = (found["embedding"] * ours).sum(1)
        assert cosines.min() > 0.999 and abs(found["embedding"] - exact).max() > 1e-5
        supcon.export_onnx(made, tmp_path / "m.onnx", int8=False)
        np.testing.assert_allclose(
            run_onnx(tmp_path / "m.onnx", images)[1]["embedding"], exact, atol=1e-5
        )


def test_what_onnx_refuses(tmp_path):
    pytest.importorskip("onnx")
    made, path = model(head="none"), tmp_path / "m.onnx"
    for outputs, error in (
        ("projection", supcon.StateError),
        ("logits", supcon.StateError),
        ("embeddings", supcon.ArgumentError),
        ([], supcon.ArgumentError),
        (["encoder", "encoder"], supcon.ArgumentError),
    ):
        with pytest.raises(error):
            supcon.export_onnx(made, path, outputs=outputs)
    with pytest.raises(OSError):
        supcon.export_onnx(made, tmp_path / "none" / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_openvino(tmp_path):
    openvino = pytest.importorskip("openvino")
    pytest.importorskip("onnx")
    made = model(classes=4)
    supcon.export_openvino(made, tmp_path / "m.xml", outputs=("encoder", "probabilities"))
    compiled = openvino.Core().compile_model(
        tmp_path / "m.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    images = pixels(made)
    found = compiled(images.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(found["embedding"], made.embed(images), atol=1e-5)
    np.testing.assert_allclose(
        found["probabilities"], made.embed(images, "probabilities"), atol=1e-5
    )
    with pytest.raises(supcon.ArgumentError, match="xml"):
        supcon.export_openvino(made, tmp_path / "m.onnx")


def torchvision_model(made):
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    net = getattr(torchvision.models, made.architecture)(num_classes=made.classes or 1000)
    if not made.classes:
        net.fc = torch.nn.Identity()
    if made.stem == "cifar" or made.channels != 3:
        kernel = 3 if made.stem == "cifar" else 7
        stride = 1 if made.stem == "cifar" else 2
        net.conv1 = torch.nn.Conv2d(
            made.channels, 64, kernel, stride, padding=kernel // 2, bias=False
        )
    if made.stem == "cifar":
        net.maxpool = torch.nn.Identity()
    return net.eval()


def run_torch(net, made, images):
    import torch

    normalized = (images - np.float32(made.mean)) / np.float32(made.std)
    with torch.no_grad():
        return net(torch.from_numpy(normalized.transpose(0, 3, 1, 2).copy())).numpy()


@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
@pytest.mark.parametrize("architecture", ["resnet18", "resnet50", "resnext50_32x4d"])
def test_torchvision_takes_ours(tmp_path, architecture, name):
    torch = pytest.importorskip("torch")
    made = model(
        architecture, width=64, stem="imagenet", image_size=64, classes=0 if name == "m.pth" else 6
    )
    supcon.export_torchvision(made, tmp_path / name)
    net = torchvision_model(made)
    if name == "m.pth":
        state = torch.load(tmp_path / name, weights_only=True)
    else:
        state = pytest.importorskip("safetensors.torch").load_file(tmp_path / name)
    net.load_state_dict(state, strict=True)
    images = pixels(made)
    expected = made.embed(images, "logits" if made.classes else "encoder", normalize=False)
    np.testing.assert_allclose(
        run_torch(net, made, images), expected, atol=1e-5 * max(1, abs(expected).max())
    )
    again = supcon.import_torch(tmp_path / name, tmp_path / "again.safetensors", image_size=64)
    assert again.embedding_dim == made.embedding_dim and again.classes == made.classes
    with pytest.raises(supcon.UnsupportedError, match="width 8"):
        supcon.export_torchvision(model(), tmp_path / name)


@pytest.fixture(scope="module")
def small_net():
    """A ResNet-18 of torchvision with norms that do something, and its state_dict."""
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(2)
    net = torchvision.models.resnet18(num_classes=10)
    for it in net.modules():
        if isinstance(it, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(it.running_mean, 0, 0.1)
            torch.nn.init.uniform_(it.running_var, 0.6, 1.4)
    net.eval()
    return net


def encoded(net, images):
    """By torch: [n, 512], at length 1, of pixels that ImageNet's mean and deviation normalize."""
    import torch

    headless = torch.nn.Sequential(*list(net.children())[:-1], torch.nn.Flatten()).eval()
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    with torch.no_grad():
        rows = headless(torch.from_numpy(((images - mean) / std).transpose(0, 3, 1, 2).copy()))
    rows = rows.numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def without_fc(state):
    return {name: it for name, it in state.items() if not name.startswith("fc.")}


def wrapped(kind, state):
    """The state_dict as a training of that kind keeps it, and the head that it has."""
    import torch

    random = torch.Generator().manual_seed(4)
    make = lambda *shape: torch.randn(*shape, generator=random) / shape[-1] ** 0.5
    bare = without_fc(state)
    prefix = lambda before, of=bare: {before + name: it for name, it in of.items()}
    wrong = {name: it + 1 for name, it in bare.items() if it.is_floating_point()}
    if kind == "plain":
        return bare, "none"
    if kind == "supcontrast":
        head = {"head.0.weight": make(512, 512), "head.0.bias": make(512)}
        head |= {"head.2.weight": make(128, 512), "head.2.bias": make(128)}
        renamed = {it.replace("downsample", "shortcut"): value for it, value in bare.items()}
        # The arguments of its program are beside them.
        told = {"opt": argparse.Namespace(model="resnet18", temp=0.07), "best": np.float64(0.5)}
        return told | {"model": prefix("encoder.module.", renamed) | head, "epoch": 3}, "mlp"
    if kind == "moco":
        both = prefix("module.encoder_q.") | prefix("module.encoder_k.", wrong)
        both |= {
            "module.encoder_q.fc.weight": make(128, 512),
            "module.encoder_q.fc.bias": make(128),
        }
        both |= {
            "module.encoder_k.fc.weight": make(128, 512),
            "module.encoder_k.fc.bias": make(128),
        }
        both |= {"module.queue": make(128, 64), "module.queue_ptr": torch.zeros(1)}
        return {"state_dict": both, "arch": "resnet18"}, "linear"
    if kind == "moco v2":
        both = prefix("module.encoder_q.") | prefix("module.encoder_k.", wrong)
        both |= {f"module.encoder_q.fc.{n}.weight": make(s, 512) for n, s in ((0, 512), (2, 128))}
        both |= {f"module.encoder_q.fc.{n}.bias": make(s) for n, s in ((0, 512), (2, 128))}
        return {"state_dict": both}, "mlp"
    if kind == "moco v3":
        both = prefix("module.base_encoder.") | prefix("module.momentum_encoder.", wrong)
        return {"state_dict": both | {"module.predictor.0.weight": make(8, 8)}}, "none"
    if kind == "simclr":
        head = {f"backbone.fc.{n}.weight": make(s, 512) for n, s in ((0, 512), (2, 128))}
        return {"state_dict": prefix("backbone.") | head}, "mlp"
    if kind == "byol":
        both = prefix("online_encoder.net.") | prefix("target_encoder.net.", wrong)
        return both, "none"
    if kind == "lightly":
        numbers = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6"}
        numbers["layer4"] = "7"
        rows = {}
        for name, it in bare.items():
            first, _, rest = name.partition(".")
            rows[f"backbone.{numbers[first]}.{rest}"] = it
        head = {"projection_head.layers.0.weight": make(64, 512)}
        head |= {
            f"projection_head.layers.1.{it}": torch.rand(64, generator=random) + 0.5
            for it in ("weight", "bias", "running_mean", "running_var")
        }
        head |= {"projection_head.layers.3.weight": make(32, 64)}
        return {"state_dict": rows | head}, "mlp_bn"
    assert kind == "net."
    return prefix("net.resnet."), "none"


KINDS = ["plain", "supcontrast", "moco", "moco v2", "moco v3", "simclr", "byol", "lightly", "net."]


@pytest.mark.parametrize("kind", KINDS)
def test_imports(tmp_path, small_net, kind):
    import torch

    state, head = wrapped(kind, small_net.state_dict())
    torch.save(state, tmp_path / "weights.pth")
    made = supcon.import_torch(
        tmp_path / "weights.pth", tmp_path / "model.safetensors", image_size=64, n_jobs=1
    )
    assert made.head == head and made.classes == 0 and made.stem == "imagenet"
    read = supcon.load(tmp_path / "model.safetensors", precision="f32", n_jobs=1)
    images = pixels(read)
    np.testing.assert_allclose(read.embed(images), encoded(small_net, images), atol=1e-5)
    if kind == "lightly":  # Linear, norm, ReLU, linear
        rows = torch.from_numpy(read.embed(images, normalize=False))
        of = {it.rpartition("layers.")[2]: value for it, value in state["state_dict"].items()}
        x = rows @ of["0.weight"].T
        x = torch.nn.functional.batch_norm(
            x, of["1.running_mean"], of["1.running_var"], of["1.weight"], of["1.bias"]
        )
        expected = (x.relu() @ of["3.weight"].T).numpy()
        np.testing.assert_allclose(
            read.embed(images, "projection", normalize=False),
            expected,
            atol=1e-5 * abs(expected).max(),
        )


def test_imports_a_classifier_from_safetensors(tmp_path, small_net):
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file(small_net.state_dict(), tmp_path / "weights.safetensors")
    made = supcon.import_torch(
        tmp_path / "weights.safetensors", tmp_path / "m.safetensors", image_size=64, n_jobs=1
    )
    assert made.classes == 10 and made.head == "none"
    exact = supcon.load(tmp_path / "m.safetensors", precision="f32", n_jobs=1)
    images = pixels(exact)
    expected = run_torch(small_net, exact, images)
    np.testing.assert_allclose(
        exact.embed(images, "logits"), expected, atol=1e-5 * abs(expected).max()
    )


TIMM = ["resnet18", "resnet26", "resnet50", "resnext50_32x4d"]
DEEP = ["resnet10t", "resnet14t", "resnet18d", "resnet26d", "resnet26t", "resnet34d", "resnet50d"]


@pytest.mark.parametrize("name", TIMM + DEEP)
def test_imports_from_timm(tmp_path, name):
    timm = pytest.importorskip("timm")
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    net = timm.create_model(name, num_classes=0).eval()
    for it in net.modules():
        if isinstance(it, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(it.running_mean, 0, 0.1)
            torch.nn.init.uniform_(it.running_var, 0.6, 1.4)
            torch.nn.init.uniform_(it.weight, 0.6, 1.4)
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    torch.save(net.state_dict(), tmp_path / "pytorch_model.bin")
    supcon.import_torch(tmp_path / "pytorch_model.bin", tmp_path / "m.safetensors", image_size=64)
    imported = supcon.load(tmp_path / "m.safetensors", precision="f32", n_jobs=1)
    made = supcon.load(tmp_path / "model.safetensors", precision="f32", image_size=64, n_jobs=1)
    assert made.architecture == name and made.classes == 0
    images = pixels(made, 2)
    expected = run_torch(net, made, images)
    found = made.embed(images, normalize=False)
    np.testing.assert_allclose(found, expected, atol=1e-5 * abs(expected).max())
    np.testing.assert_array_equal(imported.embed(images, normalize=False), found)


def test_timms_other_stems_are_refused(tmp_path):
    timm = pytest.importorskip("timm")
    torch = pytest.importorskip("torch")
    # Squeeze and excitation, and a stem with other strides: none that this library has.
    for name in ("seresnet18", "resnet33ts"):
        torch.save(timm.create_model(name).state_dict(), tmp_path / "weights.pth")
        with pytest.raises(supcon.FormatError):
            supcon.import_torch(tmp_path / "weights.pth", tmp_path / "m.safetensors")


def test_what_import_refuses(tmp_path, small_net):
    import torch

    state = small_net.state_dict()
    path, target = tmp_path / "weights.pth", tmp_path / "m.safetensors"

    def refuses(content, *words, error=supcon.FormatError):
        torch.save(content, path)
        with pytest.raises(error) as caught:
            supcon.import_torch(path, target)
        for word in words:
            assert word in str(caught.value), str(caught.value)
        assert not target.exists() and "supcon.import_torch" not in str(caught.value)

    less = {it: value for it, value in state.items() if ".1.conv2" not in it}
    refuses(
        less | {"surprise.weight": torch.zeros(3), "other": torch.zeros(2)},
        "layer1.1.conv2.weight",
        "layer2.1.conv2.weight",
        "surprise.weight",
        "other",
    )
    refuses({"epoch": 3}, "no tensors")
    refuses([1, 2], "list")
    refuses({"fc.0.weight": torch.zeros(3, 3)} | without_fc(state) | {"fc.0.gain": torch.zeros(3)})
    refuses(small_net, "weights_only")  # a whole module would run code
    path.write_bytes(b"not a pickle")
    with pytest.raises(supcon.FormatError, match="weights_only"):
        supcon.import_torch(path, target)
    with pytest.raises(supcon.FileError):
        supcon.import_torch(tmp_path / "none.pth", target)
    refuses(state | {"module.conv1.weight": state["conv1.weight"]}, "conv1.weight", "both")


@pytest.mark.parametrize("name", ["resnetaa50", "resnetblur50", "resnetaa50d"])
def test_anti_aliased_models_of_timm_are_refused(tmp_path, small_net, name):
    import torch

    torch.save(small_net.state_dict(), tmp_path / "weights.bin")
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file(small_net.state_dict(), tmp_path / "weights.safetensors")
    beside, ours = tmp_path / "config.json", tmp_path / "m.safetensors"
    beside.write_text(json.dumps({"architecture": name}))
    for source in ("weights.bin", "weights.safetensors"):
        with pytest.raises(supcon.FormatError, match=name) as caught:
            supcon.import_torch(tmp_path / source, ours)
        assert str(tmp_path / source) in str(caught.value) and str(beside) in str(caught.value)
    with pytest.raises(supcon.FormatError, match=name):
        supcon.load(tmp_path / "weights.safetensors")
    beside.write_text(json.dumps({"architecture": "resnet18"}))
    supcon.import_torch(tmp_path / "weights.bin", ours, image_size=64)
    supcon.load(tmp_path / "weights.safetensors")
    beside.write_text(json.dumps({"architecture": name}))
    assert supcon.load(ours).architecture == "resnet18"  # a file of ours says what it is


def test_load_names_the_import_of_other_variants(tmp_path, small_net):
    from safetensors.torch import save_file

    state = without_fc(small_net.state_dict())
    save_file(
        {f"net.{name}": it.contiguous() for name, it in state.items()}, tmp_path / "a.safetensors"
    )
    with pytest.raises(supcon.FormatError, match="supcon.import_torch"):
        supcon.load(tmp_path / "a.safetensors", architecture="resnet18")
