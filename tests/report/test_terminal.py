"""The answer and its table in terminals of several widths, read back from what is printed."""

import io
import json
import math
import re
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from result_frames import baseline, compared, levels, sweeps
from segsweep.report.terminal import print_answer, print_frame
from segsweep.stats.wording.answer import Answer

SAID = {
    "headline": "Not settled: 2 of 20 cells may be the best: unet2/ss, unet2/bce.",
    "best": ["unet2/ss", "unet2/bce"],
    "settled": [
        "46 of 190 pairs of cells differ; clearest: unet/bce_ss is better than unet3/focal by "
        "0.0721 (0.0412 to 0.1030), p < 0.001.",
        "The effect of the loss depends on the architecture (p = 0.003): no loss is best overall.",
        "A third.",
    ],
    "unsettled": ["Nothing is settled between architectures."],
    "next": ["More test images would tell."],
    "notes": ["3 runs failed; a cell without it has fewer seeds.", "Another.", "One more.", "x."],
    "metric": "iou",
    "claims": True,
}
GRID = [(model, loss) for model in ("unet3", "segnet") for loss in ("bce_ss", "focal", "dice")]


def grid(**changed):
    """Return six cells like those of PH2, as in comparison.csv; the last one has no runs."""
    means = [0.8707, 0.8646, 0.8628, 0.8154, 0.8001, None]
    frame = compared(means).drop(columns="trainer.epochs")
    frame["model"], frame["loss"] = zip(*GRID, strict=True)
    frame["parameters"] = [1_107_009, 736_129, 931_969, 931_969, 931_969, math.nan]
    frame["seconds"] = [430.4, 1105.2, 120, 9, 77, math.nan]
    return frame.assign(**changed)


def none_failed(**changed):
    """Return cells none of whose runs has failed."""
    return grid(**changed).assign(failed=0)


def printed(show, *args, width=80, terminal=False, encoding="utf-8", **more):
    """Return the lines that *show* prints."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    console = Console(file=file, width=width, force_terminal=terminal, markup=False)
    show(*args, console=console, **more)
    file.flush()
    return file.buffer.getvalue().decode(encoding).splitlines()


def body(lines):
    """Return the lines below the rule of the table."""
    rule = next(at for at, line in enumerate(lines) if line and not set(line) - set("─-+ "))
    return lines[rule + 1 :]


def titles(lines):
    """Return the words above the rule, from top to bottom of each line."""
    return " ".join(lines[: len(lines) - len(body(lines)) - 1][-3:]).split()


def short(value, digits=4):
    """Return .8707 for 0.8707, a dash for nothing."""
    return "-" if value != value else re.sub(r"^(-?)0\.", r"\1.", f"{value:.{digits}f}")


def whole(value):
    """Return 1,107,009 for 1107009."""
    return "-" if value != value else f"{value:,.0f}"


def words_of(row, failed=True, all_columns=True):
    """Return the words of a line of the table, from the frame's row."""
    there = row["test_iou"] == row["test_iou"]
    ends = f"{short(row['ci_low'])} to {short(row['ci_high'])}" if there else "-"
    mark = ["*"] if row["may_be_best"] is True else []
    rest = [whole(row["parameters"]), whole(row["seconds"])] if all_columns else []
    names = [row["model"], row["loss"], short(row["test_iou"]), *ends.split(), *mark]
    counts = [str(row["seeds"]), *([str(row["failed"])] if failed else [])]
    spread = [short(row["sd_seeds"]), short(row["test_score"])]
    return [*names, short(row["p_best"], 2), *counts, *spread, *rest]


@pytest.mark.parametrize("width", [80, 200])
def test_table_holds_what_the_frame_does(width):
    """All columns fit 80 columns where nothing failed, with the sizes of real networks."""
    frame = none_failed()
    lines = printed(print_answer, SAID, frame, width=width)

    assert [line.split() for line in body(lines)[:6]] == [
        words_of(row, failed=False) for row in frame.to_dict("records")
    ]
    assert max(map(len, lines)) <= width
    assert not any("no room" in line for line in lines)
    assert {"IoU", "interval", "chance", "seeds", "score", "params", "seconds"} <= set(
        titles(lines)
    )


def test_failed_runs_are_counted_where_there_are_any():
    """A column that makes room for it in 80 columns is named."""
    lines = printed(print_answer, SAID, grid())

    assert "failed" in titles(lines)
    assert [line.split()[-4] for line in body(lines)[:6]] == ["0"] * 5 + ["2"]
    assert "no room for seconds" in lines
    assert "failed" not in titles(printed(print_answer, SAID, none_failed()))


