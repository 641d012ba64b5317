"""Training over MPI, by mpi4py: `mpirun -np 4 python train.py` with

from mpi4py import MPI
supcon.train(model, data, collectives=supcon.mpi.collectives(MPI.COMM_WORLD))
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from ._collectives import Collectives
from ._errors import ArgumentError
from ._types import Array

# MPI counts in ints.
_MOST = 1 << 28


class MPICollectives(Collectives):
    """The ranks of an MPI communicator, a copy of which is used, so that messages do not mix."""

    # whether an operation failed: messages may still be under way then
    failed = False

    def __init__(self, comm: Any, deadline: float) -> None:
        from mpi4py import MPI

        self.MPI, self.deadline = MPI, deadline
        self.comm = comm.Dup()
        # apart from those that may still be under way after a failure
        self.alive = comm.Dup()
        self.rank, self.world = self.comm.rank, self.comm.size

    def all_reduce_sum(self, values: Array) -> None:
        for start in range(0, len(values), _MOST):
            part = values[start : start + _MOST]
            self._finish(self.comm.Iallreduce(self.MPI.IN_PLACE, part, self.MPI.SUM), "sum")

    def all_gather(self, values: Array, gathered: Array) -> None:
        if len(values) <= _MOST:
            return self._finish(self.comm.Iallgather(values, gathered), "gather")
        for start in range(0, len(values), _MOST):
            part = values[start : start + _MOST]
            into = np.empty((self.world, len(part)), np.uint8)
            self._finish(self.comm.Iallgather(part, into), "gather")
            gathered[:, start : start + _MOST] = into

    def broadcast(self, values: Array, root: int) -> None:
        for start in range(0, len(values), _MOST):
            self._finish(self.comm.Ibcast(values[start : start + _MOST], root), "broadcast")

    def barrier(self) -> None:
        self._finish(self.comm.Ibarrier(), "barrier")

    def _finish(self, request: Any, name: str) -> None:
        """Waits for it. Errors: TimeoutError."""
        begin = time.monotonic()
        while not request.Test():
            waited = time.monotonic() - begin
            if waited > self.deadline:
                self.failed = True
                raise TimeoutError(f"waited {self.deadline:g} s in a {name}; {self._missing()}")
            # yields during a short wait, sleeps during a long one
            os.sched_yield() if waited < 0.05 else time.sleep(0.0002)

    def _missing(self) -> str:
        """Names the ranks that do not answer: each waiting rank sends a message to all others."""
        others = [it for it in range(self.world) if it != self.rank]
        heard = [np.zeros(1, np.uint8) for _ in others]
        receive = [self.alive.Irecv(it, source) for it, source in zip(heard, others)]
        word = np.ones(1, np.uint8)
        send = [self.alive.Isend(word, target) for target in others]
        # MPI may use these after a failure, for as long as they are open
        self.open = (heard, receive, word, send)
        end = time.monotonic() + min(5.0, self.deadline)
        done: set[int] = set()
        while len(done) < len(others) and time.monotonic() < end:
            done |= {i for i, it in enumerate(receive) if i not in done and it.Test()}
            time.sleep(0.001)
        silent = [rank for i, rank in enumerate(others) if i not in done]
        if not silent:
            return "all ranks are there, but have come to different operations"
        return f"nothing came from rank {', '.join(map(str, silent))}"


def collectives(comm: Any = None, *, deadline: float = 300.0) -> MPICollectives:
    """Makes collectives of the ranks of an MPI communicator, for `supcon.train` and the estimators.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm, optional
        None: all processes that mpirun started.
    deadline : float
        Seconds after which an operation that a rank does not come to raises. Give more than the
        longest wait among ranks: that for rank 0 writing a checkpoint, and for a rank's first step.

    Notes
    -----
    After a failure a message may still be under way: end the processes with ``comm.Abort()``.
    """
    if not deadline > 0:
        raise ArgumentError(f"deadline is {deadline}; expected seconds above 0")
    if comm is None:
        from mpi4py import MPI

        comm = MPI.COMM_WORLD
    return MPICollectives(comm, float(deadline))
