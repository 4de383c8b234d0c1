"""Tables ready to paste, read back with a parser for each format."""

import io
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from result_frames import baseline, compared, levels, sweeps
from segsweep.metrics import columns, label
from segsweep.report.export import FORMS, pasted
from segsweep.stats.engine import analyse
from segsweep.stats.null import Settings
from segsweep.stats.tables import comparison_table
from stats_data import drawn

SHOWN = ("md", "latex", "html")
EVIL = (
    "<script>alert(1)</script>",
    "a|b",
    "50%_x&y",
    r"\input{x}",
    "[x](y)",
    "*b*",
    "_i_",
    "`c`",
    "a--b``''?`",
)
FURTHER = [label(name) for name in columns()[1:]]
TITLES = [
    *("model", "loss", "epochs", "IoU", "95 % interval", "may be best", "chance best", "seeds"),
    *("failed", "sd (seeds)", "sd (images)", *FURTHER, "val IoU", "lr", "params", "seconds"),
]
UNESCAPED = {
    **{rf"\{sign}": sign for sign in "&%$#_{}"},
    **{r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^"},
    **{r"\textless{}": "<", r"\textgreater{}": ">", r"\textbar{}": "|", "{}": ""},
    **{"{[}": "[", "{]}": "]", "{*}": "*", r"$^\dagger$": "†", "$-$": "-", "--": "–"},
}
"""What LaTeX makes of each construct."""


class Reader(HTMLParser):
    """Reads tables and the text outside them; records which texts are bold."""

    def __init__(self):
        super().__init__()
        self.rows, self.bold, self.tags, self.outside, self.inside = [], set(), [], "", []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "strong":
            self.bold.add((len(self.rows) - 1, len(self.rows[-1]) - 1))

    def handle_endtag(self, tag):
        assert self.inside.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.inside):
            self.rows[-1][-1] += data
        else:
            self.outside += data


def of_html(text):
    """Return rows (the first of titles), positions of what is bold, and the note."""
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.inside == []
    assert not reader.outside.strip()
    *rows, foot = reader.rows
    return rows, reader.bold, foot[0]


def of_markdown(text):
    """Read a table with an independent parser of Markdown."""
    reader = Reader()
    reader.feed(MarkdownIt("commonmark").enable("table").render(text))
    return reader.rows, reader.bold, reader.outside.strip()


def of_latex(text):
    """Read a tabular in the style of booktabs."""
    lines = text.splitlines()
    assert lines[0] == r"% needs \usepackage{booktabs}"
    assert (lines[2], lines[4], lines[-3]) == (r"\toprule", r"\midrule", r"\bottomrule")
    assert lines[-2] == r"\end{tabular}"
    kinds = re.fullmatch(r"\\begin\{tabular\}\{([lr]+)\}", lines[1])[1]
    note = re.fullmatch(r"\{\\par\\smallskip\\footnotesize (.*)\\par\}", lines[-1])[1]
    rows, bold = [], set()
    for line in [lines[3], *lines[5:-3]]:
        assert line.endswith(r" \\")
        cells = [cell.strip() for cell in re.split(r"(?<!\\)&", line[:-3])]
        assert len(cells) == len(kinds)
        for at, cell in enumerate(cells):
            if inner := re.fullmatch(r"\\textbf\{(.*)\}", cell):
                bold.add((len(rows), at))
                cells[at] = inner[1]
        rows.append([unescaped(cell) for cell in cells])
    return rows, bold, unescaped(note)


def unescaped(text):
    """Return what LaTeX would typeset; no active character and no ligature may remain."""
    found = "|".join(re.escape(sign) for sign in sorted(UNESCAPED, key=len, reverse=True))
    rest = re.sub(found, "\n", text)
    assert not set("&%$#_{}~^\\<>|[]*") & set(rest), text
    assert not re.search("--|``|''|,,|[?!]`", rest), text
    return re.sub(found, lambda match: UNESCAPED[match[0]], text)


READ = {"html": of_html, "md": of_markdown, "latex": of_latex}