@pytest.mark.parametrize("width", [24, 40, 60, 80, 200])
def test_numbers_are_whole_at_any_width(width):
    """Columns are left out, the least important first, and named; none is cut or wrapped."""
    frame = grid()
    lines = printed(print_answer, SAID, frame, width=width)
    text = "\n".join(lines)

    assert max(map(len, lines)) <= width
    assert "…" not in text
    assert [line.split()[2] for line in body(lines)[:6]] == [short(x) for x in frame["test_iou"]]
    named = " ".join(lines).partition("no room for ")[2].split(", ")
    order = ["seconds", "params", "score", "sd seeds", "chance best", "seeds", "failed"]
    assert [" ".join(name.split()) for name in named][:7] == {
        24: order,
        40: order,
        60: order[:4],
        80: order[:1],
        200: [""],
    }[width]
    if width >= 40:
        assert [" ".join(line.split()[3:6]) for line in body(lines)[:5]] == [
            f"{short(low)} to {short(high)}"
            for low, high in zip(frame["ci_low"][:5], frame["ci_high"][:5], strict=True)
        ]
        assert ["*" in line for line in body(lines)[:5]] == [True, True, False, False, False]


@pytest.mark.parametrize("keys", [["trainer.epochs"], ["trainer.epochs", "loss.gamma"]])
def test_further_keys_share_a_column(keys):
    """One line per key that a cell has; the main columns still fit 80 columns."""
    frame = none_failed()
    for at, key in enumerate(keys):
        frame.insert(2, key, [40.0, 80, 40, None, 80, 120] if at == 0 else [2, None, 2, 0.5, 2, 1])
    lines = printed(print_answer, SAID, frame)
    text = "\n".join(body(lines))

    assert max(map(len, lines)) <= 80
    assert "differs in" in " ".join(titles(lines))
    assert text.count("epochs=") == 5
    assert "epochs=80" in text
    assert text.count("gamma=") == (5 if len(keys) == 2 else 0)
    first = body(lines)[0].split()
    start = words_of(frame.to_dict("records")[0], failed=False, all_columns=False)
    assert [word for word in first if "=" not in word][: len(start)] == start


def test_sentence_stands_first():
    """The headline is bold where the terminal allows it; then more sentences, then the table."""
    lines = printed(print_answer, SAID, grid(), terminal=True, title="demo")
    plain = printed(print_answer, SAID, grid(), title="demo")

    assert lines[0] == f"\x1b[1m{SAID['headline']}\x1b[0m"
    assert plain[0] == SAID["headline"]
    assert plain.index("demo") > plain.index("open     Nothing is settled between architectures.")
    assert not any("\x1b" in line for line in plain)
    assert [re.sub(r"\x1b\[[\d;]*m", "", line).rstrip() for line in lines] == [
        line.rstrip() for line in plain
    ]


def test_few_sentences_of_each_kind():
    """At most 13 lines: of each kind the first, then seconds that fit; the rest is counted."""
    more = {**SAID, "notes": [*SAID["notes"], *(f"Note {number}." for number in range(5))]}
    lines = printed(print_answer, more, grid())
    said = lines[: lines.index("")]

    assert said == [
        SAID["headline"],
        "settled  46 of 190 pairs of cells differ; clearest: unet/bce_ss is better than",
        "         unet3/focal by 0.0721 (0.0412 to 0.1030), p < 0.001.",
        "         The effect of the loss depends on the architecture (p = 0.003): no loss",
        "         is best overall.",
        "         A third.",
        "open     Nothing is settled between architectures.",
        "next     More test images would tell.",
        "note     3 runs failed; a cell without it has fewer seeds.",
        "         Another.",
        "         One more.",
        "         x.",
        "         and 5 more: report.html",
    ]


def test_never_more_than_four_of_a_kind():
    """Not more than four of a kind, even if there is room."""
    said = {"headline": "H.", "notes": ["a.", "b.", "c.", "d.", "e.", "f."]}

    assert printed(print_answer, said, grid())[:7] == [
        *("H.", "note     a.", "         b.", "         c.", "         d."),
        *("         and 2 more: report.html", ""),
    ]


def test_long_sentences_give_way_to_short_ones():
    """Lines are at most 80 columns, also in a wide terminal, and about 12."""
    long = {**SAID, "settled": ["word " * 200 + "."], "headline": "head " * 30}
    lines = printed(print_answer, long, grid(), width=200)
    said = lines[: lines.index("")]

    assert max(map(len, said)) <= 80
    assert len(said) <= 13
    assert not any(line.startswith("settled") for line in said)
    assert "         and 1 more: report.html" in said
    second = printed(print_answer, {**long, "settled": [*long["settled"], "Short."]}, grid())
    assert not any("Short." in line for line in second)  # what comes second is no better alone


