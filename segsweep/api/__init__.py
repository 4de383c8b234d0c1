"""A sweep in a notebook: `sweep = segsweep.open("outputs/main")`. No torch here.

Whatever state a sweep is in, it can be opened: half finished, failed, copied from another
machine, or running. A damaged file is ignored, or its run is, with a warning that names it.
What the columns of the frames mean: docs/tables.md.
"""

import os
from pathlib import Path

from segsweep.api.run import Run
from segsweep.api.sweep import Sweep
from segsweep.store.find import find_sweep

__all__ = ["Run", "Sweep", "open"]


def open(sweep: str | os.PathLike[str], outputs: str | os.PathLike[str] = "outputs") -> "Sweep":
    """Open a sweep to read its results. Writes nothing; files are read on first use.

    Args:
        sweep: the sweep's folder, or its name in *outputs*.
        outputs: the folder that holds the sweeps.

    Raises:
        SweepNotFoundError: there is no such sweep; the message lists those in *outputs*.

    """
    hint = "set another folder with outputs="
    return Sweep(find_sweep(os.fspath(sweep), Path(outputs), hint))
