"""How the processes of a run exchange data, for the library to call."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _abi, _convert
from ._errors import ArgumentError
from ._library import defaults
from ._types import Array


class Collectives:
    """What `supcon.train(..., collectives=)` takes: the operations by which the processes of a run,
    its ranks, exchange data. `supcon.mpi` and `supcon.distributed` make them; a class of your own
    has these members.

    Every operation is called at all ranks, in the same order and with the same sizes, on the thread
    that called `train`. It gives all ranks the same bytes, and raises, instead of waiting for
    ever, where a rank does not come; nothing is called after that.
    """

    rank: int
    world: int

    def __deepcopy__(self, memo: object) -> Collectives:
        return self  # scikit-learn's clone() copies parameters

    def __reduce__(self) -> Any:
        return type(None), ()  # an estimator that is loaded elsewhere trains in one process

    def all_reduce_sum(self, values: Array) -> None:
        """Replaces float32 [count] by its sums over the ranks."""
        raise NotImplementedError

    def all_gather(self, values: Array, gathered: Array) -> None:
        """Writes uint8 [count] of every rank to uint8 [world, count]."""
        raise NotImplementedError

    def broadcast(self, values: Array, root: int) -> None:
        """Replaces uint8 [count] by that of rank `root`."""
        raise NotImplementedError

    def barrier(self) -> None:
        """Waits until all ranks are here."""
        raise NotImplementedError


def _bytes(address: int, count: int) -> Array:
    return np.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(address))


class Bound:
    """A Collectives as the library takes it; `error` is what an operation raised."""

    error: BaseException | None

    def __init__(self, collectives: Collectives) -> None:
        for name in ("rank", "world", "all_reduce_sum", "all_gather", "broadcast", "barrier"):
            if not hasattr(collectives, name):
                raise ArgumentError(
                    f"collectives is {collectives!r}, which has no {name}; expected what "
                    "supcon.mpi.collectives() or supcon.distributed.collectives() returns"
                )
        self.collectives, self.error = collectives, None
        self.struct = defaults(_abi.CollectivesStruct)
        world = _convert.integer("collectives.world", collectives.world, 1, 2**31 - 1)
        self.struct.rank = _convert.integer("collectives.rank", collectives.rank, 0, world - 1)
        self.struct.world = world
        self.struct.all_reduce_sum = _abi.AllReduceSum(self._guard(self._all_reduce_sum))
        self.struct.all_gather = _abi.AllGather(self._guard(self._all_gather))
        self.struct.broadcast = _abi.Broadcast(self._guard(self._broadcast))
        self.struct.barrier = _abi.Barrier(self._guard(lambda _: self.collectives.barrier()))
        self.struct.describe_failure = _abi.DescribeFailure(self._describe)

    def first(self, value: float) -> float:
        """Returns rank 0's value, at every rank."""
        told = np.array([value])
        self.collectives.broadcast(told.view(np.uint8), 0)
        return float(told[0])

    def _guard(self, operation: Callable[..., None]) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            try:
                operation(*arguments)
                return 0
            except BaseException as error:  # ctypes would print it and go on
                self.error = error
                return 1

        return call

    def _all_reduce_sum(self, values: Any, count: int, _: object) -> None:
        self.collectives.all_reduce_sum(np.ctypeslib.as_array(values, (count,)))

    def _all_gather(self, values: int, count: int, gathered: int, _: object) -> None:
        world = self.struct.world
        self.collectives.all_gather(
            _bytes(values, count), _bytes(gathered, world * count).reshape(world, count)
        )

    def _broadcast(self, values: int, count: int, root: int, _: object) -> None:
        self.collectives.broadcast(_bytes(values, count), root)

    def _describe(self, text: int, capacity: int, _: object) -> int:
        found = (str(self.error) or type(self.error).__name__).encode()[: capacity - 1] + b"\0"
        ctypes.memmove(text, found, len(found))
        return 0
