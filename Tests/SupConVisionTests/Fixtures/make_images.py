"""Makes the image files beside this script, and expected.json: their pixels as Pillow and numpy see
them.

    python make_images.py        (Pillow, numpy, scikit-image, libturbojpeg.so.0 for the YCCK file)

PNG must decode to exactly these; JPEG within a few levels, as decoders may differ in how they round
and interpolate chroma.
"""

import base64
import ctypes
import gzip
import json
import pathlib
import struct
import zlib

import numpy as np
import skimage.data
from PIL import Image, ImageOps, PngImagePlugin

here = pathlib.Path(__file__).parent
random = np.random.default_rng(20200423)
expected = {}
HEIGHT, WIDTH = 13, 17


def smooth(height, width):
    """Colors without hard edges, which JPEG keeps well, and without any symmetry."""
    y, x = np.mgrid[0:height, 0:width] / [[[height]], [[width]]]
    return (
        np.stack([40 + 180 * x, 220 - 150 * y, 60 + 120 * x * y + 40 * y * y], -1)
        .round()
        .astype(np.uint8)
    )


def note(name, image, gray=None, **more):
    """image: uint8 [h, w, 3]; gray: [h, w], else Pillow's L of it."""
    rgb = np.asarray(image, np.uint8)
    gray = np.asarray(Image.fromarray(rgb).convert("L")) if gray is None else gray
    text = lambda a: base64.b64encode(np.ascontiguousarray(a, np.uint8).tobytes()).decode()
    expected[name] = dict(
        height=rgb.shape[0], width=rgb.shape[1], rgb=text(rgb), gray=text(gray), **more
    )


def by_pillow(name, **more):
    with Image.open(here / name) as image:
        image.load()
        image = ImageOps.exif_transpose(image)
        gray = np.asarray(image) if image.mode == "L" else None
        note(name, np.asarray(image.convert("RGB")), gray, **more)


# JPEG
color = Image.fromarray(smooth(HEIGHT, WIDTH))
for name, options in {
    "rgb444": dict(subsampling=0),
    "rgb420": dict(subsampling=2),
    "progressive": dict(progressive=True),
}.items():
    color.save(here / f"{name}.jpg", quality=95, **options)
    by_pillow(f"{name}.jpg")
