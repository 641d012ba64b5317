"""Image files made without anybody else's encoder: PNG by zlib, IDX and CIFAR by hand."""

import struct
import zlib

import numpy as np


def png(path, image, rows=None):
    """Writes uint8 [h, w] or [h, w, 3]. rows: the file has the data of so many alone, which only
    decoding tells.
    """
    image = np.ascontiguousarray(image)
    height, width = image.shape[:2]

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2 if image.ndim == 3 else 0, 0, 0, 0)
    lines = b"".join(b"\0" + row.tobytes() for row in image[:rows])
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def folder(root, images, labels, names=("lying", "upright")):
    """A folder per class of PNG files; returns their paths in the order of `images`."""
    paths = []
    for at, (image, label) in enumerate(zip(images, labels)):
        place = root / names[label]
        place.mkdir(parents=True, exist_ok=True)
        paths.append(place / f"{at:04}.png")
        png(paths[-1], image)
    return paths


def idx(path, array):
    """Writes uint8 as IDX."""
    path.write_bytes(
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.astype(np.uint8).tobytes()
    )
