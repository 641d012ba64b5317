"""Checks what a repaired wheel holds: its tag, metadata, and a license for all that it bundles.

python wheel_contents.py WHEEL
"""

import base64
import csv
import hashlib
import re
import sys
import zipfile
from email import message_from_bytes


def main(path):
    assert re.search(r"-py3-none-manylinux_2_\d+_x86_64\.whl$", path), path
    wheel = zipfile.ZipFile(path)
    names = wheel.namelist()
    info = next(name.split("/")[0] for name in names if ".dist-info/" in name)

    assert any(name.endswith("/data/share/man/man1/supcon.1") for name in names), "no manual page"

    metadata = message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert metadata["License-Expression"] == "MIT", metadata["License-Expression"]
    assert metadata["Author"] or metadata["Author-email"], "no author"
    kept = {name.split("/licenses/")[1] for name in names if f"{info}/licenses/" in name}
    assert kept == set(metadata.get_all("License-File")), (kept, metadata.get_all("License-File"))

    # A sentence that only the right license has.
    expected = {
        "LICENSE": "Permission is hereby granted",
        "swift-runtime.txt": "Runtime Library Exception",
    }
    packages = {
        "dnnl": (r"dnnl|onednn", "Intel"),
        "gomp": (r"gomp|gcc", "GCC Runtime Library Exception"),
        "png16": (r"png", "libpng|PNG"),
        "turbojpeg": (r"jpeg", "Independent JPEG Group"),
        "webp": (r"webp", "Google"),
        "OpenCL": (r"opencl", "Khronos|BSD"),
    }
    for library in (name.split("/")[1] for name in names if name.startswith("supcon.libs/")):
        stem = re.match(r"lib(\w+)-", library)
        assert stem and stem[1] in packages, f"{library} is bundled, and not known here"
        pattern, sentence = packages[stem[1]]
        of_it = next((name for name in kept if re.search(pattern, name, re.I)), None)
        assert of_it, f"no license of {library} among {sorted(kept)}"
        expected[of_it] = sentence
    for name, sentence in expected.items():
        text = wheel.read(f"{info}/licenses/{name}").decode("utf-8", "replace")
        assert re.search(sentence, text, re.I), f"{name} does not say {sentence}"

    for name, digest, size in csv.reader(wheel.read(f"{info}/RECORD").decode().splitlines()):
        if name.endswith("/RECORD"):
            continue
        body = wheel.read(name)
        own = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
        assert (digest, size) == (f"sha256={own}", str(len(body))), name
    print(f"{path.split('/')[-1]}: licenses {', '.join(sorted(kept))}")


main(sys.argv[1])
