"""Masks of images with an exported network: python infer.py OUT IMAGE [IMAGE ...]"""

import json
import sys
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from PIL import Image, ImageOps

session = InferenceSession(Path(__file__).parent / "model.onnx", providers=["CPUExecutionProvider"])
facts = json.loads(session.get_modelmeta().custom_metadata_map["segsweep"])
out, *paths = map(Path, sys.argv[1:] if len(sys.argv) > 2 else sys.exit(__doc__))
out.mkdir(parents=True, exist_ok=True)
for path in paths:
    im = Image.open(path.open("rb"))  # of its path alone, Pillow would not turn every TIFF
    grey16 = (im.format, im.mode) == ("PNG", "I;16")  # colours of 16 bits are opened as 8 bits
    if (im.mode[0] in "IF" or ";16" in str(im.tile)) != grey16 or getattr(im, "n_frames", 1) > 1:
        sys.exit(f"{path}: values of more than 8 bits, or pages; use `segsweep predict`")
    upright = ImageOps.exif_transpose(im).convert("I;16" if grey16 else "RGB")
    values = np.dstack([upright] * 3)[..., :3].transpose(2, 0, 1)[None]  # grey has one channel
    shares = np.interp(values, facts["range"] or (0, 65535 if grey16 else 255), (0, 1))
    mask = session.run(None, {"image": shares.astype(np.float32)})[0] > facts["threshold"]
    Image.fromarray(mask[0, 0]).convert("L").save((out / f"{path.stem}.png").open("xb"), "PNG")
