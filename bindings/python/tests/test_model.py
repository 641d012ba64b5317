"""Models: files, embeddings, threads, processes."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import supcon
from supcon import _safetensors


@pytest.fixture(scope="module")
def model():
    return supcon.Model(
        width=8,
        channels=1,
        image_size=12,
        projection_dim=16,
        precision="f32",
        mean=0.2,
        std=0.3,
        seed=7,
    )


def test_properties(model):
    assert (
        model.architecture,
        model.width,
        model.channels,
        model.image_size,
        model.stem,
        model.head,
    ) == ("resnet18", 8, 1, (12, 12), "cifar", "mlp")
    assert (
        model.embedding_dim,
        model.projection_dim,
        model.classes,
        model.precision,
        model.class_names,
    ) == (64, 16, 0, "f32", [])
    assert (
        model.mean == pytest.approx([0.2])
        and model.std == pytest.approx([0.3])
        and model.parameters > 1000
    )
    assert (
        "resnet18 of width 8 for 12x12x1" in repr(model)
        and model.info()["head_hidden"] == model.head_hidden
    )


def test_embeddings(model, shapes):
    images = shapes[0]
    rows = model.embed(images)
    assert rows.shape == (96, 64) and rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    raw = model.embed(images, normalize=False)
    np.testing.assert_allclose(raw / np.linalg.norm(raw, axis=1, keepdims=True), rows, atol=1e-5)
    assert model.embed(images[:3], output="projection").shape == (3, 16)
    for same in (
        model.embed(images[..., None]),
        model.embed(images / 255),
        model.embed(images.transpose(0, 2, 1).copy().transpose(0, 2, 1)),
        model.embed(images, batch_size=7),
        np.concatenate([model.embed(images[:5]), model.embed(images[5:])]),
    ):
        np.testing.assert_allclose(same, rows, atol=1e-5)
    assert np.array_equal(model.embed(images[:, ::-1])[:5], model.embed(images[:, ::-1].copy())[:5])
    assert model.embed(np.zeros((2, 20, 30), np.uint8)).shape == (2, 64)  # resized
    heard = []
    model.embed(images, batch_size=10, progress=lambda *it: heard.append(it))
    assert heard[-1] == (96, 96)


def test_int8(shapes, tmp_path):
    """Near f32 whatever it was calibrated on, kept by files and pickles, ended by None."""
    model, images = (
        supcon.Model(
            width=8,
            channels=1,
            image_size=12,
            precision="f32",
            zero_init_last_gamma="off",
            mean=0.2,
            std=0.3,
        ),
        shapes[0],
    )
    exact = model.embed(images)
    try:
        assert model.quantize(images[:40]) is model
    except supcon.UnsupportedError as error:
        assert "int8 needs" in str(error) and not model.int8
        return
    rows = model.embed(images)
    assert model.int8 and "int8" in repr(model) and model.info()["int8"] is True
    assert (rows * exact).sum(1).min() > 0.99 and abs(rows - exact).max() > 1e-6
    np.testing.assert_array_equal(model.embed(images, batch_size=7), rows)
    model.save(tmp_path / "int8.safetensors")
    for again in (supcon.load(tmp_path / "int8.safetensors"), pickle.loads(pickle.dumps(model))):
        assert again.int8
        np.testing.assert_array_equal(again.embed(images), rows)
    assert not supcon.load(tmp_path / "int8.safetensors", precision="f32").int8
    for data in (
        supcon.Dataset.from_images(images[:40]),
        supcon.Dataset.from_function(lambda at: images[at][..., None], 40, 12, 12, 1),
    ):
        np.testing.assert_array_equal(model.quantize(data).embed(images), rows)
    with pytest.raises(supcon.ShapeError, match="3 channels"):
        model.quantize(supcon.Dataset.from_images(np.zeros((2, 12, 12, 3), np.uint8)))
    with pytest.raises(ValueError, match="at least one image"):
        model.quantize(images[:0])
    np.testing.assert_array_equal(model.quantize(None).embed(images), exact)
    model.quantize(images).fit_classifier(images, shapes[1], iterations=3)
    assert model.int8
    supcon.train(model, supcon.Dataset.from_images(images, shapes[1]), epochs=1, batch_size=32)
    assert not model.int8


def test_pieces_of_a_large_set_are_put_together(model, shapes, monkeypatch):
    rows = model.embed(shapes[0])
    monkeypatch.setattr(supcon.Model, "_piece", lambda *_: 40)
    np.testing.assert_allclose(model.embed(shapes[0]), rows, atol=1e-5)
    np.testing.assert_allclose(model.embed(supcon.Dataset.from_images(shapes[0])), rows, atol=1e-5)


def test_save_load_pickle(model, shapes, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path)
    assert os.listdir(tmp_path) == ["model.safetensors"] and path.read_bytes() == model.to_bytes()
    rows = model.embed(shapes[0])
    for again in (
        supcon.load(path, precision="f32"),
        supcon.load(str(path), architecture="resnet18", precision="f32"),
        pickle.loads(pickle.dumps(model)),
    ):
        assert again.precision == "f32" and {**again.info()} == {**model.info()}
        np.testing.assert_array_equal(again.embed(shapes[0]), rows)


def test_the_safetensors_package_reads_our_file(model, tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    model.save(tmp_path / "model.safetensors")
    tensors = safetensors.load_file(tmp_path / "model.safetensors")
    assert tensors["conv1.weight"].shape == (8, 1, 3, 3) and tensors[
        "layer4.1.bn2.running_var"
    ].shape == (64,)
    assert (
        sum(
            it.size
            for name, it in tensors.items()
            if "running" not in name and "num_batches" not in name
        )
        == model.parameters
    )


def torchvision_resnet18(width=64, classes=5, seed=0):
    """A state_dict of torchvision's names and shapes."""
    random, tensors = np.random.default_rng(seed), {}

    def convolution(name, out, into, side):
        tensors[name + ".weight"] = random.normal(
            0, (2 / (out * side * side)) ** 0.5, (out, into, side, side)
        ).astype(np.float32)

    def norm(name, size):
        for part, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            tensors[f"{name}.{part}"] = np.full(size, value, np.float32)
        tensors[name + ".num_batches_tracked"] = np.array(7, np.int64)

    convolution("conv1", width, 3, 7)
    norm("bn1", width)
    into = width
    for stage in range(4):
        out = width << stage
        for block in range(2):
            name = f"layer{stage + 1}.{block}"
            convolution(name + ".conv1", out, into, 3)
            norm(name + ".bn1", out)
            convolution(name + ".conv2", out, out, 3)
            norm(name + ".bn2", out)
            if block == 0 and stage:
                convolution(name + ".downsample.0", out, into, 1)
                norm(name + ".downsample.1", out)
            into = out
    tensors["fc.weight"], tensors["fc.bias"] = (
        random.normal(0, 0.05, (classes, into)).astype(np.float32),
        np.zeros(classes, np.float32),
    )
    return tensors


