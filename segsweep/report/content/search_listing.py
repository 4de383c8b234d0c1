"""Tables of the page on searches: what they chose, and their trials."""

from collections.abc import Mapping, Sequence

from pandas import DataFrame

from segsweep.report.content.material import Material
from segsweep.report.content.meanings import VALUE
from segsweep.report.content.rows import COUNT, TEXT, YES, Listing, frame_listing, rows_listing
from segsweep.stats.search import SearchedCell, TrialState, gain

STATES = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.DIVERGED, TrialState.FAILED)


def searches(material: Material) -> Listing:
    """Return a row for each search that has chosen, with what finding the values took."""
    chosen = [one for one in material.compared.searched if one.values]
    shown = (
        ("cell", "cell", TEXT),
        ("fold", "fold", COUNT),
        *_key_columns(chosen),
        ("found", "val IoU", 4),
        ("own", "config's val IoU", 4),
        ("gain", "gain in sd", 1),
        *((str(state), str(state), COUNT) for state in STATES),
        ("trial_epochs", "trial epochs", COUNT),
        ("trial_seconds", "trial seconds", COUNT),
        ("source", "found in", TEXT),
    )
    rows = [_chosen_row(one) for one in chosen]
    return frame_listing("searches", shown, DataFrame(rows, columns=[key for key, *_ in shown]))


def _chosen_row(one: SearchedCell) -> dict[str, object]:
    return {
        **{"cell": one.cell, "fold": one.fold, "found": one.val_iou, "own": one.own_val_iou},
        **{f"{VALUE}{key}": value for key, value in one.values.items()},
        **{str(state): one.counts.get(state, 0) for state in STATES},
        **{"gain": gain(one), "trial_epochs": one.epochs, "trial_seconds": one.seconds},
        "source": one.source or None,
    }


def trials(material: Material) -> Listing:
    """Return a row per trial: those of searches, by cell; of another search, as in trials.csv."""
    found = [one for one in material.compared.searched if one.trials]
    if not found:
        return _plain_trials(material)
    shown = (
        ("cell", "cell", TEXT),
        *([("fold", "fold", COUNT)] if any(one.fold is not None for one in found) else []),
        ("trial", "trial", COUNT),
        *_key_columns(found),
        ("state", "state", TEXT),
        ("val_iou", "val IoU", 4),
        ("chosen", "chosen", YES),
        ("epochs", "epochs", COUNT),
        ("seconds", "seconds", COUNT),
    )
    return rows_listing("trials", shown, [row for one in found for row in _trial_rows(one)])


def _trial_rows(one: SearchedCell) -> list[Mapping[str, object]]:
    return [
        {
            **{"cell": one.cell, "fold": one.fold, "trial": number, "state": str(trial.state)},
            **{f"{VALUE}{key}": value for key, value in trial.values.items()},
            **{"val_iou": trial.val_iou, "epochs": trial.epochs, "seconds": trial.seconds},
            "chosen": bool(one.values) and trial.values == one.values,
        }
        for number, trial in enumerate(one.trials, 1)
    ]


def _key_columns(found: Sequence[SearchedCell]) -> list[tuple[str, str, int]]:
    keys = dict.fromkeys(key for one in found for key in one.keys)
    return [(f"{VALUE}{key}", key, TEXT) for key in keys]


def _plain_trials(material: Material) -> Listing:
    shown = (
        ("cell", "cell", TEXT),
        ("lr", "lr", TEXT),
        ("seed", "seed", COUNT),
        ("status", "status", TEXT),
        ("val_iou", "val IoU", 4),
        ("epochs", "epochs", COUNT),
        ("seconds", "seconds", COUNT),
    )
    found = material.trials
    if "pruned" in found:
        found = found.assign(status=found["status"].where(found["pruned"].isna(), "pruned"))
    return frame_listing("trials", shown, found)
