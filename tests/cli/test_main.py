"""The `segsweep` command as a whole: wrong use, and what it imports."""

import errno
import os
import subprocess
import sys

import pytest
from PIL import Image

from command import refusal, train_here
from fake_data import blob
from main_sweep import write_main
from segsweep.cli import main as cli


@pytest.fixture
def runs(tmp_path, frozen, write_run):
    """Write outputs/main: two cells, two seeds; finished, failed, interrupted, planned."""
    return write_main(tmp_path / "outputs", frozen, write_run)


@pytest.mark.parametrize(
    "words",
    [
        ("staus",),
        ("status", "--wach"),
        ("runs",),
        ("rm", "main"),
        ("status", "--json", "--watch"),
        ("runs", "main", "--status", "done"),
        ("runs", "main", "--failed", "--status", "planned"),
        ("show", ""),
    ],
)
def test_wrong_use_is_one_line(segsweep, runs, words):
    """Exit code 2, without a traceback or a box."""
    assert "─" not in refusal(segsweep(*words))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("lst",), "segsweep lst: no such command; commands are data, "),
        (("train", "-m"), "segsweep train: no such command; to train: segsweep-train"),
        (("main",), "for a sweep: `segsweep status main`"),
        (("runs",), "see `segsweep runs --help`"),
        (("show", "main"), "it is a sweep: list its runs with `segsweep runs main`"),
        (("show", "unet2/bce"), "a cell has several runs: name one, such as unet2-bce-s0"),
        (("show", "unet2-bse-s0"), "did you mean 'unet2-bce-s0'?"),
        (("data", "photo"), "photo: no such folder; give a folder of images"),
        (("status", "--outputs", "outputs/main"), "it is a sweep itself"),
    ],
)
def test_wrong_use_says_what_to_do(segsweep, runs, words, line):
    """What was probably meant."""
    assert line in refusal(segsweep(*words))


def test_folders_of_runs_as_the_shell_completes_them(segsweep, runs):
    """With a slash at the end, from where the command is, or absolute."""
    name = runs[0].name
    for path in (f"outputs/main/runs/{name}/", f"./outputs/main/runs/{name}", str(runs[0])):
        assert segsweep("show", path)[1].startswith(f"{name}: finished")
        assert len(segsweep("runs", "main", path)[1].splitlines()) == 2
        assert name[-12:] in segsweep("runs", "main", path)[1]
        assert "a run, not a sweep; its sweep is main: " in refusal(segsweep("status", path))


def test_help_of_every_command_has_a_short_form(segsweep, runs):
    """-h is --help; without a word, the help comes with exit code 2."""
    for words in ((), ("status",), ("list",), ("data",), ("rm",)):
        short, long = segsweep(*words, "-h"), segsweep(*words, "--help")

        assert short == long
        assert short[0] == 0
    alone = segsweep()

    assert alone[0] == 2
    assert "Usage: segsweep" in alone[1] + alone[2]


def test_status_and_runs_import_no_torch(runs, tmp_path):
    """Nor hydra, nor pandas: the commands are fast and work on any machine."""
    code = (
        "import sys; from segsweep.cli.main import app\n"
        "for words in (['status'], ['status', '--json'], ['runs', 'main', '--failed']):\n"
        "    app(words, standalone_mode=False)\n"
        "print(sorted({'torch', 'hydra', 'pandas', 'numpy', 'skimage'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


def test_contact_sheets_of_different_rules_do_not_overwrite_each_other(tmp_path, segsweep):
    """The files are the same, so the data fingerprint is; what counts as foreground differs."""
    for index in range(8):
        image, mask = blob(index)
        Image.fromarray(image).save(tmp_path / f"{index}.png")
        Image.fromarray(mask.astype("uint8") * 255).save(tmp_path / f"{index}_mask.png")
    words = ("data", "data=folder", f"data.images={tmp_path}", "data.mask_name='{id}_mask.png'")
    rules = ((), ("data.invert=true",), ("data.foreground=[255]",))
    said = [segsweep(*words, *rule) for rule in rules]
    sheets = [sheet.read_bytes() for sheet in (tmp_path / "outputs").glob("data-*.png")]

    assert [code for code, _, _ in said] == [0, 0, 0]
    assert len(sheets) == 3
    assert len(set(sheets)) == 2  # 255 is what lies above half of the range


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("scheduler=-0.0", "no such option; allowed are cosine"),
        ("data=nan", "no such option; allowed are folder, pairs, ph2, synthetic"),
        ("hydra=9", "hydra=9: hydra takes the name of an option"),
        ("loss=null", "no such option; allowed are bce"),
        ("data.size=[", "cannot be read as key=value"),
    ],
)
def test_words_that_do_not_fit_are_one_line(segsweep, tmp_path, monkeypatch, word, message):
    """The same line as in training."""
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    line = refusal(segsweep("data", word))
    code = train_here([word], monkeypatch, tmp_path)

    assert code == 2
    assert message in line


def test_full_errors_are_shown_on_request(segsweep, monkeypatch):
    """HYDRA_FULL_ERROR=1 brings the traceback back, as in training."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr("sys.argv", ["segsweep", "data", "hydra=9"])
    from segsweep.cli.main import main

    with pytest.raises(ValueError, match="Config group override"):
        main()


@pytest.mark.parametrize(
    ("command", "advice"), [("report", "--outputs or --out"), ("data", "outputs=<folder>")]
)
def test_advice_is_in_the_words_of_the_command(command, advice, monkeypatch):
    """`segsweep data` takes the words of training, other commands have options."""
    monkeypatch.setattr(sys, "argv", ["segsweep", command, "main"])
    error = OSError(errno.EROFS, os.strerror(errno.EROFS), "outputs/main/report.html")
    assert cli._told(error).endswith(f"or choose another folder with {advice}")