def test_a_file_of_the_safetensors_package_with_torchvisions_names(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "resnet18.safetensors"
    tensors = torchvision_resnet18(width=16)
    safetensors.save_file(tensors, path)
    model = supcon.load(
        path, precision="f32", image_size=64, mean=[0.5, 0.4, 0.3], std=(0.2, 0.25, 0.2)
    )
    assert (model.architecture, model.width, model.stem, model.classes, model.image_size) == (
        "resnet18",
        16,
        "imagenet",
        5,
        (64, 64),
    )
    assert model.mean == pytest.approx([0.5, 0.4, 0.3]) and model.std == pytest.approx(
        [0.2, 0.25, 0.2]
    )
    images = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    rows = model.embed(images, normalize=False)
    logits = model.embed(images, "logits")
    np.testing.assert_allclose(
        logits, rows @ tensors["fc.weight"].T + tensors["fc.bias"], rtol=1e-4, atol=1e-4
    )
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(model.embed(images, "probabilities"), probabilities, atol=1e-5)
    with pytest.raises(ValueError, match="resnet50|architecture"):
        supcon.load(path, architecture="resnet50")
    with pytest.raises(supcon.StateError, match="projection|head"):
        model.embed(images, "projection")
    tensors["layer2.0.conv1.weight"] = tensors["layer2.0.conv1.weight"][:, :-1].copy()
    safetensors.save_file(tensors, path)
    with pytest.raises(supcon.FormatError, match="layer2.0.conv1.weight"):
        supcon.load(path)


@pytest.mark.parametrize(
    "architecture, given, known",
    [
        ("resnet18", None, "off"),
        ("resnet34", "auto", "off"),
        ("resnet50", None, "on"),
        ("resnext50_32x4d", "auto", "on"),
        ("resnet26d", None, "on"),
        ("resnet18", "on", "on"),
        ("resnet50", "off", "off"),
    ],
)
def test_blocks_that_begin_as_the_identity(architecture, given, known):
    """Auto means bottleneck blocks; the model says what it came to, and its file keeps it."""
    model = supcon.Model(
        architecture, width=16, stem="cifar", image_size=16, zero_init_last_gamma=given
    )
    assert model.zero_init_last_gamma == model.info()["zero_init_last_gamma"] == known
    tensors, metadata = _safetensors.parsed(model.to_bytes())
    assert metadata["supcon.zero_init_last_gamma"] == str(int(known == "on"))
    last = "bn2" if architecture in ("resnet18", "resnet34") else "bn3"
    for name, values in tensors.items():
        if name.startswith("layer") and f".{last}.weight" in name:
            assert np.all(values == (0 if known == "on" else 1)), name
        elif name.startswith("layer") and ".bn" in name and name.endswith("weight"):
            assert np.all(values == 1), name


@pytest.mark.parametrize(
    "options, error, words",
    [
        (dict(architecture="resnet19"), ValueError, "resnet19"),
        (dict(width=0), ValueError, "width"),
        (dict(width=2**40), ValueError, "1099511627776"),
        (dict(width=2.5), TypeError, "2.5"),
        (dict(stem="big"), ValueError, "'auto', 'imagenet', 'cifar'"),
        (dict(image_size=(1, 2, 3)), ValueError, "height, width"),
        (dict(image_size=0), ValueError, "0"),
        (dict(channels=9), ValueError, "9"),
        (dict(mean=[0.1, 0.2]), ValueError, "mean has 2 numbers.*3 channels"),
        (dict(std=0), ValueError, "std"),
        (dict(mean="x"), ValueError, None),
        (dict(seed=-1), ValueError, "seed is -1"),
        (dict(zero_init_last_gamma="no"), ValueError, "'auto', 'on', 'off'"),
        (dict(n_jobs=5000), ValueError, "5000"),
        (dict(n_jobs="all"), TypeError, "n_jobs"),
    ],
)
def test_bad_options(options, error, words):
    with pytest.raises(error, match=words):
        supcon.Model(**options)


def test_bad_files(model, tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(OSError, match="model.safetensors"):
        supcon.load(path)
    content = model.to_bytes()
    for broken in (
        b"",
        content[:100],
        content[:-1],
        b"\xff" * 8 + content[8:],
        b"no model at all, but long enough to be one",
    ):
        path.write_bytes(broken)
        with pytest.raises(supcon.FormatError):
            supcon.load(path)
    with pytest.raises(OSError, match="absent"):
        model.save(tmp_path / "absent" / "model.safetensors")
    with pytest.raises(ValueError, match="both or neither"):
        supcon.load(path, mean=0.5)


def test_bad_embedding(model):
    for images, error in (
        (np.zeros((1, 8, 8, 5), np.uint8), ValueError),
        (supcon.Dataset.from_images(np.zeros((1, 8, 8, 3), np.uint8)), ValueError),
        (np.zeros((1, 8), np.uint8), ValueError),
    ):
        with pytest.raises(error):
            model.embed(images)
    with pytest.raises(supcon.StateError):
        model.embed(np.zeros((1, 12, 12), np.uint8), "logits")
    with pytest.raises(ValueError, match="'encoder', 'projection'"):
        model.embed(np.zeros((1, 12, 12), np.uint8), "nothing")


def test_many_threads_embed_with_one_model(model, shapes):
    images, expected, wrong = shapes[0], model.embed(shapes[0]), []

    def work(part):
        for _ in range(5):
            rows = model.embed(images[part::3])
            if not np.allclose(rows, expected[part::3], atol=1e-5):
                wrong.append(part)

    threads = [threading.Thread(target=work, args=(part,)) for part in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def _in_child(queue, model):
    found = []
    for call in (
        lambda: model.embed(np.zeros((1, 12, 12), np.uint8)),
        lambda: supcon.supcon_loss(np.eye(4, dtype=np.float32)),
        lambda: supcon.Model(width=4),
    ):
        try:
            call()
            found.append("no error")
        except supcon.ForkError as error:
            found.append(str(error))
    queue.put(found)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_refused(model):
    model.embed(np.zeros((1, 12, 12), np.uint8))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue, model))
    child.start()
    found = queue.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0 and len(found) == 3 and all("fork" in it for it in found)


IMPORTED_BEFORE_FORK = """
import os, numpy as np, supcon
child = os.fork()
if child == 0:
    os._exit(0 if supcon.supcon_loss(np.eye(4, dtype=np.float32), [0, 0, 1, 1]) > 0 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_an_import_is_no_use_yet():
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORTED_BEFORE_FORK], check=True, timeout=60
    )


def test_augment(shapes):
    images = shapes[0][:4]
    views = supcon.augment(images, seed=5, size=(10, 14))
    assert (
        views.shape == (4, 10, 14, 1)
        and views.dtype == np.float32
        and views.min() >= 0
        and views.max() <= 1
    )
    np.testing.assert_array_equal(
        views, supcon.augment(images, "simclr", seed=5, size=(10, 14), n_jobs=1)
    )
    assert not np.array_equal(views, supcon.augment(images, seed=6, size=(10, 14)))
    assert not np.array_equal(views, supcon.augment(images, seed=5, view=1, size=(10, 14)))
    np.testing.assert_allclose(supcon.augment(images, "none")[..., 0], images / 255, atol=1e-6)
    flips = supcon.augment(
        images,
        {
            "kind": "crop_flip",
            "crop_scale_min": 1,
            "crop_ratio_min": 1,
            "crop_ratio_max": 1,
            "flip_probability": 1,
        },
    )
    np.testing.assert_allclose(flips[..., 0], images[:, :, ::-1] / 255, atol=1e-5)
    with pytest.raises(ValueError, match="crop_scale_minimum"):
        supcon.augment(images, {"kind": "simclr", "crop_scale_minimum": 1})
    with pytest.raises(ValueError, match="hue"):
        supcon.augment(images, {"hue": 3})


def test_log_goes_where_it_is_told(tmp_path):
    heard = []
    supcon.set_log(lambda level, text: heard.append((level, text)), "debug")
    try:
        supcon.Model(width=4, stem="auto", precision="f32")
    finally:
        supcon.set_log()
    assert all(level in ("debug", "info", "warning") and text for level, text in heard)
    assert any("stem" in text.lower() for _, text in heard)
    with pytest.raises(ValueError, match="'debug', 'info', 'warning'"):
        supcon.set_log(print, "loud")


def test_memory_limit(shapes, small, tmp_path):
    """It holds for a step and for a pass, whichever way the model came about; nothing has been
    trained then.
    """
    images, labels = shapes
    data, limit = supcon.Dataset.from_images(images, labels), 205_000
    model = supcon.Model(
        width=4, image_size=12, channels=1, precision="f32", n_jobs=1, memory_limit=limit
    )
    with pytest.raises(supcon.OutOfMemoryError, match="parameters needs .* limit is 60 kB"):
        supcon.Model(width=4, image_size=12, channels=1, memory_limit=60_000)
    free = supcon.Model(width=4, image_size=12, channels=1, precision="f32", n_jobs=1)
    before = model.to_bytes()
    model.save(tmp_path / "m")
    loaded = supcon.load(tmp_path / "m", precision="f32", n_jobs=1, memory_limit=limit)
    for each in (model, model.copy(), pickle.loads(pickle.dumps(model)), loaded, loaded.copy()):
        assert each.memory_limit == limit and each.n_jobs == 1
        with pytest.raises(
            supcon.OutOfMemoryError, match="embedding 1 images of 12×12 .* but the limit is 205 kB"
        ) as raised:
            each.embed(images)
        assert isinstance(raised.value, MemoryError)
        with pytest.raises(
            supcon.OutOfMemoryError,
            match="a training step of 32 views of 12×12 .* but the limit is 205 kB",
        ):
            supcon.train(each, data, epochs=1, batch_size=16, validation_fraction=0)
        assert each.to_bytes() == before
    assert (
        free.memory_limit is None
        and free.copy().memory_limit is None
        and supcon.load(tmp_path / "m").memory_limit is None
    )
    # smaller passes fit, with the same result; so does a step as large as the run says it is
    tight = supcon.Model(
        width=4, image_size=12, channels=1, precision="f32", n_jobs=1, memory_limit=500_000
    )
    np.testing.assert_allclose(tight.embed(images), free.embed(images), atol=1e-6)
    needed = supcon.train(free, data, epochs=1, batch_size=16, validation_fraction=0).memory
    assert needed > 500_000
    options = {
        name: value for name, value in small.items() if name not in ("width", "projection_dim")
    } | dict(epochs=1)
    for init in (None, free, tmp_path / "m"):
        words = small if init is None else options
        with pytest.raises(
            supcon.OutOfMemoryError,
            match="a training step of 32 views of 12×12 .* but the limit is 205 kB",
        ):
            supcon.SupConEncoder(**words, init=init, memory_limit=limit).fit(images, labels)
        encoder = supcon.SupConEncoder(
            **words | dict(epochs=1), init=init, memory_limit=2 * needed
        ).fit(images, labels)
        assert encoder.model_.memory_limit == 2 * needed and encoder.transform(images).shape == (
            96,
            32,
        )
    assert free.memory_limit is None
    # a model that is given keeps its own where the estimator says nothing
    given = (
        supcon.SupConEncoder(**options | dict(n_jobs=None), init=free).fit(images, labels).model_
    )
    assert given.n_jobs == 1 and given.memory_limit is None
    for wrong, error in (
        (-1, ValueError),
        (2**63, ValueError),
        ("8G", TypeError),
        (0.5, TypeError),
    ):
        with pytest.raises(error, match="memory.limit"):
            supcon.Model(width=4, memory_limit=wrong)
