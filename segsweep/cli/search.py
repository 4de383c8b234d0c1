"""`segsweep search`: the values that a sweep's searches chose, and their trials. No torch."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from segsweep.cli.columns import fitted, screen_width, wrapped
from segsweep.cli.sweeps import Json, Outputs, SweepArgument
from segsweep.config.cells import title_of
from segsweep.errors import ConfigError, StoreError
from segsweep.store.chosen import Chosen, read_chosen
from segsweep.store.find import find_sweep
from segsweep.store.paths import SweepPaths
from segsweep.store.states import Status
from segsweep.store.trial_rows import DIVERGED, PRUNED, TrialRow, trial_rows
from segsweep.system.files import csv_text, write_text
from segsweep.system.names import plural

if TYPE_CHECKING:
    from segsweep.sweep.search.space import Value

COUNTED = (PRUNED, DIVERGED, "failed")
INSTALL = "pip install 'segsweep[dashboard]'"


@dataclass(frozen=True)
class Searched:
    """What the searches of a sweep found so far."""

    sweep: SweepPaths
    chosen: list[Chosen]
    trials: list[TrialRow]
    lost: bool = False
    """Whether what was chosen is missing from chosen.csv."""

    def of(self, study: str) -> list[TrialRow]:
        """Return the trials of a study."""
        return [one for one in self.trials if one.study == study]

    def open_studies(self) -> list[str]:
        """Return the studies that have not led to chosen values, or no longer do."""
        known = {one.study for one in self.chosen}
        return list(dict.fromkeys(one.study for one in self.trials if one.study not in known))

    def importance(self) -> dict[str, Mapping[str, float] | None]:
        """Return title -> importance of each key, where several were searched; None: too few."""
        found: dict[str, Mapping[str, float] | None] = {}
        for one in self.chosen:
            if len(one.params) > 1 and (trials := self.of(one.study)):
                found[title_of(one.cell, one.fold)] = _importance(one.params, trials)
        return found


def search(
    sweep: SweepArgument,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="write all trials to this file, a row each")
    ] = None,
    json: Json = False,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Show what the search of each cell chose, from how many trials, and what mattered.

    own is the validation IoU at the config's own values. --csv writes all trials.
    --json prints one object with the keys sweep, chosen, trials, importance, and dashboard.
    """
    from segsweep.cli.render import json_text

    found = read_searched(SweepPaths(find_sweep(sweep, outputs)))
    if csv is not None:
        write_trials(csv, found.trials)
    if json:
        print(
            json_text(
                {
                    "sweep": found.sweep.root.resolve().name,
                    "chosen": [asdict(one) for one in found.chosen],
                    "trials": [asdict(one) for one in found.trials],
                    "importance": found.importance(),
                    "dashboard": dashboard(found.sweep),
                }
            )
        )
        return
    print("\n".join(lines_of(found)))
    if csv is not None:
        print(f"{csv}: {plural(len(found.trials), 'trial')}")


def read_searched(sweep: SweepPaths) -> Searched:
    """Return what the searches of a sweep found; StoreError if it has none."""
    from segsweep.store.tables import read_all

    chosen = read_chosen(sweep) if sweep.chosen.exists() else []
    tables = read_all(sweep.root, warn_ignored=False)
    lost = sweep.chosen in tables.noted
    found = Searched(sweep, chosen, trial_rows(tables, chosen), lost)
    if not found.chosen and not found.trials:
        raise StoreError(
            f"{sweep.root}: no search in this sweep; add search=lr to a command with -m"
        )
    return found


def lines_of(found: Searched) -> list[str]:
    """Return the chosen values as a table, then what is still searched, importance, dashboard."""
    keys = list(dict.fromkeys(key for one in found.chosen for key in one.values))
    rows = [["cell", *keys, "val IoU", "own", "trials"]]
    for one in found.chosen:
        values = [_shown(one.values.get(key)) for key in keys]
        name = title_of(one.cell, one.fold)
        rows.append([name, *values, _shown(one.val_iou), _shown(one.own_val_iou), _counts(one)])
    width = screen_width()
    lines = fitted(rows, width) if found.chosen else []
    for study in found.open_studies():
        lines += wrapped(_open_line(found, study), width)
    for name, shares in found.importance().items():
        lines += wrapped(f"{name}: {_importance_text(shares)}", width)
    if not found.trials:
        return lines
    command = dashboard(found.sweep)
    return [*lines, *wrapped(f"to look at all trials in a browser ({INSTALL}): {command}", width)]


def write_trials(path: Path, trials: Sequence[TrialRow]) -> None:
    """Write a row per trial; a column per tried key, empty where it was not tried."""
    rows = [one.as_row() for one in trials]
    keys = dict.fromkeys(key for one in trials for key in one.values)
    last = [name for name in (rows[0] if rows else ()) if name not in keys][3:]
    columns = ["cell", "fold", "trial", *keys, *last]
    texts = [{name: "" if row.get(name) is None else row[name] for name in columns} for row in rows]
    write_text(path, csv_text(texts, columns))


def dashboard(sweep: SweepPaths) -> str:
    """Return the command that shows the sweep's studies in optuna-dashboard."""
    if sweep.search.exists():
        return f"optuna-dashboard sqlite:///{sweep.search}"
    return "optuna-dashboard <the address in search.storage>"


def _counts(one: Chosen) -> str:
    """Return how many trials there were and how those ended that have no score."""
    ended = one.complete + one.pruned + one.diverged + one.failed
    parts = [f"{n} {word}" for word in COUNTED if (n := getattr(one, word))]
    more = f" ({', '.join(parts)})" if parts else ""
    number = f"{ended}" if ended == one.n_trials else f"{ended} of {one.n_trials}"
    return f"{number}{more}" if one.trial else f"{number}{more}, in {one.study}"


def _open_line(found: Searched, study: str) -> str:
    from segsweep.sweep.search.reuse import words_in

    trials = found.of(study)
    first, ended = trials[0], [one for one in trials if one.has_ended]
    scored = [one for one in ended if one.val_iou is not None and one.status != PRUNED]
    best = max(scored, key=lambda one: cast(float, one.val_iou), default=None)
    name = title_of(first.cell, first.fold)
    chose = "; what it chose is not in chosen.csv" if found.lost else ", which chose no values"
    said = f"{name}: {len(ended)} of {plural(len(trials), 'trial')} ended in {study}{chose}"
    if best is None:
        return said
    return f"{said}; best so far {words_in(best.values)}: val IoU {_shown(best.val_iou)}"


def _importance(params: Mapping[str, str], trials: Sequence[TrialRow]) -> dict[str, float] | None:
    from segsweep.sweep.search.importance import importance

    scored = [
        (cast("Mapping[str, Value]", one.values), one.val_iou)
        for one in trials
        if one.status == Status.FINISHED and one.val_iou is not None
    ]
    try:
        return importance(params, scored)
    except ConfigError as error:  # params that this version cannot read
        print(f"warning: importance not computed: {error}", file=sys.stderr)
        return None


def _importance_text(shares: Mapping[str, float] | None) -> str:
    from segsweep.sweep.search.importance import LEAST_TRIALS

    if shares is None:
        return f"importance: fewer than {LEAST_TRIALS} complete trials, which say too little"
    if not any(shares.values()):
        return "importance: all trials scored the same"
    return "importance " + ", ".join(f"{key} {share:.0%}" for key, share in shares.items())


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