def read(frame, form, **more):
    """Return the pasted table as a frame of texts without marks, its marks, and its note."""
    rows, bold, note = READ[form](pasted(frame, form, **more))
    tied = re.compile(r"(\d\.\d{4})†")
    found = [[tied.fullmatch(text) for text in row] for row in rows]
    daggers = {(y, x) for y, row in enumerate(found) for x, match in enumerate(row) if match}
    plain = [[tied.sub(r"\1", text) for text in row] for row in rows[1:]]
    return pd.DataFrame(plain, columns=rows[0]), bold, daggers, note


def numbers(texts):
    """Return texts as numbers; a dash is NaN."""
    return [math.nan if text == "–" else float(text.replace(",", "")) for text in texts]


@pytest.mark.parametrize("form", SHOWN)
def test_numbers_are_those_of_the_frame(form):
    """Every format, read back: means and spreads to 4 digits, whole counts, under their titles."""
    frame = compared((0.87123456, 0.8, 0.5, None), (True, True, False, None))
    table, *_ = read(frame, form)

    assert table.columns.tolist() == TITLES
    assert table["loss"].tolist() == frame["loss"].tolist()
    assert table["epochs"].tolist() == ["40", "53", "67", "80"]
    four = {
        **{"IoU": "test_iou", "Dice": "test_dice", "score": "test_score", "val IoU": "val_iou"},
        **{"sd (seeds)": "sd_seeds", "sd (images)": "sd_images"},
    }
    for title, name in four.items():
        assert numbers(table[title]) == pytest.approx(frame[name], abs=5.1e-5, nan_ok=True)
        assert all(re.fullmatch(r"\d\.\d{4}|–", text) for text in table[title])
    for title, name in {"params": "parameters", "seconds": "seconds", "seeds": "seeds"}.items():
        assert numbers(table[title]) == pytest.approx(frame[name].round(), nan_ok=True)
    assert table["params"].tolist() == ["871,235", "800,000", "500,000", "–"]
    assert table["lr"].tolist() == ["0.0005"] * 3 + ["–"]
    ends = [text.split(" to ") for text in table["95 % interval"][:3]]
    assert numbers(low for low, _ in ends) == pytest.approx(frame["ci_low"][:3], abs=5.1e-5)
    assert numbers(high for _, high in ends) == pytest.approx(frame["ci_high"][:3], abs=5.1e-5)
    assert table["may be best"].tolist() == ["yes", "yes", "no", "–"]
    assert table["chance best"].tolist() == ["0.25"] * 3 + ["–"]


def test_csv_is_the_frame_itself():
    """CSV has the original names and all digits, without marks and notes."""
    frame = compared((0.8712345678901234, 0.8))
    frame["parameters"] = [931969.0, 1107009.0]
    text = pasted(frame, "csv")
    back = pd.read_csv(io.StringIO(text), dtype={"rank": "Int64", "may_be_best": "boolean"})

    pd.testing.assert_frame_equal(back, frame, check_exact=True, check_dtype=False)
    assert text.endswith("\n")
    assert ",931969\n" in text  # as in comparison.csv


@pytest.mark.parametrize("form", FORMS)
def test_table_read_back_from_csv_is_the_same(form):
    """A frame read from comparison.csv gives the same table as the original frame."""
    frame = compared((0.87, 0.86, None), (True, True, None))
    back = pd.read_csv(io.StringIO(frame.to_csv(index=False)))

    assert back["may_be_best"].dtype == object
    assert read_or_text(back, form) == read_or_text(frame, form)


def read_or_text(frame, form):
    """Return the pasted text; for CSV without the endings in which types differ."""
    text = pasted(frame, form)
    return re.sub(r"\.0(?=,|$)", "", text, flags=re.M) if form == "csv" else text


@pytest.mark.parametrize("form", SHOWN)
def test_columns_stand_in_one_order(form):
    """Whatever the order in the frame."""
    frame = compared()
    mixed = frame[["model", "loss", "trainer.epochs", *sorted(frame.columns[3:], key=hash)]]
    mixed = mixed[[*mixed.columns[:3], "test_iou", *mixed.columns[3:].drop("test_iou")]]
    others = {*FURTHER, "val IoU"}
    order = [title for title in read(mixed, form)[0].columns if title not in others]

    assert order == [title for title in TITLES if title not in others | {"failed"}]


