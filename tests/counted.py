"""How much work a function does, counted: the same number on every machine, no clock."""

import sys
from pathlib import Path

import segsweep

PACKAGE = str(Path(segsweep.__file__).parent)


def instructions(function, *arguments):
    """Return how many bytecode instructions of segsweep's own code *function* executes.

    What C code does (sorting, slicing, numpy) counts as one: count that with `Looked`.
    """
    count = 0

    def inside(frame, event, _):
        nonlocal count
        count += event == "opcode"
        return inside

    def entered(frame, event, _):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return inside

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        function(*arguments)
    finally:
        sys.settrace(before)
    return count


class Looked(list):
    """A list that counts how many of its items were looked at, slices and loops included."""

    def __init__(self, items=()):
        super().__init__(items)
        self.looks = 0

    def __getitem__(self, key):
        """Count one item, or all of a slice."""
        self.looks += len(range(*key.indices(len(self)))) if isinstance(key, slice) else 1
        return super().__getitem__(key)

    def __iter__(self):
        """Count every item."""
        self.looks += len(self)
        return super().__iter__()
