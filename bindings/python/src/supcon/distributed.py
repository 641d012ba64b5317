"""Training over torch.distributed, where a program has it already: `torchrun train.py` with

torch.distributed.init_process_group("gloo")
supcon.train(model, data, collectives=supcon.distributed.collectives())
"""

from __future__ import annotations

from typing import Any

from ._collectives import Collectives
from ._errors import ArgumentError
from ._types import Array


class TorchCollectives(Collectives):
    """The ranks of a process group whose backend exchanges memory of the CPU."""

    any_thread = True

    def __init__(self, group: Any) -> None:
        import torch
        import torch.distributed

        self.torch, self.distributed, self.group = torch, torch.distributed, group
        if not self.distributed.is_initialized():
            raise ArgumentError(
                "torch.distributed has no process group; expected "
                'torch.distributed.init_process_group("gloo") before'
            )
        backend = self.distributed.get_backend(group)
        if "gloo" not in backend and "mpi" not in backend:
            raise ArgumentError(
                f"the process group's backend is {backend!r}; expected gloo or mpi, which exchange "
                "memory of the CPU"
            )
        self.rank = self.distributed.get_rank(group)
        self.world = self.distributed.get_world_size(group)

    def all_reduce_sum(self, values: Array) -> None:
        self.distributed.all_reduce(self.torch.from_numpy(values), group=self.group)

    def all_gather(self, values: Array, gathered: Array) -> None:
        into = list(self.torch.from_numpy(gathered).unbind(0))
        self.distributed.all_gather(into, self.torch.from_numpy(values), group=self.group)

    def all_to_all(self, values: Array, received: Array) -> None:
        self.distributed.all_to_all_single(
            self.torch.from_numpy(received), self.torch.from_numpy(values), group=self.group
        )

    def broadcast(self, values: Array, root: int) -> None:
        if self.group is not None:
            root = self.distributed.get_global_rank(self.group, root)
        self.distributed.broadcast(self.torch.from_numpy(values), root, group=self.group)

    def barrier(self) -> None:
        self.distributed.barrier(group=self.group)


def collectives(group: Any = None) -> TorchCollectives:
    """The ranks of a process group for `supcon.train` and the estimators.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup, optional
        Of gloo or MPI; None: the default group. Its timeout is the deadline of every operation.
    """
    return TorchCollectives(group)
