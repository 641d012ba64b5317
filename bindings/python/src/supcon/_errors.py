"""The exceptions. Each is a SupConError and the built-in exception that a Python program
expects.
"""

from __future__ import annotations

from ._abi import Status


class SupConError(RuntimeError):
    """A call of libsupcon failed. The text says which value was wrong and what was expected;
    `status` is the library's number for the kind. `rank`: where it occurred, if all ranks of a run
    have ended with it (0 if all have found it alike); None: no other process knows of it.
    """

    status: Status = Status.INTERNAL
    rank: int | None = None


class ArgumentError(SupConError, ValueError):
    """A value is outside its range."""

    status = Status.ARGUMENT


class ShapeError(SupConError, ValueError):
    """Shapes do not match."""

    status = Status.SHAPE


class ElementTypeError(SupConError, TypeError):
    """A value has a type that is not accepted."""

    status = Status.TYPE


class FileError(SupConError, OSError):
    """The system could not read or write a file."""

    status = Status.IO


class FormatError(SupConError, ValueError):
    """A file's content is invalid."""

    status = Status.FORMAT


class OutOfMemoryError(SupConError, MemoryError):
    """An operation needs more memory than there is, or than the limit allows."""

    status = Status.MEMORY


class CanceledError(SupConError):
    """A callback stopped the operation."""

    status = Status.CANCELED


class UnsupportedError(SupConError, NotImplementedError):
    """The request is valid, but this build or CPU cannot carry it out."""

    status = Status.UNSUPPORTED


class StateError(SupConError):
    """The object is in use or lacks something that the call needs, or a run collapsed or
    diverged.
    """

    status = Status.STATE


class ForkError(SupConError):
    """The library was used before fork() and is called in the child; start processes by "spawn" or
    "forkserver" instead.
    """

    status = Status.FORK


class InternalError(SupConError):
    """The library has a bug; please report it."""


class SupConWarning(UserWarning):
    """A warning about something surprising, such as images that are resized."""


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
