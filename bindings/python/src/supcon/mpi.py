"""Training over MPI, by mpi4py: `mpirun -np 4 python train.py` with

from mpi4py import MPI
supcon.train(model, data, collectives=supcon.mpi.collectives(MPI.COMM_WORLD))
"""

from __future__ import annotations

import os
import threading
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
        self.any_thread = MPI.Query_thread() >= MPI.THREAD_SERIALIZED
        self.owner = threading.get_ident()
        self.rank, self.world = comm.rank, comm.size
        self.comm = self._copy(comm)
        # apart from those that may still be under way after a failure
        self.alive = self._copy(comm)

    def _copy(self, comm: Any) -> Any:
        """Copies a communicator. Errors: TimeoutError."""
        copy, request = comm.Idup()
        begin = time.monotonic()
        while not request.Test():
            if time.monotonic() - begin > self.deadline:
                raise TimeoutError(
                    f"waited {self.deadline:g} s for a copy of the communicator; not all of its "
                    f"{self.world} ranks have come to supcon.mpi.collectives()"
                )
            time.sleep(0.0005)
        return copy

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

    def all_to_all(self, values: Array, received: Array) -> None:
        for start in range(0, values.shape[1], _MOST):
            part = np.ascontiguousarray(values[:, start : start + _MOST])
            into = received if part.shape == received.shape else np.empty_like(part)
            self._finish(self.comm.Ialltoall(part, into), "exchange")
            if into is not received:
                received[:, start : start + _MOST] = into

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
            # Yields during a short wait, sleeps during a long one; a thread of the library sleeps
            # at once, and leaves the cores to those that compute.
            if waited < 0.05 and threading.get_ident() == self.owner:
                os.sched_yield()
            else:
                time.sleep(0.0001)

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
