"""Masks of images with an exported network: python infer.py OUT IMAGE [IMAGE ...]

Needs onnxruntime, numpy and Pillow. Images are resized as the network was trained: averaged over
blocks where they are more than four times too large, smoothed, then interpolated, along each axis.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model = str(Path(__file__).with_name("model.onnx"))
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
facts = json.loads(session.get_modelmeta().custom_metadata_map["segsweep"])
grey = np.array([0.2125, 0.7154, 0.0721], np.float32)


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


def mask_of(path):
    """Return the mask of an image file, (H, W) bool."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    inputs = seen(np.asarray(image, np.float32) / 255)
    (probability,) = session.run(None, {"image": inputs})
    found = Image.fromarray(probability[0, 0])
    if facts["size"] is None:
        found = found.crop((0, 0, *image.size))
    return np.asarray(found.resize(image.size, Image.Resampling.BILINEAR)) > facts["threshold"]


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:]:
        Image.fromarray(mask_of(name)).convert("L").save(out / f"{Path(name).stem}.png")
