"""Notes on what was left out or is missing, one sentence each."""

from collections.abc import Iterable

from segsweep.stats.notes import (
    CellsWithoutRuns,
    FailedRuns,
    GroupedImages,
    IncompleteFolds,
    MissingCombinations,
    Note,
    OtherImages,
    PartlyScoredImages,
    RepeatedRuns,
    RunsWithoutCounts,
    SeveralVersions,
    UnequalSeeds,
    UnfinishedRuns,
    UngroupedImages,
)
from segsweep.stats.wording.phrases import cell_text, is_or_are, name_list, plural


def note_texts(notes: Iterable[Note]) -> tuple[str, ...]:
    """Return a sentence for each note."""
    return tuple(note_text(note) for note in notes)


def note_text(note: Note) -> str:
    """Return *note* as a sentence."""
    match note:
        case SeveralVersions():
            return _versions(note)
        case FailedRuns(count):
            fewer = "its cell has fewer seeds" if count == 1 else "their cells have fewer seeds"
            return f"{plural(count, 'run')} failed: {fewer}."
        case RepeatedRuns(count):
            runs = plural(count, "earlier run")
            return f"{runs} of a repeated seed left out: the run that finished last counts."
        case IncompleteFolds(folds, units):
            seeds = f"{plural(len(units), 'seed')} without all {folds} folds left out"
            return f"{seeds}: {_units(units)}."
        case RunsWithoutCounts(count):
            return f"{plural(count, 'finished run')} without per-image counts left out."
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
            both = f"{plural(images, 'test image')} in {plural(groups, 'group')}"
            return f"{both}: groups are the independent units."
        case UngroupedImages(images, file):
            own = "it is its own group" if images == 1 else "each is its own group"
            return f"{plural(images, 'test image')} not in {file}: {own}."


def _versions(note: SeveralVersions) -> str:
    made_by = f"segsweep {' and '.join(note.versions)}".rstrip()
    if len(note.commits) > 1:
        made_by = f"different commits of {made_by} ({name_list(note.commits)})"
    return f"Runs were made by {made_by}."


def _units(units: Iterable[tuple[str, str]]) -> str:
    return name_list([cell_text(cell, seed) for cell, seed in units])


def _cells(cells: Iterable[str]) -> str:
    return name_list([cell_text(cell) for cell in cells])
