"""This machine's processor: its name and which instructions it has, as Linux reports them."""

import platform
from pathlib import Path

ROOT = Path("/")
BFLOAT16 = ("avx512_bf16", "amx_bf16")
"""Flags of processors that compute in bfloat16; others convert to float32, which is slower."""


def name(root: Path = ROOT) -> str:
    """Return the processor's name. *root* is where the system's files are."""
    return _fields(root).get("model name") or platform.processor() or platform.machine()


def flags(root: Path = ROOT) -> set[str]:
    """Return the instructions that the processor has; an empty set where that is unknown."""
    return set(_fields(root).get("flags", "").split())


def has_bfloat16(root: Path = ROOT) -> bool:
    """Whether the processor computes in bfloat16."""
    return not flags(root).isdisjoint(BFLOAT16)


def _fields(root: Path) -> dict[str, str]:
    """Return the fields of the last core in /proc/cpuinfo; none where there is no such file."""
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
