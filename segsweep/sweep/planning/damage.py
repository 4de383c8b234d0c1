"""Damaged files of finished runs: which can be made again from the rest, and from what.

The config is written again from the plan, the split from the data, the counts of images from the
sweep's table, the environment from config and result. Where nothing else has what was lost, the
run is trained again.
"""

import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from segsweep.config.identity import same_settings
from segsweep.config.run_config import FrozenConfig
from segsweep.data.split import split_samples, split_text
from segsweep.errors import StoredFileError
from segsweep.metrics import BOUNDARY, of_rows
from segsweep.store.extras import damaged_extras
from segsweep.store.image_checks import OWN_SIZES, check_images
from segsweep.store.json_files import Result, known_result, read_environment
from segsweep.store.kept_runs import KeptRuns, run_version
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import (
    LOST_READS,
    PER_IMAGE,
    READS,
    config_text,
    image_columns,
    image_header,
    read_reads,
)
from segsweep.store.run_cache import RunCache, StoredRun
from segsweep.store.run_rows import (
    checked_images,
    count_test_images,
    epoch_rows,
    image_rows,
    images_of,
)
from segsweep.sweep.planning.plan import PlannedRun
from segsweep.sweep.planning.restored import environment_text
from segsweep.sweep.planning.user_code import uses_own_classes
from segsweep.system.files import csv_text, has_text, read_plain, write_text
from segsweep.training.dataset import prepared_data

MISSING = "missing"


@dataclass(frozen=True)
class Damage:
    """The damaged files of one finished run."""

    paths: RunPaths
    errors: tuple[StoredFileError, ...]
    texts: dict[Path, str]
    """What to write in place of the files that can be made again."""
    extras: tuple[StoredFileError, ...] = ()
    """Damaged files that no table needs: they are told."""
    redrawn: bool = False
    """Whether the outlines, among these, are made again from weights and test images."""

    @property
    def final(self) -> bool:
        """Whether something is lost that only training the run again brings back."""
        return len(self.texts) < len(self.errors)

    def repair(self, config: FrozenConfig, cache: RunCache) -> None:
        """Write the files again, *config* in place of a damaged one."""
        for path, text in self.texts.items():
            write_text(path, config_text(config.values) if path == self.paths.config else text)
        if self.redrawn and not self.final:
            from segsweep.use.outlines import remake_outlines  # needs torch

            if why := remake_outlines(self.paths):
                print(f"{self.paths.outlines}: not made again: {why}", file=sys.stderr)
        cache.forget(self.paths)

    def lines(self) -> list[str]:
        """Return a line per file: what is wrong with it, and what is done."""
        done = "the run is trained again" if self.final else "written again"
        name = self.paths.root.name
        extra = f"no table needs it; `segsweep show {name}` has the command that makes it again"
        drawn = "made again from the weights; the test images are read for it, which is logged"
        return [
            *(f"{error}; {done}" for error in self.errors),
            *(
                f"{error}; {drawn if self.redrawn and self._is_outlines(error) else extra}"
                for error in self.extras
                if not self.final
            ),
        ]

    def _is_outlines(self, error: StoredFileError) -> bool:
        return error.path == self.paths.outlines


@dataclass(frozen=True)
class Examiner:
    """Looks for damaged files of a command's finished runs."""

    sweep: SweepPaths
    cache: RunCache
    """Keeps what was read, for the tables."""
    kept: KeptRuns
    """Runs that an earlier command found whole are not read again."""
    _splits: dict[tuple[str, str], str] = field(default_factory=dict)

    def damage_of(self, run: PlannedRun) -> Damage | None:
        """Return the damage of a finished run; None if all its files are whole."""
        version = run_version(run.paths, run.config.values)
        if self.kept.is_whole(run.paths, version):
            return None
        result = known_result(run.paths.result) or Result()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # each damage is said by the caller
            found = list(self._found(run, result))
        extras = tuple(damaged_extras(run.paths))
        if not found and not extras:
            self.kept.keep_whole(run.paths, version)
            return None
        texts = {error.path: text for error, text in found if text is not None}
        redrawn = _can_redraw(run, result, extras)
        return Damage(run.paths, tuple(error for error, _ in found), texts, extras, redrawn)

    def _found(
        self, run: PlannedRun, result: Result
    ) -> Iterator[tuple[StoredFileError, str | None]]:
        """Yield each damage, and the text of the file if it can be made again."""
        paths, stored, text = run.paths, None, self._split_text(run)
        split = paths.split if has_text(paths.split, text) else None
        try:
            stored = self._checked_config(run)
        except StoredFileError as error:
            yield error, config_text(run.config.values)
        try:
            _check_environment(paths.environment, stored)
        except StoredFileError as error:
            yield error, environment_text(run.config if stored is None else stored.config, result)
        try:
            rows = _whole_images(run, result, split)
            if stored is not None:
                stored.images = rows
        except StoredFileError as error:
            yield error, self._images_text(run, result, split)
        try:
            rows = _whole_history(paths.history, result)
            if stored is not None:
                stored.epochs = rows
        except StoredFileError as error:
            yield error, None
        if (wrong := _wrong_reads(run)) is not None:
            row = {"time": result.finished, "reason": LOST_READS, "images": result.n_test}
            yield wrong, csv_text([row], READS)
        if split is None:
            yield StoredFileError(paths.split, "not the split of this run"), text

    def _checked_config(self, run: PlannedRun) -> StoredRun:
        """Return the stored run; StoredFileError if its config is damaged or of another run."""
        stored = self.cache.run(run.paths)
        if not same_settings(stored.config, run.config):
            raise StoredFileError(run.paths.config, "its values do not fit the run's id")
        return stored

    def _split_text(self, run: PlannedRun) -> str:
        config = run.config
        key = (config.data_fingerprint, str(config.data))
        if key not in self._splits:
            samples = prepared_data(config).samples
            self._splits[key] = split_text(samples, split_samples(samples, config.data.split))
        return self._splits[key]

    @cached_property
    def _sweep_images(self) -> list[str]:
        """The lines of the sweep's per_image.csv; none if it has other columns or is damaged.

        The first one is the header.
        """
        try:
            lines = read_plain(self.sweep.per_image).decode().splitlines(keepends=True)
        except (OSError, ValueError):
            return []
        headers = [",".join(columns) + "\n" for columns in (PER_IMAGE, image_columns())]
        return lines if lines and lines[0] in headers else []

    def _images_text(self, run: PlannedRun, result: Result, split: Path | None) -> str | None:
        """Return the run's per_image.csv from the sweep's, if it fits the run's result."""
        start, lines = f"{run.config.run_id},", self._sweep_images
        if not lines:
            return None
        text = lines[0] + "".join(line for line in lines if line.startswith(start))
        try:
            rows = checked_images(text, self.sweep.per_image, run.config.run_id)
            _check_complete(rows, run, result, self.sweep.per_image, split)
        except StoredFileError:
            return None
        if not _fits(rows, result, run.config.evaluate.empty):
            return None
        return f"{','.join(image_header(rows))}\n{rows}"