def test_answer_as_stored_is_printed():
    """The sentences of the statistics, written to JSON and read back."""
    said = asdict(Answer("Settled: a is it.", ("a",), settled=("One.",), next=("Two.",)))
    back = json.loads(json.dumps({**said, "metric": "iou", "claims": True}))

    assert printed(print_answer, back, grid())[:4] == [
        *("Settled: a is it.", "settled  One.", "next     Two.", ""),
    ]


@pytest.mark.parametrize("said", [{**SAID, "claims": False}, {"headline": "H."}])
def test_without_claims_nothing_is_marked(said):
    """Neither marks nor chances are shown."""
    lines = printed(print_answer, said, none_failed())

    assert not any("*" in line for line in lines)
    assert "chance" not in titles(lines)
    assert "params" in titles(lines)


def test_nothing_finished():
    """The cells that were asked for, with how many runs failed."""
    frame = grid().assign(**dict.fromkeys(grid().columns[4:], math.nan), seeds=0, failed=3)
    lines = printed(print_answer, {"headline": "Nothing to compare."}, frame)

    assert lines[0] == "Nothing to compare."
    assert [line.split() for line in body(lines)] == [[*cell, "-", "0", "3"] for cell in GRID]


def test_no_cells_no_table():
    """Only the headline is printed."""
    assert printed(print_answer, {"headline": "H."}, grid().head(0)) == ["H."]


def test_one_cell():
    """A table of one line."""
    frame = none_failed().head(1)
    lines = printed(print_answer, SAID, frame)

    assert body(lines)[0].split() == words_of(frame.to_dict("records")[0], failed=False)
    assert len(body(lines)) == 2  # and what the mark means


def test_cells_without_runs_come_last():
    """Wherever they are in the frame."""
    frame = grid().iloc[[5, 2, 1]]

    assert [line.split()[1] for line in body(printed(print_answer, SAID, frame))[:3]] == [
        *("dice", "focal", "dice"),
    ]


def test_many_cells():
    """The first 40; how many more there are, and where."""
    means = list(np.linspace(0.9, 0.5, 200))
    frame = compared(means).drop(columns="trainer.epochs")
    lines = printed(print_answer, SAID, frame)
    names = [line.split()[1] for line in body(lines)[:40]]

    assert names == [f"loss_{number}" for number in range(40)]
    assert body(lines)[40] == "and 160 more cells: comparison.csv"
    forty_one = printed(print_answer, SAID, frame.head(41))
    assert "and 1 more cell: comparison.csv" in forty_one
    assert not any("more cell" in line for line in printed(print_answer, SAID, frame.head(40)))


@pytest.mark.parametrize("width", [60, 80])
def test_long_names_are_folded(width):
    """Names are folded after the least important columns are left out; no character is lost."""
    name = "a_loss_of_my_own_with_quite_a_name"
    frame = none_failed(loss=[name, *"bcdef"], model=["torchvision_deeplabv3_resnet50"] * 6)
    lines = printed(print_answer, SAID, frame, width=width)
    text = "\n".join(lines)

    assert max(map(len, lines)) <= width
    assert all(short(x) in text for x in frame["test_iou"])
    assert all(f"{short(low)} to" in text for low in frame["ci_low"][:5])
    at = next(line for line in lines if "loss" in line and "model" in line).index("loss")
    numbers = next(line for line in body(lines) if ".8707" in line).index(" .8707")
    folded = "".join(line[at:numbers].strip() for line in body(lines) if line[at:numbers])
    assert folded.startswith(f"{name}bcdef")
    models = "".join(line[: at - 1].strip() for line in body(lines) if not line.startswith(" "))
    assert "torchvision" in models.replace(" ", "")


def test_what_names_are_made_of_is_not_obeyed():
    """Markup, emoji names, escape codes, line breaks: shown as text, or removed."""
    frame = none_failed(loss=["[bold]x", ":smile:", "\x1b[31mred", "a\nb", "[/]", "é"])
    said = {**SAID, "notes": ["data of [red]mine\x1b[2J\r\nwere left out."]}
    lines = printed(print_answer, said, frame, title="[old]", terminal=True)
    text = "\n".join(lines)

    assert {"[bold]x", ":smile:", "[31mred", "[/]", "é"} <= set(text.split())
    assert "[old]" in lines
    assert "data of [red]mine [2J were left out." in text
    assert "\x1b[31m" not in text
    assert "\x1b[2J" not in text


