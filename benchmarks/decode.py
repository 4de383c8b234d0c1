"""Time the decoding of a data set on one core and on all, in one run, with images made here.

    python benchmarks/decode.py                       # about five minutes, 1 GB of disk
    python benchmarks/decode.py --large 8 --small 80 --rounds 1        # a quick look
    python benchmarks/decode.py --output docs/results/decode.md        # also into a file

Two data sets: large photographs (JPEG, 5 to 12 megapixels) and small ones (PNG, 256 x 256), each
with PNG masks. A new process decodes a data set into an empty cache, first held to one core, then
on all that this process may use; both must write the same bytes. They take turns; shown are the
shortest wall and CPU seconds of the rounds, and the largest memory of a process. `estimate` is
the time left that the progress line had after two seconds, divided by the time that it took; the
worst of the rounds.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import where
from PIL import Image

SIZES = {"large": [(3000, 4000), (2448, 3264), (4000, 3000), (1944, 2592)], "small": [(256, 256)]}
"""Heights and widths; the large ones are divided by --shrink."""
ENDINGS = {"large": ".jpg", "small": ".png"}
ESTIMATE_SECONDS = 2.0


def main() -> None:
    """Parse arguments; be a worker, or make images and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", type=int, default=98, help="large images")
    parser.add_argument("--small", type=int, default=1000, help="small images")
    parser.add_argument("--shrink", type=int, default=1, help="divides the large images' sides")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=256, help="pixels, of the decoded images")
    parser.add_argument("--output", type=Path, help="a file for the table as well")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.worker, arguments.size)
        return
    if sys.platform != "linux":
        sys.exit("this benchmark needs Linux: it holds processes to one core")
    text = compare(arguments)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


def compare(arguments: argparse.Namespace) -> str:
    """Decode both data sets in all ways; return the table."""
    cores = sorted(os.sched_getaffinity(0))
    ways = {"1 core": {cores[0]}, f"{len(cores)} cores": set(cores)}
    head = "| images | on | wall s | CPU s | ratio of wall | memory MB | estimate |"
    lines = [*where.lines(), f"load average before: {os.getloadavg()[0]:.1f}", "", head]
    lines.append("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="decode-") as folder:
        for kind, count in (("large", arguments.large), ("small", arguments.small)):
            make(Path(folder) / kind, kind, count, arguments.shrink if kind == "large" else 1)
            taken = [
                {way: measured(Path(folder) / kind, on, arguments.size) for way, on in ways.items()}
                for _ in range(arguments.rounds)
            ]
            assert len({one["digest"] for row in taken for one in row.values()}) == 1
            lines += [_line(f"{count} {kind}", way, taken) for way in ways]
    return "\n".join(lines)


def _line(what: str, way: str, taken: list[dict[str, dict]]) -> str:
    """Return a row of the table; the ratio is to the first way, of the shortest times."""
    ways = list(taken[0])
    wall = {name: min(row[name]["wall"] for row in taken) for name in ways}
    cpu = min(row[way]["cpu"] for row in taken)
    memory = max(row[way]["memory"] for row in taken)
    found = [row[way]["estimate"] for row in taken if row[way]["estimate"]]
    estimate = f"{max(found, key=lambda one: max(one, 1 / one)):.2f}" if found else "-"
    ratio = wall[way] / wall[ways[0]]
    return (
        f"| {what} | {way} | {wall[way]:.1f} | {cpu:.1f} | {ratio:.2f} | {memory:.0f} "
        f"| {estimate} |"
    )


def make(root: Path, kind: str, count: int, shrink: int) -> None:
    """Write pairs: smooth skin with a darker blob, and noise; a few scenes, shifted."""
    random = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    sizes = [(height // shrink, width // shrink) for height, width in SIZES[kind]]
    scenes = [scene(random, *size) for size in sizes]
    for number in range(count):
        image, mask = (np.roll(one, 7 * number, 1) for one in scenes[number % len(scenes)])
        name = f"{number:05}"
        Image.fromarray(image).save(root / "images" / f"{name}{ENDINGS[kind]}", quality=92)
        Image.fromarray(mask).save(root / "masks" / f"{name}.png")


def scene(random: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image, uint8, and its mask, 0 or 255."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width)
    mask = np.hypot(y - 0.4, x - 0.45) < 0.2 + 0.02 * np.sin(9 * np.arctan2(y - 0.4, x - 0.45))
    light = np.stack([170 + 60 * np.sin(5 * x + part * y) for part in (1, 2, 3)], 2)
    noise = random.normal(0, 6, (height, width, 1)).astype(np.float32)
    image = light * np.where(mask, 0.6, 1.0)[..., None] + noise
    return np.clip(image, 0, 255).astype(np.uint8), mask.astype(np.uint8) * 255


def measured(root: Path, cores: set[int], size: int) -> dict:
    """Decode in a new process that may use *cores*."""
    command = [sys.executable, __file__, "--worker", str(root), "--size", str(size)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return dict(json.loads(done.stdout))


def work(root: Path, size: int) -> None:
    """Decode the data set into a cache of its own and print what it took."""
    from segsweep.data.cache import prepare
    from segsweep.data.folder import Folder

    steps: list[tuple[float, float]] = []
    source = Folder(root / "images", root / "masks")
    with tempfile.TemporaryDirectory(dir=root) as folder:
        started, cpu = time.perf_counter(), time.process_time()
        data = prepare(
            source,
            (size, size),
            3,
            Path(folder),
            lambda done, total, share: steps.append((time.perf_counter(), share)),
        )
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        files = sorted(path for path in data.folder.iterdir() if path.name != "index.json")
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        digest = hashlib.sha256()
        for path in files:
            digest.update(path.read_bytes())
    found = {"wall": wall, "cpu": cpu, "memory": memory, "digest": digest.hexdigest()}
    print(json.dumps({**found, "estimate": _estimate(steps)}))


def _estimate(steps: list[tuple[float, float]]) -> float | None:
    """Return the estimate after two seconds divided by the truth; None if it was done by then."""
    begun, end = steps[0][0], steps[-1][0]
    for moment, share in steps[1:-1]:
        if moment - begun >= ESTIMATE_SECONDS:
            return (moment - begun) / share * (1 - share) / max(end - moment, 0.01)
    return None


if __name__ == "__main__":
    main()
