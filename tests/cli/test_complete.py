"""Tab completion of `segsweep`: commands, names of sweeps, cells and runs."""

import pytest

from main_sweep import write_main
from segsweep.store.paths import SweepPaths
from segsweep.store.plan import add_to_plan


def completed(segsweep, monkeypatch, words):
    """Return what bash is offered when Tab is pressed after *words*."""
    monkeypatch.setenv("_SEGSWEEP_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    return segsweep()[1].split()


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("segsweep sta", ["status"]),
        ("segsweep status ma", ["main"]),
        ("segsweep list ma", ["main"]),
        ("segsweep sea", ["search"]),
        ("segsweep search ma", ["main"]),
        ("segsweep report x", []),
        ("segsweep show unet2-dice-s1", [3]),
        ("segsweep rm main unet2-bce", [0, 1]),
        ("segsweep predict main --cell unet", ["unet2/bce", "unet2/dice"]),
        ("segsweep evaluate main --cell unet2/b", ["unet2/bce"]),
        ("segsweep compare unet2/d", ["unet2/dice"]),
        ("segsweep export main --run unet2-dice-s1", [3]),
    ],
)
def test_tab_completes_names(segsweep, tmp_path, frozen, write_run, monkeypatch, words, names):
    """Of commands, sweeps, and the cells and runs of the sweep given."""
    runs = write_main(tmp_path / "outputs", frozen, write_run)
    plan = [
        {"run_id": run.name[-12:], "cell": "/".join(run.name.split("-")[:2]), "folder": run.name}
        for run in runs
    ]
    add_to_plan(SweepPaths(tmp_path / "outputs/main"), plan)
    wanted = [runs[name].name if isinstance(name, int) else name for name in names]

    assert completed(segsweep, monkeypatch, words) == wanted


def test_completion_can_be_installed(segsweep):
    """The options are in the help."""
    out = segsweep("-h")[1]

    assert "--install-completion" in out
    assert "--show-completion" in out
