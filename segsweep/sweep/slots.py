"""Where runs execute: shares of the CPU or of a GPU, as many as this machine is good for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """The place where one run at a time executes."""

    number: int
    """Counted from 0."""
    threads: int
    """CPU threads of a run in this slot."""
    gpu: str | None = None
    """What `CUDA_VISIBLE_DEVICES` is there; None: left as it is."""
