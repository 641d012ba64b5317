"""Tests of the commands that use a model, run as a user runs them."""

import json
import os
import re
import struct

import numpy as np
import pytest
from commands import run

import supcon
from supcon import _recipe, _sources


def test_embed(photo_model, photos, tmp_path):
    run(
        "embed",
        photo_model,
        photos / "test",
        "--output",
        tmp_path / "e.npy",
        "--paths",
        tmp_path / "paths.txt",
        "--precision",
        "f32",
        "--quiet",
    )
    rows, paths = np.load(tmp_path / "e.npy"), (tmp_path / "paths.txt").read_text().splitlines()
    np.testing.assert_allclose(
        rows, supcon.load(photo_model, precision="f32").embed(paths), atol=1e-5
    )
    run(
        "embed",
        photo_model,
        photos / "test",
        "--output",
        tmp_path / "e.csv",
        "--precision",
        "f32",
        "--layer",
        "projection",
        "--no-normalize",
    )
    lines = (tmp_path / "e.csv").read_text().splitlines()
    assert (
        lines[0].startswith("path,e0,e1")
        and len(lines) == 25
        and lines[1].split(",")[0] == paths[0]
    )
    table = np.array([[float(it) for it in line.split(",")[1:]] for line in lines[1:]])
    np.testing.assert_allclose(
        table,
        supcon.load(photo_model, precision="f32").embed(paths, "projection", False),
        rtol=1e-5,
        atol=1e-6,
    )
    assert sorted(os.listdir(tmp_path)) == ["e.csv", "e.npy", "paths.txt"]
    flags = ["-o", tmp_path / "flipped.npy", "--precision", "f32", "--flip", "-q"]
    run("embed", photo_model, photos / "test", *flags)
    flipped = np.load(tmp_path / "flipped.npy")
    truth = supcon.load(photo_model, precision="f32").embed(paths, flip=True)
    np.testing.assert_allclose(flipped, truth, atol=1e-5)
    assert np.abs(flipped - rows).max() > 1e-3


def test_int8(photo_model, photos, tmp_path):
    words = ["embed", photo_model, photos / "test", "--output", tmp_path / "e.npy"]
    words += ["--int8", photos / "test"]
    try:
        expected = supcon.load(photo_model).quantize(photos_of(photos)).embed(photos_of(photos))
    except supcon.UnsupportedError:
        run(*words, code=1)
        return
    run(*words, "--quiet")
    np.testing.assert_array_equal(np.load(tmp_path / "e.npy"), expected)


def photos_of(photos):
    return supcon.ImageFolder(photos / "test")


def test_evaluate(photo_model, photos):
    found = run(
        "evaluate",
        photo_model,
        photos / "train",
        photos / "test",
        "--method",
        "linear,knn",
        "--k",
        "5",
    ).stdout
    assert (
        re.search(r"^linear: top-1 \d+\.\d\d% of 24 images", found, re.M) and "knn: top-1" in found
    )
    assert re.search(r"^upright +12 ", found, re.M) and "confusion" in found
    lines = run(
        "evaluate",
        photo_model,
        photos / "train",
        photos / "test",
        "--method",
        "prototypes",
        "--json",
        "-q",
    ).stdout.splitlines()
    result = json.loads(lines[0])
    assert (
        len(lines) == 1
        and result["classes"] == ["lying", "upright"]
        and np.sum(result["confusion"]) == 24
    )
    assert result["top1"] == pytest.approx(np.trace(result["confusion"]) / 24)


