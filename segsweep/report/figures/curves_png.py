"""Curves of loss and score over the epochs, drawn from the stored histories."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from segsweep.store.paths import RunPaths
from segsweep.store.tables import Tables
from segsweep.system.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette: told apart by colour-blind readers too."""


def draw_curves(tables: Tables) -> None:
    """Write curves.png: per architecture the validation loss and score of its losses.

    Several runs of a cell are drawn as their mean. Nothing is written where no epoch is
    done, or where the picture is newer than every history.
    """
    target = tables.sweep.curves
    if _is_current(tables):  # before anything is read: it takes a second for 1,000 runs
        return
    history = tables.history[tables.history["kind"] == "run"]
    if history.empty:
        return
    figure = curves(history)
    with replacing(target) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def curves(history: "DataFrame") -> "Figure":
    """Return a matplotlib figure with a column per architecture: loss above, score below."""
    from matplotlib.figure import Figure

    history = history.assign(line=history["cell"].str.partition("/")[2])
    models, lines = sorted(history["model"].unique()), sorted(history["line"].unique())
    figure = Figure(figsize=(3.4 * len(models) + 0.8, 5.6), layout="constrained")
    axes = figure.subplots(2, len(models), squeeze=False, sharex=True, sharey="row")
    for column, model in enumerate(models):
        rows = history[history["model"] == model]
        for name, axis in zip(("val_loss", "val_score"), axes[:, column], strict=True):
            for index, label in enumerate(lines):
                line = rows[rows["line"] == label].groupby("epoch")[name].mean()
                if len(line):
                    colour = COLOURS[index % len(COLOURS)]
                    style = ("-", "--", ":")[(index // len(COLOURS)) % 3]
                    axis.plot(line.index, line, color=colour, linestyle=style, label=label, lw=1.4)
            axis.grid(alpha=0.3)
        axes[0, column].set_title(model)
        axes[1, column].set_xlabel("epoch")
    axes[0, 0].set_ylabel("validation loss")
    axes[1, 0].set_ylabel("validation score")
    positive = history["val_loss"][history["val_loss"] > 0]
    if len(positive) and positive.max() / positive.min() > 20 and math.isfinite(positive.max()):
        axes[0, 0].set_yscale("log")
    handles = {line.get_label(): line for line in [x for axis in axes[0] for x in axis.lines]}
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=min(len(lines), 5)
    )
    return figure


def _is_current(tables: Tables) -> bool:
    target = tables.sweep.curves
    if not target.exists():
        return False
    paths = [RunPaths(Path(run["path"])).history for run in tables.runs]
    newest = max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)
    return target.stat().st_mtime >= newest
