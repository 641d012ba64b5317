"""Finds libsupcon, loads it, gives every function its signature, and turns its statuses into
exceptions.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import logging
import os
import re
import signal
import subprocess
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Literal, TypeVar

from . import _abi, _functions, _generated
from ._convert import choice, integer
from ._errors import BY_STATUS, CanceledError, InternalError
from ._progress import clear_line

NAME = "libsupcon.so.1"

Struct = TypeVar("Struct", bound=ctypes.Structure)
Handle = TypeVar("Handle")  # a pointer to an opaque struct
_LogLevel = Literal["debug", "info", "warning"]


def candidates() -> list[Path]:
    """Returns the paths where the library may be; the first that exists is used. They are
    $SUPCON_LIBRARY alone if that is set, else the package's own copy, else (in a checkout of the
    repository, as after `pip install --editable`) the build there.
    """
    if override := os.environ.get("SUPCON_LIBRARY"):
        return [Path(override)]
    package = Path(__file__).resolve().parent
    places = [package / "lib" / NAME]
    root = package.parents[3] if len(package.parents) > 3 else package
    if (root / "include" / "supcon.h").is_file() and (root / "Package.swift").is_file():
        places += [root / "build" / "lib" / NAME, root / ".build" / "release" / "libsupcon.so"]
    return places


# Debian's packages of the libraries that libsupcon loads.
PACKAGES = {
    "libdnnl": "libdnnl{}",
    "libopenblas": "libopenblas{}",
    "libturbojpeg": "libturbojpeg{}",
    "libpng16": "libpng16-{}",
    "libwebp": "libwebp{}",
    "libz": "zlib1g",
    "libgomp": "libgomp{}",
    "libstdc++": "libstdc++{}",
}


def _why(path: Path, error: OSError) -> str:
    """Explains why the library at `path` does not load: names the libraries that it needs and that
    are missing, with their Debian packages, or repeats the loader's message.
    """
    try:
        said = subprocess.run(["ldd", str(path)], capture_output=True, text=True).stdout
    except OSError:
        said = ""
    missing = re.findall(r"^\s*(\S+) => not found", said, re.M)
    if not missing:
        return str(error)
    names = (name.partition(".so.") for name in missing)
    packages = [PACKAGES[stem].format(number) for stem, _, number in names if stem in PACKAGES]
    advice = f"; on Debian: apt-get install {' '.join(packages)}" if packages else ""
    return f"it needs {', '.join(missing)}, which this system lacks{advice}"


def load() -> tuple[ctypes.CDLL, Path]:
    """Loads the library and returns it with its path. ImportError, naming the places that were
    tried, if there is none or it is too old.
    """
    tried = candidates()
    path = next((it for it in tried if it.is_file()), None)
    if path is None:
        raise ImportError(
            f"libsupcon was not found at {', '.join(map(str, tried))}; reinstall "
            "the package, or let SUPCON_LIBRARY name the library"
        )
    try:
        loaded = ctypes.CDLL(str(path))  # releases the GIL during each call
    except OSError as error:
        raise ImportError(f"libsupcon at {path} cannot be loaded: {_why(path, error)}") from None
    for name, (result, arguments) in _functions.FUNCTIONS.items():
        try:
            function = getattr(loaded, name)
        except AttributeError:
            raise ImportError(
                f"libsupcon at {path} lacks {name}(): it is not the version that this "
                "package was made for"
            ) from None
        function.restype, function.argtypes = result, arguments
    if (version := loaded.supcon_abi_version()) < _abi.ABI_VERSION:
        raise ImportError(
            f"libsupcon at {path} has ABI version {version}, but this package needs "
            f"{_abi.ABI_VERSION} or later"
        )
    return loaded, path


lib, library_path = load()


# ------------------------------------------------------------------------------------------------
# status
class _Pending(threading.local):
    """The exception that a callback raised on this thread during the current library call."""

    error: BaseException | None = None


_pending = _Pending()


def check(status: int) -> None:
    """Raises the exception of a callback, if there was one, or the one that belongs to `status`."""
    error, _pending.error = _pending.error, None
    if error is not None:
        raise error
    if status != _abi.Status.OK:
        failure = BY_STATUS.get(status, InternalError)(
            lib.supcon_last_error().decode("utf-8", "replace")
        )
        rank = lib.supcon_last_error_rank()
        failure.rank = None if rank < 0 else rank
        raise failure


def guarded(function: Callable[..., int | None], stop: int = 1) -> Callable[..., int | None]:
    """Wraps `function` as a callback of the library. An exception in it tells the library to stop,
    and comes out of the library call (`check`).
    """

    def callback(*arguments: Any) -> int | None:
        try:
            return function(*arguments)
        except BaseException as error:  # ctypes would print it and go on
            _pending.error = _pending.error or error
            return stop

    return callback


@contextlib.contextmanager
def interruptible(stop: Callable[[], object]) -> Iterator[list[BaseException]]:
    """Makes an exception of the SIGINT handler (KeyboardInterrupt) call `stop()` and be raised at
    the end of the block. Otherwise it could come while ctypes enters a callback, and be lost. Gives
    the block a list, which holds the exception from then on. Does nothing outside the main thread,
    where signals do not arrive.
    """
    raised: list[BaseException] = []
    handler = (
        signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread()
        else None
    )
    if not callable(handler):
        yield raised
        return

    def note(number: int, frame: FrameType | None) -> None:
        try:
            handler(number, frame)
        except BaseException as error:
            raised.append(error)
            stop()

    signal.signal(signal.SIGINT, note)
    try:
        yield raised
    except CanceledError as canceled:
        if not raised:
            raise
        raised[0].rank = canceled.rank  # type: ignore[attr-defined]
    finally:
        signal.signal(signal.SIGINT, handler)
    if raised:
        raise raised[0]


def call(
    function: Callable[..., int],
    *arguments: Any,
    context: Any = None,
    is_long: bool = True,
    calls_back: bool = False,
) -> None:
    """Calls `function`, which may take long and runs with `context`, and checks its status. In the
    main thread, Ctrl-C cancels the call: Python handles signals only between its own instructions,
    so the call is made in another thread. `calls_back`: it runs Python now and then, on this
    thread; `is_long=False`: it ends before anybody could press a key.
    """

    def cancel() -> None:
        lib.supcon_context_cancel(context)

    in_main = threading.current_thread() is threading.main_thread()
    if not is_long or not in_main or calls_back:
        with interruptible(cancel) if is_long else contextlib.nullcontext():
            check(function(*arguments))
        return
    failed: list[BaseException] = []
    hushes = getattr(_hushed, "said", None)

    def work() -> None:
        _hushed.said = hushes
        try:
            check(function(*arguments))
        except BaseException as error:
            failed.append(error)

    with interruptible(cancel) as interrupts:
        thread = threading.Thread(target=work, name="supcon")
        thread.start()
        try:
            while thread.is_alive():
                thread.join(0.1)
                if interrupts:  # it may have come before the library's call had begun
                    cancel()
        finally:  # another signal's handler raised: the call still uses the buffers
            while thread.is_alive():
                cancel()
                thread.join(0.1)
        if failed:
            raise failed[0]


def made_dataset(function: Callable[..., int], *arguments: Any) -> _abi.Handle:
    """Calls `function`, which makes a data set, as `call` does, and returns the handle."""
    handle = _abi.DatasetHandle()
    try:
        call(function, *arguments, ctypes.byref(handle))
    except BaseException:  # Ctrl-C may come when it has just been made
        lib.supcon_dataset_free(handle)
        raise
    return handle


# ------------------------------------------------------------------------------------------------
# structs, handles
def defaults(struct: type[Struct]) -> Struct:
    """Returns a new `struct` as the library's init function sets it. The first call sets up the
    log.
    """
    global _is_used
    # Not at import: a child that is forked after a mere import may still use the library.
    if not _is_used:
        _is_used = True
        set_log()
    return initial(struct)


_is_used = False


def initial(struct: type[Struct]) -> Struct:
    """Returns a new `struct` as the library's init function sets it, without setting up the log."""
    value = struct()
    getattr(lib, _abi.STRUCTS[struct] + "_init_sized")(ctypes.byref(value), ctypes.sizeof(value))
    return value