@pytest.mark.parametrize("form", SHOWN)
def test_highest_is_bold_and_ties_have_daggers(form):
    """Nothing else is marked; the line below says what it means, and at which level."""
    table, bold, daggers, note = read(
        compared((0.87, 0.86, 0.81, 0.8), (True, True, False, True)), form
    )
    column = table.columns.get_loc("IoU")

    assert bold == {(1, column)}
    assert daggers == {(2, column), (4, column)}
    assert "Bold: the highest mean. † may be the best" in note
    assert "† may be the best as well, with 95 % confidence." in note


@pytest.mark.parametrize("form", SHOWN)
def test_single_best_has_no_daggers(form):
    """The only cell that may be the best is bold, and the line below says so."""
    _, bold, daggers, note = read(compared(may=(True, False, False)), form)

    assert (len(bold), daggers) == (1, set())
    assert "†" not in note
    assert "nothing else may be the best" in note


@pytest.mark.parametrize("form", SHOWN)
def test_one_seed_marks_nothing(form):
    """Nothing is marked, even if the frame has marks and chances."""
    table, bold, daggers, note = read(compared(may=(True, True, True)), form, claims=False)

    assert (bold, daggers) == (set(), set())
    assert "no claim about methods" in note
    assert "may be best" not in table
    assert "chance best" not in table
    assert numbers(table["IoU"]) == pytest.approx([0.87, 0.86, 0.81], abs=5.1e-5)


def test_equal_means_are_both_bold():
    """Two cells with the same predictions are both bold."""
    _, bold, daggers, _ = read(compared((0.87, 0.87, 0.86), (True, True, True)), "md")
    *_, note = read(compared((0.87, 0.87, 0.8)), "md")

    assert {y for y, _ in bold} == {1, 2}
    assert {y for y, _ in daggers} == {3}
    assert note == "Bold: the highest mean, the same in 2 rows."


def test_without_tests_bold_is_only_the_highest():
    """Without the column may_be_best only the highest mean is marked."""
    frame = compared().drop(columns=["may_be_best", "p_best"])
    _, bold, daggers, note = read(frame, "md")

    assert (len(bold), daggers) == (1, set())
    assert note == "Bold: the highest mean."


def test_other_metric_stands_first_and_is_marked():
    """Dice was compared: its column is bold, IoU is a further column."""
    frame = compared()
    order = ["model", "loss", "test_dice", "ci_low", "ci_high", "test_iou", "may_be_best"]
    table, bold, *_ = read(frame[order], "md")

    assert table.columns.tolist() == [
        "model",
        "loss",
        "Dice",
        "95 % interval",
        "may be best",
        "IoU",
    ]
    assert bold == {(1, 2)}


@pytest.mark.parametrize("form", SHOWN)
def test_nothing_is_bold_where_no_level_is_best_by_itself(form):
    """The effect of a loss depends on the architecture: no loss is marked."""
    unknown = pd.array([pd.NA, pd.NA], dtype="boolean")
    frame = levels(may_be_best=unknown, p_best=[math.nan, math.nan])
    table, bold, daggers, note = read(frame, form)

    assert (bold, daggers) == (set(), set())
    assert note.startswith("Nothing is marked")
    assert table.columns.tolist() == ["loss", "Dice", "95 % interval", "cells"]


@pytest.mark.parametrize("form", FORMS)
def test_cells_without_runs_stand_at_the_end(form):
    """Wherever they are in the frame."""
    frame = compared((None, 0.9, None, 0.8), (None, True, None, True), ["x", "y", "z", "w"])
    text = pasted(frame, form)

    assert sorted("xyzw", key=lambda name: re.search(rf"\b{name}\b", text).start()) == list("ywxz")
    assert frame["loss"].tolist() == ["x", "y", "z", "w"]


@pytest.mark.parametrize("form", SHOWN)
def test_nothing_finished(form):
    """Names, dashes, how many failed; nothing is bold."""
    table, bold, _, note = read(compared((None, None), (None, None)), form, claims=False)

    assert table.columns.tolist() == ["model", "loss", "epochs", "IoU", "seeds", "failed"]
    assert table["IoU"].tolist() == ["–", "–"]
    assert table["failed"].tolist() == ["2", "2"]
    assert (bold, note) == (set(), "Nothing is finished.")


