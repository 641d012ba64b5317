"""Turns the wheel that pip builds into one for machines without libsupcon's libraries: auditwheel
copies them into it and gives it a manylinux tag; the license of each goes to .dist-info/licenses.

    python repair_wheel.py WHEEL FOLDER [--swift PATH] [--license LIBRARY=FILE]…

Licenses are those of the Debian packages that the libraries came from; of a library from elsewhere,
`--license libname.so.1=FILE` says where its license is. A library without one is an error.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def run(*command) -> str:
    done = subprocess.run([str(it) for it in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def dependencies(library: Path) -> dict[str, Path]:
    """The file behind each library that `library` loads, by the file's own name."""
    paths = (Path(it) for it in re.findall(r"=> (/\S+)", run("ldd", library)))
    return {path.resolve().name: path for path in paths}


def debian_license(library: Path) -> tuple[str, Path] | None:
    """The name of the Debian package that owns `library`, and the file with its license."""
    for path in (library.resolve(), library, Path("/usr") / library.resolve().relative_to("/")):
        found = subprocess.run(["dpkg-query", "-S", str(path)], capture_output=True, text=True)
        if found.returncode == 0:
            package = found.stdout.split(":")[0]
            copyright = Path("/usr/share/doc") / package / "copyright"
            return (package, copyright) if copyright.is_file() else None
    return None


def swift_license(swift: str) -> Path:
    """The license of the Swift runtime, which is inside libsupcon."""
    paths = json.loads(run(swift, "-print-target-info"))["paths"]
    return Path(paths["runtimeResourcePath"]).parents[1] / "share" / "swift" / "LICENSE.txt"


def licenses(bundled, loaded, given, swift) -> dict[str, Path]:
    """The license files of everything that the wheel bundles, by the name to keep them under."""
    found, missing = {"swift-runtime.txt": swift_license(swift)}, []
    for name in bundled:
        original = re.sub(r"-[0-9a-f]{8,}(?=\.so)", "", name)  # auditwheel adds a hash
        library = loaded.get(original)
        own = next((path for key, path in given.items() if original.startswith(key)), None)
        if own is not None:
            found[original + ".txt"] = Path(own)
        elif library is not None and shutil.which("dpkg-query") and debian_license(library):
            package, path = debian_license(library)
            found[package + ".txt"] = path
        else:
            missing.append(original)
    if missing:
        sys.exit(
            f"The license of {', '.join(missing)} is not known: "
            f"name it with --license {missing[0]}=FILE"
        )
    return found


def add_licenses(tree: Path, files: dict[str, Path]) -> None:
    info = next(tree.glob("*.dist-info"))
    (info / "licenses").mkdir(exist_ok=True)
    for name, path in files.items():
        shutil.copyfile(path, info / "licenses" / name)
    metadata = info / "METADATA"
    head, separator, body = metadata.read_text(encoding="utf-8").partition("\n\n")
    head += "".join(f"\nLicense-File: {name}" for name in sorted(files))
    metadata.write_text(head + separator + body, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--swift", default="swift", help="the compiler that built the library")
    parser.add_argument("--license", action="append", default=[], metavar="LIBRARY=FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        run(sys.executable, "-m", "wheel", "unpack", "--dest", work / "plain", options.wheel)
        plain = next((work / "plain").iterdir())
        loaded = dependencies(plain / "supcon" / "lib" / "libsupcon.so.1")

        run(
            *(sys.executable, "-m", "auditwheel", "repair", "--only-plat"),
            *("--wheel-dir", work / "repaired", options.wheel),
        )
        repaired = next((work / "repaired").glob("*.whl"))
        run(sys.executable, "-m", "wheel", "unpack", "--dest", work / "unpacked", repaired)
        tree = next((work / "unpacked").iterdir())
        bundled = sorted(path.name for path in (tree / "supcon.libs").iterdir())
        given = dict(it.split("=", 1) for it in options.license)
        add_licenses(tree, licenses(bundled, loaded, given, options.swift))

        options.folder.mkdir(parents=True, exist_ok=True)
        run(sys.executable, "-m", "wheel", "pack", "--dest-dir", options.folder, tree)
        path = options.folder / repaired.name
        print(f"Built {path} ({path.stat().st_size / 1e6:.1f} MB) with {', '.join(bundled)}")


if __name__ == "__main__":
    main()
