"""The real PH2 data, where SEGSWEEP_PH2 names its folder."""

import os
from pathlib import Path

import numpy as np
import pytest

from command import rows_of, train_here

pytestmark = pytest.mark.slow
PH2 = os.environ.get("SEGSWEEP_PH2", "")


@pytest.fixture(scope="module")
def ph2() -> str:
    """Return the data's folder, or skip."""
    if not PH2 or not Path(PH2).is_dir():
        pytest.skip("SEGSWEEP_PH2 names no folder with the PH2 data set")
    return PH2


@pytest.fixture(scope="module")
def trained(ph2, tmp_path_factory) -> Path:
    """Return the sweep of a run on the default split: 20 epochs of a thin network at 64x64."""
    folder = tmp_path_factory.mktemp("trained")
    words = ["data=ph2", f"data.root='{ph2}'", "data.size=64", "trainer=quick"]
    with pytest.MonkeyPatch.context() as patch:
        words += ["trainer.epochs=20", "model.channels=[8,16,32,64]", "threads=1"]
        assert train_here(words, patch, folder) == 0
    return folder / "outputs/main"


def test_original_split_on_real_ids(ph2, monkeypatch, tmp_path, capsys) -> None:
    """The seed-42 permutation over sorted ids, 100/50/50; it takes IMD199 and IMD200 apart."""
    words = ["experiment=notebook", f"data.root='{ph2}'", "data.size=32", "trainer.epochs=1"]
    code = train_here([*words, "model.channels=[4,4]", "threads=1"], monkeypatch, tmp_path)
    (run,) = (tmp_path / "outputs/main/runs").iterdir()
    rows = rows_of(run / "split.csv")
    np.random.seed(42)
    order = np.random.choice(200, 200, replace=False)
    expected = {
        part: {rows[i]["id"] for i in order[a:b]}
        for part, a, b in (("train", 0, 100), ("val", 100, 150), ("test", 150, 200))
    }

    assert code == 0
    assert rows == sorted(rows, key=lambda row: row["id"])
    for part, ids in expected.items():
        assert ids == {row["id"] for row in rows if row["split"] == part}
    assert "IMD199 in train, IMD200 in val" in capsys.readouterr().err


def test_default_split_keeps_the_shared_lesion_together(trained) -> None:
    """Outside the notebook's protocol one lesion never stands on two sides."""
    (run,) = (trained / "runs").iterdir()
    sides = {row["id"]: row["split"] for row in rows_of(run / "split.csv")}
    sizes = [list(sides.values()).count(part) for part in ("train", "val", "test")]

    assert sides["IMD199"] == sides["IMD200"]
    assert sizes == [100, 50, 50]


def test_short_training_learns_on_real_images(trained) -> None:
    """Twenty epochs at 64x64 beat every simple answer (Otsu .512, mean mask .484) by far."""
    (row,) = rows_of(trained / "results.csv")

    assert 0.75 < float(row["test_iou"]) < 0.91
