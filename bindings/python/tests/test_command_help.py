"""Tests of the command's help and errors."""

import os
import re
import subprocess
import sys

import pytest
from commands import COMMAND, run


@pytest.mark.parametrize("command", ["train", "embed", "evaluate", "info"])
def test_help_has_the_librarys_defaults(command):
    shown = subprocess.run(
        [*COMMAND, command, "--help-all"],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "400"},
    ).stdout
    text = " ".join(shown.replace("│", " ").split())
    if command == "train":
        for words in (
            "(default: resnet18)",
            "temperature tau of the similarities, above 0 (default: 0.1)",
            "supcon|simclr|cross_entropy|linear|max_margin",
            "(default: 256, or 0 for batches below 256 and with adamw; the preset's with --preset)",
            "idx:",
        ):
            assert words in text
    assert "None" not in text


def test_help_is_short_and_bare_supcon_prints_it():
    narrow = os.environ | {"COLUMNS": "80"}
    short = subprocess.run(
        [*COMMAND, "train", "--help"], capture_output=True, text=True, env=narrow
    ).stdout
    assert len(short.splitlines()) <= 40
    for name in ("--output", "--config", "--epochs", "--learning-rate", "--help-all"):
        assert name in short
    assert "--trust-coefficient" not in short
    bare = run().stdout
    for name in (
        "train",
        "embed",
        "evaluate",
        "classify",
        "index",
        "search",
        "report",
        "export",
        "import",
        "study",
        "views",
        "info",
    ):
        assert re.search(rf"^. {name} ", bare, re.M), name


def test_every_option_of_the_library_is_a_flag():
    from supcon import _options

    shown = subprocess.run(
        [*COMMAND, "train", "--help-all"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "200"},
    ).stdout
    tables = (_options.TRAIN, _options.LOSS, _options.MODEL, _options.AUGMENTATION)
    for name in [it for table in tables for it in table]:
        assert f"--{name.replace('_', '-')}" in re.sub(r"[\s│]+", " ", shown), name


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["train", "absent", "-o", "{tmp}/m.safetensors"], "absent"),
        (["train", "idx:absent", "-o", "{tmp}/m.safetensors"], "absent"),
        (["train", "{photos}/train", "-o", "{tmp}/absent/m.safetensors"], "absent"),
        (["train", "{photos}/train", "-o", "{tmp}/m.safetensors", "--epochs", "0"], "epochs"),
        (["train", "what:ever", "-o", "{tmp}/m.safetensors"], "what:ever"),
        (["train", "{photos}/train", "-o", "{tmp}/m.safetensors", "--threads", "0"], "threads"),
        (["embed", "absent", "{photos}/test", "-o", "{tmp}/e.npy"], "absent"),
        (["embed", "{model}", "{photos}/test", "-o", "{tmp}/e.txt"], ".npy"),
        (
            ["embed", "{photos}/train/lying/0000.png", "{photos}/test", "-o", "{tmp}/e.npy"],
            "0000.png",
        ),
        (["evaluate", "{model}", "{photos}/train", "{photos}/test/lying"], "labels"),
        (
            ["classify", "{photos}/train", "{photos}/test"],
            "has no model.safetensors; expected a model",
        ),
        (["embed", "{model}", "{photos}/tset", "-o", "{tmp}/e.npy"], "; did you mean "),
        (["info", "/dev/null"], "/dev/null"),
        (["train", "npy:absent.npy", "-o", "{tmp}/m.safetensors"], "absent.npy"),
    ],
)
def test_errors_are_one_line(arguments, words, photo_model, photos, tmp_path):
    found = run(
        *[it.format(tmp=tmp_path, photos=photos, model=photo_model) for it in arguments],
        "--quiet" if arguments[0] != "info" else "--json",
        code=1,
    )
    lines = found.stderr.splitlines()
    assert (
        len(lines) == 1
        and lines[0].startswith("supcon: error: ")
        and words in lines[0]
        and not os.listdir(tmp_path)
    )


def test_wrong_usage():
    for words, said in (
        (["train", "x", "--form", "sideways"], "'sideways' is not one of 'out', 'in'"),
        (["trian", "x"], "no command 'trian'; did you mean train?"),
        (["train", "x", "--epoch", "3"], "no option --epoch; did you mean --epochs?"),
        (["train", "x", "--lr", "3"], "no option --lr; did you mean --learning-rate?"),
        (["train", "x", "--rate", "3"], "no option --rate; did you mean --learning-rate?"),
        (["export", "x", "--int8"], "no option --int8 (supcon export --help)"),
        (["embed", "m"], "missing argument 'IMAGES'"),
        (["train"], "in its [data] (supcon train --help)"),
        (["tune", "--epochs", "3"], "missing argument 'DATA', or --config"),
        (["train", "x", "--epochs", "many"], "'many'"),
    ):
        lines = run(*words, code=2).stderr.splitlines()
        assert len(lines) == 1 and lines[0].startswith("supcon: error: ") and said in lines[0]


def test_without_typer():
    script = "import sys; sys.modules['typer'] = None; from supcon._command import main; main([])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "pip install 'supcon[cli]'" in found.stderr and "Traceback" not in found.stderr