@pytest.mark.parametrize("form", SHOWN)
def test_single_cell_is_not_called_the_best(form):
    """A single cell is not marked: there is nothing to compare it with."""
    table, bold, _, note = read(compared((0.9,), (True,)), form)

    assert len(table) == 1
    assert bold == set()
    assert "Nothing to compare" in note


@pytest.mark.parametrize("form", FORMS)
def test_no_rows_at_all(form):
    """A table with titles only."""
    text = pasted(compared().head(0), form)

    assert "model" in text
    assert len(READ[form](text)[0] if form in READ else text.splitlines()) == 1


def test_levels():
    """A loss, the number of cells in its mean, chances close to 0 and 1."""
    table, bold, daggers, note = read(levels(), "md")

    assert table.to_dict("list") == {
        "loss": ["dice", "bce"],
        "Dice": ["0.9000", "0.8000"],
        "95 % interval": ["0.8800 to 0.9200", "0.7800 to 0.8200"],
        "may be best": ["yes", "no"],
        "chance best": ["> 0.99", "< 0.01"],
        "cells": ["4", "4"],
    }
    assert (bold, daggers) == ({(1, 1)}, set())
    assert "nothing else may be the best" in note


@pytest.mark.parametrize("form", SHOWN)
def test_differences_to_a_baseline(form):
    """The baseline has no difference; better and worse refer to the row's cell."""
    table, bold, _, note = read(baseline(), form)

    assert table.columns.tolist() == [
        *("model", "loss", "IoU", "difference", "95 % interval", "p (adjusted)"),
        *("chance equal", "verdict", "seeds"),
    ]
    assert table["difference"].tolist() == ["0.0500", "–", "-0.1500", "–"]
    assert table["95 % interval"][2] == "-0.2000 to -0.1000"
    assert table["p (adjusted)"].tolist() == ["0.057", "–", "< 0.001", "–"]
    assert table["verdict"].tolist() == ["undecided", "–", "worse", "–"]
    assert bold == {(1, 2)}
    assert "Differences are to the baseline" in note


@pytest.mark.parametrize("form", SHOWN)
def test_two_sweeps(form):
    """Cells are named in full; a difference that rounds to nothing has no sign."""
    table, bold, _, note = read(sweeps(), form)

    assert table.columns.tolist() == [
        *("cell", "first", "second", "difference", "95 % interval", "p (adjusted)"),
        *("chance equal", "verdict"),
    ]
    assert table["difference"].tolist() == ["0.1000", "0.0000", "0.0500"]
    assert table["p (adjusted)"].tolist() == ["< 0.001", "1.000", "0.011"]
    assert table["verdict"].tolist() == sweeps()["verdict"].tolist()
    assert bold == set()
    assert note.startswith("Difference: first less second")


def test_minus_is_no_hyphen_in_latex():
    """Numbers get a minus sign; names keep their hyphens."""
    text = pasted(baseline().assign(model="u-net-3"), "latex")

    assert "& $-$0.1500 & $-$0.2000 to $-$0.1000 &" in text
    assert "u-net-3 &" in text


def test_empty_columns_are_left_out():
    """A key that no cell has, an unknown spread and a column of zero failures are left out."""
    frame = compared()
    frame.insert(3, "loss.gamma", None)
    table, *_ = read(frame.assign(sd_seeds=math.nan, lr=None), "md")

    assert set(TITLES) - set(table.columns) == {"failed", "sd (seeds)", "lr"}
    assert "gamma" not in table


def test_two_keys_of_one_last_part_are_told_apart():
    """`model.channels` and `data.channels` would both be channels."""
    frame = compared().rename(columns={"trainer.epochs": "model.channels"})
    frame.insert(3, "data.channels", ["[4, 8]", None, True])
    table, *_ = read(frame, "md")

    assert table.columns[2:4].tolist() == ["model.channels", "data.channels"]
    assert table["data.channels"].tolist() == ["[4, 8]", "–", "True"]