def own(owner: object, handle: Handle, free: Callable[[Any], object]) -> Handle:
    """Frees `handle` when `owner` is gone; not at exit, nor in a forked child, which lacks the
    library's threads.
    """
    finalizer = weakref.finalize(owner, _free, free, handle, os.getpid())
    finalizer.atexit = False
    return handle


def _free(free: Callable[[Any], object], handle: Any, process: int) -> None:
    if os.getpid() == process:
        free(handle)


class Context:
    """The number of threads that compute, and the memory they may use."""

    def __init__(self, threads: int = 0, memory_limit: int = 0):
        options = defaults(_generated.ContextOptions)
        options.threads, options.memory_limit = threads, memory_limit
        handle = _abi.ContextHandle()
        check(lib.supcon_context_create(ctypes.byref(options), ctypes.byref(handle)))
        self.handle = own(self, handle, lib.supcon_context_free)


_contexts: dict[tuple[int, int], Context] = {}


def context(n_jobs: int | None = None, memory_limit: int | None = None) -> Any:
    """Returns the handle of the context for `n_jobs` as scikit-learn counts (None and -1: every CPU
    this process may use; -2: all but one), or None for the default context. Contexts are made once.
    """
    jobs = 0 if n_jobs is None else integer("n_jobs", n_jobs, -(2**31), 2**31 - 1)
    if jobs < 0:
        jobs = max(1, len(os.sched_getaffinity(0)) + 1 + jobs)
    limit = (
        0 if memory_limit is None else integer("memory_limit", memory_limit, -(2**63), 2**63 - 1)
    )
    if jobs == 0 and limit == 0:
        return None
    if (jobs, limit) not in _contexts:
        _contexts[jobs, limit] = Context(jobs, limit)
    return _contexts[jobs, limit].handle


