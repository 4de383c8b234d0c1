"""Masks of images with an exported network: python infer.py OUT IMAGE [IMAGE ...]

Needs onnxruntime, numpy and Pillow. Images are resized as the network was trained: averaged over
blocks where they are more than four times too large, smoothed, then interpolated, along each axis.
An image that cannot be read costs its mask, and exit code 1.
"""

import json
import sys
import warnings
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps, UnidentifiedImageError

BITS, PHOTOMETRIC, DESCRIPTION, KIND = 258, 262, 270, 254  # tags of a TIFF
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP")
model = str(Path(__file__).with_name("model.onnx"))
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
facts = json.loads(session.get_modelmeta().custom_metadata_map["segsweep"])
grey = np.array([0.2125, 0.7154, 0.0721], np.float32)
Image.MAX_IMAGE_PIXELS = 400_000_000
warnings.simplefilter("error", Image.DecompressionBombWarning)


def resizing(old, new):
    """Return the matrix (new, old) that resizes an axis."""
    places, blocks = np.arange(old), np.eye(old)
    if facts["resize"] == "area" and old > 4 * new:
        ends = np.arange(2 * new + 1)[:, None] * old / (2 * new)
        blocks = np.clip(np.minimum(ends[1:], places + 1) - np.maximum(ends[:-1], places), 0, None)
        blocks, old = blocks * 2 * new / old, 2 * new
    width, places = max(old / new - 1, 1e-9) / 2, np.arange(old)
    reach = int(4 * width + 0.5)
    around = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    apart = places[:, None] - places + reach
    smooth = np.where((apart >= 0) & (apart <= 2 * reach), around[np.clip(apart, 0, 2 * reach)], 0)
    centres = (np.arange(new)[:, None] + 0.5) * old / new - 0.5
    between = np.clip(1 - abs(centres - places), 0, None)
    return (between @ (smooth / around.sum()) @ blocks).astype(np.float32)


def seen(image):
    """Return what the network sees of an image (H, W, 3) in [0, 1], as (1, C, height, width)."""
    values = image.transpose(2, 0, 1) if facts["channels"] == 3 else (image @ grey)[None]
    height, width = values.shape[1:]
    if facts["size"] is None:  # trained on tiles: it sees images at their own size
        missing = (0, -height % facts["divisor"]), (0, -width % facts["divisor"])
        return np.pad(values, ((0, 0), *missing), "symmetric")[None]
    down, across = resizing(height, facts["size"][0]), resizing(width, facts["size"][1])
    return np.clip(down @ values @ across.T, values.min(), values.max())[None]


def choose_page(image):
    """Go to the page that the network was trained on; thumbnails of a TIFF are no pages."""
    tags = getattr(image, "tag_v2", {})
    if "images=" in str(tags.get(DESCRIPTION, "")) and "images=1\n" not in tags[DESCRIPTION]:
        raise ValueError("a stack of images; save each as a file of its own")
    pages = [0]
    if image.format != "JPEG":
        for at in range(1, getattr(image, "n_frames", 1)):
            image.seek(at)
            if not getattr(image, "tag_v2", {}).get(KIND, 0) & 5:
                pages.append(at)
    page = facts["page"] if len(pages) > 1 else 1
    if page is None or page > len(pages):
        wanted = "; save each as a file of its own" if page is None else f", no page {page}"
        raise ValueError(f"has {len(pages)} pages{wanted}")
    image.seek(pages[page - 1])


def pixels(path):
    """Return an image file as float32 (H, W, 3) in [0, 1]; ValueError for what has no meaning."""
    data = BytesIO(path.read_bytes())  # Pillow turns a TIFF wrongly that it maps into memory
    with Image.open(data, formats=FORMATS) as image:
        choose_page(image)
        tags, deep = getattr(image, "tag_v2", {}), image.mode[0] in "IF"
        unpacked = image.tile[0][3] if image.tile else ""
        unpacked = str(unpacked[0] if isinstance(unpacked, tuple) else unpacked)
        if not deep and (max(tags.get(BITS, (8,))) > 8 or unpacked[-4:-1] == ";16"):
            raise ValueError("16-bit colour, of which Pillow reads 8 bits; use `segsweep predict`")
        inverted = image.mode == "I;16" and tags.get(PHOTOMETRIC) == 0
        image = ImageOps.exif_transpose(image)
        values = np.asarray(image if deep else image.convert("RGB")).astype(np.float32)
    top = 255 if not deep else 1 if image.mode == "F" else 65535
    values = top - values if inverted else values
    if facts["range"]:
        low, high = facts["range"]
        values = np.clip((values - low) / (high - low), 0, 1)
    elif not (values.min() >= 0 and values.max() <= top):  # NaN fails too
        raise ValueError(f"values from {values.min():g} to {values.max():g}, not 0 to {top}")
    else:
        values /= top
    return values if values.ndim == 3 else np.stack([values] * 3, axis=2)


def mask_of(path):
    """Return the mask of an image file, (H, W) bool."""
    image = pixels(path)
    (probability,) = session.run(None, {"image": seen(image)})
    found, size = Image.fromarray(probability[0, 0]), image.shape[1::-1]
    if facts["size"] is None:
        found = found.crop((0, 0, *size))
    return np.asarray(found.resize(size, Image.Resampling.BILINEAR)) > facts["threshold"]


def masks_of(paths):
    """Return image -> name of its mask: with its ending, then a number, where others share it."""
    shared, found = Counter(path.stem.lower() for path in paths), {}
    for path in paths:
        stem = path.stem if shared[path.stem.lower()] == 1 else path.name
        taken, name, number = {other.lower() for other in found.values()}, stem, 1
        while name.lower() in taken:
            number += 1
            name = f"{stem}-{number}"
        found[path] = name
    return found


def main():
    """Write the masks of the images that the command line names; return the exit code."""
    out, *paths = map(Path, sys.argv[1:] or [""])
    if not paths:
        print("usage: python infer.py OUT IMAGE [IMAGE ...]", file=sys.stderr)
        return 2
    if any(out.resolve() == path.resolve().parent for path in paths):
        print(f"{out}: holds the images themselves; name another folder", file=sys.stderr)
        return 2
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for path, name in masks_of(dict.fromkeys(paths)).items():
        try:
            Image.fromarray(mask_of(path)).convert("L").save(out / f"{name}.png")
        except Exception as error:  # decoders raise nearly anything on damaged bytes
            reason = getattr(error, "strerror", None) or error
            if isinstance(error, UnidentifiedImageError):
                reason = f"not an image: none of {', '.join(FORMATS)}, or damaged"
            print(f"{path}: {' '.join(str(reason).split())}", file=sys.stderr)
            failed = 1
        else:
            if name != path.stem:
                print(f"{path}: {out / name}.png")
    return failed


if __name__ == "__main__":
    sys.exit(main())
