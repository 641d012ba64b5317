"""Runs every code block of the documents, in order, in a folder of its own for each document.

    python Tests/Docs/run.py --prefix FOLDER [DOCUMENT.md …]

FOLDER is where `make install` has put the library. CONTRIBUTING.md describes the comments that
prepare, shorten or excuse a block.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
NOT_CODE = {"text", "toml", "csv", "json", "bibtex"}
COMMENT = re.compile(r"<!--\s*test:\s*(\w+):?\s*(.*?)\s*-->", re.S)


class BlockError(Exception):
    """What is wrong with a block, in words."""


@dataclass
class Block:
    language: str
    code: str
    line: int  # of its first line of code, from 1
    directives: list = field(default_factory=list)  # (name, text)

    def all(self, name):
        return [text for key, text in self.directives if key == name]


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a document, each with the test comments right above it."""
    found, directives, lines, at = [], [], text.split("\n"), 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("<!-- test:"):
            start = at
            while "-->" not in lines[at]:
                at += 1
            directives.append(COMMENT.match("\n".join(lines[start : at + 1])).groups())
        elif line.lstrip().startswith("```"):
            indent, start = line.index("`"), at + 1
            at += 1
            while not lines[at].lstrip().startswith("```"):
                at += 1
            code = "\n".join(it[indent:] for it in lines[start:at]) + "\n"
            found.append(Block(line.strip("` "), code, start + 1, directives))
            directives = []
        elif line.strip():
            if directives:
                raise BlockError(f"line {at + 1}: a test comment is not right above a block")
            if line.startswith("    ") and not found_list(lines, at):
                raise BlockError(f"line {at + 1}: an indented block; fence it, so that it is run")
        at += 1
    return found


def found_list(lines, at) -> bool:
    """Whether an indented line belongs to an item of a list above it."""
    while at > 0 and (lines[at].startswith(" ") or not lines[at].strip()):
        at -= 1
    return bool(re.match(r"([-*]|\d+\.) ", lines[at]))


def prepared(block: Block) -> str:
    code = block.code
    for text in block.all("replace"):
        old, separator, new = text.partition(" => ")
        if not separator or old not in code:
            raise BlockError(f"there is no {old!r} to replace")
        code = code.replace(old, new)
    return code