# ------------------------------------------------------------------------------------------------
# versions, log
def version() -> str:
    """Returns the version of the loaded library, "major.minor.patch"."""
    text: bytes = lib.supcon_version()
    return text.decode()


def build_info() -> str:
    """Returns a line for bug reports: the library's version, its engines with theirs, and the CPU
    features found.
    """
    text: bytes = lib.supcon_build_info()
    return text.decode()


_log_callbacks: list[Any] = []  # every one ever set, since another thread may still be in it


def to_logging(level: str, message: str) -> None:
    """Sends a message to the logger "supcon" of Python's logging, which by itself shows warnings on
    standard error. This is the default of `set_log`.
    """
    clear_line()
    logging.getLogger("supcon").log(getattr(logging, level.upper()), message)


def set_log(
    callback: Callable[[str, str], object] | None = to_logging, level: _LogLevel = "info"
) -> None:
    """Sends the library's messages of `level` ("debug", "info", "warning") and above to
    ``callback(level, message)``, both str; None silences them. By default they go to the logger
    "supcon" of Python's logging. The setting holds for the whole process; any thread may change it,
    one at a time. An exception in the callback is printed by Python and otherwise ignored.
    """
    global _is_used
    _is_used, number = True, choice("level", level, _abi.Log)

    def hear(at: int, text: bytes, _: object) -> None:
        if callback is None:
            return
        say = functools.partial(callback, _abi.Log(at).word, text.decode("utf-8", "replace"))
        said = getattr(_hushed, "said", None)
        say() if said is None else said.append(say)

    forward = _abi.LogCallback(hear) if callback else _abi.LogCallback()
    _log_callbacks.append(forward)
    check(lib.supcon_set_log_callback(forward, number, None))


_hushed = threading.local()


@contextlib.contextmanager
def hushed() -> Iterator[list[Callable[[], object]]]:
    """Keeps back what the library logs in this thread, where something is tried that may fail.
    Yields the messages so far: calling one logs it.
    """
    before, _hushed.said = getattr(_hushed, "said", None), []
    try:
        yield _hushed.said
    finally:
        _hushed.said = before


@atexit.register
def _silence() -> None:
    lib.supcon_set_log_callback(_abi.LogCallback(), _abi.Log.WARNING, None)
