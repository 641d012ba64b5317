"""The command, run as a user runs it."""

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

import supcon

COMMAND = [sys.executable, "-m", "supcon"]
TRAIN = [
    "--width",
    "4",
    "--epochs",
    "2",
    "--batch-size",
    "16",
    "--validation-fraction",
    "0",
    "--precision",
    "f32",
    "--seed",
    "3",
    "--threads",
    "1",
]


def run(*arguments, code=0):
    found = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    assert found.returncode == code, found.stderr
    return found


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    random = np.random.default_rng(5)
    root = tmp_path_factory.mktemp("photos")
    for part, count in (("train", 64), ("test", 24)):
        images = random.integers(0, 60, (count, 12, 12, 3)).astype(np.uint8)
        labels = np.arange(count) % 2
        for image, label in zip(images, labels):
            at = random.integers(1, 10)
            (image if label else image.transpose(1, 0, 2))[at : at + 2] = 220
        files.folder(root / part, images, labels)
    return root


@pytest.fixture(scope="module")
def model(photos):
    path = photos / "model.safetensors"
    found = run("train", photos / "train", "--output", path, *TRAIN)
    assert found.stdout.strip() == str(path)
    assert (
        re.search(r"^epoch 2/2  loss \d+\.\d+.* images/s", found.stderr, re.M)
        and "64 images, 12x12" in found.stderr
    )
    return path


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


def test_train_writes_a_model_with_its_classes(model):
    found = supcon.load(model)
    assert (
        found.width == 4
        and found.class_names == ["lying", "upright"]
        and found.image_size == (12, 12)
    )


