"""Training over MPI, as it is started: `mpirun -np 2`, in C, in Python and from the command line.
What the ranks compute is tested in Swift (RanksTests); here is that it comes through, and how runs
end.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from worker import data, png

import supcon

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe"]
ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "SUPCON_LIBRARY": str(supcon.library_path),
}
pytestmark = pytest.mark.skipif(shutil.which("mpirun") is None, reason="no MPI here")
OPTIONS = {
    "epochs": 2,
    "batch_size": 20,
    "learning_rate": 2e-4,
    "reference_batch": 0,
    "validation_fraction": 0,
    "augmentation": "crop_flip",
    "sync_batch_norm": True,
}


def run(ranks: int, *command, timeout=60) -> subprocess.CompletedProcess:
    line = [*(MPIRUN if ranks else []), *(["-np", str(ranks)] if ranks else []), *map(str, command)]
    return subprocess.run(
        line, env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout, check=False
    )


def train(folder: Path, ranks: int, timeout=60, **options):
    """What each rank came to, and what rank 0 left."""
    folder.mkdir(exist_ok=True)
    kind = {} if ranks else {"collectives": "none"}
    told = run(
        ranks, sys.executable, HERE / "worker.py", folder, json.dumps(OPTIONS | options | kind),
        timeout=timeout,
    )  # fmt: skip
    outcomes = [
        (folder / f"rank{rank}.txt").read_text() if (folder / f"rank{rank}.txt").exists() else None
        for rank in range(max(ranks, 1))
    ]
    result = folder / "result.npz"
    return outcomes, dict(np.load(result)) if result.exists() else None, told


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The run of one process."""
    outcomes, result, told = train(tmp_path_factory.mktemp("one"), 0)
    assert outcomes == ["done"], told.stderr
    return result


@pytest.mark.parametrize("ranks", [2, 3])
def test_equals_one_process(tmp_path, one, ranks):
    outcomes, result, told = train(tmp_path, ranks)
    assert outcomes == ["done"] * ranks, told.stderr
    assert len(result["history"]) == 2
    # Four steps: in each more, rounding tips a ReLU over in one run of twenty.
    np.testing.assert_allclose(result["history"], one["history"], rtol=1e-4)
    np.testing.assert_allclose(result["rows"], one["rows"], atol=2e-5)


def test_same_ranks_same_bytes(tmp_path):
    models = []
    for name in "ab":
        train(tmp_path / name, 2, sync_batch_norm=False, learning_rate=0.05)
        models.append((tmp_path / name / "model.safetensors").read_bytes())
    assert models[0] == models[1]


def test_estimator(tmp_path):
    outcomes, result, told = train(tmp_path, 2, estimator=True)
    assert outcomes == ["done"] * 2, told.stderr
    assert np.isfinite(result["rows"]).all()


@pytest.mark.parametrize("ranks", [2, 3])
def test_gradients_in_bf16(tmp_path, one, ranks):
    outcomes, result, told = train(tmp_path, ranks, gradient_precision="bf16")
    assert outcomes == ["done"] * ranks, told.stderr
    off = np.abs(result["rows"] - one["rows"]).max()
    assert 1e-7 < off < 2e-3  # rounded, and next to what it would be


def test_rank_0_looks_for_the_learning_rate(tmp_path):
    begin = time.monotonic()
    outcomes, result, told = train(tmp_path, 2, learning_rate="auto", epochs=1, deadline=20)
    assert outcomes == ["done"] * 2 and result is not None, told.stderr
    assert time.monotonic() - begin < 50


def test_a_callback_stops_all(tmp_path):
    outcomes, _, told = train(tmp_path, 3, fault="callback")
    assert outcomes == ["stopped"] * 3, told.stderr


