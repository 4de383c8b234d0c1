"""Small seeded data sets in real layouts and file formats, with their pixels to compare."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

PH2_NAMES = ("IMD002", "IMD003", "IMD010", "IMD197", "IMD199", "IMD200")
Truth = dict[str, tuple[NDArray[np.uint8], NDArray[np.bool_]]]


def blob(seed: int, height: int = 24, width: int = 32) -> tuple[NDArray, NDArray]:
    """Return a noisy image (H, W, 3) uint8 and the mask (H, W) of a dark ellipse in it."""
    random = np.random.default_rng(seed)
    rows, columns = np.ogrid[:height, :width]
    row, column = random.uniform(0.4, 0.6, 2) * (height, width)
    mask = ((rows - row) / (0.3 * height)) ** 2 + ((columns - column) / (0.3 * width)) ** 2 < 1
    image = np.where(mask, 90, 200)[..., None] + random.integers(-30, 30, (height, width, 3))
    return image.astype(np.uint8), mask


def write_bordered(
    folder: Path, count: int = 12, height: int = 40, width: int = 56
) -> dict[str, NDArray[np.uint8]]:
    """Write *count* images with masks as in Pascal VOC: 1 in an object, 255 on its border, else 0.

    Returns id -> mask. *folder* gets the folders `images` and `masks`.
    """
    truth = {}
    for seed in range(count):
        image, mask = blob(seed, height, width)
        inner = mask & np.roll(mask, 3, 0) & np.roll(mask, -3, 0)
        labels = np.where(inner, 1, np.where(mask, 255, 0)).astype(np.uint8)
        labels[: 1 + seed % 4] = 255  # a strip that nobody labelled
        truth[f"c{seed:02d}"] = labels
        for kind, picture in (("images", image), ("masks", labels)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / kind / f"c{seed:02d}.png")
    return truth


def write_ph2(root: Path, seed: int = 0) -> Truth:
    """Write six cases in the layout of PH2, with the stray files of real copies.

    *root* becomes the folder that holds `PH2 Dataset images`.
    """
    images = root / "PH2 Dataset images"
    truth = {}
    for index, name in enumerate(PH2_NAMES):
        image, mask = blob(seed + index, 24 + index)
        truth[name] = image, mask
        for folder in ("Dermoscopic_Image", "lesion", "roi"):
            (images / name / f"{name}_{folder}").mkdir(parents=True)
        suffix = "BMP" if name == "IMD010" else "bmp"
        Image.fromarray(image).save(images / name / f"{name}_Dermoscopic_Image/{name}.{suffix}")
        drawn = Image.fromarray(mask)
        if name == "IMD002":
            drawn = drawn.convert("RGB")
        drawn.save(images / name / f"{name}_lesion/{name}_lesion.{suffix}")
        Image.fromarray(~mask).save(images / name / f"{name}_roi/{name}_R1_Label3.bmp")
    _write_stray_files(root, images)
    return truth


def _write_stray_files(root: Path, images: Path) -> None:
    (root / "PH2_dataset.txt").write_text("IMD002\tCommon Nevus\n")
    (images / "convert.sh").write_text("for f in */*_lesion/*.bmp; do convert $f $f.jpg; done\n")
    (images / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (images / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (images / "scripts").mkdir()
    for name in ("IMD002", "IMD197"):
        lesion = images / name / f"{name}_lesion"
        copy = Image.open(next(lesion.glob("*.bmp"))).convert("L")
        copy.save(lesion / f"{name}_lesion.jpg", quality=20)
        (lesion / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
        (lesion / f"._{name}_lesion.bmp").write_bytes(b"\0\5\26\7")


def write_png16(path: Path, pixels: NDArray[np.uint16]) -> None:
    """Write (H, W, 2 to 4) as a 16-bit PNG byte by byte, with row filters 0, 1 and 2."""
    height, width, channels = pixels.shape
    rows = pixels.astype(">u2").view(np.uint8).reshape(height, -1).astype(int)
    step = 2 * channels
    filtered = b""
    for index, row in enumerate(rows):
        kind = index % 3
        left = np.concatenate([np.zeros(step, int), row[:-step]])
        before = (np.zeros_like(row), left, rows[index - 1])[kind]
        filtered += bytes([kind]) + ((row - before) % 256).astype(np.uint8).tobytes()
    colour_type = {2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    path.write_bytes(png(header, zlib.compress(filtered)))


def png(header: bytes, data: bytes) -> bytes:
    """Return a PNG file with this header and compressed data."""
    chunks = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b"")):
        check = struct.pack(">I", zlib.crc32(kind + body))
        chunks += struct.pack(">I", len(body)) + kind + body + check
    return chunks


def write_bmp16(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write (H, W, 3) as a 16-bit BMP: five bits per channel, rows from the bottom up."""
    height, width = pixels.shape[:2]
    red, green, blue = (pixels[..., i].astype("<u2") >> 3 for i in range(3))
    packed = np.zeros((height, width + width % 2), "<u2")
    packed[:, :width] = red << 10 | green << 5 | blue
    data = packed[::-1].tobytes()
    file_header = struct.pack("<2sIHHI", b"BM", 54 + len(data), 0, 0, 54)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 16, 0, len(data), 0, 0, 0, 0)
    path.write_bytes(file_header + header + data)


def write_lzw16(path: Path, pixels: NDArray[np.uint16], predictor: bool) -> None:
    """Write (H, W, 3) as a 16-bit LZW TIFF, around the strip of a grey one written by Pillow."""
    height, width = pixels.shape[:2]
    stored = pixels.copy()
    if predictor:
        stored[:, 1:] -= pixels[:, :-1]  # wraps around, as the format requires
    grey = BytesIO()
    flat = Image.fromarray(stored.reshape(height, width * 3))
    flat.save(grey, "TIFF", compression="tiff_lzw", tiffinfo={278: height})
    page = tifffile.TiffFile(BytesIO(grey.getvalue())).pages[0]
    (offset,), (size,) = page.dataoffsets, page.databytecounts
    after = 8 + 2 + 10 * 12 + 4  # header, number of tags, tags, no next page
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 3, after),  # bits per sample: three numbers, stored after the tags
        (259, 3, 1, 5),  # LZW
        (262, 3, 1, 2),  # RGB
        (273, 4, 1, after + 6),
        (277, 3, 1, 3),
        (278, 4, 1, height),
        (279, 4, 1, size),
        (317, 3, 1, 2 if predictor else 1),
    ]
    tags = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + tags + bytes(4)
    strip = grey.getvalue()[offset : offset + size]
    path.write_bytes(head + struct.pack("<3H", 16, 16, 16) + strip)