def test_terminal_without_unicode():
    """Only ASCII; other characters are escaped."""
    frame = none_failed(loss=["é", *"bcdef"])
    lines = printed(print_answer, {**SAID, "notes": ["ü."]}, frame, encoding="ascii", title="ö")

    assert r"\xe9" in "\n".join(lines)
    assert r"note     \xfc." in lines
    assert r"\xf6" in lines
    assert max(map(len, lines)) <= 80


def test_other_metric():
    """Its name is above its column; a table of another metric is refused."""
    frame = none_failed().rename(columns={"test_iou": "test_mcc"})
    lines = printed(print_answer, SAID, frame.assign(test_iou=0.1), metric="mcc")

    assert "MCC" in titles(lines)
    assert body(lines)[0].split()[2] == ".8707"
    with pytest.raises(ValueError, match="of test_mcc, not of test_iou"):
        print_answer(SAID, frame)


def test_score_stands_once():
    """The column of the compared metric is not repeated."""
    frame = none_failed().drop(columns="test_score").rename(columns={"test_iou": "test_score"})

    assert titles(printed(print_answer, SAID, frame, metric="score")).count("score") == 1


def test_standard_output_is_the_default(monkeypatch, capsys):
    """The table is as wide as the terminal."""
    monkeypatch.setenv("COLUMNS", "60")
    print_answer(SAID, grid())
    print_frame(levels(), title="T", note="N.")
    lines = capsys.readouterr().out.splitlines()

    assert lines[0] == "Not settled: 2 of 20 cells may be the best: unet2/ss,"
    assert max(map(len, lines)) <= 60
    assert lines[-1] == "N."


def test_table_from_csv_is_the_same():
    """A report that is up to date is printed from its files."""
    back = pd.read_csv(io.StringIO(grid().to_csv(index=False)))

    assert printed(print_answer, SAID, back) == printed(print_answer, SAID, grid())


def test_levels():
    """Title, rows, what the mark means, note."""
    lines = printed(print_frame, levels(), title="demo: losses", note="Means over 4 cells.")

    assert lines[0] == "demo: losses"
    assert [line.split() for line in body(lines)[:2]] == [
        ["dice", "4", ".9000", ".8800", "to", ".9200", "*", ">", ".99"],
        ["bce", "4", ".8000", ".7800", "to", ".8200", "<", ".01"],
    ]
    assert lines[-2].startswith("* may be the best")
    assert lines[-1] == "Means over 4 cells."


def test_baseline():
    """Differences with their sign, p, verdicts about the row's cell."""
    lines = printed(print_frame, baseline())

    assert [line.split() for line in body(lines)] == [
        [
            *(
                "unet",
                "a",
                ".9000",
                ".0500",
                "-.0100",
                "to",
                ".1100",
                ".057",
                ".20",
                "undecided",
                "3",
            )
        ],
        [*("unet", "b", ".8500", "-", "-", "-", "-", "-", "3")],
        [
            *("unet", "c", ".7000", "-.1500", "-.2000", "to", "-.1000", "<", ".001"),
            *("<", ".01", "worse", "3"),
        ],
        [*("unet", "d", ".6000", "-", "-", "-", "-", "-", "1")],
    ]


def test_numbers_above_one():
    """Only the 0 before a decimal point is left out."""
    frame = baseline().assign(test_iou=[10.5, 10.05, -0.5, 0.0])

    assert [line.split()[2] for line in body(printed(print_frame, frame))] == [
        *("10.5000", "10.0500", "-.5000", ".0000"),
    ]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_two_sweeps(width):
    """A cell's whole name, folded where there is no room; both means go before the difference."""
    lines = printed(
        print_frame, sweeps(), width=width, title="first: a, second: b. " + "word " * 30
    )
    text = "\n".join(lines)

    assert max(map(len, lines)) <= width
    for number in (".1000", ".0000", ".0500", ".0500 to .1500", "-.0050 to .0040"):
        assert number in text
    if width == 200:
        assert body(lines)[1].split() == [
            *("unet/b@trainer.epochs=80", ".8000", ".8000", ".0000", "-.0050", "to", ".0040"),
            *("1.000", ">", ".99", "equal", "within", "the", "margin"),
        ]


def test_empty_frame_prints_title_and_note():
    """Nothing can be compared yet."""
    assert printed(print_frame, levels().head(0), title="T", note="N.") == ["T", "N."]
