"""Runs over a network of two machines, whose cable is pulled."""

import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from network import Network, is_possible
from test_mpi import ENVIRONMENT, HERE, OPTIONS, train

pytestmark = pytest.mark.skipif(
    shutil.which("mpirun") is None or not is_possible(), reason="no MPI or network namespaces here"
)


@pytest.fixture
def network(tmp_path):
    folder = tmp_path / "network"
    folder.mkdir()
    network = Network(folder)
    yield network
    network.close()


def begin(network, folder, **options):
    """Starts a run, a rank on each machine, and waits until it has come to its second epoch."""
    checkpoint = folder / "checkpoints" / "last.supcon"
    options = OPTIONS | {"checkpoint_folder": str(checkpoint.parent)} | options
    process = subprocess.Popen(
        network.mpirun(sys.executable, HERE / "worker.py", folder, json.dumps(options)),
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not checkpoint.exists():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            pytest.fail(process.communicate()[0])
        time.sleep(0.01)
    return process


def test_a_cable_that_is_out_for_a_while(tmp_path, network):
    """Messages are late by seconds; the run is what it is in one process."""
    options = {"epochs": 12, "learning_rate": 2e-5}
    process = begin(network, tmp_path, **options)
    network.connect(False)
    time.sleep(1.5)
    assert process.poll() is None
    network.connect(True)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    _, one, _ = train(tmp_path / "one", 0, **options)
    rows = np.load(tmp_path / "result.npz")["rows"]
    np.testing.assert_allclose(rows, one["rows"], atol=5e-5)


def test_a_cable_that_is_cut(tmp_path, network):
    """Each rank ends by its deadline, and the checkpoint is whole."""
    process = begin(network, tmp_path, epochs=100000, deadline=2)
    network.connect(False)
    ends = [tmp_path / f"rank{rank}.txt" for rank in range(2)]
    end = time.monotonic() + 30
    while not all(it.exists() and it.read_text() for it in ends) and time.monotonic() < end:
        time.sleep(0.1)
    for rank, it in enumerate(ends):
        assert "waited 2 s in a " in it.read_text()
        assert f"nothing came from rank {1 - rank}" in it.read_text()
    network.connect(True)
    process.wait(30)
    assert process.returncode != 0
    outcomes, result, told = train(
        tmp_path, 2, resume=True, epochs=1, checkpoint_folder=str(tmp_path / "checkpoints")
    )
    assert result is not None and outcomes == ["done"] * 2, told.stderr