color.convert("L").save(here / "gray.jpg", quality=95)
by_pillow("gray.jpg")
color.convert("CMYK").point(lambda v: v // 2 + 30).save(here / "cmyk.jpg", quality=98)
by_pillow("cmyk.jpg")
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    exif[0x0112] = orientation
    color.save(here / f"orientation{orientation}.jpg", quality=95, subsampling=0, exif=exif)
    by_pillow(f"orientation{orientation}.jpg")

turbo = ctypes.CDLL("libturbojpeg.so.0")
turbo.tjInitCompress.restype = ctypes.c_void_p
ink = np.ascontiguousarray(255 - np.asarray(color.convert("CMYK").point(lambda v: v // 2 + 30)))
out, size = ctypes.POINTER(ctypes.c_ubyte)(), ctypes.c_ulong(0)
CMYK = 11  # TJPF_CMYK; it is stored as YCCK
status = turbo.tjCompress2(
    ctypes.c_void_p(turbo.tjInitCompress()),
    ink.ctypes.data_as(ctypes.c_void_p),
    WIDTH,
    0,
    HEIGHT,
    CMYK,
    ctypes.byref(out),
    ctypes.byref(size),
    0,
    98,
    0,
)
assert status == 0
(here / "ycck.jpg").write_bytes(ctypes.string_at(out, size.value))
by_pillow("ycck.jpg")

large = Image.fromarray(smooth(61, 83))
large.save(here / "large.jpg", quality=90)
by_pillow("large.jpg")
for scale in (2, 4):  # Pillow's draft mode: the same DCT scaling
    with Image.open(here / "large.jpg") as image:
        image.draft("RGB", (83 // scale, 61 // scale))
        assert image.size == (-(-83 // scale), -(-61 // scale)), image.size
        note(f"large.jpg/{scale}", np.asarray(image))


# PNG, some of kinds that Pillow does not write
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(name, samples, color_type, depth, interlaced=False, before=b""):
    """samples: [h, w, channels]"""
    height, width, _ = samples.shape

    def rows(part):
        if part.size == 0:
            return b""
        if depth == 16:
            flat = part.astype(">u2").reshape(part.shape[0], -1).view(np.uint8)
        elif depth == 8:
            flat = part.astype(np.uint8).reshape(part.shape[0], -1)
        else:
            bits = (part.reshape(part.shape[0], -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
            flat = np.packbits(bits.reshape(part.shape[0], -1), axis=1)
        return b"".join(b"\0" + row.tobytes() for row in flat)

    passes = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    data = (
        b"".join(rows(samples[y::dy, x::dx]) for y, x, dy, dx in passes)
        if interlaced
        else rows(samples)
    )
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, int(interlaced))
    (here / name).write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + before
        + chunk(b"IDAT", zlib.compress(data, 9))
        + chunk(b"IEND", b"")
    )


noise = lambda channels, top=256: random.integers(0, top, (HEIGHT, WIDTH, channels))
gamma = chunk(b"gAMA", struct.pack(">I", 100000))
for name, channels, color_type, depth, more in [
    ("gray8", 1, 0, 8, {}),
    ("gray4", 1, 0, 4, {}),
    ("gray2", 1, 0, 2, {}),
    ("gray1", 1, 0, 1, {}),
    ("rgb8", 3, 2, 8, {}),
    ("grayalpha8", 2, 4, 8, {}),
    ("rgba8", 4, 6, 8, {}),
    ("rgb8_interlaced", 3, 2, 8, dict(interlaced=True)),
    ("rgba8_interlaced", 4, 6, 8, dict(interlaced=True)),
    ("rgb8_gamma", 3, 2, 8, dict(before=gamma)),
    ("rgb8_key", 3, 2, 8, dict(before=chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3)))),
    (
        "palette8",
        1,
        3,
        8,
        dict(before=chunk(b"PLTE", random.integers(0, 256, 768, np.uint8).tobytes())),
    ),
    (
        "palette4",
        1,
        3,
        4,
        dict(
            before=chunk(b"PLTE", random.integers(0, 256, 48, np.uint8).tobytes())
            + chunk(b"tRNS", bytes(range(16)))
        ),
    ),
]:
    png(f"{name}.png", noise(channels, 2**depth), color_type, depth, **more)
    with Image.open(here / f"{name}.png") as image:
        rgb = image.convert("L").convert("RGB") if color_type in (0, 4) else image.convert("RGB")
        note(
            f"{name}.png",
            np.asarray(rgb),
            np.asarray(rgb)[..., 0] if color_type in (0, 4) else None,
        )
for name, channels, color_type, more in [
    ("gray16", 1, 0, {}),
    ("rgb16", 3, 2, {}),
    ("rgba16", 4, 6, {}),
    ("gray16_gamma", 1, 0, dict(before=gamma)),
]:
    values = noise(channels, 65536)
    png(f"{name}.png", values, color_type, 16, **more)
    eight = np.floor(values / 257 + 0.5).astype(np.uint8)[..., : 3 if channels >= 3 else 1]
    note(
        f"{name}.png",
        np.repeat(eight, 3 // eight.shape[2], 2),
        eight[..., 0] if channels == 1 else None,
    )
exif = Image.Exif()
exif[0x0112] = 6
Image.fromarray(noise(3).astype(np.uint8)).save(here / "orientation6.png", exif=exif)
by_pillow("orientation6.png")


# A photograph (scikit-image's cat, CC0, by Stefan van der Walt) of odd size, upright and turned,
# and its views as Pillow makes them of all pixels, before rounding to bytes.
def view(image, height, width):
    planes = [
        Image.fromarray(plane).resize((width, height), Image.BILINEAR)
        for plane in np.moveaxis(np.asarray(image, np.float32), -1, 0)
    ]
    return np.stack([np.asarray(it) for it in planes], -1).round().astype(np.uint8)


cat = Image.fromarray(skimage.data.chelsea())
for orientation in (1, 3, 6):
    exif = Image.Exif()
    exif[0x0112] = orientation
    cat.save(here / f"cat{orientation}.jpg", quality=90, exif=exif)
    shown = ImageOps.exif_transpose(Image.open(here / f"cat{orientation}.jpg"))
    for height, width in ((24, 24), (60, 88), (120, 100)):
        made = Image.fromarray(view(shown, height, width))
        made.save(here / f"cat{orientation}_{height}x{width}.png", optimize=True)

# The photograph as torchvision's Resize and CenterCrop bring it to a size: resized, then cut.
upright = Image.open(here / "cat1.jpg").convert("RGB")
for height, width, resized in ((60, 60, (60, 90)), (40, 100, (66, 100))):
    top, left = round((resized[0] - height) / 2), round((resized[1] - width) / 2)
    made = view(upright, *resized)[top : top + height, left : left + width]
    Image.fromarray(made).save(here / f"cat1_crop{height}x{width}.png", optimize=True)

# WebP
color.save(here / "lossy.webp", quality=90)
color.save(here / "lossless.webp", lossless=True)
alpha = color.copy()
alpha.putalpha(
    Image.fromarray(np.random.default_rng(9).integers(0, 256, (HEIGHT, WIDTH), np.uint8))
)
alpha.save(here / "alpha.webp", lossless=True, exact=True)
alpha.save(here / "lossy_alpha.webp", quality=90, exact=True)
exif = Image.Exif()
exif[0x0112] = 6
color.save(here / "orientation6.webp", lossless=True, exif=exif)
turned = exif


# Orientations that XMP and ImageMagick's raw profiles speak of
def xmp(orientation, element=False):
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description '
        + ("><tiff:Orientation>%d</tiff:Orientation>" if element else 'tiff:Orientation="%d">')
        % orientation
        + "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def profile(data):
    digits = data.hex()
    lines = [digits[at : at + 72] for at in range(0, len(digits), 72)]
    return f"\nexif\n{len(data):8d}\n" + "\n".join(lines) + "\n"


color.save(here / "xmp5.jpg", quality=95, subsampling=0, xmp=xmp(5).encode())
color.save(here / "xmp8.webp", lossless=True, xmp=xmp(8).encode())
exif = Image.Exif()
exif[0x0112] = 3  # Exif's word counts where both speak
color.save(here / "exif3_xmp5.jpg", quality=95, exif=exif, xmp=xmp(5).encode())
for name, text in {
    "xmp7": ("XML:com.adobe.xmp", xmp(7, element=True)),
    "profile6": ("Raw profile type exif", profile(turned.tobytes())),
}.items():
    for zipped in (False, True):
        info = PngImagePlugin.PngInfo()
        if name == "xmp7":
            info.add_itxt(*text, zip=zipped)
        else:
            info.add_text(*text, zip=zipped)
        file = f"{name}{'_zipped' if zipped else ''}.png"
        color.save(here / file, pnginfo=info)
        by_pillow(file)
for name in [
    "lossy.webp",
    "lossless.webp",
    "alpha.webp",
    "lossy_alpha.webp",
    "orientation6.webp",
    "xmp5.jpg",
    "xmp8.webp",
    "exif3_xmp5.jpg",
]:
    by_pillow(name)

# As small as deflate can be for its size; its pixels are all 0.
Image.new("L", (3000, 3000)).save(here / "black.png", compress_level=9)

# IDX
pixels = random.integers(0, 256, (5, 4, 3), np.uint8)
labels = np.array([3, 0, 2, 2, 1], np.uint8)
images = struct.pack(">BBBBIII", 0, 0, 8, 3, *pixels.shape) + pixels.tobytes()
numbers = struct.pack(">BBBBI", 0, 0, 8, 1, 5) + labels.tobytes()
(here / "images.idx").write_bytes(images)
(here / "labels.idx").write_bytes(numbers)
(here / "images.idx.gz").write_bytes(gzip.compress(images, mtime=0))
(here / "labels.idx.gz").write_bytes(
    gzip.compress(numbers[:7], mtime=0) + gzip.compress(numbers[7:], mtime=0)
)  # two members
colors = random.integers(0, 256, (2, 3, 4, 3), np.uint8)
(here / "colors.idx.gz").write_bytes(
    gzip.compress(struct.pack(">BBBBIIII", 0, 0, 8, 4, *colors.shape) + colors.tobytes(), mtime=0)
)
expected["idx"] = dict(
    pixels=pixels.ravel().tolist(), labels=labels.tolist(), colors=colors.ravel().tolist()
)

(here / "expected.json").write_text(json.dumps(expected, indent=0) + "\n")
