"""The number of slots and their threads and GPUs, on real and on random machines."""

import math
from collections import Counter
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segsweep.errors import ConfigError
from segsweep.sweep.processes import slots as module
from segsweep.sweep.processes.slots import Slot, find_slots
from segsweep.system.machine import Gpu

GPUS = [Gpu(f"GPU-{letter}", "H100", 70e3) for letter in "abcd"]


def found(cores=8, memory=64e3, gpus=(), has_cuda=True, platform=("linux", "x86_64"), **arguments):
    """Return the slots on such a machine."""
    with (
        mock.patch.object(module, "usable_cores", lambda: cores),
        mock.patch.object(module, "available_memory_mb", lambda: memory),
        mock.patch.object(module, "gpus", lambda: list(gpus)),
        mock.patch.object(module, "_torch_has_cuda", lambda: has_cuda),
        mock.patch.object(module.sys, "platform", platform[0]),
        mock.patch.object(module.platform, "machine", lambda: platform[1]),
    ):
        return find_slots(**{"device": "auto", "runs": 100, **arguments})


def shapes(slots):
    """Return (slots, threads of each, GPUs in order)."""
    assert len({slot.threads for slot in slots}) == 1
    return len(slots), slots[0].threads, [slot.gpu for slot in slots]


@pytest.mark.parametrize(
    ("machine", "count", "threads"),
    [
        ({"cores": 2}, 2, 1),
        ({"cores": 8, "runs": 3}, 3, 2),
        ({"cores": 8, "runs": 1}, 1, 8),
        ({"cores": 64, "runs": 20}, 20, 3),
        ({"cores": 8, "threads": 3}, 2, 3),
        ({"cores": 2, "threads": 4}, 1, 4),
        ({"cores": 8, "per_run_mb": 9e3, "memory": 20e3}, 2, 4),
        ({"cores": 8, "per_run_mb": 9e3, "shared_mb": 3e3, "memory": 20e3}, 1, 8),
        ({"cores": 8, "per_run_mb": 9e3, "memory": 5e3}, 1, 8),
        ({"cores": 8, "per_run_mb": 9e3, "memory": math.inf}, 8, 1),
        ({"cores": 8, "per_run_mb": 9e3, "memory": 5e3, "slots": 4}, 4, 2),
        ({"cores": 8, "slots": 3}, 3, 2),
        ({"cores": 2, "slots": 5}, 5, 1),
        ({"cores": 8, "slots": 5, "runs": 2}, 2, 4),
        ({"cores": 8, "slots": 4, "threads": 4}, 4, 4),
        ({"cores": 8, "device": "cpu", "gpus": GPUS}, 8, 1),
        ({"cores": 8, "gpus": GPUS, "has_cuda": False}, 8, 1),
    ],
)
def test_on_the_processor(machine, count, threads):
    """As many slots as cores, fewer if there are fewer runs or too little memory."""
    assert shapes(found(**machine)) == (count, threads, [None] * count)


@pytest.mark.parametrize(
    ("machine", "threads", "seen"),
    [
        ({"gpus": GPUS}, 2, "abcd"),
        ({"gpus": GPUS[:2], "per_device": 2}, 2, "abab"),
        ({"gpus": GPUS, "per_device": 2, "runs": 5}, 1, "abcda"),
        ({"gpus": GPUS, "runs": 2}, 4, "ab"),
        ({"gpus": GPUS, "device": "cuda"}, 2, "abcd"),
        ({"gpus": GPUS, "device": "cuda:2"}, 8, "c"),
        ({"gpus": GPUS, "device": "cuda:1", "per_device": 3}, 2, "bbb"),
        ({"gpus": GPUS[:2], "per_device": 3, "gpu_mb": 30e3}, 2, "abab"),
        ({"gpus": GPUS[:1], "per_device": 3, "gpu_mb": 90e3}, 8, "a"),
        ({"gpus": GPUS, "per_run_mb": 20e3, "memory": 50e3}, 4, "ab"),
        ({"gpus": GPUS, "threads": 3}, 3, "abcd"),
        ({"gpus": GPUS[:2], "slots": 3}, 2, "aba"),
        ({"gpus": GPUS[:2], "slots": 1}, 8, "a"),
    ],
)
def test_on_gpus(machine, threads, seen):
    """Each GPU in turn, as often as requested and as its memory allows."""
    expected = [f"GPU-{letter}" for letter in seen]

    assert shapes(found(**machine)) == (len(seen), threads, expected)