@pytest.mark.parametrize(
    ("fault", "words"),
    [("options", "learning_rate is 0.125 here and 0.0002 at rank 0"), ("data", "fingerprint")],
)
def test_ranks_that_differ(tmp_path, fault, words):
    outcomes, result, _ = train(tmp_path, 3, fault=fault, at=2)
    assert result is None
    for outcome in outcomes:
        assert outcome.startswith("ArgumentError: rank 2 of 3: ") and words in outcome


@pytest.mark.parametrize(
    ("fault", "estimator", "words"),
    [("word", False, "schedule is 'nonsense'"), ("labels", True, "expected [48]")],
)
def test_what_fails_before_the_trainer_ends_all(tmp_path, fault, estimator, words):
    """The others hear of it, and do not wait for their deadline."""
    begin = time.monotonic()
    outcomes, _, _ = train(tmp_path, 3, fault=fault, at=1, estimator=estimator)
    assert time.monotonic() - begin < 25
    assert all(words in it for it in outcomes), outcomes
    for rank in (0, 2):
        assert "Error: rank 1 of 3: " in outcomes[rank] and "[of rank 1]" in outcomes[rank]


def test_a_rank_that_never_comes_is_missed(tmp_path):
    """Where the communicator is copied, before anything else."""
    begin = time.monotonic()
    _, result, told = train(tmp_path, 2, fault="absent", at=1, deadline=2)
    assert result is None and told.returncode != 0 and time.monotonic() - begin < 20
    assert "waited 2 s for a copy of the communicator" in told.stderr


def test_a_late_message_changes_nothing(tmp_path, one):
    outcomes, result, told = train(tmp_path, 2, fault="delay")
    assert outcomes == ["done"] * 2, told.stderr
    np.testing.assert_allclose(result["rows"], one["rows"], atol=2e-5)


def test_a_rank_that_hangs_is_named(tmp_path):
    begin = time.monotonic()
    outcomes, result, told = train(tmp_path, 3, fault="hangs", at=1, deadline=2)
    assert result is None and time.monotonic() - begin < 40 and told.returncode != 0
    for rank in (0, 2):
        assert "waited 2 s" in outcomes[rank] and "nothing came from rank 1" in outcomes[rank]
        assert outcomes[rank].endswith("[of rank None] from TimeoutError")


def test_a_killed_rank_ends_all_and_leaves_the_checkpoint(tmp_path):
    folder = tmp_path / "checkpoints"
    options = {"checkpoint_folder": str(folder), "epochs": 3}
    # In the second epoch, where the checkpoint of the first is there.
    _, result, told = train(tmp_path, 2, fault="killed", **options, batch_size=12)
    assert result is None and told.returncode != 0 and "signal 9" in told.stderr
    assert (folder / "last.supcon").exists()
    # On another number of ranks it goes on from there.
    outcomes, result, told = train(tmp_path, 3, resume=True, **options, batch_size=12)
    assert outcomes == ["done"] * 3, told.stderr
    assert len(result["history"]) == 2


def test_resumes_as_if_it_had_not_ended(tmp_path):
    folder = {"checkpoint_folder": str(tmp_path / "checkpoints")}
    train(tmp_path / "first", 2, epochs=1, schedule="constant", **folder)
    _, resumed, _ = train(tmp_path / "second", 3, schedule="constant", resume=True, **folder)
    _, whole, _ = train(tmp_path / "whole", 0, schedule="constant")
    np.testing.assert_allclose(resumed["rows"], whole["rows"], atol=2e-5)


def test_a_full_disk_at_rank_0_ends_all(tmp_path):
    folder = tmp_path / "checkpoints"
    outcomes, _, _ = train(tmp_path, 2, fault="full", checkpoint_folder=str(folder), epochs=4, at=0)
    for outcome in outcomes:
        assert outcome.startswith("FileError: rank 0 of 2: ")
    names = sorted(it.name for it in folder.iterdir())
    assert names == ["last.supcon"]


