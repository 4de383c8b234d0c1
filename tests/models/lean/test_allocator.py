"""The allocator: where tensors lie before and after the first training step."""

import subprocess
import sys

import pytest
import torch

from segsweep.models.lean import allocator

PLACES = """
import torch
from segsweep.models.lean.allocator import keep_memory, map_memory, prepare_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20

def is_in_heap(tensor):
    with open("/proc/self/maps") as file:
        heap = [line.split()[0].split("-") for line in file if "[heap]" in line]
    return any(int(a, 16) <= tensor.data_ptr() < int(b, 16) for a, b in heap)

def freed_stays(bytes):
    before = resident()
    tensor = torch.ones(bytes, dtype=torch.uint8)
    del tensor
    return resident() - before > bytes * .9 / 2**20

told = [prepare_memory()]
first = torch.ones(8 << 20, dtype=torch.uint8), torch.ones(512 << 10, dtype=torch.uint8)
print(*map(is_in_heap, first), freed_stays(64 << 20))
told += [keep_memory(), keep_memory()]
later = torch.ones(8 << 20, dtype=torch.uint8)
print(is_in_heap(later), freed_stays(64 << 20))
told += [map_memory()]
large = torch.ones(128 << 20, dtype=torch.uint8), torch.ones(32 << 20, dtype=torch.uint8)
print(*map(is_in_heap, large), *told)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone")
def test_large_tensors_lie_apart_until_memory_is_kept():
    """Before: 8 MB are mapped and go back when freed, half a MB is not; after: all is kept.

    Mapped again, what fits the 64 MB that were kept is taken from there, and only more is not.
    """
    command = [sys.executable, "-c", PLACES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    before, after, again = done.stdout.splitlines()
    assert before.split() == ["False", "True", "False"]
    assert after.split() == ["True", "True"]
    assert again.split() == ["False", "True", "True", "True", "True", "True"]


@pytest.mark.parametrize(
    ("saving", "large", "after_forward"),
    [(True, 1, ["map"]), (True, 1 << 30, []), (False, 1, [])],
    ids=["saving, large", "saving, small", "fast, large"],
)
def test_memory_is_kept_from_the_second_step_on(saving, large, after_forward, monkeypatch):
    """Before each forward pass; after it, large batches map what they need beyond it."""
    calls: list[str] = []
    monkeypatch.setattr(allocator, "LARGE_BATCH", large)
    monkeypatch.setattr(allocator, "keep_memory", lambda: calls.append("keep"))
    monkeypatch.setattr(allocator, "map_memory", lambda: calls.append("map"))
    around = allocator.StepMemory(saving)
    for _ in range(3):
        with around(torch.zeros(4)):
            calls.append("forward")

    first = ["forward", *after_forward]
    assert calls == first + ["keep", *first] * 2
