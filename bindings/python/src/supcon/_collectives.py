"""How the processes of a run exchange data, for the library to call."""

from __future__ import annotations

import contextlib
import ctypes
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import _abi, _convert
from ._errors import BY_STATUS, ArgumentError, InternalError, SupConError
from ._library import check, defaults, lib
from ._types import Array


class Collectives:
    """What `supcon.train(..., collectives=)` takes: the operations by which the processes of a run,
    its ranks, exchange data. `supcon.mpi` and `supcon.distributed` make them; a class of your own
    has these members.

    Every operation is called at all ranks, one at a time, in the same order and with the same
    sizes, on the thread that called `train`. It gives all ranks the same bytes, and raises, instead
    of waiting for ever, where a rank does not come; nothing is called after that.

    With `any_thread` a thread of the library calls it too: gradients are then summed while the
    backward pass goes on. A class may have ``all_to_all(values, received)``, which sends row r of
    uint8 [world, count] to rank r and writes what each rank sends to this one; without it,
    gradients in bf16 are gathered, which takes more bytes.
    """

    rank: int
    world: int
    any_thread: bool = False
    all_to_all: Callable[[Array, Array], None]

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
        self.struct.any_thread = bool(getattr(collectives, "any_thread", False))
        self.struct.all_reduce_sum = _abi.AllReduceSum(self._guard(self._all_reduce_sum))
        self.struct.all_gather = _abi.AllGather(self._guard(self._all_gather))
        self.struct.broadcast = _abi.Broadcast(self._guard(self._broadcast))
        self.struct.barrier = _abi.Barrier(self._guard(lambda _: self.collectives.barrier()))
        if hasattr(collectives, "all_to_all"):
            self.struct.all_to_all = _abi.AllToAll(self._guard(self._all_to_all))
        self.struct.describe_failure = _abi.DescribeFailure(self._describe)

    def first(self, value: float) -> float:
        """Returns rank 0's value, at every rank."""
        told = np.array([value])
        self.collectives.broadcast(told.view(np.uint8), 0)
        return float(told[0])

    def check(self, status: int) -> None:
        """Raises the exception of a call, with that of the collectives as its cause."""
        try:
            check(status)
        except SupConError as error:
            if self.error is not None:
                raise error from self.error
            raise

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """Tells the other ranks, which wait where the trainer is made, of an exception in the
        block.
        """
        try:
            yield
        except BaseException as error:
            if self.error is None and _can_be_told(error):
                words = f"{error}" or type(error).__name__
                lib.supcon_collectives_fail(
                    ctypes.byref(self.struct), _status(error), words.encode("utf-8", "replace")
                )
                error.untellable = True  # type: ignore[attr-defined]  # told once
            raise

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

    def _all_to_all(self, values: int, count: int, received: int, _: object) -> None:
        world = self.struct.world
        self.collectives.all_to_all(
            _bytes(values, world * count).reshape(world, count),
            _bytes(received, world * count).reshape(world, count),
        )

    def _broadcast(self, values: int, count: int, root: int, _: object) -> None:
        self.collectives.broadcast(_bytes(values, count), root)

    def _describe(self, text: int, capacity: int, _: object) -> int:
        words = (str(self.error) or type(self.error).__name__).encode("utf-8", "replace")
        found = words[: capacity - 1] + b"\0"
        ctypes.memmove(text, found, len(found))
        return 0


def telling(collectives: Collectives | None) -> contextlib.AbstractContextManager[None]:
    """Returns `Bound.telling` of collectives; of one process, what does nothing."""
    return contextlib.nullcontext() if collectives is None else Bound(collectives).telling()


def _can_be_told(error: BaseException) -> bool:
    """Tells whether the other ranks have yet to hear of an error, and still can."""
    return getattr(error, "rank", None) is None and not getattr(error, "untellable", False)


def _status(error: BaseException) -> int:
    """Returns the library's number for an exception."""
    if isinstance(error, SupConError):
        return error.status
    kinds = (
        (KeyboardInterrupt, _abi.Status.CANCELED),
        (MemoryError, _abi.Status.MEMORY),
        (OSError, _abi.Status.IO),
        ((ValueError, TypeError), _abi.Status.ARGUMENT),
    )
    return next((it for kind, it in kinds if isinstance(error, kind)), _abi.Status.INTERNAL)


def first_does(collectives: Collectives, work: Callable[[], Any]) -> Any:
    """Returns at every rank what ``work()`` returns at rank 0, through JSON; the others wait
    meanwhile. What it raises is raised at every rank.
    """

    def tell(is_result: bool, value: Any = None) -> tuple[bool, Any]:
        text = np.frombuffer(json.dumps(value).encode(), np.uint8).copy()
        head = np.array([is_result, len(text)], np.int64)
        try:
            collectives.broadcast(head.view(np.uint8), 0)
            if collectives.rank:
                text = np.empty(head[1], np.uint8)
            collectives.broadcast(text, 0)
        except BaseException as error:
            error.untellable = True  # type: ignore[attr-defined]  # the ranks no longer meet
            raise
        return bool(head[0]), json.loads(text.tobytes())

    if collectives.rank == 0:
        try:
            value = work()
        except BaseException as error:
            if _can_be_told(error):
                tell(False, [_status(error), f"{error}" or type(error).__name__])
                error.rank = 0  # type: ignore[attr-defined]
            raise
        return tell(True, value)[1]
    is_result, value = tell(True)
    if is_result:
        return value
    failure = BY_STATUS.get(value[0], InternalError)(f"rank 0: {value[1]}")
    failure.rank = 0
    raise failure
