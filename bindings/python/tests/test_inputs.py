"""Everything that images may be given as, beside the plain array of the same pixels."""

import io
import logging
import pathlib
import subprocess
import sys

import files
import numpy as np
import pytest

import supcon

pillow = pytest.importorskip("PIL.Image")
FIXTURES = pathlib.Path(__file__).parents[3] / "Tests" / "SupConVisionTests" / "Fixtures"


@pytest.fixture(scope="module")
def color():
    return supcon.Model(width=2, image_size=28, precision="f32", n_jobs=1)


@pytest.fixture(scope="module")
def gray():
    return supcon.Model(width=2, image_size=28, channels=1, precision="f32", n_jobs=1)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 28, 28, 3), np.uint8)


def same(a, b, tolerance=1e-5):
    np.testing.assert_allclose(a, b, atol=tolerance)


def encoded(image, kind, **options):
    file = io.BytesIO()
    pillow.fromarray(image).save(file, kind, **options)
    return file.getvalue()


class ByInterface:
    """What speaks numpy's oldest protocol alone."""

    def __init__(self, array):
        self.kept, self.__array_interface__ = array, array.__array_interface__


class ByDLPack:
    """What speaks DLPack alone."""

    def __init__(self, array):
        self.kept = array

    def __dlpack__(self, **options):
        return self.kept.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.kept.__dlpack_device__()


def test_a_single_image_is_one(color, gray, images):
    truth = color.embed(images)
    one = images[0]
    luma = np.asarray(pillow.fromarray(one).convert("L"))
    for way in (one, pillow.fromarray(one), ByInterface(one), ByDLPack(one), encoded(one, "PNG")):
        same(color.embed(way), truth[:1])
    for way in (one, luma[..., None], pillow.fromarray(luma), pillow.fromarray(one)):
        same(gray.embed(way), gray.embed(luma[None]))
    # gray in three channels, and without alpha
    same(color.embed(pillow.fromarray(luma)), color.embed(np.repeat(luma[..., None], 3, 2)))
    with_alpha = np.concatenate([one, one[..., :1]], 2)
    same(color.embed(with_alpha), truth[:1])
    same(color.embed(pillow.fromarray(with_alpha)), truth[:1])


def test_a_path_is_one_too(color, images, tmp_path):
    path = tmp_path / "ö.png"
    files.png(path, images[1])
    same(color.embed(path), color.embed(images)[1:2])
    same(color.embed(str(path)), color.embed(images)[1:2])
    with pytest.raises(TypeError, match="ImageFolder"):
        color.embed(tmp_path)
    with pytest.raises(OSError, match="missing"):
        color.embed(tmp_path / "missing.png")


def test_nothing_gives_no_rows(color):
    for nothing in ([], (), np.empty((0, 28, 28, 3), np.uint8), np.empty((0, 28, 28))):
        assert color.embed(nothing).shape == (0, color.embedding_dim)
    assert color.embed([], "projection").shape == (0, color.projection_dim)
    with pytest.raises(supcon.StateError):
        color.embed([], "logits")


def test_lists_of_every_kind(color, images, tmp_path):
    truth = color.embed(images)
    path = tmp_path / "0.png"
    files.png(path, images[0])
    same(color.embed(list(images)), truth)
    same(color.embed([pillow.fromarray(it) for it in images]), truth)
    same(color.embed([ByDLPack(it) for it in images]), truth)
    mixed = [path, encoded(images[1], "PNG"), pillow.fromarray(images[2])]
    same(color.embed(mixed), truth)
    same(color.embed([memoryview(encoded(it, "PNG")) for it in images]), truth)
    # of different sizes: each as if it were alone
    sizes = [images[0], images[1, :20], images[2, :, :9], images[0, :7, :5, 0]]
    alone = np.concatenate([color.embed(it[None] if it.ndim == 2 else it) for it in sizes])
    same(color.embed(sizes), alone)
    same(color.embed([pillow.fromarray(it) for it in sizes]), alone)
    with pytest.raises(TypeError, match=r"images\[1\].*float64.*uint8"):
        color.embed([images[0], images[1, :20] / 255])
    with pytest.raises(ValueError, match=r"images\[1\] has the shape \[4\]"):
        color.embed([images[0], np.zeros(4, np.uint8)])


