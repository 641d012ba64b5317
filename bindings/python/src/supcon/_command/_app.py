"""Puts the commands together."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NoReturn

import rich  # noqa: F401 typer's help has it
import typer

from .._convert import integer
from .._errors import SupConError
from .._library import set_log, version
from .._ranks import Ranks
from . import _exchange, _look, _train, _tune, _use
from ._flags import COMMAND_LINE, Flag, command
from ._say import log

COMMANDS = {
    **_train.COMMANDS,
    **_tune.COMMANDS,
    **_use.COMMANDS,
    **_exchange.COMMANDS,
    **_look.COMMANDS,
}
SHARED = (_train.run, _use.embed, _exchange.index)  # what the processes of mpirun do together
EPILOG = "Exit status: 0; 1 after an error; 2 for wrong usage; 130 after Ctrl-C."
RENAMED = {  # other tools' names, too different to be suggested by similarity
    "fit": "train",
    "predict": "classify",
    "transform": "embed",
    "test": "evaluate",
    "query": "search",
}


def app(whole: bool) -> typer.Typer:
    """Makes the typer application. whole: --help lists every option."""
    made = typer.Typer(
        name="supcon",
        help="Supervised contrastive learning on a CPU: trains image encoders, and turns images "
        "into embeddings.",
        epilog=EPILOG,
        no_args_is_help=True,
        rich_markup_mode="rich",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @made.callback()
    def top(
        version_: bool = typer.Option(
            False, "--version", help="Print the version.", is_eager=True, callback=_version
        ),
    ) -> None:
        pass

    for name, (function, flags, text) in COMMANDS.items():
        hidden = any(not it.common for it in flags)
        epilog = f"All options: supcon {name} --help-all" if hidden and not whole else None
        if hidden:
            help_all = Flag("help_all", "Show every option.", bool, default=False)
            flags = [*flags, help_all]
        made.command(name, help=text, epilog=epilog)(command(_guarded(function), flags, whole))
    return made


def _version(value: bool) -> None:
    if value:
        print(f"supcon {version()}")
        raise typer.Exit


def _guarded(function: Callable[[SimpleNamespace], int]) -> Callable[[SimpleNamespace], int]:
    """Turns errors of the library and of files into one line and an exit status."""

    def run(given: SimpleNamespace) -> NoReturn:
        set_log(log, "warning" if getattr(given, "quiet", True) else "info")
        ranks = None
        try:
            if getattr(given, "threads", None) is not None:
                integer("--threads", given.threads, 1, 1024)
            given.ranks = ranks = Ranks() if function in SHARED else None
            if ranks and not ranks.is_first:
                given.quiet = True
                set_log(None)
            code = function(given)
            if ranks:
                ranks.finish()
        except KeyboardInterrupt as interrupt:
            if not ranks or ranks.fail(interrupt):
                print("supcon: interrupted", file=sys.stderr)
            if ranks and getattr(interrupt, "rank", None) == 0:
                ranks.finish()  # to the others, rank 0's interrupt is the end of training
            raise typer.Exit(130) from None
        except BrokenPipeError:
            raise
        except (SupConError, ImportError, OSError, ValueError, MemoryError) as error:
            if ranks and not ranks.fail(error):
                raise typer.Exit(1) from None
            words = " ".join(str(error).split()) or type(error).__name__
            print(f"supcon: error: {words}", file=sys.stderr)
            raise typer.Exit(1) from None
        except Exception as error:
            if ranks:
                ranks.fail(error)
            raise
        raise typer.Exit(code or 0)

    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return run


def run(given: list[str]) -> int:
    COMMAND_LINE[:] = given
    whole = "--help-all" in given
    given = ["--help" if it == "--help-all" else it for it in given]
    if given and not given[0].startswith("-") and given[0] not in COMMANDS:
        near = RENAMED.get(given[0]) or next(
            iter(difflib.get_close_matches(given[0], COMMANDS, 1)), None
        )
        advice = f"; did you mean {near}?" if near else f"; expected {', '.join(COMMANDS)}"
        print(f"supcon: error: there is no command {given[0]!r}{advice}", file=sys.stderr)
        return 2
    try:
        return app(whole)(given or ["--help"], prog_name="supcon", standalone_mode=False) or 0
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except Exception as error:
        # a usage error of typer's parser; its class is click's in older releases
        if not hasattr(error, "format_message"):
            raise
        print(f"supcon: error: {_usage(error)}", file=sys.stderr)
        return 2


def _usage(error: Any) -> str:
    """Says in one sentence what is wrong with the command line."""
    context = getattr(error, "ctx", None)
    of = f" {COMMAND_LINE[0]}" if COMMAND_LINE and COMMAND_LINE[0] in COMMANDS else ""
    path = context.command_path if context else f"supcon{of}"
    words = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")
    if hasattr(error, "option_name"):
        name = error.option_name
        best = _meant(name, context)
        words = f"{path} has no option {name}"
        words += f"; did you mean {best}?" if best else ""
    elif words:
        words = words[0].lower() + words[1:] if not words[1:2].isupper() else words
    return f"{words} ({path} --help)"


def _meant(option: str, context: Any) -> str | None:
    """Returns the option of the command that is spelled almost like this one, has it among its
    words, or has its letters as initials.
    """
    asked = option.lstrip("-")
    names = sorted(
        name.lstrip("-")
        for it in (context.command.params if context else ())
        for name in it.opts
        if name.startswith("--")
    )
    found = difflib.get_close_matches(asked, names, 1) or [
        it
        for it in names
        if asked in it.split("-") or asked == "".join(word[:1] for word in it.split("-"))
    ]
    return f"--{found[0]}" if found else None
