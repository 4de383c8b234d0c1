"""A damaged plan is read as far as possible and made again from the configs of the runs."""

import pytest

from segsweep.store.paths import SweepPaths
from segsweep.store.plan import LOST, PLAN, add_to_plan, lost_rows, needs_rebuilding, read_plan


def row(number: int) -> dict[str, object]:
    """Return a row of a plan."""
    name = f"unet-bce-s{number}-{number:012x}"
    return {"run_id": f"{number:012x}", "kind": "run", "seed": number, "folder": name}


DAMAGES = {
    "empty": lambda text: b"",
    "half": lambda text: text[: len(text) // 2],
    "random": lambda text: bytes(range(256)) * 4,
    "no header": lambda text: b"a,b\n1,2\n",
    "wrong type": lambda text: text.replace(b",1,", b",one,"),
    "huge": lambda text: text.replace(b"unet2-bce", b"x" * 300_000, 1),
    "a path": lambda text: text.replace(b"unet2-bce-s1", b"../../x", 1),
    "more columns": lambda text: text.replace(b"run,", b"run,,,,,,,,,,,,,,,,", 1),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_repaired(tmp_path, frozen, write_run, damage) -> None:
    """Intact rows stay; the others come from the configs; then the plan is whole."""
    sweep = SweepPaths(tmp_path / "main")
    rows = []
    for seed in range(3):
        folder = write_run(sweep.root, frozen(seed=seed))
        values = {**row(seed), "folder": folder.name, "run_id": folder.name[-12:]}
        rows.append({**values, "request": "-m all", "fold": ""})
    add_to_plan(sweep, rows)
    assert read_plan(sweep.plan).damage is None
    sweep.plan.write_bytes(DAMAGES[damage](sweep.plan.read_bytes()))
    plan = read_plan(sweep.plan)

    assert str(plan.damage).startswith(f"{sweep.plan}: ")
    assert needs_rebuilding(sweep)
    add_to_plan(sweep, lost_rows(sweep, ()))
    after = read_plan(sweep.plan).rows
    assert {one["folder"] for one in after} == {one["folder"] for one in rows}
    assert {one["request"] for one in after} <= {"-m all", LOST}
    assert list(after[0]) == list(PLAN)
    assert read_plan(sweep.plan).damage is None
    assert not needs_rebuilding(sweep)


def test_a_missing_plan_is_empty(tmp_path, frozen, write_run) -> None:
    """It needs rebuilding where there are runs."""
    sweep = SweepPaths(tmp_path / "main")

    assert read_plan(sweep.plan).rows == []
    assert read_plan(sweep.plan).damage is None
    assert not needs_rebuilding(sweep)
    write_run(sweep.root, frozen())
    assert needs_rebuilding(sweep)
