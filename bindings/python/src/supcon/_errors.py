"""What can go wrong, as exceptions. Each is a SupConError and the built-in exception that a Python
program expects there.
"""

from __future__ import annotations

from ._abi import Status


class SupConError(RuntimeError):
    """A call of libsupcon failed. The text says which value was wrong and what was expected;
    `status` is the library's number for the kind.
    """

    status: Status = Status.INTERNAL


class ArgumentError(SupConError, ValueError):
    """A value is out of its range."""

    status = Status.ARGUMENT


class ShapeError(SupConError, ValueError):
    """Sizes do not fit each other."""

    status = Status.SHAPE


class ElementTypeError(SupConError, TypeError):
    """An element type that is not accepted there."""

    status = Status.TYPE


class FileError(SupConError, OSError):
    """The system could not read or write."""

    status = Status.IO


class FormatError(SupConError, ValueError):
    """A file is not what it should be."""

    status = Status.FORMAT


class OutOfMemoryError(SupConError, MemoryError):
    """More memory than there is, or than the limit allows."""

    status = Status.MEMORY


class CanceledError(SupConError):
    """A callback stopped it."""

    status = Status.CANCELED


class UnsupportedError(SupConError, NotImplementedError):
    """Right, but this build or CPU cannot."""

    status = Status.UNSUPPORTED


class StateError(SupConError):
    """Not now: the object is in use, or lacks what this needs; or a run collapsed or diverged."""

    status = Status.STATE


class ForkError(SupConError):
    """The library was used before fork() and is called in the child; start processes by "spawn" or
    "forkserver" instead.
    """

    status = Status.FORK


class InternalError(SupConError):
    """A bug of the library; please report it."""


class SupConWarning(UserWarning):
    """Something worth saying before it surprises, such as images that are resized."""


BY_STATUS: dict[int, type[SupConError]] = {
    it.status: it
    for it in (
        ArgumentError,
        ShapeError,
        ElementTypeError,
        FileError,
        FormatError,
        OutOfMemoryError,
        CanceledError,
        UnsupportedError,
        StateError,
        ForkError,
        InternalError,
    )
}
