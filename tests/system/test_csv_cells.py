"""No text cell is a formula to a spreadsheet, and every text is read back exactly."""

import csv
import io
import json
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas import DataFrame, read_csv

from segsweep.report.export import pasted
from segsweep.report.write import csv_of
from segsweep.store.plan import PLAN
from segsweep.store.records import image_columns, per_image_text, read_rows
from segsweep.store.run_rows import image_rows, images_of
from segsweep.system.csv_cells import exact, exact_frame, frame_text, safe
from segsweep.system.files import csv_text
from segsweep.system.installation import PACKAGE

QUICK = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
FORMULAS = ["=1+1", "+a", "-a", "@a", "\ta", "\ra", "'=a", "''-b", "＝a", "--5", "-", "-m x", "=5"]
PLAIN = ["", "a", "a=b", "'", "'a", "'5", "-5", "+1.5e-3", "-.5", "IMD002", " =x"]
texts = st.text(st.characters(codec="utf-8")) | st.from_regex(r"'*[=+\-@\t\r\n'0-9.e]{1,4}\w?")


def is_formula(cell):
    """Whether a spreadsheet may run *cell*, by the list of the OWASP; numbers are harmless."""
    try:
        float(cell)
    except ValueError:
        return cell[:1] in tuple("=+-@\t\r\n")
    return False


@pytest.mark.parametrize("text", FORMULAS)
def test_formula_gets_an_apostrophe(text):
    """Spreadsheets take a cell with an apostrophe in front as text."""
    assert safe(text) == f"'{text}"
    assert exact(f"'{text}") == text


@pytest.mark.parametrize("value", [*PLAIN, -5, -0.5, float("-inf"), None, True])
def test_other_cells_stay(value):
    """Numbers too, and texts in files of earlier versions."""
    assert safe(value) is value
    assert exact(value) is value


@QUICK
@given(texts)
def test_cell_is_read_back(text):
    """Any text."""
    written = safe(text)

    assert exact(written) == text
    assert not is_formula(written)


@QUICK
@given(st.lists(st.tuples(texts, texts, st.floats(allow_nan=False)), min_size=1))
def test_rows_are_read_back(rows):
    """From our own CSV files, by our own reader and by an independent one."""
    given_rows = [{"a": a, "b": b, "c": c} for a, b, c in rows]
    text = csv_text(given_rows, ("a", "b", "c"))
    cells = [*csv.DictReader(io.StringIO(text, newline=""))]

    assert [(exact(r["a"]), exact(r["b"]), float(r["c"])) for r in cells] == rows
    assert not any(is_formula(cell) for row in cells for cell in (row["a"], row["b"]))


@QUICK
@given(st.lists(texts.filter(str.strip), min_size=1))
def test_frames_are_read_back(names):
    """The tables of a sweep; numbers keep their type."""
    frame = DataFrame({"cell": names, "diff": [-0.5] * len(names), "none": None})
    text = frame_text(frame)
    cells = [row["cell"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    read = exact_frame(read_csv(io.StringIO(text), dtype={"cell": str}, keep_default_na=False))

    assert not any(map(is_formula, cells))
    assert read["cell"].tolist() == names
    assert read["diff"].tolist() == frame["diff"].tolist()


@QUICK
@given(st.lists(texts, min_size=1))
def test_images_are_read_back(tmp_path_factory, names):
    """Through a run's per_image.csv, the sweep's, and an old file without apostrophes."""
    counts = {"tp": 1, "fp": 2, "fn": 3, "tn": 4}
    rows = [{"split": "val", "at": "train", "image": name, **counts} for name in names]
    path = tmp_path_factory.mktemp("run") / "per_image.csv"
    path.write_text(per_image_text("r", rows), encoding="utf-8", newline="")
    assert images_of(image_rows(path, "r"))["image"].tolist() == names


def test_formula_in_an_old_file_does_not_reach_a_new_one(tmp_path):
    """A run of an earlier version is copied into tables with the apostrophe."""
    path = tmp_path / "per_image.csv"
    head = ",".join(image_columns())
    rest = "," * (len(image_columns()) - 8)
    path.write_text(f"{head}\nr,val,train,=cmd,1,2,3,4{rest}\n")

    assert image_rows(path, "r") == "r,val,train,'=cmd,1,2,3,4\n"


def test_plan_and_tables(tmp_path):
    """A request begins with -m; the cell of a user's option may begin with anything."""
    path = tmp_path / "plan.csv"
    path.write_text(csv_text([{"request": "-m seed=0,1", "cell": "=a"}], PLAN))
    frame = DataFrame({"cell": ["=a/b"], "model": ["+x"], "diff": [-0.25], "cells": [1]})
    (tmp_path / "comparison.csv").write_text(csv_of(frame))

    assert "'-m seed=0,1" in path.read_text()
    assert [(row["request"], row["cell"]) for row in read_rows(path)] == [("-m seed=0,1", "=a")]
    assert (tmp_path / "comparison.csv").read_text() == "cell,model,diff,cells\n'=a/b,'+x,-0.25,1\n"
    assert exact_frame(read_csv(tmp_path / "comparison.csv"))["cell"].tolist() == ["=a/b"]
    assert "'=a/b" in pasted(frame, "csv")


def test_page_saves_cells_in_the_same_way(tmp_path):
    """The script of the page, with its own expression, gives what Python writes."""
    script = (PACKAGE / "report" / "page" / "template" / "page.js").read_text()
    begin = script.index("const csv = ")
    function = script[begin : script.index("const save = ")]
    rows = [[text] for text in (*FORMULAS, *PLAIN)] + [[-5]]
    program = f"{function}\nprocess.stdout.write(csv(['a'], {json.dumps(rows)}));"
    try:
        done = subprocess.run(["node", "-e", program], capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("needs node")
    read = [
        row[0] if row else "" for row in csv.reader(io.StringIO(done.stdout.decode(), newline=""))
    ]

    assert read[1:] == [str(safe(row[0])) for row in rows]
