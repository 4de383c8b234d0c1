"""`segsweep export`: a network for use without segsweep, with a model card."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from segsweep.cli.predict import Allow, Best, Cell, Cheapest, RunName, check_choice, chosen
from segsweep.cli.sweeps import Outputs, SweepArgument
from segsweep.config.validate import check_word
from segsweep.errors import ConfigError
from segsweep.store.find import check_own_folder, find_sweep
from segsweep.system.files import write_text
from segsweep.system.new_folder import new_folder

FORMATS = ("onnx", "torch", "safetensors")


def export(
    sweep: SweepArgument,
    out: Annotated[Path, typer.Option(help="folder for the network and its model card")],
    form: Annotated[
        str, typer.Option("--format", help="onnx, torch (torch.export) or safetensors (weights)")
    ] = "onnx",
    cell: Cell = None,
    run: RunName = None,
    best: Best = False,
    cheapest: Cheapest = False,
    licence: Annotated[str, typer.Option(help="of the weights, for the model card")] = "",
    allow: Allow = None,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Export a network of a sweep, checked against torch on validation images.

    With ONNX comes infer.py, which makes masks of images and needs only onnxruntime, numpy and
    Pillow. README.md is a model card with a paragraph of methods.
    """
    from segsweep.store.tables import read_all

    check_word("--format", form, FORMATS)
    check_choice({"--cell": cell, "--run": run, "--best": best, "--cheapest": cheapest})
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"--out {out}: exists; name a new folder")
    check_own_folder("--out", out)
    tables = read_all(find_sweep(sweep, outputs))
    choice = chosen(tables, cell, run, cheapest)
    print(f"using {choice.why}", file=sys.stderr)
    from segsweep.use.card import model_card
    from segsweep.use.export import export_network
    from segsweep.use.facts import gather
    from segsweep.use.network import Way, open_network

    network = open_network(choice.runs[0], Way("cpu", allow=tuple(allow or ()), plain=True))
    name = tables.sweep.root.resolve().name
    with new_folder(out) as folder:
        done = export_network(network, form, folder)
        names = [path.name for path in done.files]
        card = model_card(gather(tables, choice.runs[0]), name, names, done.checked, licence)
        write_text(folder / "README.md", card)
    if done.checked:
        print(f"checked on {done.checked} of torch's probabilities")
    if done.fixed:
        print(f"only for images of the size it was trained on: {done.fixed}", file=sys.stderr)
    for written in (*names, "README.md"):
        print(out / written)
