"""Notes on what was left out or is missing, one sentence each."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from segsweep.stats.notes import (
    EMPTY,
    FULL,
    CellsWithoutRuns,
    ConstantMasks,
    FailedRuns,
    GroupedImages,
    IncompleteFolds,
    MissingCombinations,
    Note,
    OtherImages,
    PartlyScoredImages,
    RepeatedRuns,
    RunsWithoutCounts,
    RunsWithoutMetric,
    SeveralVersions,
    SupersededRuns,
    UnequalSeeds,
    UnfinishedRuns,
    UngroupedImages,
)
from segsweep.stats.wording.phrases import cell_text
from segsweep.system.names import is_or_are, name_list, plural

ADVICE = {
    EMPTY: "train longer or raise the learning rate",
    FULL: "train longer or change the learning rate",
}


def note_texts(notes: Iterable[Note], part: str = "test") -> tuple[str, ...]:
    """Return a sentence for each note; the images are those of *part*: test or validation."""
    return tuple(note_text(note, part) for note in notes)


def warning_texts(warnings: Iterable[ConstantMasks], part: str = "test") -> tuple[str, ...]:
    """Return a sentence for empty masks, and one for full masks, on the images of *part*."""
    return tuple(_constant_masks(warning, part) for warning in warnings)


def warnings_of(warnings: Iterable[ConstantMasks], cells: Collection[str]) -> tuple[str, ...]:
    """Return the sentences about some *cells* only."""
    chosen = [
        replace(one, cells=tuple(row for row in one.cells if row[0] in cells)) for one in warnings
    ]
    return warning_texts(one for one in chosen if one.cells)


def _constant_masks(note: ConstantMasks, part: str) -> str:
    """Return `unet/bce predicts empty masks on all 15 test images in 1 of 3 seeds; ...`."""
    shares = {(some, seeds) for _, some, seeds in note.cells}
    (some, seeds), *others = sorted(shares)
    alike = not others
    names = [
        cell_text(cell) + ("" if alike or n == of else f" ({_seeds(n, of)})")
        for cell, n, of in note.cells
    ]
    verb = "predicts" if len(names) == 1 else "predict"
    where = f"on all {note.images} {part} images" if note.images > 1 else f"on the {part} image"
    share = f" in {_seeds(some, seeds)}" if alike and some < seeds else ""
    return f"{name_list(names)} {verb} {note.kind} masks {where}{share}; {ADVICE[note.kind]}."


def _seeds(some: int, seeds: int) -> str:
    return f"{some} of {plural(seeds, 'seed')}"


def note_text(note: Note, part: str = "test") -> str:
    """Return *note* as a sentence; the images are those of *part*."""
    match note:
        case SeveralVersions():
            return _versions(note)
        case FailedRuns(count):
            fewer = "its cell has fewer seeds" if count == 1 else "their cells have fewer seeds"
            return f"{plural(count, 'run')} failed: {fewer}."
        case SupersededRuns(count):
            runs = plural(count, "superseded run")
            return f"{runs} left out: the search has chosen other values since."
        case RepeatedRuns(count):
            runs = plural(count, "earlier run")
            return f"{runs} of a repeated seed left out: the run that finished last counts."
        case IncompleteFolds(folds, units):
            seeds = f"{plural(len(units), 'seed')} without all {folds} folds left out"
            return f"{seeds}: {_units(units)}."
        case RunsWithoutCounts(count):
            return f"{plural(count, 'finished run')} without per-image counts left out."
        case RunsWithoutMetric(count, metric):
            runs = f"{plural(count, 'finished run')} without {metric} left out"
            return f"{runs}: it was not measured in {'it' if count == 1 else 'them'}."
        case OtherImages(units):
            seeds = f"{plural(len(units), 'seed')} scored on other images left out"
            return f"{seeds}: {_units(units)}."
        case PartlyScoredImages(count):
            return f"{plural(count, 'image')} left out: not scored by every run."
        case UnequalSeeds(least, most, cells):
            return f"Cells have {least} to {most} seeds; fewest: {_cells(cells)}."
        case CellsWithoutRuns(cells):
            return f"No finished run: {_cells(cells)}."
        case MissingCombinations(cells, total):
            of = f"{len(cells)} of {total} combinations of model and loss"
            return f"{of} {is_or_are(len(cells))} not in this sweep: {name_list(cells)}."
        case UnfinishedRuns(count):
            return f"{plural(count, 'run')} not finished yet."
        case GroupedImages(images, groups):
            both = f"{plural(images, f'{part} image')} in {plural(groups, 'group')}"
            return f"{both}: groups are the independent units."
        case UngroupedImages(images, file):
            own = "it is its own group" if images == 1 else "each is its own group"
            return f"{plural(images, f'{part} image')} not in {file}: {own}."


def _versions(note: SeveralVersions) -> str:
    made_by = f"segsweep {' and '.join(note.versions)}".rstrip()
    if len(note.commits) > 1:
        made_by = f"different commits of {made_by} ({name_list(note.commits)})"
    return f"Runs were made by {made_by}."


def _units(units: Iterable[tuple[str, str]]) -> str:
    return name_list([cell_text(cell, seed) for cell, seed in units])


def _cells(cells: Iterable[str]) -> str:
    return name_list([cell_text(cell) for cell in cells])
