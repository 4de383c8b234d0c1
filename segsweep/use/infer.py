"""Masks of images with an exported network: python infer.py OUT IMAGE [IMAGE ...]"""

import json
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model = Path(__file__).with_name("model.onnx")
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
facts = json.loads(session.get_modelmeta().custom_metadata_map["segsweep"])
out, *paths = map(Path, sys.argv[1:] if len(sys.argv) > 2 else sys.exit(__doc__))
out.mkdir(parents=True, exist_ok=True)
failed = False
for path in paths:
    try:
        image = Image.open(BytesIO(path.read_bytes()))  # Pillow does not turn a TIFF that it maps
        deep = (image.format, image.mode) == ("PNG", "I;16")
        other = image.mode[0] in "IF" or ";16" in str(image.tile)  # RGB is opened as 8 bits
        if (other and not deep) or getattr(image, "n_frames", 1) > 1:
            raise ValueError("values of more than 8 bits, or pages; use `segsweep predict`")
        upright = ImageOps.exif_transpose(image)
        values = np.asarray(upright if deep else upright.convert("RGB"), np.float32)
        low, high = facts["range"] or (0, 65535 if deep else 255)
        shares = np.clip((values - low) / (high - low), 0, 1)
        pixels = np.stack([shares] * 3) if deep else shares.transpose(2, 0, 1)
        (probability,) = session.run(None, {"image": pixels[None]})
        with (out / f"{path.stem}.png").open("xb") as mask:
            Image.fromarray(probability[0, 0] > facts["threshold"]).convert("L").save(mask, "PNG")
    except Exception as error:  # decoders raise nearly anything on damaged bytes
        failed = True
        print(f"{path}: {' '.join(str(error).split())}", file=sys.stderr)
sys.exit(failed)
