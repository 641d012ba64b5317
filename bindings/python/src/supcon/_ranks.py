"""The processes that mpirun has started, for the command."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import numpy as np

from ._data import Dataset
from ._errors import ArgumentError
from ._types import Array

# what launchers tell each process: how many there are
_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")


class Ranks:
    """This process among those that a launcher has started: alone, unless it started several."""

    def __init__(self) -> None:
        told = [os.environ.get(name, "1") for name in _SIZES]
        self.collectives = None
        if not any(it.isdigit() and int(it) > 1 for it in told):
            return
        try:
            from mpi4py import MPI
        except ImportError:
            raise ArgumentError(
                "several processes were started together, which needs mpi4py to train or embed "
                "as one; expected it installed (pip install mpi4py), or one process"
            ) from None
        if MPI.COMM_WORLD.size > 1:
            from . import mpi

            self.collectives = mpi.collectives(MPI.COMM_WORLD)

    @property
    def rank(self) -> int:
        return self.collectives.rank if self.collectives else 0

    @property
    def world(self) -> int:
        return self.collectives.world if self.collectives else 1

    @property
    def is_first(self) -> bool:
        """Tells whether this process writes the output."""
        return self.rank == 0

    def embed(self, data: Dataset, embed: Callable[[Dataset], Array]) -> Array | None:
        """``embed(part)`` of each rank's part of the data, in order: at rank 0 all rows, at the
        others None.
        """
        if self.collectives is None:
            return embed(data)
        if len(data) < self.world:
            return embed(data) if self.is_first else None
        bounds = [rank * len(data) // self.world for rank in range(self.world + 1)]
        rows = embed(data.subset(range(bounds[self.rank], bounds[self.rank + 1])))
        comm, most = self.collectives.comm, max(1, (1 << 26) // rows.shape[1])
        if not self.is_first:
            for start in range(0, len(rows), most):
                comm.Send(np.ascontiguousarray(rows[start : start + most]), 0)
            return None
        out = np.empty((len(data), rows.shape[1]), rows.dtype)
        out[: len(rows)] = rows
        for rank in range(1, self.world):
            for start in range(bounds[rank], bounds[rank + 1], most):
                comm.Recv(out[start : min(start + most, bounds[rank + 1])], rank)
        return out

    def finish(self) -> None:
        """Waits, asleep, until all ranks are here: rank 0 may have something left to do."""
        if self.collectives is None:
            return
        request = self.collectives.comm.Ibarrier()
        while not request.Test():
            time.sleep(0.005)

    def fail(self, error: BaseException) -> bool:
        """Ends the other ranks, unless the error occurred on all of them. Returns whether this rank
        should print it.
        """
        if self.collectives is None:
            return True
        if getattr(error, "rank", None) is not None and not self.collectives.failed:
            return self.is_first
        words = str(error) or type(error).__name__
        print(f"supcon: error at rank {self.rank}: {words}", file=sys.stderr, flush=True)
        self.collectives.comm.Abort(1)
        return False
