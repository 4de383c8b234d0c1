"""`segsweep data FOLDER`: what it prints, and that the line it prints trains."""

import csv
import shlex

import pytest

from command import refusal, train_here
from layouts import IDS, pair, part_of, save, write_halves, write_pairs, write_table

SMALL = (
    *("data.size=32", "model.channels=[2,2]", "augment=none", "trainer.epochs=1", "device=cpu"),
    *("trainer.averaging=0", "threads=1", "report.images=false"),
)


def line_of(text):
    """Return the words of the line that trains."""
    (line,) = [line for line in text.splitlines() if line.startswith("to train: ")]
    words = shlex.split(line.removeprefix("to train: "))

    assert words[0] == "segsweep-train"
    return words[1:]


def cut(root):
    """Leave an image and a mask without their partners."""
    write_pairs(root)
    (root / "masks/s03.png").unlink()
    (root / "images/s05.png").unlink()


def listed(root):
    """Write pairs and the table that lists them."""
    write_pairs(root)
    rows = [
        {"image": f"images/{n}.png", "mask": f"masks/{n}.png", "split": part_of(n), "patient": n}
        for n in IDS
    ]
    write_table(root / "pairs.csv", rows)


def mixed(root):
    """Write masks of 0 and 1 beside masks of 0 and 255."""
    write_pairs(root, ids=IDS, value=1)
    write_pairs(root, ids=IDS[:4])


WRITERS = {
    "suffix": (
        lambda root: write_pairs(root, mask=lambda n: f"masks/{n}_seg.png"),
        ["""'data.mask_name="{id}_seg.png"'"""],
    ),
    "parts": (
        lambda root: write_pairs(
            root, lambda n: f"{part_of(n)}/images/{n}.png", lambda n: f"{part_of(n)}/masks/{n}.png"
        ),
        ["split: given: 6 train, 3 val, 3 test", "data.split.given=true"],
    ),
    "table": (listed, ["data=pairs", "data.group_column=patient", "data.split.given=true"]),
    "cases": (write_halves, ["""'data.mask_name="{id}/masks/*.png"'""", "are united"]),
    "lone": (cut, ["data.unmatched=skip", "left over: 2 image files in no pair: s03.png, s05.png"]),
    "values": (mixed, ["0 1    8 files", "0 255  4 files", "'data.foreground=[1,255]'"]),
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_printed_line_plans_a_run(tmp_path, segsweep, monkeypatch, name):
    """Whatever the layout; what was found is said."""
    write, wanted = WRITERS[name]
    write(tmp_path / "my data")
    code, out, error = segsweep("data", "my data")

    assert code == 0, error
    assert [text for text in wanted if text not in out] == []
    assert (
        train_here(
            ["-m", *line_of(out), *SMALL, "plan=true", "preflight=false"], monkeypatch, tmp_path
        )
        == 0
    )


def test_the_printed_line_trains_on_the_given_split(tmp_path, segsweep, monkeypatch):
    """A run on the parts that the folders give."""
    WRITERS["parts"][0](tmp_path / "mine")
    words = line_of(segsweep("data", "mine")[1])
    code = train_here([*words, *SMALL], monkeypatch, tmp_path)
    (file,) = tmp_path.glob("outputs/mine/runs/*/split.csv")
    with file.open(newline="") as rows:
        parts = {row["id"]: row["split"] for row in csv.DictReader(rows)}

    assert code == 0
    assert parts == {name: part_of(name) for name in IDS}


def test_exchanged_folders_are_said(tmp_path, segsweep):
    """And the line has them in the right order."""
    write_pairs(tmp_path)
    code, out, _ = segsweep("data", "masks", "images")

    assert code == 0
    assert "exchanged: the first folder holds masks" in out
    assert "data.images=images" in line_of(out)


def test_own_words_replace_what_was_found(tmp_path, segsweep):
    """They follow the folder, and are in the line."""
    write_pairs(tmp_path / "d", value=1)
    code, out, error = segsweep("data", "d", "data.foreground=[1,2]", "data.size=64")

    assert code == 0, error
    assert [word for word in line_of(out) if "foreground" in word] == ["data.foreground=[1,2]"]
    assert "data.size=64" in line_of(out)


def test_the_whole_list_of_left_over_files_is_in_a_file(tmp_path, segsweep):
    """The screen has the first."""
    write_pairs(tmp_path / "d")
    for index in range(30):
        save(pair(index)[0], tmp_path / f"d/images/more{index:02d}.png")
    out = segsweep("data", "d")[1]
    line = next(line for line in out.splitlines() if line.startswith("left over: 30 "))
    names = (tmp_path / line.rsplit("all: ", 1)[1]).read_text().splitlines()

    assert len(line) < 200
    assert len(names) == 30


@pytest.mark.parametrize("words", [("a", "b", "c"), ("a", "t.csv"), ("t.csv",), ("a",)])
def test_what_cannot_be_looked_at_is_one_line(tmp_path, segsweep, words):
    """Three places, a folder beside a table, a table of something else, an empty folder."""
    for name in "abc":
        (tmp_path / name).mkdir()
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")

    assert refusal(segsweep("data", *words))


def test_an_option_file_holds_what_was_found(tmp_path, segsweep, monkeypatch):
    """The same data and id as with the words; a file that says something else is left alone."""
    write_pairs(tmp_path / "mine", mask=lambda n: f"masks/{n}_seg.png", value=1)
    plain = segsweep("data", "mine", "data.size=64")[1]
    code, out, error = segsweep("data", "mine", "data.size=64", "--write", "conf")
    words = line_of(out)

    assert code == 0, error
    assert words == ["--config-dir", "conf", "sweep=mine", "data=mine", "trainer.batch=3"]
    assert [line for line in plain.splitlines() if "fingerprint" in line] == [
        line for line in out.splitlines() if "fingerprint" in line
    ]
    assert "says something else" in refusal(segsweep("data", "mine", "--write", "conf"))
    assert train_here(["-m", *words, *SMALL[1:], "plan=true"], monkeypatch, tmp_path) == 0
