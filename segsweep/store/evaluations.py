"""What networks of a sweep scored on other data sets: `evaluations/<name>/`. No torch.

For each run a folder of the run's name with `per_image.csv` and `split.csv`, as in the run's own
folder, and `result.json`: which version of the run it was. `data.json` says what the data are.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segsweep.errors import ConfigError, StoredFileError
from segsweep.store.image_checks import OWN_SIZES, check_images
from segsweep.store.json_files import read_object
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import read_split
from segsweep.store.run_cache import RunCache
from segsweep.store.run_rows import image_rows
from segsweep.system.files import file_digest, read_json, write_json

NAME = re.compile(r"[A-Za-z0-9][\w.+=-]*", re.ASCII)
DATA, RUN = "data.json", "result.json"


@dataclass(frozen=True)
class Evaluation:
    """The networks of a sweep on one other data set."""

    root: Path
    title: str
    """The data set in words."""
    words: tuple[str, ...]
    """The overrides that name it."""
    fingerprint: str
    target: str

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.root.name

    def run(self, name: str) -> RunPaths:
        """Return the paths of the files about a run."""
        return RunPaths(self.root / "runs" / name)

    def has(self, run: RunPaths) -> bool:
        """Whether a run was evaluated, as it is now, and what was stored then is whole."""
        try:
            return self.rows(run) is not None
        except StoredFileError:
            return False

    def rows(self, run: RunPaths) -> str | None:
        """Return the rows of its per_image.csv; None unless the run was evaluated as it is now.

        Raises StoredFileError if one of the three files is damaged.
        """
        own = self.run(run.root.name)
        noted = read_object(own.root / RUN)
        if noted is None or not run.result.exists():
            return None
        if not isinstance(noted.get("result"), str):
            raise StoredFileError(own.root / RUN, "damaged, not a text", "result")
        if noted["result"] != file_digest(run.result):
            return None
        for path in (own.split, own.per_image):
            if not path.exists():
                raise StoredFileError(path, "missing")
        if any(row["split"] != "test" for row in read_split(own.split)):
            raise StoredFileError(own.split, "damaged, has another part than test")
        found = image_rows(own.per_image, run.root.name.rpartition("-")[2])
        check_images(found, own.per_image, own.split, None, (), OWN_SIZES)
        if not found:
            raise StoredFileError(own.per_image, "damaged, it has no row")
        return found

    def forget(self) -> None:
        """Let every run count as not evaluated."""
        for path in self.root.glob(f"runs/*/{RUN}"):
            path.unlink()

    def is_checked(self, run: RunPaths) -> bool:
        """Whether the images that a run was trained on could be compared with these."""
        return self._noted(run).get("checked") is True

    def note(self, run: RunPaths, left_out: Sequence[str], checked: bool) -> None:
        """Write, last, which version of the run was evaluated and which images were left out."""
        values: Mapping[str, object] = {
            "result": file_digest(run.result),
            "left_out": list(left_out),
            "checked": checked,
        }
        write_json(self.run(run.root.name).root / RUN, values)

    def _noted(self, run: RunPaths) -> Mapping[str, object]:
        """Return what `note` wrote; nothing if that is missing or damaged."""
        return read_json(self.run(run.root.name).root / RUN) or {}


class OtherCounts(RunCache):
    """Gives the counts of runs on another data set in place of their own."""

    def __init__(self, rows: Mapping[Path, str]) -> None:
        """*rows* are those of each per_image.csv, by the folder that it is in."""
        super().__init__()
        self._rows = rows

    def images(self, folder: Path) -> str:
        """Return the rows about the images of the other data set."""
        return self._rows[folder]

    def damages(self, folder: Path) -> dict[Path, StoredFileError]:
        """Return nothing: what is damaged was left out."""
        return {}


def evaluation_at(sweep: SweepPaths, name: str) -> Evaluation | None:
    """Return the evaluation of that name; None if there is none, StoredFileError if damaged."""
    path = sweep.evaluations / name / DATA
    values = read_object(path)
    if values is None:
        return None
    texts = [values.get(key) for key in ("title", "fingerprint", "target")]
    words = values.get("words")
    if not all(isinstance(text, str) for text in texts) or not isinstance(words, list):
        raise StoredFileError(path, "damaged, values are missing")
    title, fingerprint, target = map(str, texts)
    return Evaluation(path.parent, title, tuple(map(str, words)), fingerprint, target)


def evaluations_of(sweep: SweepPaths, note: Callable[[StoredFileError], None]) -> list[Evaluation]:
    """Return the evaluations of a sweep by name; those without a readable data.json are noted."""
    there = sorted(sweep.evaluations.iterdir()) if sweep.evaluations.is_dir() else []
    found = []
    for folder in (path for path in there if path.is_dir()):
        try:
            one = evaluation_at(sweep, folder.name)
        except StoredFileError as damage:
            note(damage)
            continue
        if one is not None:
            found.append(one)
        elif (folder / "runs").is_dir():
            note(StoredFileError(folder / DATA, "missing"))
    return found


def check_name(name: str) -> None:
    """Raise ConfigError unless *name* is a plain folder name."""
    if not NAME.fullmatch(name):
        raise ConfigError(f"--name {name}: a folder name of letters, digits and _ . + = -")


def start_evaluation(sweep: SweepPaths, new: Evaluation) -> Evaluation:
    """Write what the data are; ConfigError for a name that other data have.

    Where a data.json is damaged or lost, nobody knows what the stored counts are of: they count
    no longer.
    """
    try:
        known = evaluation_at(sweep, new.name)
    except StoredFileError as damage:
        known = None
        print(f"{damage}; all runs are evaluated again", file=sys.stderr)
    if known is None:
        new.forget()
    elif (known.fingerprint, known.target) != (new.fingerprint, new.target):
        raise ConfigError(
            f"--name {new.name}: is already the name of other data ({known.title}); give another "
            "one"
        )
    values: Mapping[str, object] = {
        "title": new.title,
        "words": list(new.words),
        "fingerprint": new.fingerprint,
        "target": new.target,
    }
    new.root.mkdir(parents=True, exist_ok=True)
    write_json(new.root / DATA, values)
    return new