def test_evaluate_measures(photo_model, photos, tmp_path):
    pair = (
        "evaluate",
        photo_model,
        photos / "train",
        photos / "test",
        "--method",
        "knn,linear",
        "--calibration",
        "--retrieval",
        "--geometry",
    )
    lines = [
        json.loads(it)
        for it in run(
            *pair, "--outside", photos / "train", "--json", "-q", "--precision", "f32"
        ).stdout.splitlines()
    ]
    loaded = supcon.load(photo_model, precision="f32")
    train, test = supcon.ImageFolder(photos / "train"), supcon.ImageFolder(photos / "test")
    rows, own = loaded.embed(train), loaded.embed(test)
    found = supcon.evaluate(rows, train.labels, own, test.labels, "knn").calibration()
    assert (
        lines[0]["calibration"]["expected_calibration_error"]
        == pytest.approx(found.expected_calibration_error)
        and sum(lines[1]["calibration"]["bin_counts"]) == 24
    )
    assert lines[2]["retrieval"] == pytest.approx(vars(supcon.retrieval(own, test.labels)))
    assert lines[3]["geometry"] == pytest.approx(
        {"alignment": supcon.alignment(own, test.labels), "uniformity": supcon.uniformity(own)}
    )
    assert lines[4]["outside"] == pytest.approx(
        vars(supcon.ood_detection(supcon.ood_scores(rows, own), supcon.ood_scores(rows, rows)))
    )
    words = run(*pair, "-q").stdout
    assert re.search(r"^linear: expected calibration error 0\.\d{4}", words, re.M) and re.search(
        r"^retrieval: precision at 1 [01]\.\d{4}", words, re.M
    )
    assert re.search(r"^0\.933 - 1\.000 +\d+ +\d", words, re.M) and re.search(
        r"^geometry: alignment \d", words, re.M
    )


def test_classify(photo_model, photos, tmp_path):
    paths = supcon.ImageFolder(photos / "test").paths
    loaded = supcon.load(photo_model, precision="f32")
    best = loaded.embed(paths, "probabilities", False).argmax(1)
    shown = run("classify", photo_model, *paths[:3], "-q", "--precision", "f32").stdout.splitlines()
    for path, line, at in zip(paths, shown, best):
        assert line.startswith(f"{path}  {loaded.class_names[at]} ")
    output = tmp_path / "c.csv"
    run("classify", photo_model, photos / "test", "-o", output, "--top", "2", "--precision", "f32")
    lines = output.read_text().splitlines()
    assert lines[0] == "path,class1,probability1,class2,probability2" and len(lines) == 25
    assert [it.split(",")[1] for it in lines[1:]] == [loaded.class_names[it] for it in best]


def test_memory_limit(photo_model, photos, tmp_path):
    """The library's sentence and status 1 where a step or a pass is too large; the same results
    where it is not.
    """
    small, output = (
        ["--memory-limit", "205000", "--precision", "f32", "--threads", "1", "-q"],
        tmp_path / "x.npy",
    )
    for words, what in (
        (
            ["train", photos / "train", "-o", output, "--width", "4", "--batch-size", "16"],
            "a training step of 32 views of 12×12",
        ),
        (
            ["train", photos / "train", "-o", output, "--init", photo_model, "--batch-size", "16"],
            "a training step of 32 views of 12×12",
        ),
        (["embed", photo_model, photos / "test", "-o", output], "embedding 1 images of 12×12"),
        (
            ["evaluate", photo_model, photos / "train", photos / "test"],
            "embedding 1 images of 12×12",
        ),
    ):
        said = run(*words, *small, code=1).stderr
        assert (
            len(said.splitlines()) == 1
            and said.startswith(f"supcon: error: {what}")
            and "but the limit is 205 kB" in said
            and not output.exists()
        )
    enough = ["--memory-limit", "0.5g", "--precision", "f32", "--threads", "1", "-q"]
    run("embed", photo_model, photos / "test", "-o", output, *enough)
    np.testing.assert_array_equal(
        np.load(output),
        supcon.load(photo_model, precision="f32", n_jobs=1).embed(photos_of(photos)),
    )
    assert (
        "but the limit is 20 kB"
        in run(
            "embed",
            photo_model,
            photos / "test",
            "-o",
            output,
            *enough[2:],
            "--memory-limit",
            "20K",
            code=1,
        ).stderr
    )
    for wrong in ("", "G", "8X", "nan", "inf", "-1", "0"):
        assert (
            "expected bytes above 0, such as 500M or 8G"
            in run(
                "embed",
                photo_model,
                photos / "test",
                "-o",
                output,
                f"--memory-limit={wrong}",
                code=2,
            ).stderr
        )
    assert "--memory-limit" not in run("info", "--help").stdout


