"""The commands of each page are run, in order, in a folder of their own, on little data.

`TINY` makes networks, images and trainings small, `SMALLER` the grids. Nothing else is changed but
the names of folders that stand for the reader's own.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from command import ROOT, TINY, train_here
from doc_blocks import Command, commands
from fake_data import blob, write_ph2
from trained_sweeps import write_photos

pytestmark = pytest.mark.slow
SMALLER = {
    "seed=range(0,20)": "seed=range(0,3)",
    "seed=range(0,4)": "seed=range(0,3)",
    "seed=0,1,2,3,4": "seed=0,1",
    "seed=0,1,2,3": "seed=0,1,2",
    "seed=0,1,2": "seed=0,1",
    "model=segnet,unet,unet2,unet3": "model=segnet,unet2",
    "loss=bce,dice,focal,ss,bce_ss": "loss=bce,dice",
    "race=best": "race=best race.looks=[2,3]",
    "race.looks=[2,3,4]": "",
    "experiment=optuna_lr": "experiment=optuna_lr hydra.sweeper.n_trials=2",
    "search=lr": "search=lr search.n_trials=2 search.epochs=1",
    "search=mine": "search=mine search.n_trials=2 search.epochs=1",
    "search.n_trials=4": "",
    "search.n_trials=6": "",
    "search.epochs=20": "",
    "search.pruner=median": "search.pruner=median search.epochs=2",
    "loss=bce,dice,ss": "loss=bce,ss",
    "outputs=/shared/outputs": "",
    "--watch": "",
}
"""Words of the pages -> words that ask for less; empty: left out."""
PLACES = {
    "<PH2>": "PH2Dataset",
    "/data/PH2": "PH2Dataset",
    "/shared": "photos",
}
"""Folders of the pages -> those that this test writes."""
PARTS = ("data.split.train=2", "data.split.val=2", "data.split.test=2", "trainer.batch=2")
"""Of the six images in the layout of PH2."""
SMALL = {"data.count=24": "data.count=40", "trainer.epochs=2": "trainer.epochs=1"}
"""Words of `TINY` -> those used here: enough images for every batch of a page."""
NOT_RUN = {
    "hydra/launcher=submitit_slurm": "needs SLURM; tests/slurm runs sweeps there",
    "hydra/launcher=ray": "starts Ray for minutes; tests/end_to_end/test_launchers.py runs it",
    "model=smp": "needs files of weights; tests/end_to_end/test_smp.py makes them",
}
"""Words of training commands that are not run here -> why."""
BEFORE = {
    "docs/use.md": ("segsweep-train -m model=unet,unet2 loss=bce,dice seed=0,1",),
    "docs/search.md": ("segsweep-train -m model=unet,unet2 loss=bce,dice search=lr sweep=small",),
}
"""Commands that a page takes for granted; they are made smaller as its own are."""


def world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write what the pages name: images, PH2, packages and options of the reader's own."""
    write_photos(folder / "photos")
    write_photos(folder / "clinic", 9)
    write_ph2(folder / "PH2Dataset")
    (folder / "masks").mkdir()
    for number in range(12):  # beside the folders in photos: masks of these are in another folder
        image, mask = blob(100 + number)
        Image.fromarray(image).save(folder / "photos" / f"lesion{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"lesion{number}_segmentation.png")
    for name in ("photos/images", "clinic/images"):
        assert any((folder / name).iterdir())
    shutil.copytree(ROOT / "examples/plugin", folder / "examples/plugin")
    shutil.copytree(ROOT / "examples/plugin/conf", folder / "myconf")
    (folder / "new").mkdir()
    for path in sorted((folder / "clinic/images").iterdir())[:3]:
        shutil.copy(path, folder / "new" / path.name)
    write_own_model(folder)
    (option,) = re.findall(
        r"`myconf/search/mine.yaml`:\n\n```yaml\n(.*?)```",
        (ROOT / "docs/search.md").read_text("utf-8"),
        re.DOTALL,
    )
    (folder / "myconf/search").mkdir()
    (folder / "myconf/search/mine.yaml").write_text(option)
    packages = [folder / "packages", ROOT / "examples/plugin/src", ROOT]
    for path in packages:
        monkeypatch.syspath_prepend(path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, packages)))
    monkeypatch.setenv("STUDIES", "sqlite:///studies.db")  # not the server of the page
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115, PTH123


