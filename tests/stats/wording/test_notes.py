"""Each kind of note as a sentence, in the singular and the plural."""

from typing import get_args

import pytest

from segsweep.stats.notes import (
    CellsWithoutRuns,
    FailedRuns,
    GroupedImages,
    IncompleteFolds,
    MissingCombinations,
    Note,
    OtherImages,
    PartlyScoredImages,
    RepeatedRuns,
    RunsWithoutCounts,
    RunsWithoutMetric,
    SeveralVersions,
    SupersededRuns,
    UnequalSeeds,
    UnfinishedRuns,
    UngroupedImages,
)
from segsweep.stats.wording.notes import note_text, note_texts

TEXTS = {
    SeveralVersions(("0.1", "0.2"), ()): "Runs were made by segsweep 0.1 and 0.2.",
    FailedRuns(2): "2 runs failed: their cells have fewer seeds.",
    SupersededRuns(2): "2 superseded runs left out: the search has chosen other values since.",
    RepeatedRuns(1): (
        "1 earlier run of a repeated seed left out: the run that finished last counts."
    ),
    IncompleteFolds(5, (("m/a", "0"), ("m/b", "3"))): (
        "2 seeds without all 5 folds left out: m/a seed 0, m/b seed 3."
    ),
    RunsWithoutCounts(2): "2 finished runs without per-image counts left out.",
    RunsWithoutMetric(
        1, "HD95"
    ): "1 finished run without HD95 left out: it was not measured in it.",
    OtherImages((("m/a@sweep=old", "1"),)): (
        "1 seed scored on other images left out: m/a seed 1 of old."
    ),
    PartlyScoredImages(3): "3 images left out: not scored by every run.",
    UnequalSeeds(1, 3, ("m/a",)): "Cells have 1 to 3 seeds; fewest: m/a.",
    CellsWithoutRuns(("m/a", "m/b")): "No finished run: m/a, m/b.",
    MissingCombinations(("m/a",), 4): (
        "1 of 4 combinations of model and loss is not in this sweep: m/a."
    ),
    UnfinishedRuns(1): "1 run not finished yet.",
    GroupedImages(12, 3): "12 test images in 3 groups: groups are the independent units.",
    UngroupedImages(1, "patients.csv"): "1 test image not in patients.csv: it is its own group.",
}


@pytest.mark.parametrize(("note", "text"), TEXTS.items())
def test_note_as_a_sentence(note, text):
    """Numbers, names and verbs agree."""
    assert note_text(note) == text


def test_every_kind_of_note_has_a_sentence():
    """The table above is complete."""
    assert {type(note) for note in TEXTS} == set(get_args(Note))
    assert note_texts(TEXTS) == tuple(TEXTS.values())