def test_embed(model, photos, tmp_path):
    run(
        "embed",
        model,
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
    np.testing.assert_allclose(rows, supcon.load(model, precision="f32").embed(paths), atol=1e-5)
    run(
        "embed",
        model,
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
        supcon.load(model, precision="f32").embed(paths, "projection", False),
        rtol=1e-5,
        atol=1e-6,
    )
    assert sorted(os.listdir(tmp_path)) == ["e.csv", "e.npy", "paths.txt"]


def test_int8(model, photos, tmp_path):
    try:
        expected = supcon.load(model).quantize(photos_of(photos)).embed(photos_of(photos))
    except supcon.UnsupportedError:
        run(
            "embed",
            model,
            photos / "test",
            "--output",
            tmp_path / "e.npy",
            "--int8",
            photos / "test",
            code=1,
        )
        return
    run(
        "embed",
        model,
        photos / "test",
        "--output",
        tmp_path / "e.npy",
        "--int8",
        photos / "test",
        "--quiet",
    )
    np.testing.assert_array_equal(np.load(tmp_path / "e.npy"), expected)


def photos_of(photos):
    return supcon.ImageFolder(photos / "test")


def test_evaluate(model, photos):
    found = run(
        "evaluate",
        model,
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
        model,
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


def test_evaluate_measures(model, photos, tmp_path):
    pair = (
        "evaluate",
        model,
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
    loaded = supcon.load(model, precision="f32")
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


def test_transfer_from_a_model(model, photos, shapes, tmp_path):
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
        model,
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
        "--learning-rate",
        "0.01",
        *given,
    )
    tuned, begun = (
        supcon.load(tmp_path / "tuned.safetensors", precision="f32"),
        supcon.load(model, precision="f32"),
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


def test_info(model):
    assert re.search(r"^architecture +resnet18$", run("info", model).stdout, re.M)
    known = json.loads(run("info", model, "--json").stdout)
    assert known["class_names"] == ["lying", "upright"] and known["width"] == 4
    assert (
        supcon.version() in run("info").stdout
        and run("--version").stdout.strip() == f"supcon {supcon.version()}"
    )


@pytest.mark.parametrize("command", ["train", "embed", "evaluate", "info"])
def test_help_has_the_librarys_defaults(command):
    shown = subprocess.run(
        [*COMMAND, command, "--help-all"],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "400"},
    ).stdout
    text = " ".join(shown.replace("│", " ").split())
    if command == "train":
        for words in (
            "(default: resnet18)",
            "temperature tau of the similarities, above 0 (default: 0.1)",
            "supcon|simclr|cross_entropy|linear|max_margin",
            "(default: 256)",
            "idx:",
        ):
            assert words in text
    assert "None" not in text


def test_memory_limit(model, photos, tmp_path):
    """The library's sentence and status 1 where a step or a pass is too large; the same results
    where it is not.
    """
    small, output = (
        ["--memory-limit", "50000", "--precision", "f32", "--threads", "1", "-q"],
        tmp_path / "x.npy",
    )
    for words, what in (
        (
            ["train", photos / "train", "-o", output, "--width", "4", "--batch-size", "16"],
            "a training step of 32 views of 12×12",
        ),
        (
            ["train", photos / "train", "-o", output, "--init", model, "--batch-size", "16"],
            "a training step of 32 views of 12×12",
        ),
        (["embed", model, photos / "test", "-o", output], "embedding 1 images of 12×12"),
        (["evaluate", model, photos / "train", photos / "test"], "embedding 1 images of 12×12"),
    ):
        said = run(*words, *small, code=1).stderr
        assert (
            len(said.splitlines()) == 1
            and said.startswith(f"supcon: error: {what}")
            and "but the limit is 50 kB" in said
            and not output.exists()
        )
    enough = ["--memory-limit", "0.5g", "--precision", "f32", "--threads", "1", "-q"]
    run("embed", model, photos / "test", "-o", output, *enough)
    np.testing.assert_array_equal(
        np.load(output), supcon.load(model, precision="f32", n_jobs=1).embed(photos_of(photos))
    )
    assert (
        "but the limit is 20 kB"
        in run(
            "embed",
            model,
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
                "embed", model, photos / "test", "-o", output, f"--memory-limit={wrong}", code=2
            ).stderr
        )
    assert "--memory-limit" not in run("info", "--help").stdout


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["train", "absent", "-o", "{tmp}/m.safetensors"], "absent"),
        (["train", "idx:absent", "-o", "{tmp}/m.safetensors"], "absent"),
        (["train", "{photos}/train", "-o", "{tmp}/absent/m.safetensors"], "absent"),
        (["train", "{photos}/train", "-o", "{tmp}/m.safetensors", "--epochs", "0"], "epochs"),
        (["train", "what:ever", "-o", "{tmp}/m.safetensors"], "what:ever"),
        (["train", "{photos}/train", "-o", "{tmp}/m.safetensors", "--threads", "0"], "threads"),
        (["embed", "absent", "{photos}/test", "-o", "{tmp}/e.npy"], "absent"),
        (["embed", "{model}", "{photos}/test", "-o", "{tmp}/e.txt"], ".npy"),
        (
            ["embed", "{photos}/train/lying/0000.png", "{photos}/test", "-o", "{tmp}/e.npy"],
            "0000.png",
        ),
        (["evaluate", "{model}", "{photos}/train", "{photos}/test/lying"], "labels"),
        (["info", "/dev/null"], "/dev/null"),
        (["train", "npy:absent.npy", "-o", "{tmp}/m.safetensors"], "absent.npy"),
    ],
)
def test_errors_are_one_line(arguments, words, model, photos, tmp_path):
    found = run(
        *[it.format(tmp=tmp_path, photos=photos, model=model) for it in arguments],
        "--quiet" if arguments[0] != "info" else "--json",
        code=1,
    )
    lines = found.stderr.splitlines()
    assert (
        len(lines) == 1
        and lines[0].startswith("supcon: error: ")
        and words in lines[0]
        and not os.listdir(tmp_path)
    )