def write_own_model(folder: Path) -> None:
    """Write the complete model of CONTRIBUTING.md as `mypackage`, with its option file."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (code,) = re.findall(
        r"^   ```python\n(.*?class MyNet.*?)^   ```", text, re.DOTALL | re.MULTILINE
    )
    package = folder / "packages/mypackage"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(re.sub("^   ", "", code, flags=re.MULTILINE))
    option = "# a model of one's own\n_target_: mypackage.MyNet\nin_channels: ${data.channels}\n"
    (folder / "myconf/model/mynet.yaml").write_text(option)


def smaller(command: Command) -> list[str]:
    """Return the words of a command of training, on little data and with small networks."""
    words = [
        part
        for word in command.arguments
        for part in SMALLER.get(word, word).split(" " if word in SMALLER else "\0")
        if part
    ]
    for place, here in PLACES.items():
        words = [word.replace(place, here) for word in words]
    fixed = [SMALL.get(word, word) for word in TINY if applies(word, words)]
    if any("PH2Dataset" in word for word in words):
        fixed = [*(word for word in fixed if not word.startswith("trainer.batch")), *PARTS]
    keys = {word.partition("=")[0] for word in fixed}
    kept = [word for word in words if word.partition("=")[0] not in keys]
    return [*kept, *fixed, "preflight=false", "hydra/launcher=basic"]


def applies(tiny: str, words: list[str]) -> bool:
    """Whether a word that makes everything small fits a command: its data and models have it."""
    if tiny.startswith(("data.count", "data.side")):
        return not any(
            word.startswith(("data=", "experiment=best", "experiment=n")) for word in words
        )
    if tiny.startswith("model.channels"):
        return not any(name in word for word in words for name in ("mynet", "ridgenet"))
    return True


def run(command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command in *folder*, in this process; return its exit code."""
    if command.program == "train":
        return train_here(smaller(command), monkeypatch, folder)
    from segsweep.cli.main import main

    words = [word for word in command.arguments if SMALLER.get(word, word)]
    for place, here in PLACES.items():
        words = [word.replace(place, here) for word in words]
    words += PARTS[:3] if "data=ph2" in words else ()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["segsweep", *words])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def reason_not_to_run(command: Command) -> str:
    """Return why a command is not run; empty: it is."""
    return next((why for word, why in NOT_RUN.items() if word in command.arguments), "")


def to_run() -> dict[str, list[Command]]:
    """Return page -> the commands of segsweep that no page before it has."""
    found: dict[str, list[Command]] = {}
    seen = set()
    for command in commands():
        if command.program in ("train", "segsweep") and not reason_not_to_run(command):
            same = (command.program, command.arguments)
            if same not in seen:
                found.setdefault(command.page, []).append(command)
            seen.add(same)
    return found


@pytest.mark.parametrize("page", sorted(to_run()))
def test_commands_of_a_page_run(page, tmp_path, monkeypatch, capsys):
    """Each ends with 0, one after the other, as a reader types them."""
    world(tmp_path, monkeypatch)
    before = [Command(page, 0, tuple(line.split())) for line in BEFORE.get(page, ())]
    for command in [*before, *to_run()[page]]:
        code = run(command, tmp_path, monkeypatch)
        shown = capsys.readouterr()
        assert code == 0, f"{command}\n{shown.out[-2000:]}{shown.err[-3000:]}"


def test_what_is_not_run_is_on_a_page():
    """No reason is left over."""
    words = {word for command in commands() for word in command.arguments}

    assert {*NOT_RUN} <= words
