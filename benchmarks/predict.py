"""Throughput of `segsweep predict` beside a plain torch loop, and its memory as images grow.

    python benchmarks/predict.py --csv docs/results/predict.csv

One sweep is trained on embedded images, then photographs of 600 x 450 pixels are predicted. The
plain loop reads with Pillow, resizes with torchvision, predicts one image at a time and writes the
mask; both have the same network and threads. They run in turn, and the ratio is that of medians.
"""

import argparse
import csv
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from measuring import ROOT, timed
from PIL import Image

from segsweep.system import processor
from segsweep.training.environment import git_commit

HEIGHT, WIDTH = 450, 600
TRAIN = (
    *("-m", "segsweep.train", "trainer.epochs=1", "data.count=24", "data.size=128", "model=unet2"),
    *("sweep=used", "trainer.precision=float32", "device=cpu"),
)
LOOP = """
import sys, torch, numpy as np
from pathlib import Path
from PIL import Image
from torchvision.transforms.v2.functional import resize
import segsweep
images, out, threads = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
out.mkdir(parents=True)
model = segsweep.open(sys.argv[4]).best().load_model(preprocess=False)
with torch.inference_mode():
    for path in sorted(images.iterdir()):
        image = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None] / 255
        small = resize(image, [128, 128], antialias=True)
        found = resize(model(small).sigmoid(), list(image.shape[-2:]), antialias=True)
        mask = (found[0, 0] > 0.5).numpy().astype(np.uint8) * 255
        Image.fromarray(mask).save(out / (path.stem + ".png"))
"""
PEAK = """
import resource, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_module("segsweep", run_name="__main__")
except SystemExit:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def main() -> None:
    """Measure, print, and write a CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100, help="images of the comparison")
    parser.add_argument("--many", type=int, default=5000, help="images of the memory test")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--csv", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timed((*TRAIN, f"outputs={folder}/outputs"))
        photos = photographs(folder / "photos", asked.images)
        many = photographs(folder / "many", asked.many)
        rows = [*throughput(folder, photos, asked), *memory(folder, photos, many, asked)]
    stamp = {"processor": processor.name(), "commit": git_commit() or ""}
    rows = [{**row, **stamp} for row in rows]
    for row in rows:
        print({key: value for key, value in row.items() if value != ""})
    if asked.csv:
        with asked.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def photographs(folder: Path, count: int) -> Path:
    """Write *count* JPEGs: copies of ten different ones."""
    folder.mkdir()
    draws, size = np.random.default_rng(0), (HEIGHT, WIDTH, 3)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for number in range(min(count, 10)):
        inside = (rows - 225) ** 2 + (columns - 300) ** 2 < (60 + 12 * number) ** 2
        image = np.where(inside[..., None], 90, 200) + draws.integers(-20, 20, size)
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{number:05d}.jpg")
    for number in range(10, count):
        shutil.copy(folder / f"{number % 10:05d}.jpg", folder / f"{number:05d}.jpg")
    return folder


def words_of(folder: Path, photos: Path, out: Path, threads: int) -> tuple[str, ...]:
    """Return the words of a prediction."""
    words = ("predict", f"{folder}/outputs/used", "--images", str(photos), "--out", str(out))
    return (*words, "--device", "cpu", "--threads", str(threads))


def throughput(folder: Path, photos: Path, asked: argparse.Namespace) -> list[dict[str, object]]:
    """Return a row for segsweep and one for the plain loop; start-up is measured with one image."""
    one = folder / "one"
    one.mkdir()
    shutil.copy(next(photos.iterdir()), one)
    taken: dict[tuple[str, Path], list[float]] = {}
    for number in range(asked.rounds):
        for images in (one, photos):
            out = folder / f"out-{images.name}-{number}"
            ours = ("-m", "segsweep", *words_of(folder, images, out, asked.threads))
            loop = (str(images), f"{out}-loop", str(asked.threads), f"{folder}/outputs/used")
            taken.setdefault(("segsweep predict", images), []).append(timed(ours).wall)
            taken.setdefault(("plain loop", images), []).append(timed(("-c", LOOP, *loop)).wall)
    seconds = {key: statistics.median(values) for key, values in taken.items()}
    per_image = {
        what: (seconds[what, photos] - seconds[what, one]) / (asked.images - 1)
        for what in ("segsweep predict", "plain loop")
    }
    return [
        {
            "what": what,
            "images": asked.images,
            "start_up": round(seconds[what, one], 2),
            "images_per_second": round(1 / value, 2),
            "ratio": round(value / per_image["plain loop"], 3),
            "peak_mb": "",
        }
        for what, value in per_image.items()
    ]


def memory(
    folder: Path, few: Path, many: Path, asked: argparse.Namespace
) -> list[dict[str, object]]:
    """Return a row for few and one for many images with the most memory of the process."""
    rows = []
    for images in (few, many):
        out = folder / f"peak-{images.name}"
        words = ("-c", PEAK, "segsweep", *words_of(folder, images, out, asked.threads))
        peak = int(timed(words).output.split()[-1])
        count = sum(1 for _ in images.iterdir())
        rows.append(
            {
                **{"what": "peak memory", "images": count, "start_up": ""},
                **{"images_per_second": "", "ratio": "", "peak_mb": peak},
            }
        )
    return rows


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
