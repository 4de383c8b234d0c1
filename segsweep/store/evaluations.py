"""What networks of a sweep scored on other data sets: `evaluations/<name>/`. No torch.

For each run a folder of the run's name with `per_image.csv` and `split.csv`, as in the run's own
folder, and `result.json`: which version of the run it was. `data.json` says what the data are.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segsweep.errors import ConfigError, StoredFileError
from segsweep.store.json_files import read_object
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.run_cache import RunCache
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
        """Whether a run was evaluated, as it is now."""
        there = self.run(run.root.name).per_image.exists() and run.result.exists()
        return there and self._noted(run).get("result") == file_digest(run.result)

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


def evaluations_of(sweep: SweepPaths) -> list[Evaluation]:
    """Return the evaluations of a sweep by name; StoredFileError if one is damaged."""
    folders = sorted(sweep.evaluations.iterdir()) if sweep.evaluations.is_dir() else []
    found = [evaluation_at(sweep, folder.name) for folder in folders if folder.is_dir()]
    return [one for one in found if one is not None]


def check_name(name: str) -> None:
    """Raise ConfigError unless *name* is a plain folder name."""
    if not NAME.fullmatch(name):
        raise ConfigError(f"--name {name}: a folder name of letters, digits and _ . + = -")


def start_evaluation(sweep: SweepPaths, new: Evaluation) -> Evaluation:
    """Write what the data are; ConfigError for a name that other data have."""
    known = evaluation_at(sweep, new.name)
    if known is not None and (known.fingerprint, known.target) != (new.fingerprint, new.target):
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