def _can_redraw(run: PlannedRun, result: Result, damaged: Sequence[StoredFileError]) -> bool:
    """Whether outlines are damaged and the weights are whole; no class of the user is run here."""
    paths = [error.path for error in damaged]
    weights = run.paths.checkpoints / f"best-{result.best_epoch}.pt"
    whole = weights.exists() and weights not in paths
    return run.paths.outlines in paths and whole and not uses_own_classes(run.config)


def _needed(path: Path) -> None:
    if not path.exists():
        raise StoredFileError(path, MISSING)


def _check_environment(path: Path, stored: StoredRun | None) -> None:
    """Raise StoredFileError if the environment is missing or damaged; *stored* has read it."""
    _needed(path)
    if stored is None:
        read_environment(path)
    elif path in stored.damages:
        raise stored.damages[path]


def _whole_images(run: PlannedRun, result: Result, split: Path | None) -> str:
    path = run.paths.per_image
    _needed(path)
    rows = image_rows(path, run.config.run_id)
    _check_complete(rows, run, result, path, split)
    return rows


def _check_complete(
    rows: str, run: PlannedRun, result: Result, path: Path, split: Path | None
) -> None:
    """Raise StoredFileError unless *rows* have every image at every size, and possible counts."""
    stored = BOUNDARY if run.config.evaluate.boundary and _is_tested(run) else ()
    data = run.config.data
    most = math.prod(data.height_width) if data.ignores else None
    most = most if data.tile is None else OWN_SIZES
    check_images(rows, path, split, result.n_test, stored, most)
    wanted = result.n_test or 0
    native = rows.count(",test,native,") if run.config.evaluate.at == "both" else wanted
    there = min(count_test_images(rows), native)
    if there < wanted or ",val,train," not in rows:
        raise StoredFileError(path, f"has {there} of {wanted} test images")


def _whole_history(path: Path, result: Result) -> str:
    _needed(path)
    rows, wanted = epoch_rows(path), result.epochs or 0
    if rows.count("\n") < wanted:
        raise StoredFileError(path, f"has {rows.count(chr(10))} of {wanted} epochs")
    return rows


def _wrong_reads(run: PlannedRun) -> StoredFileError | None:
    """Return what is wrong with the record of test-set reads, where there must be one."""
    if not _is_tested(run):
        return None
    try:
        _needed(run.paths.test_reads)
        read_reads(run.paths.test_reads)
    except StoredFileError as error:
        return error
    return None


def _is_tested(run: PlannedRun) -> bool:
    """Whether the run reads test images: no trial does, and no run without a test part."""
    return run.config.kind == "run" and not run.config.validation_only


def _fits(rows: str, result: Result, empty: str) -> bool:
    """Whether the mean IoU of the test images in *rows* is that of the result."""
    images = images_of(rows)
    part = images[(images["split"] == "test") & (images["at"] == "train")]
    stored = result.values.get("test_iou")
    if stored is None:
        return True
    mean = float(of_rows("iou", part, "skip" if empty == "skip" else "one").mean())
    return math.isclose(mean, float(stored), abs_tol=1e-9)


def damages_of(runs: Sequence[PlannedRun], cache: RunCache) -> dict[str, Damage]:
    """Return the damage of each finished run that has some, by the run's name."""
    if not runs:
        return {}
    sweep = SweepPaths(runs[0].paths.root.parents[1])
    examiner = Examiner(sweep, cache, KeptRuns(sweep))
    found = {run.name: examiner.damage_of(run) for run in runs}
    examiner.kept.save()
    return {name: damage for name, damage in found.items() if damage is not None}
