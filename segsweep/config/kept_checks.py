"""Option nodes that an earlier command checked: where nothing is trained, no torch is needed.

Only nodes that fitted are kept, and only those whose class is in a trusted package. They serve
planning alone: what executes a run checks its config itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from segsweep.config.trusted import SOURCES, TRUSTED, is_in
from segsweep.system.installation import code_stamp
from segsweep.system.kept import Kept

FILE = "checks.jsonl"
MOST = 4000
"""Nodes kept: a sweep over learning rates has as many optimizers."""
_kept: Kept | None = None


@contextmanager
def kept_checks(cache: Path) -> Iterator[None]:
    """Use the checks in the folder *cache* until the block ends; add the new ones."""
    global _kept
    before, _kept = _kept, Kept(cache / FILE, code_stamp(), MOST)
    try:
        yield
        _kept.save()
    finally:
        _kept = before


def known_node(node: str, values: object, allow: Sequence[str]) -> dict[str, object] | None:
    """Return what the check of an option node returned before; None if it is not known."""
    if _kept is None or not _is_trusted(values, allow):
        return None
    found = _kept[_key(node, values)]
    return cast("dict[str, object]", found) if isinstance(found, dict) else None


def keep_node(
    node: str, values: object, allow: Sequence[str], checked: Mapping[str, object]
) -> None:
    """Keep what the check of an option node returned."""
    if _kept is not None and _is_trusted(values, allow):
        _kept[_key(node, values)] = dict(checked)


def known_paths(target: str, allow: Sequence[str]) -> frozenset[str] | None:
    """Return the arguments of *target* that are paths, as found before; None if not known."""
    found = None if _kept is None or is_in(target, tuple(allow)) else _kept[f"paths {target}"]
    is_names = isinstance(found, list) and all(isinstance(name, str) for name in found)
    return frozenset(cast("list[str]", found)) if is_names else None


def keep_paths(target: str, allow: Sequence[str], paths: frozenset[str]) -> None:
    """Keep which arguments of *target* are paths."""
    if _kept is not None and is_in(target, _PACKAGES) and not is_in(target, tuple(allow)):
        _kept[f"paths {target}"] = sorted(paths)


_PACKAGES = (*TRUSTED, SOURCES)


def _is_trusted(values: object, allow: Sequence[str]) -> bool:
    target = str(values.get("_target_")) if isinstance(values, Mapping) else ""
    return is_in(target, _PACKAGES) and not is_in(target, tuple(allow))


def _key(node: str, values: object) -> str:
    return f"{node} {values!r}"