def test_info(photo_model):
    assert re.search(r"^architecture +resnet18$", run("info", photo_model).stdout, re.M)
    known = json.loads(run("info", photo_model, "--json").stdout)
    assert known["class_names"] == ["lying", "upright"] and known["width"] == 4
    assert (
        supcon.version() in run("info").stdout
        and run("--version").stdout.strip() == f"supcon {supcon.version()}"
    )


def test_views_are_those_that_train_chooses(tmp_path):
    pytest.importorskip("sklearn")
    said = run("views", "digits", "--images", "3", "-o", tmp_path / "views.png").stderr
    assert "without mirroring" in said
    data = _sources.read("digits")[0]
    chosen, _ = _recipe.augmentation(data)
    assert chosen["flip_probability"] == 0
    some = data.subset(np.arange(3) * len(data) // 3)
    supcon.contact_sheet(some, chosen, path=tmp_path / "expected.png")
    assert (tmp_path / "views.png").read_bytes() == (tmp_path / "expected.png").read_bytes()
    # photographs are trained on at 224
    np.save(tmp_path / "large.npy", np.zeros((1, 600, 600), np.uint8))
    run("views", tmp_path / "large.npy", "--views", "1", "-o", tmp_path / "large.png")
    width, height = struct.unpack(">II", (tmp_path / "large.png").read_bytes()[16:24])
    assert (width, height) == (3 * 14 + 2 * 224, 2 * 14 + 224)


def test_index_and_search(photo_model, photos, tmp_path):
    """The images of an index find themselves first, then what is nearest by numpy."""
    output = tmp_path / "p.index"
    run("index", photo_model, photos / "test", "-o", output, "--precision", "f32", "-q")
    data = photos_of(photos)
    rows = supcon.load(photo_model, precision="f32").embed(data)
    order = np.argsort(-(rows[:2] @ rows.T), axis=1, kind="stable")[:, :4]
    words = ["search", output, *data.paths[:2], "--k", "4", "--json", "--precision", "f32", "-q"]
    for at, line in enumerate(run(*words).stdout.splitlines()):
        found = json.loads(line)
        assert found["image"] == data.paths[at] and len(found["neighbors"]) == 4
        assert found["neighbors"][0]["similarity"] == pytest.approx(1, abs=1e-5)
        cosines = [it["similarity"] for it in found["neighbors"]]
        np.testing.assert_allclose(cosines, (rows[at] @ rows.T)[order[at]], atol=1e-5)
        for it in found["neighbors"]:
            row = rows[data.paths.index(it["id"])]
            assert it["similarity"] == pytest.approx(float(rows[at] @ row), abs=1e-5)
    os.unlink(f"{output}.model")
    said = run("search", output, data.paths[0], "-q", code=1).stderr
    assert "expected --model" in said


def test_export_and_import(photo_model, tmp_path):
    said = run("export", photo_model, "-o", tmp_path / "m.pth", "-q", code=1).stderr
    assert "width 4" in said  # torchvision has no ResNet of that width
    said = run("export", photo_model, "--to", "onnxx", code=2).stderr
    assert "'onnxx'" in said
    said = run("import", photo_model, "-o", tmp_path / "x.safetensors", "-q", code=1).stderr
    assert "is a model of this library" in said
    assert "over itself" in run("import", photo_model, "-q", code=1).stderr
    assert "over itself" in run("import", photo_model, photo_model, "-q", code=1).stderr
    assert "two outputs" in run("import", photo_model, "a", "-o", "b", "-q", code=1).stderr
