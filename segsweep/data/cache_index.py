"""The index of a cache: what its arrays must be, so that a damaged cache is built again."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from segsweep.config.typed import wrong_type
from segsweep.data.array_file import shape_of
from segsweep.data.check import Facts
from segsweep.data.decoded import ARRAYS
from segsweep.data.source import Problem
from segsweep.system.files import JsonObject, read_json, write_json

NATIVE_MASKS, NATIVE_IGNORED = "native.bin", "ignored.bin"
"""The bit planes of the masks at their own size; the second where pixels may be ignored."""


@dataclass(frozen=True)
class Index:
    """What `index.json` holds."""

    sizes: list[list[int]]
    """[height, width] of each image as it came."""
    bytes: JsonObject
    """File name -> its length."""
    warnings: list[JsonObject]
    """The fields of each `Problem`."""


def planes_of(ignores: bool) -> tuple[str, ...]:
    """Return the files with the planes of native masks."""
    return (NATIVE_MASKS, NATIVE_IGNORED) if ignores else (NATIVE_MASKS,)


def write_index(
    folder: Path, facts: Sequence[Facts], problems: Sequence[Problem], ignores: bool = False
) -> None:
    """Write the index of the arrays in *folder*, which are complete."""
    names = (*ARRAYS, *planes_of(ignores))
    lengths: JsonObject = {name: (folder / name).stat().st_size for name in names}
    warnings: list[JsonObject] = [asdict(one) for one in problems if one.level == "warning"]
    index = Index([[fact.height, fact.width] for fact in facts], lengths, warnings)
    write_json(folder / "index.json", asdict(index))


def read_index(folder: Path) -> Index | None:
    """Return the index of a cache; None if it is missing or damaged."""
    values = read_json(folder / "index.json")
    if values is None or set(values) != {*Index.__annotations__} or wrong_type(Index, values):
        return None
    index = Index(**values)
    sizes = all(len(size) == 2 and min(size) > 0 for size in index.sizes)
    warnings = all(
        set(one) == {*Problem.__annotations__} and all(isinstance(it, str) for it in one.values())
        for one in index.warnings
    )
    return index if sizes and warnings else None


def is_whole(folder: Path, count: int, ignores: bool = False) -> bool:
    """Whether *folder* holds the cache of *count* samples, each file as long as it must be."""
    index = read_index(folder)
    if index is None or len(index.sizes) != count:
        return False
    packed = sum((height * width + 7) // 8 for height, width in index.sizes)
    planes = planes_of(ignores)
    try:
        lengths = {name: (folder / name).stat().st_size for name in (*ARRAYS, *planes)}
    except OSError:
        return False
    shapes = [shape_of(folder / name) or (0,) for name in ARRAYS]
    arrays = all(shape[0] == count for shape in shapes)
    native = all(lengths[name] == packed for name in planes)
    return lengths == index.bytes and native and arrays
