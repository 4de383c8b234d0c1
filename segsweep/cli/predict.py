"""`segsweep predict`: the networks of a sweep, used on a folder of images."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segsweep.cli.complete import cell_names, run_names
from segsweep.cli.sweeps import Outputs, SweepArgument
from segsweep.errors import ConfigError
from segsweep.store.find import check_own_folder, find_sweep
from segsweep.system.machine import MOST_THREADS

if TYPE_CHECKING:
    from segsweep.store.tables import Tables
    from segsweep.use.choose import Choice
    from segsweep.use.network import Way

MOST_SAID = 20
"""Images that cannot be read and are named on the screen; predictions.csv has all."""
Cell = Annotated[
    str | None,
    typer.Option(help="a cell: its run with the highest validation IoU", autocompletion=cell_names),
]
RunName = Annotated[
    str | None, typer.Option("--run", help="id or name of a run", autocompletion=run_names)
]
Best = Annotated[
    bool,
    typer.Option("--best", help="the best by validation of those that may be the best (default)"),
]
Cheapest = Annotated[
    bool, typer.Option("--cheapest", help="the cheapest of the cells as good as the best")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps")]
Threads = Annotated[int, typer.Option(help="CPU threads; 0: all cores", min=0, max=MOST_THREADS)]
Allow = Annotated[list[str] | None, typer.Option(help="a package of your own that the model is in")]


def predict(
    sweep: SweepArgument,
    images: Annotated[Path, typer.Option(help="folder of images; folders in it count too")],
    out: Annotated[Path, typer.Option(help="folder for masks/ and predictions.csv")],
    cell: Cell = None,
    run: RunName = None,
    best: Best = False,
    cheapest: Cheapest = False,
    ensemble: Annotated[
        int | None,
        typer.Option(
            help="mean probabilities of all runs of so many best cells by validation; with --cell "
            "of that cell",
            min=1,
        ),
    ] = None,
    prob: Annotated[
        bool, typer.Option("--prob", help="write probabilities/, 16-bit PNG: 65535 is 1")
    ] = False,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="write overlays/: images with the outlines of masks")
    ] = False,
    flips: Annotated[
        bool, typer.Option("--flips", help="mean over four flips of each image")
    ] = False,
    tile: Annotated[
        bool,
        typer.Option(
            "--tile", help="see images in tiles at their own size; always so if trained on tiles"
        ),
    ] = False,
    device: Device = "auto",
    threads: Threads = 0,
    allow: Allow = None,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Predict masks of a folder of images with the networks of a sweep.

    Masks have the size and the name of their images, with 255 where foreground is. The same
    command again goes on where it was stopped. Exit code 1: some images could not be read.
    """
    from segsweep.store.tables import read_all

    choices = {"--run": run, "--best": best, "--cheapest": cheapest, "--ensemble": ensemble}
    check_choice({"--cell": None if ensemble else cell, **choices})
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: not a folder")
    check_own_folder("--out", out)
    tables = read_all(find_sweep(sweep, outputs))
    choice = chosen(tables, cell, run, cheapest, ensemble)
    print(f"using {choice.why}", file=sys.stderr)
    from segsweep.use.inputs import images_in

    images_in(images, out)  # before torch is imported
    check_device(device)
    from segsweep.use.network import Way

    way = Way(device, threads, tile, flips, tuple(allow or ()))
    sys.exit(_predict(choice, way, images, out, prob, overlay))


def check_device(name: str) -> None:
    """Raise ConfigError unless this machine has the device of that *name*."""
    from segsweep.training.device import check_exists

    check_exists(name, f"--device {name}")


def check_choice(choices: Mapping[str, object]) -> None:
    """Raise ConfigError if more than one of these options is given: name -> value."""
    given = [name for name, value in choices.items() if value]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)}: give only one of them")


def chosen(
    tables: "Tables",
    cell: str | None,
    run: str | None,
    cheapest: bool,
    ensemble: int | None = None,
) -> "Choice":
    """Return the runs that the options of a command choose; the best ones without any."""
    from segsweep.use.choose import choose_best, choose_cell, choose_ensemble, choose_run

    if ensemble is not None:
        return choose_ensemble(tables, ensemble, cell)
    if cell is not None:
        return choose_cell(tables, cell)
    if run is not None:
        return choose_run(tables, run)
    return choose_best(tables, cheapest)


def _predict(
    choice: "Choice", way: "Way", images: Path, out: Path, prob: bool, overlay: bool
) -> int:
    """Predict, and say what was done; return the exit code."""
    from segsweep.system.names import plural
    from segsweep.system.progress import Counter
    from segsweep.use.network import open_network
    from segsweep.use.predict import Wanted, predict_folder
    from segsweep.use.together import Together

    networks = tuple(open_network(paths, way) for paths in choice.runs)
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if len(said) <= MOST_SAID:
            print(line, file=sys.stderr)

    together, counter = Together(networks), Counter("predicting images")
    done = predict_folder(together, images, out, Wanted(prob, overlay), counter, say)
    before = f", {done.before} were there before" if done.before else ""
    print(f"{plural(done.predicted, 'image')} predicted{before}: {done.table}")
    if done.failed:
        print(
            f"{plural(len(done.failed), 'image')} not readable; see the column error",
            file=sys.stderr,
        )
    return 1 if done.failed else 0
