"""The table of options (Sources/Options) against the library: files are generated from it, and what
it says of ranges and defaults is so.
"""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import supcon
from supcon import _options

TABLES = Path(__file__).resolve().parents[3] / "Sources" / "Options"
sys.path.insert(0, str(TABLES))
tables = pytest.importorskip("tables", reason="needs tomllib or tomli")

STRUCTS = {it.name: it for it in tables.read()}


def test_generated_files_are_what_the_tables_say():
    told = subprocess.run(
        [sys.executable, TABLES / "generate.py", "--check"], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stdout + told.stderr


def beyond(option) -> list:
    """Values right outside of an option's range."""
    limits, number = option.range, float if option.real else int
    low, high = number(eval(limits.low)), limits.high and number(float(limits.high))
    step = 1 if number is int else 1e-6
    found = [low if limits.low_open else low - step]
    if high is not None and not (number is int and high >= 2**31 - 1):
        found.append(
            high if limits.high_open else high + step if number is int else high * (1 + 1e-6)
        )
    if option.special is not None:
        found = [it for it in found if it != option.special[0]]
    return found


CASES = [
    pytest.param(struct, option, value, id=f"{struct}-{option.name}-{value}")
    for struct in ("train", "augmentation", "model", "dataset", "embed", "evaluate", "classifier")
    for option in STRUCTS[struct].options
    if option.range
    for value in beyond(option)
]


@pytest.fixture(scope="module")
def model():
    return supcon.Model(width=4, image_size=8, channels=1)


@pytest.mark.parametrize("struct, option, value", CASES)
def test_a_value_beyond_its_range_is_refused_by_name(struct, option, value, model, tmp_path):
    images = np.zeros((8, 8, 8), np.uint8)
    data = supcon.Dataset.from_images(images, np.arange(8) % 2)
    rows = np.eye(8, dtype=np.float32)
    calls = {
        "train": lambda: supcon.train(model, data, **{option.name: value}),
        "augmentation": lambda: supcon.augment(images, {option.name: value}),
        "model": lambda: supcon.Model(
            **(
                {"image_size": (value, 8) if "height" in option.name else (8, value)}
                if option.name.startswith("image_")
                else {option.name: value}
            )
        ),
        "dataset": lambda: supcon.Dataset.from_files([tmp_path], **{option.name: value}),
        "embed": lambda: model.embed(images, **{option.name: value}),
        "evaluate": lambda: supcon.evaluate(
            rows,
            np.arange(8),
            rows,
            np.arange(8),
            method=option.applies.split()[-1],
            **{option.name: value},
        ),
        "classifier": lambda: model.fit_classifier(data, **{option.name: value}),
    }
    with pytest.raises(
        supcon.ArgumentError, match=rf"{option.name.replace('_', '[_ ]')} is "
    ) as told:
        calls[struct]()
    assert "expected" in str(told.value)


@pytest.mark.parametrize("field, value", [("l2", -2), ("l2", 1e39), ("iterations", 0)])
def test_a_range_checked_early_has_the_library_s_words(field, value, model, monkeypatch):
    images, labels = np.zeros((8, 8, 8), np.uint8), np.arange(8) % 2
    told = []
    for limits in (_options.CLASSIFIER_ALONE[field].row.limits, None):
        row = _options.CLASSIFIER_ALONE[field].row._replace(limits=limits)
        option = _options.Option(supcon._generated.ClassifierOptions, row)
        monkeypatch.setitem(_options.CLASSIFIER_ALONE, field, option)
        with pytest.raises(supcon.ArgumentError, match=f"^{field} is ") as error:
            model.fit_classifier(images, labels, **{field: value})
        told.append(str(error.value).partition("; ")[2])
    assert told[0] == told[1] != ""


@pytest.mark.parametrize("struct", STRUCTS)
def test_defaults_are_the_library_s(struct):
    library = _options._library_defaults(getattr(supcon._generated, STRUCTS[struct].python))
    for option in STRUCTS[struct].options:
        if option.default is None or option.type == "reserved":
            continue
        found, said = getattr(library, option.name), option.default
        if option.enum:
            said = [it[0] for it in option.enum.values].index(said)
        elif option.type == "architecture":
            said = said.encode()
        elif option.type == "channels":
            found = found[0]
        elif isinstance(said, str):
            above, _, below = said.partition("/")
            said = float(above) / float(below)
        assert math.isclose(found, said, rel_tol=1e-6) if option.real else found == said, (
            option.name
        )


def test_an_unknown_keyword_is_a_type_error(model):
    with pytest.raises(TypeError, match="epoch"):
        supcon.train(model, None, epoch=3)