def test_wrong_usage():
    for words, said in (
        (["train", "x", "--form", "sideways"], "'sideways' is not one of 'out', 'in'"),
        (["trian", "x"], "no command 'trian'; did you mean train?"),
        (["train", "x", "--epoch", "3"], "no option --epoch; did you mean --epochs?"),
        (["train", "x", "--lr", "3"], "no option --lr; did you mean --learning-rate?"),
        (["train", "x", "--rate", "3"], "no option --rate; did you mean --learning-rate?"),
        (["export", "x", "--int8"], "no option --int8 (supcon export --help)"),
        (["embed", "m"], "missing argument 'IMAGES'"),
        (["train", "x", "--epochs", "many"], "'many'"),
    ):
        lines = run(*words, code=2).stderr.splitlines()
        assert len(lines) == 1 and lines[0].startswith("supcon: error: ") and said in lines[0]


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
        validation_fraction=0,
        seed=3,
    )
    np.testing.assert_allclose(rows[0], model.embed(data), atol=1e-5)
    # Images without labels.
    flat = photos / "train" / "lying"
    run(
        "train",
        flat,
        "--output",
        tmp_path / "m.safetensors",
        *TRAIN,
        "--targets",
        tmp_path / "f.npy",
        "--positives",
        "any",
        code=1,
    )
    np.save(tmp_path / "f.npy", np.linspace(0, 1, 32))
    run(
        "train",
        flat,
        "--output",
        tmp_path / "m.safetensors",
        *TRAIN,
        "--targets",
        tmp_path / "f.npy",
        "--positives",
        "kernel",
        "--label-bandwidth",
        "0.2",
    )
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


def test_help_is_short_and_bare_supcon_prints_it():
    narrow = os.environ | {"COLUMNS": "80"}
    short = subprocess.run(
        [*COMMAND, "train", "--help"], capture_output=True, text=True, env=narrow
    ).stdout
    assert len(short.splitlines()) <= 40
    for name in ("--output", "--config", "--epochs", "--learning-rate", "--help-all"):
        assert name in short
    assert "--trust-coefficient" not in short
    bare = run().stdout
    for name in (
        "train",
        "embed",
        "evaluate",
        "classify",
        "index",
        "search",
        "report",
        "export",
        "import",
        "study",
        "views",
        "info",
    ):
        assert re.search(rf"^. {name} ", bare, re.M), name


