"""The manual page of the command, beside the command itself."""

import pathlib
import re
import shlex

import pytest

pytest.importorskip("typer")

from supcon._command._app import COMMANDS

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "man" / "supcon.1"


def taken(command):
    """The arguments that a command must have, and those that it may have; its options."""
    _, flags, _ = COMMANDS[command]
    positional = [it for it in flags if it.positional]
    needed = [it.name.upper() for it in positional if not it.optional]
    options = {f"--{it.name.replace('_', '-')}" for it in flags} | {it.short for it in flags}
    return needed, [it.name.upper() for it in positional if it.optional], options


def test_every_command_is_told_with_its_arguments():
    told = {}
    for name, rest in re.findall(r'^\.TP\n\.BI "(\w+) " (.+)$', PAGE.read_text(), re.M):
        told[name] = re.sub(r'["\[]| \]|\]', "", rest).split()
    assert sorted(told) == sorted(COMMANDS)
    for name, words in told.items():
        needed, optional, _ = taken(name)
        assert words == needed + optional, name


def test_examples_have_options_that_exist():
    inside = PAGE.read_text().split(".EX\n")[1].split(".EE")[0].replace("\\-", "-")
    for line in inside.splitlines():
        program, command, *words = shlex.split(line)
        needed, _, options = taken(command)
        assert program == "supcon" and len(words) >= len(needed)
        for word in words:
            assert not word.startswith("-") or word in options, line
