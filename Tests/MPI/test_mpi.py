"""Training over MPI, as it is started: `mpirun -np 2`, in C, in Python and from the command line.
What the ranks compute is tested in Swift (RanksTests); here is that it comes through, and how runs
end.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

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


def test_a_killed_rank_ends_all_and_leaves_the_checkpoint(tmp_path):
    folder = tmp_path / "checkpoints"
    options = {"checkpoint_folder": str(folder), "epochs": 3}
    # With 4 steps of an epoch, the sixth sum is in the second one.
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


def test_sigterm_ends_all(tmp_path):
    """Of the launcher, which tells all ranks."""
    command = [*MPIRUN, "-np", "2", sys.executable, str(HERE / "worker.py"), str(tmp_path)]
    options = OPTIONS | {"epochs": 100000, "checkpoint_folder": str(tmp_path / "checkpoints")}
    process = subprocess.Popen(
        [*command, json.dumps(options)], env=ENVIRONMENT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (tmp_path / "checkpoints" / "last.supcon").exists() and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) != 0
    # What is there is whole.
    resumed, result, told = train(
        tmp_path, 2, resume=True, epochs=1, checkpoint_folder=str(tmp_path / "checkpoints")
    )
    assert result is not None and resumed == ["done"] * 2, told.stderr


def test_a_run_folder_is_resumed(tmp_path):
    """Rank 0 keeps the folder, and all ranks go on from it."""
    for epochs in (1, 2):
        ended, result, told = train(
            tmp_path, 2, run=str(tmp_path / "run"), resume=epochs == 2, epochs=epochs
        )
        assert result is not None and ended == ["done"] * 2, told.stderr
    lines = (tmp_path / "run" / "summary.csv").read_text().splitlines()
    assert len(lines) == 3


def test_command(tmp_path):
    images, labels = tmp_path / "images.npy", tmp_path / "labels.npy"
    sys.path.insert(0, str(HERE))
    from worker import data

    np.save(images, data()[0])
    np.save(labels, data()[1])
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
    np.testing.assert_allclose(models[0], models[1], atol=2e-5)
    told = run(2, sys.executable, "-m", "supcon", "train", tmp_path / "nothing", "--output", model)
    assert told.returncode != 0 and told.stderr.count("supcon: error") >= 1


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Tests/MPI/train.c, built with the library of build/lib."""
    library = ROOT / "build" / "lib"
    if shutil.which("mpicc") is None or not (library / "libsupcon-mpi.so.1").exists():
        pytest.skip("no mpicc here, or no make mpi")
    out = tmp_path_factory.mktemp("c") / "train"
    subprocess.run(
        ["mpicc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}",
         HERE / "train.c", "-o", out, f"-L{library}", "-lsupcon-mpi", "-lsupcon",
         f"-Wl,-rpath,{library}"],
        check=True,
    )  # fmt: skip
    return out


def test_c(tmp_path, program):
    rows = []
    random = np.random.default_rng(1).integers(0, 255, (5, 12, 12), np.uint8)
    for ranks in (0, 2, 3):
        model = tmp_path / f"{ranks}.safetensors"
        told = run(ranks, program, model, 1)
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
    assert "waited 1 s in a barrier; nothing came from rank 1)" in told.stdout, told.stdout
    assert "rank 1, 2" not in told.stdout and "rank 0" not in told.stdout.split("nothing came")[1]
    told = run(2, program, tmp_path / "model", 0, "dies")
    assert told.returncode != 0 and "signal 9" in told.stderr
    assert not (tmp_path / "model").exists()


def test_gloo(tmp_path, one):
    pytest.importorskip("torch")
    told = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         HERE / "worker.py", tmp_path, json.dumps(OPTIONS | {"collectives": "gloo"})],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    result = np.load(tmp_path / "result.npz")
    np.testing.assert_allclose(result["rows"], one["rows"], atol=2e-5)