def test_gpus_of_different_memory():
    """A smaller GPU has fewer slots."""
    small = Gpu("GPU-s", "T4", 15e3)

    assert shapes(found(gpus=[small, GPUS[0]], per_device=3, gpu_mb=10e3))[2] == [
        *("GPU-s", "GPU-a", "GPU-a", "GPU-a")
    ]


def test_gpu_that_the_driver_does_not_list():
    """If the GPUs are unknown: one run at a time, with unchanged visibility."""
    assert shapes(found(device="cuda")) == (1, 8, [None])
    assert shapes(found(device="cuda:1", per_device=2)) == (2, 4, [None, None])


def test_on_apple_silicon():
    """One run at a time on its GPU; an Intel Mac has none."""
    assert shapes(found(platform=("darwin", "arm64"))) == (1, 8, [None])
    assert shapes(found(platform=("linux", "arm64")))[0] == 8
    assert shapes(found(platform=("darwin", "x86_64")))[0] == 8
    assert shapes(found(device="mps")) == (1, 8, [None])


@pytest.mark.parametrize("device", ["cuda:4", "cuda:x", "cuda:-1"])
def test_missing_gpu(device):
    """The message names the requested GPU and the existing ones."""
    with pytest.raises(ConfigError, match=rf"device={device}: .*4 CUDA GPUs.*cuda:0.*cuda:3$"):
        found(device=device, gpus=GPUS)


def test_nothing_to_do():
    """Without runs there are no slots."""
    assert found(runs=0) == []


MACHINES = st.fixed_dictionaries(
    {
        "cores": st.integers(1, 128),
        "memory": st.integers(0, 10**6) | st.just(math.inf),
        "gpus": st.lists(st.sampled_from(GPUS), max_size=4, unique=True),
        "device": st.sampled_from(["auto", "cpu", "cuda", "mps"]),
        "runs": st.integers(1, 500),
        "slots": st.none() | st.integers(1, 40),
        "per_device": st.integers(1, 5),
        "threads": st.integers(0, 20),
        "per_run_mb": st.integers(0, 10**5),
        "shared_mb": st.integers(0, 10**4),
        "gpu_mb": st.integers(0, 10**5),
    }
)


@given(MACHINES)
def test_what_holds_on_every_machine(machine):
    """At least one slot and no more than runs; no more threads than cores; memory suffices."""
    slots = found(**machine)
    count, each = len(slots), slots[0].threads
    given_slots, fixed = machine["slots"], machine["threads"]

    assert 1 <= count <= machine["runs"]
    assert [slot.number for slot in slots] == list(range(count))
    assert each == fixed if fixed else each * count <= max(machine["cores"], count)
    if given_slots is not None:
        assert count == min(given_slots, machine["runs"])
    elif count > 1:
        assert machine["shared_mb"] + count * machine["per_run_mb"] <= machine["memory"]


@given(MACHINES)
def test_no_further_slot_would_fit(machine):
    """On the CPU, another slot would lack a core, a run or memory."""
    machine |= {"device": "cpu", "slots": None}
    more = len(found(**machine)) + 1

    assert (
        more > machine["runs"]
        or more * max(machine["threads"], 1) > machine["cores"]
        or machine["shared_mb"] + more * machine["per_run_mb"] > machine["memory"]
    )


@given(MACHINES)
def test_gpus_are_shared_evenly(machine):
    """The numbers of slots differ by at most one, and fit the request and the memory."""
    machine |= {"gpus": GPUS, "device": "cuda", "slots": None}
    counts = Counter(slot.gpu for slot in found(**machine))

    assert {*counts} <= {gpu.visible for gpu in GPUS}
    assert max(counts.values()) <= machine["per_device"]
    assert max(counts.values()) - min(counts.values()) <= 1
    assert max(counts.values()) == 1 or max(counts.values()) * machine["gpu_mb"] <= 70e3


def test_a_slot_is_a_plain_value():
    """Slots are pickled for other processes and compare by value."""
    assert found(cores=1) == [Slot(0, 1, None)]


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("cuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n", True),
        ('cuda = "12.8"\n', True),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '6.4'\n", False),
        ("__version__ = '2.9.0+cpu'\ncuda = None\n", False),
    ],
)
def test_what_torch_was_built_for_is_read(text, has, tmp_path, monkeypatch):
    """A torch built without CUDA cannot use a GPU: its version file shows that."""
    (tmp_path / "version.py").write_text(text)
    spec = mock.Mock(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: spec)

    assert module._torch_has_cuda() is has


def test_what_this_torch_was_built_for():
    """It agrees with torch itself."""
    import torch

    assert module._torch_has_cuda() is (torch.version.cuda is not None)
