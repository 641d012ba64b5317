"""Implements search and exchange with other programs: `supcon index`, `search`, `export`,
`import`.
"""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

from .. import _files
from .._errors import ArgumentError
from .._generated import OutputName
from .._index import Index
from .._model import load
from .._onnx import export_onnx, export_openvino
from .._options import EMBED
from .._torch import export_torchvision, import_torch
from . import _flags
from ._flags import Flag, argument
from ._say import note
from ._train_flags import threads_and_quiet
from ._use import (
    IMAGES,
    flag,
    images_of,
    load_model,
    model_argument,
    model_flags,
    model_path,
    rows_of,
)

FORMATS = {
    "onnx": ".onnx",
    "openvino": ".xml",
    "torchvision": ".pth",
}


def index(given: SimpleNamespace) -> int:
    output = given.output or "images.index"
    if given.ranks.is_first:
        _files.writable(output)
    model = load_model(given)
    data = images_of(given, model)
    rows = given.ranks.embed(data, lambda part: rows_of(given, model, part, "embedding"))
    if rows is None:
        return 0
    paths = data.paths
    found = Index(model, n_jobs=given.threads)
    found.add(rows, None if paths is None else [os.path.abspath(it) for it in paths])
    found.save(output)
    # `supcon search` finds the model here
    path = os.path.abspath(model_path(given.model))
    _files.write(output + ".model", lambda file: file.write(os.fsencode(path) + b"\n"))
    note(given, f"{len(found):,} images are in {output}")
    print(output)
    return 0


def search(given: SimpleNamespace) -> int:
    found = Index.load(given.index, n_jobs=given.threads)
    given.model = given.model or _model_of(given.index)
    model = load_model(given)
    found.check(model)
    data = images_of(given, model)
    rows = rows_of(given, model, data, "embedding")
    near = found.search(rows, given.k)
    asked = data.paths or [str(it) for it in range(len(rows))]
    for at, name in enumerate(asked):
        pairs = list(zip(near.ids[at].tolist(), near.similarities[at].tolist()))
        if given.json:
            neighbors = [{"id": it, "similarity": value} for it, value in pairs]
            print(json.dumps({"image": name, "neighbors": neighbors}))
            continue
        if len(asked) > 1:
            print(f"{name}:")
        for it, value in pairs:
            print(f"{value:.4f}  {it}")
    return 0


def _model_of(path: str) -> str:
    try:
        with open(path + ".model", "rb") as file:
            return os.fsdecode(file.read().rstrip(b"\n"))
    except FileNotFoundError:
        raise ArgumentError(
            f"{path}.model, which says what model made the index, is not there; expected --model"
        ) from None


def export(given: SimpleNamespace) -> int:
    kind = given.to
    if kind is None and (given.output or "").endswith(".safetensors"):
        kind = "torchvision"
    if kind is None:
        kind = next(
            (it for it, end in FORMATS.items() if (given.output or "").endswith(end)), "onnx"
        )
    source = model_path(given.model)
    output = given.output or os.path.splitext(source)[0] + FORMATS[kind]
    _files.writable(output)
    model = load(source, n_jobs=given.threads)
    if kind == "torchvision":
        if given.classifier:
            raise ArgumentError("--classifier: torchvision's form has it as fc, always")
        export_torchvision(model, output)
    else:
        write = export_onnx if kind == "onnx" else export_openvino
        names: list[OutputName] = ["encoder"]
        if given.classifier:
            names.append("probabilities")
        write(model, output, outputs=names)
    note(given, f"a model for {kind} is in {output}")
    print(output)
    return 0


def import_(given: SimpleNamespace) -> int:
    if given.into and given.output:
        raise ArgumentError(f"two outputs: {given.into} and --output {given.output}; expected one")
    output = given.into or given.output or os.path.splitext(given.source)[0] + ".safetensors"
    if os.path.abspath(output) == os.path.abspath(given.source):
        raise ArgumentError(f"{output} would be written over itself; expected another --output")
    _files.writable(output)
    model = import_torch(
        given.source,
        output,
        architecture=given.architecture,
        stem=given.stem,
        image_size=given.image_size,
        mean=given.mean,
        std=given.std,
        n_jobs=given.threads,
    )
    note(given, f"{model!r}".replace("<supcon.", "").replace(">", ""))
    print(output)
    return 0


COMMANDS = {
    "index": (
        index,
        [
            model_argument(),
            argument("images", IMAGES, several=True),
            Flag("output", "File of the index (default: images.index)", metavar="FILE", short="-o"),
            _flags.of(EMBED["batch_size"], "Options"),
            *model_flags(),
        ],
        "Embeds images and stores them in a searchable index.",
    ),
    "search": (
        search,
        [
            argument("index", "The file that `supcon index` wrote"),
            argument("images", IMAGES, several=True),
            Flag("k", "Number of neighbors of each image (default: 10)", int, "N", default=10),
            Flag("model", "Model that made the index (default: the one it names)", metavar="MODEL"),
            flag("json", "Print a JSON object per image."),
            _flags.of(EMBED["batch_size"], "Options"),
            *model_flags(),
        ],
        "Finds the most similar images of an index.",
    ),
    "export": (
        export,
        [
            model_argument(),
            Flag(
                "to",
                "Target format (default: by the output's name, else onnx)",
                choices=list(FORMATS),
                metavar="NAME",
            ),
            Flag(
                "output",
                "NAME.onnx, NAME.xml, NAME.pth or NAME.safetensors (default: beside the model)",
                metavar="FILE",
                short="-o",
            ),
            flag("classifier", "The probabilities of the classes, too (onnx, openvino)."),
            *threads_and_quiet(),
        ],
        "Writes a model for ONNX Runtime, OpenVINO or torchvision.",
    ),
    "import": (
        import_,
        [
            argument("source", "A file of torch.save() or safetensors, of torchvision or timm"),
            argument("into", "File of the model (default: SOURCE.safetensors)", optional=True),
            Flag("output", "File of the model, like INTO", metavar="FILE", short="-o"),
            Flag(
                "architecture",
                "Architecture, such as resnet50 (default: inferred from the shapes)",
                metavar="NAME",
            ),
            Flag(
                "stem",
                "First layers (default: inferred from the shapes)",
                choices=["imagenet", "cifar"],
            ),
            Flag("image_size", "Size of the images in pixels", parse=_flags.size, metavar="N|HxW"),
            Flag(
                "mean",
                "Mean per channel (default: ImageNet's)",
                parse=_flags.numbers,
                metavar="M,...",
            ),
            Flag(
                "std",
                "Deviation per channel (default: ImageNet's)",
                parse=_flags.numbers,
                metavar="S,...",
            ),
            *threads_and_quiet(),
        ],
        "Imports an encoder trained by PyTorch.",
    ),
}