class Python:
    """A Python process that runs a document's blocks one after another."""

    SERVER = """
import json, sys, traceback
answers, sys.stdout, names = sys.stdout, sys.stderr, {"__name__": "__main__"}
for line in sys.stdin:
    it, error = json.loads(line), ""
    try:
        exec(compile("\\n" * (it["line"] - 1) + it["code"], it["path"], "exec"), names)
    except BaseException:
        error = traceback.format_exc()
    print(json.dumps(error), file=answers, flush=True)
"""

    def __init__(self, folder, environment, log):
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.SERVER],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )

    def run(self, code, path, line):
        request = json.dumps(dict(code=code, path=str(path), line=line))
        print(request, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if error := json.loads(answer) if answer else "the interpreter ended":
            raise BlockError(error)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Document:
    def __init__(self, path: Path, folder: Path, prefix: Path):
        self.path, self.folder = path, folder
        self.environment = os.environ | {
            "PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig"),
            "CMAKE_PREFIX_PATH": str(prefix),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "MPLBACKEND": "Agg",
        }
        self.log = open(folder.parent / f"{folder.name}.log", "w+")
        self.python = None

    def say(self, *command, code=None):
        """Runs a command; its output goes to the document's log."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            input=code,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        self.log.write(done.stdout)
        if done.returncode != 0:
            raise BlockError(f"status {done.returncode}:\n{done.stdout[-3000:]}")
        return done.stdout

    def flags(self):
        said = self.say("pkg-config", "--cflags", "--libs", "supcon").split()
        return [*said, "-lm", "-pthread"]

    def written(self, block, code, name=""):
        """The file that a block is kept in."""
        path = self.folder / (block.all("file") or [name])[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
        return path

    def compiled(self, block, code, compiler, name):
        source = self.written(block, code, name)
        program = str(source.with_suffix(""))
        self.say(*compiler, *WARNINGS, "-o", program, str(source), *self.flags())
        return "" if block.all("compile") else self.say(program)

    def run(self, block):
        code = prepared(block)
        for text in block.all("before"):
            self.run_python(text + "\n", block.line)
        if block.language == "python":
            self.run_python(code, block.line)
        elif block.language == "sh":
            said = self.say("bash", "-euo", "pipefail", "-s", code=code)
            for text in block.all("expect"):
                if text not in said:
                    raise BlockError(f"it does not say {text!r}:\n{said[-3000:]}")
        elif block.language == "c":
            self.compiled(block, code, ["gcc", "-std=c11"], "block.c")
        elif block.language == "cpp":
            self.compiled(block, code, ["g++", "-std=c++17"], "block.cpp")
        elif block.language == "swift":
            source = self.written(block, code, "main.swift")
            if source.name != "Package.swift":
                self.type_checked(source)
        elif block.all("file"):
            self.written(block, code)
        elif block.language not in NOT_CODE:
            raise BlockError(f"{block.language or 'no language'} is not a language that is run")

    def run_python(self, code, line):
        self.python = self.python or Python(self.folder, self.environment, self.log)
        self.python.run(code, self.path, line)

    def type_checked(self, source):
        swift, modules = os.environ.get("SWIFTC", "swiftc"), ROOT / ".build-lib" / "release"
        maps = list((ROOT / "Sources").glob("*/**/module.modulemap"))
        maps += modules.glob("*.build/module.modulemap")
        flags = [flag for it in maps for flag in ("-Xcc", f"-fmodule-map-file={it}")]
        self.say(
            swift,
            "-typecheck",
            "-swift-version",
            "6",
            "-I",
            str(modules / "Modules"),
            *flags,
            str(source),
        )

    def close(self):
        if self.python:
            self.python.close()
        self.log.close()


def photos(folder: Path) -> None:
    """What documents call "photos": a folder for each of three classes, with images of bars."""
    sys.path.insert(0, str(ROOT / "bindings" / "python" / "tests"))
    import numpy as np
    from files import png

    random = np.random.default_rng(7)
    for label, name in enumerate(("apple", "banana", "cherry")):
        (folder / name).mkdir(parents=True)
        for i in range(16):
            image = random.integers(0, 80, (40, 48, 3)).astype(np.uint8)
            at = int(random.integers(4, 30))
            (image if label else image.transpose(1, 0, 2))[at : at + 6, :, label] = 230
            png(folder / name / f"{i}.png", image)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--prefix", type=Path, required=True)
    parser.add_argument("documents", nargs="*", type=Path)
    options = parser.parse_args()
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True)
    documents = options.documents or [
        ROOT / it for it in listed.stdout.split() if not it.startswith("docs/studies/")
    ]
    ran = skipped = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        photos(Path(scratch) / "photos")
        for number, path in enumerate(documents):
            before = failed
            folder = Path(scratch) / f"{number}"
            folder.mkdir()
            shutil.copytree(Path(scratch) / "photos", folder / "photos")
            (folder / "libsupcon").symlink_to(ROOT)
            document = Document(path.resolve(), folder, options.prefix.resolve())
            name = os.path.relpath(path, ROOT)
            try:
                found = blocks(path.read_text(encoding="utf-8"))
            except BlockError as error:
                failed, found = failed + 1, []
                print(f"FAILED  {name}: {error}")
            for block in found:
                if reasons := block.all("skip"):
                    skipped += 1
                    if not reasons[0]:
                        failed += 1
                        print(f"FAILED  {name}:{block.line}: skipped without a reason")
                    continue
                try:
                    document.run(block)
                    ran += 1
                except (BlockError, subprocess.TimeoutExpired) as error:
                    failed += 1
                    print(f"FAILED  {name}:{block.line} ({block.language}): {error}")
            document.close()
            if failed == before:
                print(f"ok      {name}: {len(found)} blocks")
    print(f"{ran} blocks ran, {skipped} skipped, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
