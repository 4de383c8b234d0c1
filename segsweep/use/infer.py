"""Masks of images with an exported network: python infer.py OUT IMAGE [IMAGE ...]

Needs onnxruntime, numpy and Pillow. An image that cannot be read costs its mask, and exit code 1.
"""

import json
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model = str(Path(__file__).with_name("model.onnx"))
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
facts = json.loads(session.get_modelmeta().custom_metadata_map["segsweep"])


def shares(path):
    """Return an image, 8 bits or a grey PNG with 16, as (3, H, W) float32 in [0, 1]."""
    with Image.open(BytesIO(path.read_bytes())) as image:
        deep = image.mode == "I;16" and image.format == "PNG"
        if (image.mode[0] in "IF" and not deep) or getattr(image, "n_frames", 1) > 1:
            raise ValueError("values of more than 8 bits, or pages; use `segsweep predict`")
        image = ImageOps.exif_transpose(image)
        values = np.asarray(image if deep else image.convert("RGB"), np.float32)
    low, high = facts["range"] or (0, 65535 if deep else 255)
    values = np.clip((values - low) / (high - low), 0, 1)
    return np.stack([values] * 3) if deep else values.transpose(2, 0, 1)


if len(sys.argv) < 3:
    sys.exit("usage: python infer.py OUT IMAGE [IMAGE ...]")
out, failed = Path(sys.argv[1]), False
out.mkdir(parents=True, exist_ok=True)
for path in map(Path, sys.argv[2:]):
    mask = out / f"{path.stem}.png"
    try:
        if mask.exists():
            raise ValueError(f"{mask} exists")
        (probability,) = session.run(None, {"image": shares(path)[None]})
        Image.fromarray(probability[0, 0] > facts["threshold"]).convert("L").save(mask)
    except Exception as error:  # decoders raise nearly anything on damaged bytes
        print(f"{path}: {' '.join(str(error).split())}", file=sys.stderr)
        failed = True
sys.exit(failed)