@pytest.mark.parametrize("form", SHOWN)
@pytest.mark.parametrize("name", EVIL)
def test_evil_names_are_only_names(form, name):
    """Markup in a loss and in a key is shown as text in every format."""
    frame = compared(names=[name, "b", "c"]).rename(columns={"trainer.epochs": f"x.{name}"})
    table, *_ = read(frame, form)

    assert table["loss"][0] == name
    assert table.columns[2] in (name, f"x.{name}")
    assert len(table.columns) == len(TITLES) - 1  # nothing failed


@pytest.mark.slow
@pytest.mark.parametrize("form", SHOWN)
@settings(max_examples=60, deadline=None)
@given(
    name=st.text(min_size=1, max_size=12) | st.text("ab\\`*_~|$&<>[](){}!-,'?#;^% ", max_size=12)
)
@example("x&lt;y")
@example(r"a\|b")
@example("---")
@example("–†")
@example("a\nb\x1b[31m\x00")
def test_any_name_comes_back(form, name):
    """Line breaks and control characters become spaces."""
    known = "".join(sign if sign.isprintable() else " " for sign in name)
    table, *_ = read(compared(names=[name, "b", "c"]), form)

    assert table["loss"][0].split() == (known.split() or ["–"])


def test_html_is_a_plain_fragment():
    """One table with a class, in ASCII, without styles or scripts."""
    text = pasted(compared((0.9, 0.8, None), (True, True, None), ["ü", "b", "c"]), "html")
    reader = Reader()
    reader.feed(text)

    assert text.isascii()
    assert {tag for tag, _ in reader.tags} == {
        *("table", "thead", "tbody", "tfoot", "tr", "th", "td", "strong"),
    }
    assert {name for _, attributes in reader.tags for name in attributes} == {"class", "colspan"}
    assert reader.tags[0] == ("table", {"class": "segsweep"})


def test_markdown_aligns_numbers_to_the_right():
    """The rule below the titles sets the alignment; columns keep their width."""
    lines = pasted(compared(), "md").splitlines()
    rule = [cell.strip() for cell in lines[1].strip("|").split("|")]

    assert [cell.endswith(":") for cell in rule] == [
        title not in ("model", "loss", "epochs", "may be best")
        for title in TITLES
        if title != "failed"
    ]
    assert len({len(line) for line in lines[:5]}) == 1
    assert "| loss_0 |" in lines[2]


def test_unknown_form_is_refused():
    """The message names the formats that exist."""
    with pytest.raises(ValueError, match="csv, md, latex, html; got 'xlsx'"):
        pasted(compared(), "xlsx")


def test_real_analysis_is_pasted():
    """From values through the statistics: cells that may be the best are marked, others are not."""
    values = drawn((4,) * 4, gaps=[0, 0.01, -0.3, -0.3], seed=2, names=["m/a", "m/b", "n/a", "n/b"])
    rows = [
        {"run_id": f"{cell}{seed}", "model": cell[0], "loss": cell[2], "seed": seed}
        for cell in values.cells
        for seed in range(4)
    ]
    measured = (*columns(), *columns("val"))
    rest = {**dict.fromkeys(measured, 0.5), "lr": 0.01, "seconds": 10.0, "parameters": 5.0}
    results = pd.DataFrame(rows).assign(status="finished", fold=None, **rest)
    analysis = analyse(values, Settings(draws=500))
    frame = comparison_table(analysis, results)
    table, bold, daggers, _ = read(frame, "md")
    marked = {table["model"][y - 1] + "/" + table["loss"][y - 1] for y, _ in bold | daggers}

    assert marked == {n for n, may in zip(values.cells, analysis.may_be_best, strict=True) if may}
    assert len(marked) == 2


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX")
def test_latex_compiles(tmp_path):
    """With booktabs alone, names with special characters included."""
    names = [*EVIL, "[a", "*", "---", "~^#$", "x"]
    means = list(np.linspace(0.9, 0.5, len(names)))
    tables = [compared(means, [True] * len(names), names), levels(), baseline(), sweeps()]
    text = "\n\n".join(pasted(frame, "latex") for frame in tables)
    head = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\tiny\n"
    (tmp_path / "t.tex").write_text(f"{head}{text}\\end{{document}}\n")
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing" not in done.stdout
