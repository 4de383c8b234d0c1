"""Time, memory and disk of a plan: sums computed by hand, and the exact text of refusals."""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import typed
from segsweep.errors import ConfigError
from segsweep.sweep.planning import budget as module
from segsweep.sweep.planning.budget import (
    Cost,
    Room,
    budget_of,
    check_budget,
    cost_of,
    is_short,
    makespan,
    mb_text,
    out_of_memory_line,
    room_of,
)
from segsweep.sweep.planning.cost import Measured, seconds_of
from segsweep.sweep.processes.slots import Slot
from segsweep.system.machine import Gpu

GB = 1024.0
SMALL = Cost("unet/bce", 30.0, 700.0, 400.0, 0.0, 12.0, 4.0, 4.0)
LARGE = Cost("unet3/dice", 100.0, 2400.0, 400.0, 0.0, 90.0, 30.0, 30.0)
TWO, THREE = [Slot(0, 1), Slot(1, 1)], [Slot(number, 2) for number in range(3)]


@pytest.mark.parametrize(
    ("costs", "slots", "available_mb", "expected"),
    [
        ([SMALL], 1, 700 / 0.8 + 1, False),
        ([SMALL], 1, 700 / 0.8 - 1, True),
        ([SMALL, SMALL], 2, 1000 / 0.8 + 1, False),  # 400 in common, 300 of each
        ([SMALL, SMALL], 2, 1000 / 0.8 - 1, True),
        ([SMALL, LARGE], 1, 2400 / 0.8 + 1, False),
        ([replace(LARGE, gpu_mb=9000.0)], 1, 100, False),
    ],
)
def test_memory_is_short_from_four_fifths_on(costs, slots, available_mb, expected):
    """Runs in all slots take more than 80 % of what is available; on GPUs it does not matter."""
    assert is_short(costs, slots, available_mb) == expected


def best_possible(seconds, slots):
    """Return the shortest time of all ways to distribute the runs over slots."""
    ways = itertools.product(range(slots), repeat=len(seconds))
    loads = (
        [sum(s for s, k in zip(seconds, way, strict=True) if k == n) for n in range(slots)]
        for way in ways
    )
    return min(max(load) for load in loads)


@pytest.mark.parametrize(
    ("seconds", "slots", "expected"),
    [
        ([], 2, 0),
        ([5], 3, 5),
        ([1, 1, 1, 1, 5], 2, 5),  # 5 | 1 1 1 1
        ([3, 3, 2, 2, 2], 2, 7),  # 3 2 2 | 3 2: the longest first misses 3 3 | 2 2 2
        ([4, 3, 2, 1], 1, 10),
        ([0.5] * 7, 3, 1.5),
    ],
)
def test_makespan_by_hand(seconds, slots, expected):
    """The longest run starts first, each in the slot that is free first."""
    assert makespan(seconds, slots) == expected


@given(st.lists(st.integers(0, 50), max_size=6), st.integers(1, 3))
def test_makespan_is_near_the_best(seconds, slots):
    """Graham 1969: at most 4/3 - 1/(3 slots) of the best schedule there is, never less than it."""
    best, found = best_possible(seconds, slots), makespan(seconds, slots)

    assert best <= found <= (4 / 3 - 1 / (3 * slots)) * best + 1e-9


def test_sums_by_hand():
    """Shared memory once, the largest runs at once; kept and temporary checkpoints."""
    budget = budget_of([SMALL, SMALL, SMALL, LARGE], TWO)

    assert (budget.runs, budget.slots, budget.threads) == (4, 2, 1)
    assert budget.seconds == 100.0
    assert budget.per_run == pytest.approx(190 / 4)
    assert budget.memory_mb == 400 + 2000 + 300
    assert budget.gpu_mb == 0
    assert budget.kept_mb == 3 * 4 + 30
    assert budget.disk_mb == 42 + 2 * (90 + 30) + 2 * (12 + 4) + 4 * 1


def test_empty_slots_need_no_memory():
    """One run in three slots needs the memory of one run."""
    assert budget_of([LARGE], THREE).memory_mb == LARGE.peak_mb
    assert budget_of([LARGE], THREE).threads == 2


def test_nothing_to_do_takes_nothing():
    """Without runs nothing is needed, and nothing is refused."""
    budget = budget_of([], [])

    assert (budget.seconds, budget.per_run, budget.memory_mb, budget.disk_mb) == (0, 0, 0, 0)
    check_budget([], budget, Room(0, 0, 0))


