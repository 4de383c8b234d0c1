"""The `segsweep` command as a whole: wrong use, and what it imports."""

import subprocess
import sys

import pytest
from PIL import Image

from command import refusal, train_here
from fake_data import blob
from main_sweep import write_main


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
        ("data=nan", "no such option; allowed are folder, ph2, synthetic"),
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
    monkeypatch.setattr("sys.argv", ["segsweep", "data", "scheduler=-0.0"])
    from segsweep.cli.main import main

    with pytest.raises(ValueError, match="Config group override"):
        main()
