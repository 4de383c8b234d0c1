"""The words for the status of a run have one home."""

import ast

from segsweep.stats import runs
from segsweep.store.states import OPEN_STATUSES, Status
from test_layers import modules

HOMES = ("segsweep.store.states", "segsweep.stats.runs")
"""Modules that may spell the words; `stats` imports nothing of `store`."""
WORDS = {status.value for status in Status}


def words_compared(source: str) -> list[str]:
    """Return the status words that *source* compares with, also as members of a collection."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "isin":
            operands = node.args
        else:
            continue
        parts = [part for operand in operands for part in getattr(operand, "elts", [operand])]
        found += [str(part.value) for part in parts if isinstance(part, ast.Constant)]
    return [word for word in found if word in WORDS]


def test_words_are_found_in_every_kind_of_comparison():
    """Equal, unequal, membership, and pandas' isin; a key of a mapping is not a comparison."""
    assert words_compared('run.status == "failed"') == ["failed"]
    assert words_compared('"running" != status or "planned" in counts') == ["running", "planned"]
    assert words_compared('status in ("finished", "x")') == ["finished"]
    assert words_compared('frame.isin(["interrupted"])') == ["interrupted"]
    assert words_compared('row["failed"] + row.get("finished")') == []


def test_status_words_are_spelt_in_one_place():
    """All other modules compare with members of Status: a misspelt one is an error."""
    found = {
        name: words
        for name, path in modules().items()
        if name not in HOMES and (words := words_compared(path.read_text(encoding="utf-8")))
    }

    assert len(modules()) > 100
    assert found == {}


def test_statistics_know_the_same_words():
    """A run is finished, failed, open or superseded: every status is one of them."""
    assert (runs.FINISHED, runs.FAILED, runs.SUPERSEDED, runs.OPEN) == (
        Status.FINISHED,
        Status.FAILED,
        Status.SUPERSEDED,
        OPEN_STATUSES,
    )
    assert {Status.FINISHED, Status.FAILED, Status.SUPERSEDED, *OPEN_STATUSES} == set(Status)
