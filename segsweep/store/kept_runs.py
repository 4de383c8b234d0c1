"""What an earlier command found in a sweep: what has not changed since is not read again.

The file is in `outputs/.cache/`. It holds, for each finished run, a digest of its files and
settings as they were when it was found whole; digests of the content of its files; and one of all
content that the report was up to date with.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.system.files import file_digest, file_stamp, is_settled, text_digest
from segsweep.system.installation import code_stamp
from segsweep.system.kept import Kept

MOST = 40_000
"""Values kept of a sweep, two for each run."""
_REPORT, _PRINTED = "report", "printed"
UNSEEN = (".log", ".tmp")
"""Endings of files that neither tables nor page show."""
LOCKS = (".claim", ".tracked")
"""Lock files of a run, which come and go without a change of the run."""
LARGE = 1 << 25
"""Bytes of a file from which its stamp stands for its content."""


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
        self._sweep = sweep
        self._kept = Kept(kept_file(sweep), code_stamp(), MOST)

    def is_whole(self, paths: RunPaths, version: Version) -> bool:
        """Whether a finished run was found whole in that version."""
        return self._kept[paths.root.name] == version.digest

    def keep_whole(self, paths: RunPaths, version: Version) -> None:
        """Keep that a finished run is whole; its *version* was taken before it was read."""
        if version.settled:
            self._kept[paths.root.name] = version.digest

    def sources(self) -> str:
        """Return a digest of the content of all files that the sweep's report is made of.

        Of a run whose files have the stamps that they had when it was read last, none is read.
        """
        sweep = self._sweep
        entries = sorted(os.scandir(sweep.runs), key=lambda entry: entry.name)
        runs = [(one.name, self._content(one.path) if one.is_dir() else "") for one in entries]
        locks, report = (sweep.lock, sweep.plan_lock), report_files(sweep)
        own = [path for path in sweep.written if path not in (*locks, *report)]
        return text_digest(repr((runs, _contents([*own, *_evaluated(sweep)]))))

    def _content(self, folder: str) -> str:
        """Return a digest of the content of a run's files that tables or page may show."""
        name = f"{os.path.basename(folder)}/"  # noqa: PTH119 - of many files, as in `file_stamp`
        files = [file for file in _files(folder) if not file.endswith(UNSEEN)]
        version = _version(files, None)
        match self._kept[name]:
            case [version.digest, str(content)]:
                return content
        content = text_digest(repr(_contents(files)))
        if version.settled:
            self._kept[name] = [version.digest, content]
        return content

    def report_data(self, version: str) -> str | None:
        """Return, in words, what data the report is on, if it was up to date in that version."""
        match self._kept[_REPORT]:
            case [str(known), str(data)] if known == version:
                return data
        return None

    def keep_report(self, version: str, data: str) -> None:
        """Keep that the report is up to date, and what *data* it is on.

        The *version* is of sources and report; that of the sources was taken before any was read.
        """
        self._kept[_REPORT] = [version, data]

    def printed(self, version: str, look: str) -> str | None:
        """Return what was printed of the report in that version on a terminal of that *look*."""
        match self._kept[_PRINTED]:
            case [str(known), str(seen), str(text)] if known == version and seen == look:
                return text
        return None

    def keep_printed(self, version: str, look: str, text: str) -> None:
        """Keep what was printed of the report that is up to date in *version*."""
        self._kept[_PRINTED] = [version, look, text]

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


def report_files(sweep: SweepPaths) -> list[Path]:
    """Return the files of a report that are made of the runs alone, whether they are there."""
    tables = (sweep.results, sweep.per_image, sweep.comparison, sweep.pairs)
    return [*tables, sweep.answer, sweep.curves, sweep.page]


def report_version(sweep: SweepPaths, sources: str) -> str:
    """Return the version of a report: a digest of *sources* and of its files as they are now."""
    return text_digest(repr((sources, _contents(report_files(sweep)))))


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


def _contents(files: Sequence[Path | str]) -> list[tuple[str, str]]:
    """Return the name of each file and a digest of its content."""
    return [(os.path.basename(file), _digest(file)) for file in files]  # noqa: PTH119 - as above


def _digest(file: Path | str) -> str:
    """Return a digest of a file's content; empty if there is none that can be read."""
    stamp = file_stamp(file)
    if stamp and stamp[1] >= LARGE:
        return repr(stamp)
    try:
        return file_digest(Path(file)) if stamp else ""
    except OSError:
        return ""


def _files(folder: Path | str) -> Iterator[str]:
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
