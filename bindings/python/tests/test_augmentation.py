"""Augmentations by name, one per view, contact sheets, corruptions."""

import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest

import supcon
from supcon import _generated
from supcon._pictures import png

KINDS = [it.word for it in _generated.AugmentationKind]


@pytest.fixture(scope="module")
def images():
    """Five smooth color images with sharp corners."""
    y, x = np.mgrid[:32, :32]
    return np.stack(
        [
            np.stack(
                [
                    (6 * x + 20 * it) % 256,
                    (5 * y + 3 * x) % 256,
                    255 * ((x // 8 + y // 8 + it) % 2),
                ],
                -1,
            )
            for it in range(5)
        ]
    ).astype(np.uint8)


def unpacked(file: bytes) -> np.ndarray:
    """A PNG with 8-bit color and unfiltered lines, by a reader of its own."""
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    at, parts = 8, {}
    while at < len(file):
        length, kind = struct.unpack(">I4s", file[at : at + 8])
        data = file[at + 8 : at + 8 + length]
        assert (
            zlib.crc32(kind + data)
            == struct.unpack(">I", file[at + 8 + length : at + 12 + length])[0]
        )
        parts[kind] = data
        at += 12 + length
    width, height, *rest = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert rest == [8, 2, 0, 0, 0] and parts[b"IEND"] == b""
    lines = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, 1 + 3 * width)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(images, kind):
    views = supcon.augment(images, kind, seed=3)
    assert (
        views.shape == images.shape and views.min() >= -1e-6 and views.max() <= 1 + 1e-6
    )  # resampling rounds
    np.testing.assert_array_equal(views, supcon.augment(images, kind, seed=3, n_jobs=1))
    assert kind == "none" or not np.array_equal(views, supcon.augment(images, kind, seed=4))
    gray = supcon.augment(images[..., 0], kind, seed=3)
    assert gray.shape == (5, 32, 32, 1) and np.isfinite(gray).all()


def test_fields_of_policies(images):
    whole = {"crop_scale_min": 1, "crop_ratio_min": 1, "crop_ratio_max": 1, "flip_probability": 0}
    nothing = supcon.augment(images, {"kind": "randaugment", "randaugment_operations": 0, **whole})
    np.testing.assert_allclose(nothing, images / 255, atol=1e-6)
    half = supcon.augment(
        images,
        {"kind": "randaugment", "randaugment_operations": 0, "cutout": 0.5, "fill": 0.25, **whole},
    )
    filled = (half == 0.25).all(-1)
    assert all(64 <= it <= 256 for it in filled.sum((1, 2)))
    np.testing.assert_allclose(half[~filled], (images / 255)[~filled], atol=1e-6)
    for fields, words in (
        ({"randaugment_magnitude": 31}, "0 to 30"),
        ({"fill": 2}, "fill is 2"),
        ({"warp_probability": -1}, "warp_probability is -1"),
        ({"randaugment_operations": 99}, "0 to 16"),
        ({"kind": "autoaugment"}, "'autoaugment_cifar10'"),
    ):
        with pytest.raises(supcon.ArgumentError, match=words):
            supcon.augment(images, {"kind": "randaugment", **fields})


def test_a_data_set_gives_the_same_views(images):
    data = supcon.Dataset.from_images(images)
    np.testing.assert_array_equal(
        supcon.augment(data, "stacked_randaugment", seed=9, view=2),
        supcon.augment(images, "stacked_randaugment", seed=9, view=2),
    )
    np.testing.assert_array_equal(
        supcon.augment(data, "none", size=(8, 10)), supcon.augment(images, "none", size=(8, 10))
    )


def test_two_augmentations(shapes):
    """A pair of the same is the same run; a pair of different ones is another, either way round."""
    images, labels = shapes
    data = supcon.Dataset.from_images(images, labels.astype(np.int64))

    def rows(augmentation):
        model = supcon.Model(
            width=4, image_size=12, channels=1, precision="f32", projection_dim=16, seed=3, n_jobs=1
        )
        supcon.train(
            model,
            data,
            augmentation=augmentation,
            epochs=1,
            batch_size=16,
            validation_fraction=0,
            learning_rate=0.05,
            seed=3,
        )
        return model.embed(images[:4])

    same, pair, second, first = (
        rows(it)
        for it in (
            "none",
            ("none", "none"),
            ("none", {"kind": "randaugment"}),
            ("randaugment", "none"),
        )
    )
    np.testing.assert_array_equal(same, pair)
    assert not np.array_equal(same, second) and not np.array_equal(second, first)
    with pytest.raises(ValueError, match="two"):
        rows(("none", "none", "none"))


def test_contact_sheet(images, tmp_path):
    sheet = supcon.contact_sheet(
        images,
        ("none", "autoaugment_cifar10"),
        views=3,
        seed=5,
        path=tmp_path / "sheet.png",
        scale=1,
    )
    assert sheet.shape == (5 * 34 + 2, 4 * 34 + 2, 3)
    np.testing.assert_array_equal(unpacked((tmp_path / "sheet.png").read_bytes()), sheet)
    np.testing.assert_array_equal(sheet[2:34, 2:34], images[0])
    np.testing.assert_array_equal(sheet[2 + 34 : 34 + 34, 2 + 34 : 34 + 34], images[1])
    third = supcon.augment(images, "autoaugment_cifar10", seed=5, view=2)[4]
    np.testing.assert_array_equal(
        sheet[2 + 4 * 34 : 34 + 4 * 34, 2 + 3 * 34 : 34 + 3 * 34], np.rint(third * 255)
    )
    assert (sheet[:2, 36:] == 255).all() and (sheet[:, 68:70] == 255).all()
    assert (sheet[:2, :36] == (31, 95, 168)).all()  # the original's frame
    # small views are drawn large
    large = supcon.contact_sheet(images[..., 0], "none", size=20, views=1)
    assert large.shape == (5 * 85 + 5, 2 * 85 + 5, 3)
    small = supcon.augment(images[..., 0], "none", size=20)[0, ..., 0]
    np.testing.assert_array_equal(
        large[5:85, 90:170, 0], np.rint(small * 255).repeat(4, 0).repeat(4, 1)
    )
    np.testing.assert_array_equal(unpacked(png(images[0])), images[0])


def test_contact_sheet_names_its_rows(images):
    pytest.importorskip("PIL")
    data = supcon.Dataset.from_images(images, np.arange(5)).with_class_names("abcde")
    plain = supcon.contact_sheet(images, "none", views=1)
    named = supcon.contact_sheet(data, "none", views=1)
    margin = named.shape[1] - plain.shape[1]
    assert margin > 0
    np.testing.assert_array_equal(named[:, margin:], plain)
    rows = named[4:, :margin].reshape(5, 68, margin, 3)
    assert ((rows < 128).any((1, 2, 3))).all()  # each has ink
    assert not np.array_equal(rows[0], rows[1])


@pytest.mark.parametrize("name", supcon.CORRUPTIONS)
def test_corruptions(images, name):
    made = [supcon.corrupt(images, name, it, seed=1) for it in (1, 5)]
    for it in made:
        assert it.shape == images.shape and it.dtype == np.uint8 and not np.array_equal(it, images)
    assert not np.array_equal(*made)
    np.testing.assert_array_equal(made[0], supcon.corrupt(images / 255, name, 1, seed=1, n_jobs=1))
    assert supcon.corrupt(images[..., 0], name).shape == (5, 32, 32)
    data = supcon.Dataset.from_images(images, np.arange(5)).corrupted(name, 5, seed=1)
    assert data.labels.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(
        np.rint(supcon.augment(data.subset([4, 1]), "none") * 255), made[1][[4, 1]]
    )


def test_corruptions_that_cannot_be(images):
    assert len(supcon.CORRUPTIONS) == 15 and supcon.CORRUPTIONS[0] == "gaussian_noise"
    for arguments, words in ((("rain",), "'snow'"), (("fog", 0), "1 to 5"), (("fog", 6), "1 to 5")):
        with pytest.raises(supcon.ArgumentError, match=words):
            supcon.corrupt(images, *arguments)
        with pytest.raises(supcon.ArgumentError, match=words):
            supcon.Dataset.from_images(images).corrupted(*arguments)
    small = supcon.Dataset.from_images(images).corrupted("contrast", 2, size=(16, 20))
    assert (small.height, small.width) == (16, 20) and supcon.augment(small, "none").shape == (
        5,
        16,
        20,
        3,
    )
    with pytest.raises(supcon.ArgumentError, match="size"):
        supcon.Dataset.from_images(images).corrupted("contrast", 2, size=(1, 2, 3))


def test_views_command(images, tmp_path):
    np.save(tmp_path / "images.npy", images)

    def run(*arguments, code=0):
        command = [
            sys.executable,
            "-m",
            "supcon",
            "views",
            f"npy:{tmp_path / 'images.npy'}",
            "--output",
            tmp_path / "sheet.png",
            *arguments,
        ]
        found = subprocess.run(
            [str(it) for it in command], capture_output=True, text=True, timeout=120
        )
        assert found.returncode == code, found.stderr
        return unpacked((tmp_path / "sheet.png").read_bytes()) if code == 0 else found.stderr

    shown = run(
        "--images",
        2,
        "--views",
        3,
        "--augmentation",
        "randaugment",
        "--randaugment-magnitude",
        20,
        "--augmentation-second",
        "none",
        "--seed",
        4,
    )
    chosen = images[[0, 2]]
    fields = {"kind": "randaugment", "randaugment_magnitude": 20}
    np.testing.assert_array_equal(
        shown, supcon.contact_sheet(chosen, (fields, {**fields, "kind": "none"}), views=3, seed=4)
    )
    for second, changed in (
        (
            "crop_flip,crop_scale_min=0.5,flip-probability=0",
            {"kind": "crop_flip", "crop_scale_min": 0.5, "flip_probability": 0},
        ),
        ("hue=0.3", {"hue": 0.3}),
        (
            "randaugment,randaugment_operations=1",
            {"kind": "randaugment", "randaugment_operations": 1},
        ),
    ):
        shown = run(
            "--images", 2, "--views", 3, "--brightness", "0.7", "--augmentation-second", second
        )
        np.testing.assert_array_equal(
            shown,
            supcon.contact_sheet(
                chosen, ({"brightness": 0.7}, {"brightness": 0.7} | changed), views=3, seed=0
            ),
        )
    for second, words in (
        ("spin", "'simclr'"),
        ("simclr,spin=1", "'spin' is no option"),
        ("hue=blue", "'blue'"),
        ("simclr,hue", "hue"),
        ("", "'simclr'"),
    ):
        assert words in run("--augmentation-second", second, code=2)
    assert run("--corruption", "snow", "--images", 3).shape == (3 * 68 + 4, 6 * 68 + 4, 3)
    assert "expected an integer from 1" in run("--views", 0, code=1)