def test_every_option_of_the_library_is_a_flag():
    from supcon import _options

    shown = subprocess.run(
        [*COMMAND, "train", "--help-all"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "200"},
    ).stdout
    tables = (_options.TRAIN, _options.LOSS, _options.MODEL, _options.AUGMENTATION)
    for name in [it for table in tables for it in table]:
        assert f"--{name.replace('_', '-')}" in re.sub(r"[\s│]+", " ", shown), name


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
    again = [*COMMAND, "train", str(both), "--config", str(folder / "config.toml"), "--no-report"]
    found = subprocess.run(
        [*again, "--threads", "1"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert found.returncode == 0, found.stderr
    other = tmp_path / found.stdout.strip()
    assert other == tmp_path / "runs" / "animals-2"
    first, second = (
        supcon.load(it / "model.safetensors", precision="f32").embed(photos_of(photos))
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


def test_classify(model, photos, tmp_path):
    paths = supcon.ImageFolder(photos / "test").paths
    loaded = supcon.load(model, precision="f32")
    best = loaded.embed(paths, "probabilities", False).argmax(1)
    shown = run("classify", model, *paths[:3], "-q", "--precision", "f32").stdout.splitlines()
    for path, line, at in zip(paths, shown, best):
        assert line.startswith(f"{path}  {loaded.class_names[at]} ")
    output = tmp_path / "c.csv"
    run("classify", model, photos / "test", "-o", output, "--top", "2", "--precision", "f32")
    lines = output.read_text().splitlines()
    assert lines[0] == "path,class1,probability1,class2,probability2" and len(lines) == 25
    assert [it.split(",")[1] for it in lines[1:]] == [loaded.class_names[it] for it in best]


@pytest.mark.parametrize("word", ["train", "embed", "classify", "evaluate", "index"])
def test_how_images_are_read(word, model, photos, tmp_path):
    """Every command takes the options of a data set, and they reach the library."""
    data = [photos / "train", photos / "test"] if word == "evaluate" else [photos / "train"]
    before = [] if word == "train" else [model]
    names = {"classify": "out.csv", "embed": "out.npy"}
    output = [] if word == "evaluate" else ["-o", tmp_path / names.get(word, "out")]
    small = ["--epochs", "1", "--batch-size", "16"] if word == "train" else []

    def reads(*options, code=0):
        return run(word, *before, *data, *output, *small, *options, code=code).stderr

    reads("--exact-decoding", "--class-order", "natural", "--max-pixels", "144")
    assert "143" in reads("--max-pixels", "143", code=1)


def test_search_reads_images_as_it_is_told(model, photos, tmp_path):
    run("index", model, photos / "test", "-o", tmp_path / "test.npz")
    path = supcon.ImageFolder(photos / "test").paths[0]
    run("search", tmp_path / "test.npz", path, "--max-pixels", "144")
    assert "143" in run("search", tmp_path / "test.npz", path, "--max-pixels", "143", code=1).stderr


def test_kinds_of_data(shapes, tmp_path):
    from supcon import _sources

    images, labels = shapes
    np.savez(tmp_path / "a.npz", x_train=images, y_train=labels[:, None], x_test=images[:9])
    data, test = _sources.read(str(tmp_path / "a.npz"))
    np.testing.assert_array_equal(data.labels, labels)
    assert len(test) == 9 and test.labels is None
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, count in (("train", 96), ("t10k", 10)):
        files.idx(folder / f"{part}-images-idx3-ubyte", images[:count])
        files.idx(folder / f"{part}-labels-idx1-ubyte", labels[:count])
    data, test = _sources.read(str(folder))
    assert (len(data), len(test)) == (96, 10)
    np.testing.assert_array_equal(test.labels, labels[:10])
    data, test = _sources.read(str(folder / "train-images-idx3-ubyte"))
    assert test is None and len(data) == 96 and data.labels is not None
    cifar = tmp_path / "cifar"
    cifar.mkdir()
    random = np.random.default_rng(0)
    rows = random.integers(0, 10, (7, 3073)).astype(np.uint8)
    for name in [*(f"data_batch_{it}.bin" for it in range(1, 6)), "test_batch.bin"]:
        (cifar / name).write_bytes(rows.tobytes())
    data, test = _sources.read(str(cifar))
    assert (len(data), len(test)) == (35, 7)
    np.testing.assert_array_equal(test.labels, rows[:, 0])
    np.save(tmp_path / "b.npy", images)
    assert len(_sources.read(str(tmp_path / "b.npy"))[0]) == 96
    paths = files.folder(tmp_path / "files", images[:4], labels[:4])
    found = _sources.images([str(it) for it in paths])
    assert found.paths == [str(it) for it in paths]
    for wrong, said in (
        ("fashion-mnits", "did you mean fashion-mnist"),
        (str(tmp_path / "a.zip"), "there is no"),
        (str(tmp_path / "cifra"), "did you mean .*cifar"),
    ):
        with pytest.raises(OSError, match=said):
            _sources.read(wrong)
    with pytest.raises(supcon.ArgumentError, match="among 2 images"):
        _sources.images([str(paths[0]), str(cifar)])


def test_index_and_search(model, photos, tmp_path):
    """The images of an index find themselves first, then what is nearest by numpy."""
    output = tmp_path / "p.index"
    run("index", model, photos / "test", "-o", output, "--precision", "f32", "-q")
    data = photos_of(photos)
    rows = supcon.load(model, precision="f32").embed(data)
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


def test_export_and_import(model, tmp_path):
    said = run("export", model, "-o", tmp_path / "m.pth", "-q", code=1).stderr
    assert "width 4" in said  # torchvision has no ResNet of that width
    said = run("export", model, "--to", "onnxx", code=2).stderr
    assert "'onnxx'" in said
    said = run("import", model, "-o", tmp_path / "x.safetensors", "-q", code=1).stderr
    assert "is a model of this library" in said
    assert "over itself" in run("import", model, "-q", code=1).stderr
    assert "over itself" in run("import", model, model, "-q", code=1).stderr
    assert "two outputs" in run("import", model, "a", "-o", "b", "-q", code=1).stderr


def test_without_typer():
    script = "import sys; sys.modules['typer'] = None; from supcon._command import main; main([])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "pip install 'supcon[cli]'" in found.stderr and "Traceback" not in found.stderr