@pytest.mark.parametrize(
    ("keep_gb", "stored", "kept"),
    [
        (None, 500.0, 60.0),
        (1.0, 0.0, 60.0),
        (0.03, 0.0, 0.03e9 / 2**20),
        (1.0, 900.0, 1e9 / 2**20 - 900),
        (1.0, 5000.0, 0.0),
        (0.0, 0.0, 0.0),
    ],
)
def test_cap_on_checkpoints(keep_gb, stored, kept):
    """A cap, in 10^9 bytes, is for the whole sweep: checkpoints of earlier runs count."""
    budget = budget_of([LARGE, LARGE], TWO, keep_gb=keep_gb, stored_mb=stored)

    assert budget.kept_mb == pytest.approx(kept)
    assert budget.disk_mb == pytest.approx(kept + 4 * 120 + 2)


def test_most_on_one_gpu():
    """Two slots on a GPU, one on another: the two largest may meet on the first."""
    slots = [Slot(0, 4, "GPU-a"), Slot(1, 4, "GPU-b"), Slot(2, 4, "GPU-a")]
    costs = [replace(SMALL, gpu_mb=mb) for mb in (3e3, 8e3, 5e3)]
    budget = budget_of(costs, slots)

    assert (budget.per_gpu, budget.gpu_mb) == (2, 13e3)


@pytest.mark.parametrize(
    ("keep", "kept"), [("best", 10.0), ("last", 30.0), ("both", 40.0), ("none", 0.0)]
)
def test_cost_of_a_run(keep, kept, frozen):
    """What was measured, in MB, and what of it stays."""
    trainer = {"trainer.epochs": 7, "trainer.batch": 10, "trainer.preview_every": 0}
    config = typed(frozen(keep=keep, **trainer))
    measured = Measured(
        **dict.fromkeys(("start", "warm_up", "val_image", "score_image"), 0.1),
        **dict.fromkeys(("save_last", "save_best", "preview"), 0.01),
        step=1.0,
        shared_mb=400.0,
        peak_mb=1000.0,
        gpu_mb=2000.0,
        last_bytes=30 * 2**20,
        best_bytes=10 * 2**20,
        train=100,
        val=50,
        test=50,
    )
    cost = cost_of("unet2/bce", config, measured, 3)

    assert cost.cell == "unet2/bce"
    assert cost.seconds == seconds_of(config, measured, 3)
    assert (cost.peak_mb, cost.own_mb, cost.gpu_mb) == (1000, 600, 2000)
    assert (cost.last_mb, cost.best_mb, cost.kept_mb) == (30, 10, kept)


def test_room_of_this_machine(tmp_path, monkeypatch):
    """Of the GPUs in use the one with the least free counts, others not."""
    cards = [Gpu(f"GPU-{name}", "T4", free) for name, free in (("a", 9e3), ("b", 1e3))]
    monkeypatch.setattr(module, "gpus", lambda: cards)
    monkeypatch.setattr(module, "available_memory_mb", lambda: 5e3)
    room = room_of(tmp_path / "outputs", [Slot(0, 1, "GPU-a")])

    assert (room.memory_mb, room.gpu_mb) == (5e3, 9e3)
    assert 0 < room.disk_mb < math.inf
    assert room_of(tmp_path, TWO).gpu_mb == math.inf


def refusal(costs, slots, room, **options):
    """Return the lines with which a plan is refused, none if it is not."""
    try:
        check_budget(costs, budget_of(costs, slots, **options), room, "outputs")
    except ConfigError as error:
        return str(error).splitlines()
    return []


def test_what_just_fits_is_not_refused():
    """Exactly enough is enough; a little less is not."""
    budget = budget_of([SMALL, LARGE], TWO)
    enough = Room(budget.memory_mb, budget.disk_mb)

    assert refusal([SMALL, LARGE], TWO, enough) == []
    assert refusal([LARGE], TWO, Room(LARGE.peak_mb)) == []
    assert len(refusal([SMALL, LARGE], TWO, replace(enough, memory_mb=2699.0))) == 1
    assert len(refusal([SMALL, LARGE], TWO, replace(enough, disk_mb=enough.disk_mb - 1))) == 1