def test_encoded_bytes(color, images):
    photo = (FIXTURES / "cat1.jpg").read_bytes()
    same(color.embed(photo), color.embed(FIXTURES / "cat1.jpg"))
    webp = encoded(images[0], "WEBP", lossless=True)
    same(color.embed([webp, encoded(images[1], "PNG")]), color.embed(images[:2]))
    data = supcon.Dataset.from_encoded([webp, photo, b"GIF89a"], [3, 4, 5])
    assert data.labels.tolist() == [3, 4] and "image 2: is a GIF" in data.skipped[0]
    with pytest.raises(supcon.FormatError, match="image 0: is empty"):
        color.embed(b"")
    with pytest.raises(supcon.FormatError, match="Git LFS"):
        color.embed(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    with pytest.raises(TypeError, match=r"images\[0\] is a int"):
        supcon.Dataset.from_encoded([7])


def test_what_only_pillow_reads(color, images, tmp_path):
    for place, (kind, image) in enumerate(zip(("bmp", "tiff", "gif"), images)):
        folder = tmp_path / ("even", "odd")[place % 2]
        folder.mkdir(exist_ok=True)
        made = pillow.fromarray(image)
        (made.convert("P") if kind == "gif" else made).save(folder / f"{place}.{kind}")
    files.png(tmp_path / "odd" / "9.png", images[0])
    (tmp_path / "odd" / "bad.bmp").write_bytes(b"BM nothing")
    data = supcon.ImageFolder(tmp_path)
    assert data.class_names == ["even", "odd"] and data.labels.tolist() == [0, 0, 1, 1]
    assert [pathlib.Path(it).name for it in data.paths] == ["0.bmp", "2.gif", "1.tiff", "9.png"]
    assert len(data.skipped) == 1 and "bad.bmp: is a BMP image" in data.skipped[0]
    truth = color.embed(images)
    same(color.embed(data)[[0, 2, 3]], truth[[0, 1, 0]])
    same(color.embed([tmp_path / "even" / "0.bmp", tmp_path / "odd" / "1.tiff"]), truth[:2])
    with pytest.raises(supcon.FormatError, match="bad.bmp"):
        supcon.ImageFolder(tmp_path, on_error="refuse")


def test_a_folder_of_what_only_pillow_reads(color, images, tmp_path, caplog):
    for place, name in enumerate(("10/b.bmp", "10/deep/a.TIF", "9/c.gif")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made = pillow.fromarray(images[place])
        (made.convert("P") if place == 2 else made).save(path)
    (tmp_path / "9" / "d.jpg").write_bytes(b"nothing")
    (tmp_path / "9" / "notes.txt").write_bytes(b"nothing")
    (tmp_path / "9" / "round").symlink_to(tmp_path)
    (tmp_path / "__MACOSX").mkdir()
    data = supcon.ImageFolder(tmp_path, class_order="natural")
    assert data.class_names == ["9", "10"] and data.labels.tolist() == [0, 1, 1]
    assert [pathlib.Path(it).name for it in data.paths] == ["c.gif", "b.bmp", "a.TIF"]
    assert len(data.skipped) == 1 and "d.jpg: is neither" in data.skipped[0]
    assert [it.getMessage() for it in caplog.records if it.levelno >= logging.WARNING] == [
        f"1 of 4 files are left out; the first: {data.skipped[0]}"
    ]
    same(color.embed(data)[1:], color.embed(images)[:2])
    assert supcon.ImageFolder(tmp_path).class_names == ["10", "9"]
    flat = supcon.ImageFolder(tmp_path / "10" / "deep")
    assert flat.labels is None and len(flat) == 1
    with pytest.raises(supcon.FormatError, match="d.jpg"):
        supcon.ImageFolder(tmp_path, on_error="refuse")


def test_bytes_that_only_pillow_reads(color, images):
    for kind in ("BMP", "TIFF"):
        same(color.embed(encoded(images[0], kind)), color.embed(images[:1]))


def test_heic(color, images, tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    smooth = np.tile(np.linspace(20, 230, 28).astype(np.uint8)[:, None, None], (1, 28, 3))
    for name, shade in (("light", smooth), ("dark", smooth // 2)):
        (tmp_path / name).mkdir()
        pillow.fromarray(shade).save(tmp_path / name / "IMG_1.HEIC", quality=100)
    data = supcon.ImageFolder(tmp_path)
    assert data.class_names == ["dark", "light"] and data.labels.tolist() == [0, 1]
    same(color.embed(data), color.embed(np.stack([smooth // 2, smooth])), 0.02)
    path = tmp_path / "light" / "IMG_1.HEIC"
    same(color.embed(path), color.embed(path.read_bytes()))


@pytest.mark.parametrize("lacking", ["pillow_heif", "PIL"])
def test_the_extra_that_reads_heic_is_named(lacking, images, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.heic").write_bytes(b"\0\0\0\x1cftypheic" + bytes(99))
    (tmp_path / "c.jpg").write_bytes(encoded(images[0], "PNG"))
    program = """
import sys; folder, lacking = sys.argv[1:]; sys.modules[lacking] = None
import supcon
heic = folder + "/a/b.heic"
for given in (heic, open(heic, "rb").read()):
    try: supcon.Model(width=2, image_size=28).embed(given)
    except supcon.FormatError as error: print(error)
try: supcon.ImageFolder(folder)
except supcon.FormatError as error: print(error)
print(supcon.Dataset.from_files([heic, folder + "/c.jpg"], on_error="skip").skipped[0])
"""
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), lacking], capture_output=True, text=True
    ).stdout.splitlines()
    advice = "is a HEIC image; expected JPEG, PNG or WebP; Python also reads HEIC with: pip install"
    assert len(said) == 4, said
    for line in said:
        assert f"{advice} 'supcon[images]'" in line, line


def test_orientations_of_pillow_images(color):
    path = FIXTURES / "orientation6.png"
    same(color.embed(pillow.open(path)), color.embed(path))


def test_classes_in_order(images, tmp_path):
    for name in ("10", "9", "1", "__MACOSX"):
        (tmp_path / name).mkdir()
        files.png(tmp_path / name / "x.png", images[0])
    assert supcon.ImageFolder(tmp_path).class_names == ["1", "10", "9"]
    natural = supcon.ImageFolder(tmp_path, class_order="natural")
    assert natural.class_names == ["1", "9", "10"] and natural.labels.tolist() == [0, 1, 2]
    some = supcon.ImageFolder(tmp_path, classes=["9", "none", "1"])
    assert some.class_names == ["9", "none", "1"] and sorted(some.labels) == [0, 2]


@pytest.mark.parametrize("channels", [1, 3])
def test_resize_is_kept_and_honored(channels, tmp_path):
    options = dict(width=2, image_size=20, channels=channels, precision="f32", n_jobs=1, seed=4)
    model = supcon.Model(resize="crop", **options)
    plain = supcon.Model(**options)
    assert (model.resize, plain.resize) == ("crop", "squash") and model.info()["resize"] == "crop"
    model.save(tmp_path / "model.safetensors")
    loaded = supcon.load(tmp_path / "model.safetensors")
    assert loaded.resize == "crop" and model.copy().resize == "crop"
    with pytest.raises(ValueError, match="resize is squash"):
        supcon.load(tmp_path / "model.safetensors", resize="squash")
    # Pillow's way: the shorter side to 20 pixels, then the middle
    photo = pillow.open(FIXTURES / "cat1.jpg").convert("L" if channels == 1 else "RGB")
    width = 20 * photo.width // photo.height
    left = round((width - 20) / 2)
    small = photo.resize((width, 20), pillow.Resampling.BILINEAR).crop((left, 0, left + 20, 20))
    truth = plain.embed(small)
    for way in (FIXTURES / "cat1.jpg", photo, np.asarray(photo)[None]):
        same(loaded.embed(way), truth, 0.02)
    assert np.abs(plain.embed(photo) - truth).max() > 0.04


def test_photographs_train_at_224(tmp_path):
    random = np.random.default_rng(1)
    for at in range(8):
        folder = tmp_path / str(at % 2)
        folder.mkdir(exist_ok=True)
        files.png(folder / f"{at}.png", random.integers(0, 256, (230 + at, 260, 3), np.uint8))
    encoder = supcon.SupConEncoder(
        width=2,
        epochs=1,
        batch_size=4,
        views=1,
        validation_fraction=0.0,
        n_jobs=1,
        projection_dim=8,
    )
    with pytest.warns(supcon.SupConWarning, match="differ in size.*224x224"):
        encoder.fit(supcon.ImageFolder(tmp_path))
    assert encoder.model_.image_size == (224, 224) and encoder.model_.stem == "imagenet"


def test_wrong_scales_are_said(images, caplog, tmp_path):
    with caplog.at_level(logging.WARNING, "supcon"):
        supcon.Model(width=2, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
        assert "mean of channel 0 is 123.675" in caplog.text and "0.485" in caplog.text
        caplog.clear()
        supcon.Model(width=2, mean=0, std=1)
        supcon.Dataset.from_images(images)
        assert not caplog.text
        supcon.Dataset.from_images(images // 16)
        assert "u8 pixels reach 15 only" in caplog.text
    with pytest.raises(ValueError, match="go from 0 to 16.*images / 16"):
        supcon.Dataset.from_images(np.float32([[[[0, 16.0]]]]))
    pointer = tmp_path / "model.safetensors"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
    with pytest.raises(supcon.FormatError, match="Git LFS.*git lfs pull"):
        supcon.load(pointer)


def test_features_of_other_lengths_are_said():
    program = (
        "import logging, numpy as np, supcon; logging.basicConfig();"
        "x = np.random.default_rng(0).normal(size=(8, 4));"
        "y = [0, 0, 1, 1, 2, 2, 3, 4];"
        "supcon.supcon_loss(x, y, normalize=True);"
        "supcon.supcon_loss(x / np.linalg.norm(x, axis=1, keepdims=True), y);"
        "print(supcon.supcon_loss(x, y, return_without_positive=True)[1]);"
        "supcon.supcon_loss(x, y)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "2"
    assert ran.stderr.count("expected rows of length 1") == 1


def test_k_is_nobodys_choice():
    rows = np.eye(6, dtype=np.float32)
    assert supcon.evaluate(rows, range(6), rows, range(6), method="knn").top1 == 1
    assert supcon.ood_scores(rows).shape == (6,)
    with pytest.raises(ValueError, match="k is 7"):
        supcon.evaluate(rows, range(6), rows, range(6), method="knn", k=7)
