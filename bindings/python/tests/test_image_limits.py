"""How large images may be that files claim to hold, and with how much memory they are decoded."""

import struct
import zlib

import files
import numpy as np
import pytest

import supcon


def tiny_claim(path, side):
    """A PNG of few bytes that claims side x side RGBA pixels."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"\0" * 64))
        + chunk(b"IEND", b"")
    )
    return path


def test_a_size_that_the_data_cannot_hold_costs_nothing(tmp_path):
    for side, words in ((16384, "max_pixels"), (13000, "bytes of image data")):
        path = tiny_claim(tmp_path / f"{side}.png", side)
        with pytest.raises(supcon.FormatError, match=words):
            supcon.Model(width=4, precision="f32", n_jobs=1).embed([path] * 8)


def test_max_pixels_is_the_callers(shapes, tmp_path):
    images, labels = shapes
    paths = files.folder(tmp_path, images[:4], labels[:4])
    files.png(tmp_path / "lying" / "large.png", np.zeros((13, 12), np.uint8))
    data = supcon.ImageFolder(tmp_path, max_pixels=144)
    assert len(data) == 4 and "144 altogether (max_pixels)" in data.skipped[0]
    assert len(supcon.ImageFolder(tmp_path, max_pixels=156)) == 5
    assert len(supcon.Dataset.from_files(paths, max_pixels=144)) == 4
    with pytest.raises(supcon.FormatError, match="143 altogether"):
        supcon.Dataset.from_files(paths, max_pixels=143, on_error="refuse")
    with pytest.raises(ValueError, match="max_pixels is -1"):
        supcon.ImageFolder(tmp_path, max_pixels=-1)


def test_the_memory_limit_holds_for_decoding(tmp_path):
    path = tmp_path / "large.png"
    files.png(path, np.zeros((2500, 2500, 3), np.uint8))
    for limit, fits in ((20_000_000, False), (40_000_000, True)):
        model = supcon.Model(width=4, image_size=8, precision="f32", n_jobs=2, memory_limit=limit)
        if fits:
            assert model.embed([path] * 3).shape == (3, 32)
            continue
        with pytest.raises(supcon.OutOfMemoryError, match="2500×2500 needs 31 MB.*limit is 20 MB"):
            model.embed([path] * 3)


@pytest.mark.parametrize("lossless", [True, False])
def test_a_webp_of_many_pieces_is_read_whole(tmp_path, lossless):
    """It is decoded by pieces of 64 KiB."""
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (500, 400, 3), np.uint8)
    path = tmp_path / "noise.webp"
    image.fromarray(pixels).save(path, lossless=lossless, quality=95)
    assert path.stat().st_size > 2 << 16
    data = supcon.Dataset.from_files([path], exact_decoding=True)
    views = supcon.augment(data, "none", size=(500, 400))
    expected = np.asarray(image.open(path).convert("RGB"))
    assert np.array_equal(np.round(views[0] * 255).astype(np.uint8), expected)


def test_a_large_jpeg_is_read_whole(tmp_path):
    """From 16 megapixels on it is decoded on another thread."""
    image = pytest.importorskip("PIL.Image")
    side = 4100
    waves = 128 + 100 * np.sin(np.arange(side) / 30) * np.cos(np.arange(side) / 50)[:, None]
    path = tmp_path / "waves.jpg"
    image.fromarray(waves.astype(np.uint8)).save(path, quality=95)
    data = supcon.Dataset.from_files([path], exact_decoding=True, channels=1)
    views = supcon.augment(data, "none", size=side)
    expected = np.asarray(image.open(path), np.float32)
    assert np.abs(views[0, ..., 0] * 255 - expected).max() < 1.5
    damaged = path.read_bytes()
    (tmp_path / "cut.jpg").write_bytes(damaged[: len(damaged) // 2] + b"\xff\xd9")
    cut = supcon.Dataset.from_files([tmp_path / "cut.jpg"], exact_decoding=True, channels=1)
    half = supcon.augment(cut, "none", size=side)  # a warning, and what there is
    assert np.abs(half[0, : side // 3, :, 0] * 255 - expected[: side // 3]).max() < 1.5