def test_cell_too_large_for_the_machine():
    """Each cell that does not fit by itself is named once, with what it needs."""
    room = Room(2 * GB)

    assert refusal([SMALL, LARGE, LARGE, replace(LARGE, cell="unet3/bce")], TWO, room) == [
        f"not enough memory for {cell}: needs 2.5 GB, this machine has 2.1 GB free; "
        "use a smaller trainer.batch or data.size"
        for cell in ("unet3/dice", "unet3/bce")
    ]
    (line,) = refusal([replace(LARGE, size_key="data.tile")], TWO, room)
    assert line.endswith("use a smaller trainer.batch or data.tile")


def test_too_many_at_a_time():
    """If each run fits but not all at once, the line says how many fit."""
    for room, fits in ((5 * GB, 2), (4400.0, 2), (4399.0, 1)):
        (line,) = refusal([LARGE] * 5, THREE, Room(room))

        assert line == (
            "not enough memory: 3 runs at a time need 6.7 GB, "
            f"this machine has {mb_text(room)} free; use slots={fits}"
        )


def test_too_large_for_the_gpu():
    """The same for GPUs, with the settings for GPUs."""
    slots = [Slot(number, 4, "GPU-a") for number in range(2)]
    costs = [replace(SMALL, gpu_mb=6 * GB)] * 3

    assert refusal(costs, slots, Room(gpu_mb=5 * GB)) == [
        "not enough GPU memory for unet/bce: needs 6.4 GB, the GPU has 5.4 GB free; "
        "use a smaller trainer.batch or data.size"
    ]
    assert refusal(costs, slots, Room(gpu_mb=11 * GB)) == [
        "not enough GPU memory: 2 runs at a time need 12.9 GB, the GPU has 11.8 GB free; "
        "use per_device=1"
    ]


def test_disk_too_small():
    """The line offers to keep no checkpoints, to limit them, or to write elsewhere."""
    costs = [replace(LARGE, kept_mb=200.0)] * 20
    (line,) = refusal(costs, TWO, Room(disk_mb=3 * GB))

    assert line == (
        "not enough disk: needs 4.7 GB, outputs has 3.2 GB free; "
        "use keep=none or keep_gb=2.6 or outputs=<folder on a larger disk>"
    )
    assert refusal(costs, TWO, Room(disk_mb=3 * GB), keep_gb=2.6) == []
    (line,) = refusal(costs, TWO, Room(disk_mb=3 * GB), stored_mb=1 * GB)
    assert "keep_gb=3.7" in line
    assert refusal(costs, TWO, Room(disk_mb=3 * GB), stored_mb=1 * GB, keep_gb=3.7) == []


def test_disk_too_small_for_any_checkpoint():
    """If kept checkpoints are not the reason, keeping fewer is not offered."""
    (line,) = refusal([replace(LARGE, kept_mb=0.0)], TWO, Room(disk_mb=100.0))

    assert line.endswith("outputs has 105 MB free; use outputs=<folder on a larger disk>")


@given(
    st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 900)), min_size=1, max_size=6),
    st.integers(1, 4),
    st.integers(0, 20000),
)
def test_memory_is_refused_exactly_if_too_small(needs, slots, room):
    """For any runs that may execute at the same time."""
    costs = [replace(SMALL, peak_mb=own + 400.0, shared_mb=400.0, gpu_mb=0.0) for own, _ in needs]
    worst = max(
        400 + sum(cost.own_mb for cost in chosen)
        for chosen in itertools.combinations(costs, min(slots, len(costs)))
    )
    lines = refusal(costs, [Slot(number, 1) for number in range(slots)], Room(memory_mb=room))

    assert bool(lines) == (worst > room)


@pytest.mark.parametrize(
    ("reason", "start"),
    [
        ("killed by the system: out of memory", "not enough memory for unet3/dice"),
        ("RuntimeError: can't allocate memory: you tried", "not enough memory for unet3/dice"),
        ("OutOfMemoryError: CUDA out of memory. Tried", "not enough GPU memory for unet3/dice"),
    ],
)
def test_cell_whose_measured_steps_ran_out_of_memory(reason, start):
    """One line has cell, reason and what to do."""
    line = out_of_memory_line("unet3/dice", reason)

    assert line.startswith(start)
    assert reason in line
    assert "trainer.batch" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("mb", "text"),
    [(0, "0 kB"), (0.42, "440 kB"), (80, "84 MB"), (9318.4, "9.8 GB"), (3 * GB * GB, "3.3 TB")],
)
def test_sizes_in_words(mb, text):
    """Costs are counted in 2^20 bytes and shown in units of 1000."""
    assert mb_text(mb) == text
