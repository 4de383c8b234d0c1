"""Delete checkpoints of finished runs that are no longer wanted; tables and report need none."""

import heapq
import math
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from segsweep.store.json_files import known_result
from segsweep.store.paths import RunPaths, SweepPaths

KEEPS = ("best", "last", "both", "none")
GIGABYTE = 10**9


def keep_checkpoints(paths: RunPaths, keep: str) -> int:
    """Delete the checkpoints of a finished run that *keep* does not name; return the bytes left.

    *keep* is best | last | both | none. If the checkpoint to keep is missing, because an
    earlier setting deleted it, nothing is deleted: the other one is all there is. An
    unfinished run needs its checkpoints and keeps them.
    """
    if keep not in KEEPS:
        raise ValueError(f"keep must be one of {', '.join(KEEPS)}; got {keep!r}")
    result = known_result(paths.result)
    if result is not None:
        best, last = f"best-{result.best_epoch}.pt", "last.pt"
        kept = {"best": {best}, "last": {last}, "both": {best, last}, "none": set()}[keep]
        files = checkpoint_files(paths)
        if not kept or kept & {file.name for file in files}:
            delete_files(file for file in files if file.name not in kept)
    return checkpoint_bytes(paths)


def checkpoint_bytes(paths: RunPaths) -> int:
    """Return the size of a run's checkpoints in bytes."""
    return sum(file.stat().st_size for file in checkpoint_files(paths))


class CheckpointCap:
    """Limits the total size of the checkpoints of a sweep's finished runs.

    Over the limit, the run with the lowest validation IoU loses its checkpoints first; of
    equal runs, the one that finished first. The cost of adding a run hardly depends on the
    number of runs.
    """

    def __init__(self, sweep: SweepPaths, keep_gb: float | None) -> None:
        """Count the checkpoints on disk; *keep_gb* in 10^9 bytes, None for no limit."""
        self.limit = math.inf if keep_gb is None else keep_gb * GIGABYTE
        self.total = 0
        self._heap: list[tuple[float, int, str]] = []
        self._there: dict[str, tuple[int, int, RunPaths]] = {}  # number in the heap, bytes
        self._numbers = count()
        for paths in sweep.run_folders() if keep_gb is not None else []:
            result = known_result(paths.result)
            if result is not None:
                self._note(paths, result.val_iou)
        self._shrink()

    def add(self, paths: RunPaths, val_iou: float | None) -> list[RunPaths]:
        """Count a run that has finished; return the runs whose checkpoints were deleted."""
        if self.limit == math.inf:
            return []
        self._note(paths, val_iou)
        return self._shrink()

    def _note(self, paths: RunPaths, val_iou: float | None) -> None:
        size, number, name = checkpoint_bytes(paths), next(self._numbers), paths.root.name
        self.total += size - self._there.get(name, (0, 0, paths))[1]  # 0 unless run before
        self._there[name] = (number, size, paths)
        value = -math.inf if val_iou is None or val_iou != val_iou else val_iou
        heapq.heappush(self._heap, (value, number, name))

    def _shrink(self) -> list[RunPaths]:
        gone = []
        while self.total > self.limit and self._heap:
            _, number, name = heapq.heappop(self._heap)
            latest, size, paths = self._there.get(name, (-1, 0, None))
            if paths is None or latest != number:  # an outdated entry: the run was counted again
                continue
            del self._there[name]
            self.total -= size
            if size and paths.result.exists():
                delete_files(checkpoint_files(paths))
                gone.append(paths)
        return gone


def delete_earlier_checkpoints(paths: RunPaths) -> None:
    """Delete the checkpoints of a run's earlier attempts; it has started anew."""
    earlier = SweepPaths(paths.root.parents[1]).earlier
    for number in count(1):  # listing all runs' attempts takes long where there are many
        attempt = RunPaths(earlier / f"{paths.root.name}-{number}")
        if not attempt.root.exists():
            return
        delete_files(checkpoint_files(attempt))


def checkpoint_files(paths: RunPaths) -> list[Path]:
    """Return a run's checkpoints and the temporary files of a killed writer."""
    found = paths.checkpoints.iterdir() if paths.checkpoints.is_dir() else []
    return [file for file in found if file.suffix in (".pt", ".tmp") and not file.is_dir()]


def delete_files(files: Iterable[Path]) -> None:
    """Delete *files*; one that no longer exists is no error."""
    for file in files:
        file.unlink(missing_ok=True)