def begin(tmp_path, ranks, *command) -> subprocess.Popen:
    """Starts a long run that keeps checkpoints in tmp_path, and waits for the first."""
    if not command:
        options = OPTIONS | {"epochs": 100000, "checkpoint_folder": str(tmp_path / "checkpoints")}
        command = (HERE / "worker.py", tmp_path, json.dumps(options))
    process = subprocess.Popen(
        [*MPIRUN, "-np", str(ranks), sys.executable, *map(str, command)],
        env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (tmp_path / "checkpoints" / "last.supcon").exists():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            pytest.fail(process.communicate()[1])
        time.sleep(0.05)
    return process


def tell(tmp_path, rank: int, number: int) -> None:
    """Sends a signal to one rank of a run that has tmp_path on its command line."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(tmp_path).encode() in command and b"OMPI_COMM_WORLD_RANK=%d" % rank in environment:
            return os.kill(int(folder.name), number)
    raise AssertionError(f"there is no rank {rank}")


@pytest.mark.parametrize("whom", ["launcher", 0, 1])
def test_sigterm_ends_all(tmp_path, whom):
    """Of the launcher, which tells all ranks, or of one rank, whose end the launcher sees."""
    process = begin(tmp_path, 2)
    if whom == "launcher":
        process.send_signal(signal.SIGTERM)
    else:
        tell(tmp_path, whom, signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode != 0
    # What is there is whole.
    resumed, result, told = train(
        tmp_path, 2, resume=True, epochs=1, checkpoint_folder=str(tmp_path / "checkpoints")
    )
    assert result is not None and resumed == ["done"] * 2, told.stderr


def test_an_interrupt_of_one_rank_ends_all(tmp_path):
    process = begin(tmp_path, 3)
    tell(tmp_path, 1, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    outcomes = [(tmp_path / f"rank{rank}.txt").read_text() for rank in range(3)]
    assert outcomes[1] == "interrupted", said
    for rank in (0, 2):
        assert outcomes[rank].startswith("CanceledError: rank 1 of 3: the run was stopped")


@pytest.mark.parametrize("rank", [0, 1])
def test_an_interrupt_of_one_rank_of_the_command_ends_all(tmp_path, rank):
    images, labels = files(tmp_path)
    flags = "--epochs 100000 --batch-size 20 --width 4 --threads 1 --precision f32"
    process = begin(
        tmp_path, 2, "-m", "supcon", "train", f"npy:{images},{labels}", "--output",
        tmp_path / "model.safetensors", *flags.split(), "--checkpoint-folder",
        tmp_path / "checkpoints",
    )  # fmt: skip
    tell(tmp_path, rank, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode != 0 and "Traceback" not in said, said


def test_a_run_folder_is_resumed(tmp_path):
    """Rank 0 keeps the folder, and all ranks go on from it."""
    for epochs in (1, 2):
        ended, result, told = train(
            tmp_path, 2, run=str(tmp_path / "run"), resume=epochs == 2, epochs=epochs
        )
        assert result is not None and ended == ["done"] * 2, told.stderr
    lines = (tmp_path / "run" / "summary.csv").read_text().splitlines()
    assert len(lines) == 3


def files(folder):
    """Writes images and labels, and returns their paths."""
    images, labels = folder / "images.npy", folder / "labels.npy"
    np.save(images, data()[0])
    np.save(labels, data()[1])
    return images, labels


def test_command(tmp_path):
    images, labels = files(tmp_path)
    flags = "--epochs 2 --batch-size 20 --width 4 --threads 1 --precision f32 --seed 3"
    models = []
    for ranks in (0, 2):
        model = tmp_path / f"{ranks}.safetensors"
        told = run(
            ranks, sys.executable, "-m", "supcon", "train", f"npy:{images},{labels}", "--output",
            model, *flags.split(), "--sync-batch-norm", "--learning-rate", "2e-4",
            "--reference-batch", "0", "--checkpoint-folder", tmp_path / f"checkpoints{ranks}",
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        assert told.stdout.split() == [str(model)]
        models.append(supcon.load(model).embed(data()[0]))
        rows = tmp_path / f"{ranks}.npy"
        told = run(
            ranks and 3, sys.executable, "-m", "supcon", "embed", model, f"npy:{images}",
            "--output", rows, "--threads", "1",
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        np.testing.assert_allclose(np.load(rows), models[-1], atol=1e-6)
        index = tmp_path / f"{ranks}.index"
        told = run(
            ranks and 3, sys.executable, "-m", "supcon", "index", model, f"npy:{images}",
            "--output", index, "--threads", "1",
        )  # fmt: skip
        assert told.returncode == 0 and told.stdout.split() == [str(index)], told.stderr
        near = supcon.Index.load(index).search(models[-1], 1)
        assert near.ids[:, 0].tolist() == list(range(len(models[-1])))
    np.testing.assert_allclose(models[0], models[1], atol=2e-5)
    told = run(2, sys.executable, "-m", "supcon", "train", tmp_path / "nothing", "--output", model)
    assert told.returncode != 0 and told.stderr.count("supcon: error") >= 1


@pytest.mark.parametrize("ranks", [2, 3])
def test_parts_of_their_own(tmp_path, ranks):
    """All images in each batch: the run of one process that has all of them."""
    options = {"batch_size": 48, "epochs": 4, "joint_classifier": True}
    _, one, told = train(tmp_path / "one", 0, **options)
    assert one is not None, told.stderr
    outcomes, result, told = train(tmp_path / "parts", ranks, parts=True, **options)
    assert outcomes == ["done"] * ranks, told.stderr
    np.testing.assert_allclose(result["history"], one["history"], rtol=1e-4)
    np.testing.assert_allclose(result["rows"], one["rows"], atol=2e-5)


@pytest.mark.parametrize("fault", ["labels", "part"])
def test_a_part_that_does_not_fit_ends_all(tmp_path, fault):
    begin = time.monotonic()
    outcomes, _, _ = train(tmp_path, 3, fault=fault, at=1, parts=True)
    words = {"labels": "15 labels for 16 images", "part": "the number of channels is 3"}[fault]
    assert all(words in it for it in outcomes), outcomes
    assert time.monotonic() - begin < 25


def pictures(folder: Path, count=48):
    """Writes the images as files in class folders: those of each part, and all of them."""
    names = ("two", "three", "four")
    for at, (image, label) in enumerate(zip(*data(count))):
        for part in ("all", f"part{int(at % 4 > 0)}"):
            place = folder / part / names[label]
            place.mkdir(parents=True, exist_ok=True)
            png(place / f"{at:03}.png", image)


def test_the_command_with_parts_of_their_own(tmp_path):
    """Each process names another folder, one three times as large as the other."""
    pictures(tmp_path)
    flags = (
        "--width 4 --threads 1 --precision f32 --epochs 3 --sync-batch-norm --batch-size 16 "
        "--validation-fraction 0.2 --learning-rate auto --channels 1"
    )
    command = (
        f"exec {sys.executable} -m supcon train {tmp_path}/part$OMPI_COMM_WORLD_RANK --own-part "
        f"-o {tmp_path}/run {flags}"
    )
    told = run(2, "sh", "-c", command, timeout=120)
    assert told.returncode == 0, told.stderr
    model = supcon.load(tmp_path / "run" / "model.safetensors")
    assert model.class_names == ["four", "three", "two"]
    images = supcon.ImageFolder(tmp_path / "all", channels=1)
    assert np.isfinite(model.embed(images)).all()
    card = (tmp_path / "run" / "README.md").read_text()
    assert "48 images" in card


def compiled(out: Path, *words) -> Path:
    library = ROOT / "build" / "lib"
    if shutil.which("mpicc") is None or not (library / "libsupcon-mpi.so.1").exists():
        pytest.skip("no mpicc here, or no make mpi")
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}"]
    link = [f"-L{library}", "-lsupcon", f"-Wl,-rpath,{library}"]
    subprocess.run(["mpicc", *flags, HERE / "train.c", *words, "-o", out, *link], check=True)
    return out


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Tests/MPI/train.c with build/lib/libsupcon-mpi.so."""
    return compiled(tmp_path_factory.mktemp("c") / "train", "-lsupcon-mpi", f"-L{ROOT}/build/lib")


@pytest.fixture(scope="module")
def parted(tmp_path_factory):
    """The same program, whose messages go in parts of 1,000, as those go that MPI cannot count."""
    source = ROOT / "bindings" / "mpi" / "supcon_mpi.c"
    return compiled(tmp_path_factory.mktemp("c") / "parted", "-DMOST=1000", source)


def test_c(tmp_path, program, parted):
    rows = []
    random = np.random.default_rng(1).integers(0, 255, (5, 12, 12), np.uint8)
    for ranks, built, threads in ((0, program, ""), (2, program, "single"), (3, parted, "")):
        model = tmp_path / f"{ranks}.safetensors"
        told = run(ranks, built, model, 1, threads)
        assert told.returncode == 0 and told.stdout.count(": OK") == max(1, ranks), told
        rows.append(supcon.load(model).embed(random))
    np.testing.assert_allclose(rows[1], rows[0], atol=2e-5)
    np.testing.assert_allclose(rows[2], rows[0], atol=2e-5)
    model = tmp_path / "bf16.safetensors"
    models = []
    for built in (program, parted):
        assert run(3, built, model, 1, "bf16").returncode == 0
        models.append(model.read_bytes())
    assert models[0] == models[1]
    assert 1e-7 < np.abs(supcon.load(model).embed(random) - rows[0]).max() < 2e-3


def test_c_parts(tmp_path, program):
    """Ranks that have images of their own, of different numbers."""
    rows = []
    random = np.random.default_rng(1).integers(0, 255, (5, 12, 12), np.uint8)
    for ranks in (0, 2, 3):
        model = tmp_path / f"{ranks}.safetensors"
        told = run(ranks, program, model, 1, "parts")
        assert told.returncode == 0 and told.stdout.count(": OK") == max(1, ranks), told
        rows.append(supcon.load(model).embed(random))
    np.testing.assert_allclose(rows[1], rows[0], atol=2e-5)
    np.testing.assert_allclose(rows[2], rows[0], atol=2e-5)


def test_c_faults(tmp_path, program):
    told = run(2, program, tmp_path / "model", 0, "differs")
    sentence = "argument: rank 1 of 2: learning_rate is 0.125 here and 0.0002 at rank 0"
    assert told.returncode == 3 and sentence in told.stdout
    told = run(3, program, tmp_path / "model", 0, "late")
    # Ranks 0 and 2 hear each other, and name only the one that is late.
    assert told.returncode == 3
    absent = re.findall(r"waited 1 s in a barrier; nothing came from ([^)]*)\)", told.stdout)
    assert absent and set(absent) == {"rank 1"}, told.stdout
    begin = time.monotonic()
    for fault, sentence in (
        ("early", "io: rank 1 of 3: photos/ is not there [of rank 1]"),
        ("null", "argument: rank 1 of 3: model is NULL; expected a pointer [of rank 1]"),
    ):
        told = run(3, program, tmp_path / "model", 0, fault)
        assert told.returncode == 3, told
        for rank in (0, 2):
            assert f"rank {rank}: {sentence}" in told.stdout, told.stdout
    assert time.monotonic() - begin < 30  # their deadline is 60 s
    told = run(2, program, tmp_path / "model", 0, "dies")
    assert told.returncode != 0 and "signal 9" in told.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_gloo(tmp_path, one, precision):
    pytest.importorskip("torch")
    options = OPTIONS | {"collectives": "gloo", "gradient_precision": precision}
    told = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         HERE / "worker.py", tmp_path, json.dumps(options)],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    rows = np.load(tmp_path / "result.npz")["rows"]
    np.testing.assert_allclose(rows, one["rows"], atol=2e-5 if precision == "f32" else 2e-3)
