"""What an earlier command found in a sweep: what has not changed since is not read again.

The file is in `outputs/.cache/`. It holds, for each finished run, a digest of its files and
settings as they were when it was found whole; and one of all files when the report was up to date.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.system.files import file_stamp, is_settled, text_digest
from segsweep.system.installation import code_stamp
from segsweep.system.kept import Kept

MOST = 20_000
"""Runs kept of a sweep."""
_REPORT, _PRINTED = "report", "printed"
UNSEEN = (".log", ".tmp")
"""Endings of files that neither tables nor page show."""
LOCKS = (".claim", ".tracked")
"""Lock files of a run, which come and go without a change of the run."""


@dataclass(frozen=True)
class Version:
    """The version of some files and settings."""

    digest: str
    settled: bool
    """Whether any later change of a file will change the digest."""


class KeptRuns:
    """What is known of the runs and the report of a sweep: read once, written by `save`."""

    def __init__(self, sweep: SweepPaths) -> None:
        """Read what earlier commands of the same version of segsweep have kept."""
        self._kept = Kept(kept_file(sweep), code_stamp(), MOST)

    def is_whole(self, paths: RunPaths, version: Version) -> bool:
        """Whether a finished run was found whole in that version."""
        return self._kept[paths.root.name] == version.digest

    def keep_whole(self, paths: RunPaths, version: Version) -> None:
        """Keep that a finished run is whole; its *version* was taken before it was read."""
        if version.settled:
            self._kept[paths.root.name] = version.digest

    def report_data(self, version: Version) -> str | None:
        """Return, in words, what data the report is on, if it was up to date in that version."""
        match self._kept[_REPORT]:
            case [version.digest, str(data)]:
                return data
        return None

    def keep_report(self, version: Version, data: str) -> None:
        """Keep that the report is up to date, and what *data* it is on.

        The *version* was taken before anything was read.
        """
        if version.settled:
            self._kept[_REPORT] = [version.digest, data]

    def printed(self, version: Version, look: str) -> str | None:
        """Return what was printed of the report in that version on a terminal of that *look*."""
        match self._kept[_PRINTED]:
            case [version.digest, str(seen), str(text)] if seen == look:
                return text
        return None

    def keep_printed(self, version: Version, look: str, text: str) -> None:
        """Keep what was printed of the report that is up to date in *version*."""
        if version.settled:
            self._kept[_PRINTED] = [version.digest, look, text]

    def save(self) -> None:
        """Write what is new."""
        self._kept.save()


def kept_file(sweep: SweepPaths) -> Path:
    """Return the file with what is known of a sweep."""
    root = sweep.root.resolve()
    return root.parent / ".cache" / f"runs-{text_digest(str(root))[:12]}.jsonl"


def run_version(paths: RunPaths, asked: object) -> Version:
    """Return the version of a run's files and of what it is *asked*, which are plain values."""
    return _version([*_files(paths.root), *_files(paths.checkpoints)], asked)


def report_version(sweep: SweepPaths) -> Version:
    """Return the version of the files of a sweep: of its runs, and of its report."""
    entries = sorted(os.scandir(sweep.runs), key=lambda entry: entry.name)
    runs = [file for entry in entries if entry.is_dir() for file in _files(Path(entry.path))]
    locks = (sweep.lock, sweep.plan_lock)
    own = [str(path) for path in sweep.written if path not in locks and path.exists()]
    others = [str(path) for path in _evaluated(sweep)]
    return _version([*runs, *own, *others], [entry.name for entry in entries])


def sizes_digest(sweep: SweepPaths) -> str:
    """Return a digest of the names and sizes of the runs' files that tables or page may show.

    Unlike their times, these are the same in a copy of the sweep.
    """
    runs = sorted(path for path in sweep.runs.iterdir() if path.is_dir())
    sizes = [
        (run.name, file.rpartition("/")[2], os.stat(file).st_size)  # noqa: PTH116 - as above
        for run in runs
        for file in _files(run)
        if not file.endswith(UNSEEN)
    ]
    others = [
        (str(path.relative_to(sweep.root)), path.stat().st_size) for path in _evaluated(sweep)
    ]
    return text_digest(repr((sizes, others)))


def _evaluated(sweep: SweepPaths) -> list[Path]:
    """Return the files about other data sets, ensembles and their readings, sorted."""
    found = [path for path in sweep.evaluations.rglob("*") if path.suffix in (".csv", ".json")]
    of_ensembles = (sweep.ensembles, sweep.test_reads)
    return sorted([*found, *(path for path in of_ensembles if path.exists())])


def _files(folder: Path) -> Iterator[str]:
    """Yield the paths of the files in *folder*, sorted, but for the locks of a run."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    except OSError:
        return
    yield from (f"{folder}/{name}" for name in names if name not in LOCKS)


def _version(files: Sequence[str], asked: object) -> Version:
    stamps = [file_stamp(file) for file in files]
    newest = max((stamp for stamp in stamps if stamp), key=lambda stamp: max(stamp[2:]), default=())
    return Version(text_digest(repr((files, stamps, asked))), is_settled(newest))
