"""Tests of `supcon train` and `supcon tune`, run as a user runs them."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import files
import numpy as np
import pytest
from commands import COMMAND, TRAIN, run

import supcon
from supcon import _safetensors


def test_tune_finds_the_rate_that_auto_trains_with(photos, tmp_path):
    given = ["--width", "4", "--epochs", "2", "--batch-size", "16", "--threads", "1"]
    found = run("tune", photos / "train", *given)
    rate = float(found.stdout)
    assert 1e-5 <= rate <= 100 and f"the learning rate {rate:g}, among the best" in found.stderr
    folder = tmp_path / "run"
    run("train", photos, *given, "--learning-rate", "auto", "--no-report", "-o", folder)
    assert f"learning_rate = {rate:g}\n" in (folder / "config.toml").read_text()
    wrong = run("train", photos, "--learning-rate", "quick", code=2)
    assert "'quick': expected a number, or auto" in wrong.stderr


@pytest.mark.parametrize("from_weights", [False, True])
def test_the_rate_of_tune_means_the_same_to_train(photo_model, photos, tmp_path, from_weights):
    """Given as --learning-rate it trains as auto does, with the optimizer of the search."""
    given = ["--epochs", "2", "--threads", "1", "--no-report", "--no-classifier"]
    given += ["--init", photo_model] if from_weights else ["--width", "4"]
    run("train", photos, *given, "--learning-rate", "auto", "-o", tmp_path / "auto")
    sought = (tmp_path / "auto" / "config.toml").read_text()
    assert ('optimizer = "adamw"' in sought) == from_weights
    assert "reference_batch = 0\n" in sought
    rate = sought.partition("\nlearning_rate = ")[2].partition("\n")[0]
    run("train", photos, *given, "--learning-rate", rate, "-o", tmp_path / "given")
    models = [supcon.load(tmp_path / it / "model.safetensors") for it in ("auto", "given")]
    assert models[0].fingerprint == models[1].fingerprint


def test_train_writes_a_model_with_its_classes(photo_model):
    found = supcon.load(photo_model)
    assert (
        found.width == 4
        and found.class_names == ["lying", "upright"]
        and found.image_size == (12, 12)
    )


def test_transfer_from_a_model(photo_model, photos, shapes, tmp_path):
    """Full fine-tuning on other classes; the size and the statistics of the images stay the
    model's.
    """
    images, _ = shapes
    random = np.random.default_rng(1)
    color = np.repeat(images[..., None], 3, axis=3)
    np.save(tmp_path / "images.npy", color)
    np.save(tmp_path / "labels.npy", random.integers(0, 4, 96))
    pair = f"npy:{tmp_path}/images.npy,{tmp_path}/labels.npy"
    given = [
        "--init",
        photo_model,
        "--epochs",
        "1",
        "--batch-size",
        "16",
        "--validation-fraction",
        "0",
        "--precision",
        "f32",
        "--threads",
        "1",
        "-q",
    ]
    run(
        "train",
        pair,
        "-o",
        tmp_path / "tuned.safetensors",
        "--objective",
        "cross_entropy",
        *given,
    )
    tuned, begun = (
        supcon.load(tmp_path / "tuned.safetensors", precision="f32"),
        supcon.load(photo_model, precision="f32"),
    )
    assert tuned.class_names == ["0", "1", "2", "3"] and (
        tuned.width,
        tuned.image_size,
        tuned.mean,
    ) == (begun.width, begun.image_size, begun.mean)
    near, far = (
        tuned.embed(color),
        supcon.Model(width=4, image_size=12, precision="f32").embed(color),
    )
    assert 0 < np.abs(near - begun.embed(color)).max() < np.abs(far - begun.embed(color)).max()
    # a probe: the encoder stays as it is
    run("train", pair, "-o", tmp_path / "probe.safetensors", "--objective", "linear", *given)
    np.testing.assert_array_equal(
        supcon.load(tmp_path / "probe.safetensors", precision="f32").embed(color),
        begun.embed(color),
    )
    assert (
        "--width and --init"
        in run("train", pair, "-o", tmp_path / "x", *given, "--width", "4", code=1).stderr
    )


def test_fine_tuning(photo_model, photos, tmp_path):
    """Frozen stages keep every bit and others move; a cache of all rounds changes nothing; sizes
    that are drawn are those of one of the two orders.
    """

    def tuned(name, *flags):
        given = "--epochs 2 --batch-size 16 --validation-fraction 0 --precision f32 --threads 1 -q"
        path = tmp_path / f"{name}.safetensors"
        run("train", photos / "train", "-o", path, "--init", photo_model, *given.split(), *flags)
        return _safetensors.parsed(path.read_bytes())[0]

    before = _safetensors.parsed(photo_model.read_bytes())[0]
    frozen = ["--freeze-stages", "3", "--layer-decay", "0.5", "--freeze-norm"]
    fresh, cached = tuned("fresh", *frozen), tuned("cached", *frozen, "--feature-cache", "2")
    assert before.keys() >= fresh.keys() == cached.keys()
    for name, values in fresh.items():
        np.testing.assert_array_equal(values, cached[name])
        stays = name.startswith(("conv1", "bn1", "layer1", "layer2", "layer3"))
        if stays or name.startswith("layer4.0.conv"):
            assert (values == before[name]).all() == stays, name
    try:
        supcon.load(photo_model).quantize(supcon.ImageFolder(photos / "train"))
    except supcon.UnsupportedError:
        pass
    else:
        coarse = tuned("int8", *frozen, "--freeze-int8")
        for name, values in fresh.items():
            trained = not (values == before[name]).all()
            assert (coarse[name] != values).any() == trained, name
    drawn = tuned("drawn", "--image-size-schedule", "8,10", "--random-image-size")
    orders = [tuned("order", "--image-size-schedule", it) for it in ("8,10", "10,8")]
    same = [all((it[name] == drawn[name]).all() for name in drawn) for it in orders]
    assert sorted(same) == [False, True]


def test_head_and_flipped_classifier_of_a_fine_tuned_model(photo_model, photos, tmp_path):
    """Both are in config.toml, by which the run is repeated."""
    headless = tmp_path / "weights.safetensors"
    supcon.load(photo_model, precision="f32").reset_head("none").save(headless)
    given = "--epochs 1 --batch-size 16 --precision f32 --threads 1 --no-report"
    head = ["--head", "linear", "--projection-dim", "8"]
    models = {}
    for name, flags in (
        ("first", ["--init", headless, *head, "--classifier-l2", "0.01"]),
        ("again", ["--config", tmp_path / "first" / "config.toml"]),
        ("plain", ["--init", headless, *head, "--classifier-l2", "0.01", "--no-classifier-flip"]),
    ):
        folder = tmp_path / name
        said = run("train", photos / "train", "-o", folder, *flags, *given.split()).stderr
        assert ("fitted on the flipped images too" in said) == (name == "first")
        config = (folder / "config.toml").read_text()
        assert 'head = "linear"\n' in config and "projection_dim = 8\n" in config
        is_flipped = "false" if name == "plain" else "true"
        assert f"classifier_flip = {is_flipped}\n" in config
        models[name] = supcon.load(folder / "model.safetensors", precision="f32")
    assert (models["first"].head, models["first"].projection_dim) == ("linear", 8)
    first, again, plain = (_safetensors.parsed(it.to_bytes())[0] for it in models.values())
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
    assert (first["fc.weight"] != plain["fc.weight"]).any()
    (tmp_path / "wrong.toml").write_text('[classifier]\nclassifier_flip = "no"\n')
    wrong = ["--config", tmp_path / "wrong.toml", "-o", tmp_path / "wrong"]
    said = run("train", photos / "train", *wrong, *given.split(), code=1).stderr
    assert "classifier_flip is 'no'" in said and "epoch" not in said
    data = supcon.ImageFolder(photos / "train")
    for name, flip in (("first", True), ("plain", False)):
        logits = models[name].embed(data, "logits")
        models[name].fit_classifier(data, l2=0.01, flip=flip)
        np.testing.assert_allclose(models[name].embed(data, "logits"), logits, atol=1e-3)


def test_options_of_the_classifier_are_refused_before_a_run(photos, tmp_path):
    for flags, expected in (
        (["--classifier-l2", "-2"], "classifier_l2 is -2.0; expected 0 or more, or -1 for 5 over"),
        (["--classifier-iterations", "0"], "classifier_iterations is 0; expected 1 or more"),
    ):
        said = run("train", photos / "train", "-o", tmp_path / "x", *TRAIN, *flags, code=1).stderr
        assert expected in said and "epoch" not in said
        assert not (tmp_path / "x").exists()


def test_a_classifier_that_is_not_fitted_loses_no_encoder(photos, tmp_path):
    code = """if True:
        import sys, supcon
        from supcon._command import main
        def refuse(*_, **__):
            raise supcon.OutOfMemoryError("no memory for a fit")
        supcon.Model.fit_classifier = refuse
        sys.exit(main())
    """
    for output, model in (("run", "run/model.safetensors"), ("x.safetensors", "x.safetensors")):
        given = ["train", photos / "train", "-o", tmp_path / output, *TRAIN]
        command = [sys.executable, "-c", code, *map(str, given)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=120)
        said = found.stderr
        assert found.returncode == 1 and "no memory for a fit" in said
        assert f"the classifier was not fitted; the encoder is in {tmp_path / model}" in said
        found = supcon.load(tmp_path / model)
        assert found.classes == 0 and found.embed(supcon.ImageFolder(photos / "test")).any()


def test_thinned_out_and_noisy_data(photos, tmp_path):
    said = run(
        "train",
        photos / "train",
        "-o",
        tmp_path / "a.safetensors",
        *TRAIN,
        "--per-class",
        "20",
        "--label-noise",
        "0.1",
    ).stderr
    assert "40 images" in said
    said = run(
        "train", photos / "train", "-o", tmp_path / "a.safetensors", *TRAIN, "--long-tailed", "4"
    ).stderr
    assert "40 images" in said  # 32 and 8
    assert (
        "rate is 2"
        in run(
            "train",
            photos / "train",
            "-o",
            tmp_path / "b.safetensors",
            *TRAIN,
            "-q",
            "--label-noise",
            "2",
            code=1,
        ).stderr
    )


def test_idx_npy_and_resume(shapes, tmp_path):
    images, labels = shapes
    files.idx(tmp_path / "images", images)
    files.idx(tmp_path / "labels", labels)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", labels)
    pair = f"idx:{tmp_path}/images,{tmp_path}/labels"
    run(
        "train",
        pair,
        "-o",
        tmp_path / "a.safetensors",
        *TRAIN,
        "--mean",
        "0.2",
        "--std",
        "0.3",
        "--no-classifier",
        "--crop-scale-min",
        "0.5",
        "-q",
    )
    run(
        "train",
        f"npy:{tmp_path}/images.npy,{tmp_path}/labels.npy",
        "-o",
        tmp_path / "b.safetensors",
        *TRAIN,
        "--mean",
        "0.2",
        "--std",
        "0.3",
        "--no-classifier",
        "--crop-scale-min",
        "0.5",
        "-q",
    )
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    run("evaluate", tmp_path / "a.safetensors", pair, pair, "--method", "knn", "-q")
    unlabeled = run("train", f"idx:{tmp_path}/images", "-o", tmp_path / "c.safetensors", *TRAIN)
    assert supcon.load(tmp_path / "c.safetensors").classes == 0 and "error" not in unlabeled.stderr


def test_interrupt_on_a_terminal(photos, tmp_path):
    """Ctrl-C: status 130, the model learned so far, the checkpoint; a bar is drawn until then."""
    ours, theirs = pty.openpty()
    command = [
        *COMMAND,
        "train",
        photos / "train",
        "-o",
        tmp_path / "run",
        *TRAIN,
        "--epochs",
        "100000",
    ]
    child = subprocess.Popen(
        list(map(str, command)), stderr=theirs, stdout=subprocess.DEVNULL, start_new_session=True
    )
    os.close(theirs)
    written, deadline, sent = "", time.monotonic() + 60, False
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                written += os.read(ours, 4096).decode()
            except OSError:  # the other end is closed
                break
        # the bar may skip an epoch
        if not sent and re.search(r"epoch ([3-9]|\d{2,})/", written):
            child.send_signal(signal.SIGINT)
            sent = True
    assert child.wait(60) == 130, written
    os.close(ours)
    assert (
        "━" in written
        and "preparing" in written
        and "images/s" in written
        and "--resume" in written
        and "interrupted" in written
        and "Traceback" not in written
    )
    assert (
        supcon.load(tmp_path / "run" / "model.safetensors").width == 4
        and (tmp_path / "run" / "checkpoints" / "last.supcon").is_file()
    )


def test_a_run_with_everything(photos, tmp_path):
    """`supcon train photos` works and says where things went; its config.toml makes it again."""
    both = tmp_path / "animals"
    both.mkdir()
    (both / "train").symlink_to(photos / "train")
    (both / "val").symlink_to(photos / "test")
    command = [*COMMAND, "train", str(both), *TRAIN]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    folder = tmp_path / found.stdout.strip()
    assert folder == tmp_path / "runs" / "animals"
    assert "of 24 test images" in found.stderr and "report.html" in found.stderr
    assert {"config.toml", "summary.csv", "model.safetensors", "README.md", "report.html"} <= {
        it.name for it in folder.iterdir()
    }
    # DATA is in the file, too
    again = [*COMMAND, "train", "--config", str(folder / "config.toml"), "--no-report"]
    found = subprocess.run(
        [*again, "--threads", "1"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert found.returncode == 0, found.stderr
    other = tmp_path / found.stdout.strip()
    assert other == tmp_path / "runs" / "animals-2"
    first, second = (
        supcon.load(it / "model.safetensors", precision="f32").embed(
            supcon.ImageFolder(photos / "test")
        )
        for it in (folder, other)
    )
    np.testing.assert_array_equal(first, second)
    (tmp_path / "bad.toml").write_text("[train]\nepoch = 3\n")
    said = run("train", both, "--config", tmp_path / "bad.toml", code=1).stderr
    assert "'epoch', which is no option; did you mean epochs?" in said
    # what is done with a run's folder
    said = json.loads(run("info", folder, "--json").stdout)
    assert said["class_names"] == ["lying", "upright"]
    assert run("report", folder, "-q").stdout.strip() == str(folder / "report.html")
    assert "top-1" in run("evaluate", folder, both, "-q").stdout


def test_targets(photos, tmp_path):
    data = supcon.ImageFolder(photos / "train")
    values = np.random.default_rng(3).integers(0, 2, (64, 3))
    np.save(tmp_path / "t.npy", values)
    lines = [
        f"{os.path.relpath(path, photos / 'train')},{','.join(map(str, row))}\n"
        for path, row in zip(data.paths, values)
    ]
    (tmp_path / "named.csv").write_text(
        "path,a,b,c\n" + "".join(reversed(lines)) + "upright/absent.png,1,1,1\n"
    )
    (tmp_path / "plain.csv").write_text("a,b,c\n\n" + "".join(it.partition(",")[2] for it in lines))
    (tmp_path / "excel.csv").write_bytes(
        b"\xef\xbb\xbf" + (tmp_path / "named.csv").read_bytes().replace(b"\n", b"\r\n")
    )
    rows = []
    for name in ("t.npy", "named.csv", "plain.csv", "excel.csv"):
        run(
            "train",
            photos / "train",
            "--output",
            tmp_path / "m.safetensors",
            *TRAIN,
            "--targets",
            tmp_path / name,
            "--positives",
            "jaccard",
            "--no-classifier",
        )
        rows.append(supcon.load(tmp_path / "m.safetensors", precision="f32").embed(data))
    np.testing.assert_array_equal(rows[0], rows[1])
    np.testing.assert_array_equal(rows[0], rows[2])
    np.testing.assert_array_equal(rows[0], rows[3])
    model = supcon.Model(width=4, image_size=12, precision="f32", seed=3, n_jobs=1)
    supcon.train(
        model,
        data.with_targets(values),
        positives="jaccard",
        epochs=2,
        batch_size=16,
        learning_rate=0.025,
        reference_batch=0,
        validation_fraction=0,
        seed=3,
    )
    np.testing.assert_allclose(rows[0], model.embed(data), atol=1e-5)
    # Images without labels.
    flat = photos / "train" / "lying"
    words = ["train", flat, "--output", tmp_path / "m.safetensors", *TRAIN]
    words += ["--targets", tmp_path / "f.npy", "--positives"]
    run(*words, "any", code=1)
    np.save(tmp_path / "f.npy", np.linspace(0, 1, 32))
    run(*words, "kernel", "--label-bandwidth", "0.2")
    assert supcon.load(tmp_path / "m.safetensors").classes == 0

    for text, words in (
        ("path,a\n" + "x.png,1\n", "no line for 64 of 64 images; the first: lying"),
        ("a\n1\n2\n", "2 lines of numbers for 64 images"),
        ("a,b\n1,2\n1\n", "line 3: 1 cells; expected 2"),
        ('a\n1\n"' + "x" * 200_000, "line 3: field larger than field limit"),
        ("a\n1\nx\n", "line 3: could not convert string to float: 'x'"),
        ("", "is empty"),
        ("path,a\nx.png,1\nx.png,2\n", "line 3: x.png has a line before this one"),
        ("path\n" + "".join(it.partition(",")[0] + "\n" for it in lines), "dimension"),
    ):
        (tmp_path / "bad.csv").write_text(text)
        found = run(
            "train",
            photos / "train",
            "--output",
            tmp_path / "m.safetensors",
            *TRAIN,
            "--targets",
            tmp_path / "bad.csv",
            "--positives",
            "any",
            code=1,
        )
        assert words in found.stderr, found.stderr
    for options, words in (
        (["--targets", tmp_path / "t.npy"], "without --positives"),
        (["--positives", "any"], "no targets"),
        (["--targets", tmp_path / "t.txt", "--positives", "any"], "ends in .npy or .csv"),
    ):
        assert (
            words
            in run(
                "train",
                photos / "train",
                "--output",
                tmp_path / "m.safetensors",
                *TRAIN,
                *options,
                code=1,
            ).stderr
        )
