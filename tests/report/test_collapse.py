"""Runs that collapsed, and networks that predict nothing, in everything that a report shows."""

import json
import re

import pytest

from command import rows_of
from segsweep.report.collapse import is_collapsed

EMPTY, GOOD, WORSE = (0, 0, 40, 60), (36, 2, 4, 58), (20, 2, 20, 58)
RESULT = {"epochs": 9, "best_epoch": 2, "val_iou": 0.64, "n_test": 6, "seconds": 6.0}


@pytest.mark.parametrize(
    ("last", "status", "expected"),
    [
        (0.31, "finished", True),
        (0.32, "finished", False),
        (0.64, "finished", False),
        (None, "finished", False),
        (0.31, "running", False),
    ],
)
def test_rule(last, status, expected):
    """Below half of the selected epoch's validation IoU, of a finished run."""
    assert is_collapsed({"status": status, "val_iou": 0.64, "last_val_iou": last}) == expected


def test_what_never_learned_did_not_collapse():
    """Noise near 0 halves by itself."""
    row = {"status": "finished", "val_iou": 0.001, "last_val_iou": 0.0}
    assert not is_collapsed(row)
    assert is_collapsed({**row, "val_iou": 0.1})


@pytest.fixture
def report(tmp_path, frozen, write_run, segsweep):
    """Return a function: loss -> (counts of an image, last validation IoU); the report's parts."""

    def make(cells):
        sweep = tmp_path / "outputs/main"
        for loss, (counts, last) in cells.items():
            rows = [("test", "train", f"i{n}", *counts) for n in range(5)]
            rows += [("test", "train", "i5", *(GOOD if counts == WORSE else counts))]
            result = {**RESULT, "last_val_iou": last}
            write_run(sweep, frozen(f"loss={loss}"), result=result, counts=rows)
        code, out, _ = segsweep("report", "main")
        assert code == 0
        return sweep, out, json.loads((sweep / "answer.json").read_text())

    return make


def test_empty_masks_come_first(report, segsweep):
    """Before the headline: in the terminal, in answer.json, on the page, in other tables."""
    words = "unet2/bce predicts empty masks on all 6 test images"
    sweep, out, said = report({"bce": (EMPTY, 0.6), "dice": (GOOD, 0.6), "ss": (WORSE, 0.6)})
    page = (sweep / "report.html").read_text()
    by = segsweep("report", "main", "--baseline", "unet2/dice")[1]
    two = segsweep("compare", "unet2/bce", "unet2/dice")[1]

    assert out.startswith(words)
    assert said["warnings"][0].startswith(words)
    assert page.index(words) < page.index('<p class="headline">')
    assert words in " ".join(by.split())
    assert words in " ".join(two.split())


def test_equal_cells_have_no_order(report):
    """The same counts: one rank, a verdict of their own, no highest mean."""
    sweep, out, said = report({"bce": (GOOD, 0.6), "dice": (GOOD, 0.6)})

    assert [row["rank"] for row in rows_of(sweep / "comparison.csv")] == ["1", "1"]
    assert [row["verdict"] for row in rows_of(sweep / "pairs.csv")] == ["equal on every image"]
    assert said["warnings"] == []
    assert "highest" not in out
    assert "equal on every image" in " ".join(out.split())


def test_one_seed_explains_its_intervals(report):
    """At the pairs of the page, and in the terminal."""
    sweep, out, _ = report({"bce": (WORSE, 0.6), "dice": (GOOD, 0.6)})
    page = (sweep / "report.html").read_text()
    pairs = page[page.index('<section id="pairs">') :]

    assert "trained networks differ on new images" in " ".join(out.split())
    assert "no verdict on the methods is given" in " ".join(out.split())
    assert "No verdict on the methods is given" in pairs[: pairs.index("</section>")]


def test_collapsed_run_is_told_and_marked(report):
    """In a note, in results.csv, and in the page's table of runs."""
    sweep, out, said = report({"bce": (GOOD, 0.0004), "dice": (WORSE, 0.6)})
    runs = (sweep / "report.html").read_text().partition('data-table="runs"')[2]
    rows = re.findall("<tr.*?</tr>", runs.partition("</table>")[0], re.DOTALL)[1:]

    assert (
        "1 run collapsed after its best epoch (validation IoU at the end below half): "
        "unet2/bce seed 0 (0.640 to 0.000). The weights of the best epoch are tested."
    ) in said["notes"]
    assert "1 run collapsed" in " ".join(out.split())
    assert {row["loss"]: row["last_val_iou"] for row in rows_of(sweep / "results.csv")} == {
        **{"bce": "0.0004", "dice": "0.6"}
    }
    assert [">yes<" in row for row in rows] == ["/bce" in row for row in rows]
    assert len(rows) == 2
