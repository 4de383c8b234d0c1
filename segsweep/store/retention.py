"""Which checkpoints of finished runs stay on the disk: tables and report never need one."""

import heapq
import math
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.system.files import read_json

KEEPS = ("best", "last", "both", "none")
GIGABYTE = 10**9


def keep_checkpoints(paths: RunPaths, keep: str) -> int:
    """Delete the checkpoints of a finished run that *keep* leaves out; return the bytes left.

    *keep* is best | last | both | none. If the one to keep is not there, as when it was
    deleted under another setting, nothing is: the other is all there is. A run that is not
    finished needs its checkpoints and is left alone.
    """
    if keep not in KEEPS:
        raise ValueError(f"keep must be one of {', '.join(KEEPS)}; got {keep!r}")
    result = read_json(paths.result)
    if result is not None:
        best, last = f"best-{result.get('best_epoch')}.pt", "last.pt"
        kept = {"best": {best}, "last": {last}, "both": {best, last}, "none": set()}[keep]
        files = checkpoint_files(paths)
        if not kept or kept & {file.name for file in files}:
            delete_files(file for file in files if file.name not in kept)
    return checkpoint_bytes(paths)


def checkpoint_bytes(paths: RunPaths) -> int:
    """Return what a run's checkpoints take, in bytes."""
    return sum(file.stat().st_size for file in checkpoint_files(paths))


class CheckpointCap:
    """Bounds what the checkpoints of a sweep's finished runs take.

    Over the bound those of the run with the lowest validation IoU go first; between equals,
    the older ones. Adding a run costs as much with a thousand runs as with ten.
    """

    def __init__(self, sweep: SweepPaths, keep_gb: float | None) -> None:
        """Start from what is on the disk; *keep_gb* in gigabytes of 10^9 bytes, None: any."""
        self.limit = math.inf if keep_gb is None else keep_gb * GIGABYTE
        self.total = 0
        self._heap: list[tuple[float, int, str]] = []
        self._there: dict[str, tuple[int, int, RunPaths]] = {}  # number in the heap, bytes
        self._numbers = count()
        for paths in sweep.run_folders() if keep_gb is not None else []:
            result = read_json(paths.result)
            if result is not None:
                self._note(paths, result.get("val_iou"))
        self._shrink()

    def add(self, paths: RunPaths, val_iou: float | None) -> list[RunPaths]:
        """Count a run that finished; return the runs that lost their checkpoints to make room."""
        if self.limit == math.inf:
            return []
        self._note(paths, val_iou)
        return self._shrink()

    def _note(self, paths: RunPaths, val_iou: float | None) -> None:
        size, number, name = checkpoint_bytes(paths), next(self._numbers), paths.root.name
        self.total += size - self._there.get(name, (0, 0, paths))[1]  # it may be done again
        self._there[name] = (number, size, paths)
        value = -math.inf if val_iou is None or val_iou != val_iou else val_iou
        heapq.heappush(self._heap, (value, number, name))

    def _shrink(self) -> list[RunPaths]:
        gone = []
        while self.total > self.limit and self._heap:
            _, number, name = heapq.heappop(self._heap)
            latest, size, paths = self._there.get(name, (-1, 0, None))
            if paths is None or latest != number:  # counted anew since
                continue
            del self._there[name]
            self.total -= size
            if size and paths.result.exists():
                delete_files(checkpoint_files(paths))
                gone.append(paths)
        return gone


def checkpoint_files(paths: RunPaths) -> list[Path]:
    """Return a run's checkpoints, and what a killed writer left of one."""
    found = paths.checkpoints.iterdir() if paths.checkpoints.is_dir() else []
    return [file for file in found if file.suffix in (".pt", ".tmp") and not file.is_dir()]


def delete_files(files: Iterable[Path]) -> None:
    """Delete *files*, those already gone included."""
    for file in files:
        file.unlink(missing_ok=True)
