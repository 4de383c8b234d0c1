"""The index of a cache: what its arrays must be, so that a damaged cache is built again."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from segsweep.config.typed import wrong_type
from segsweep.data.array_file import shape_of
from segsweep.data.check import Facts
from segsweep.data.native import kind_of
from segsweep.data.source import Problem
from segsweep.system.files import JsonObject, read_json, write_json

ARRAYS = ("images.npy", "masks.npy")
NATIVE_MASKS, NATIVE_IGNORED = "native.bin", "ignored.bin"
"""The bit planes of the masks at their own size; the second where pixels may be ignored. The first
holds images and masks instead where images keep their own size."""
OWN_SIZE = ("channels", "lengths")
"""Fields of the index that only such a cache has."""


@dataclass(frozen=True)
class Index:
    """What `index.json` holds."""

    sizes: list[list[int]]
    """[height, width] of each image as it came."""
    bytes: JsonObject
    """File name -> its length."""
    warnings: list[JsonObject]
    """The fields of each `Problem`."""
    channels: int = 0
    """Of images that keep their own size; 0: they are resized."""
    lengths: list[int] = field(default_factory=list)
    """The bytes of each image with its mask, if images keep their own size."""

    def files(self, ignores: bool) -> dict[str, int | None]:
        """Return the files of the cache with their length, None where it is not known here."""
        if self.channels:
            return {NATIVE_MASKS: sum(self.lengths)}
        packed = sum((height * width + 7) // 8 for height, width in self.sizes)
        return {**dict.fromkeys(ARRAYS), **dict.fromkeys(planes_of(ignores), packed)}

    @property
    def fits(self) -> bool:
        """Whether the bytes of images that keep their own size are those of their pixels."""
        if not self.channels:
            return not self.lengths
        return len(self.lengths) == len(self.sizes) and all(
            kind_of((height, width), self.channels, length)
            for (height, width), length in zip(self.sizes, self.lengths, strict=True)
        )


def planes_of(ignores: bool) -> tuple[str, ...]:
    """Return the files with the planes of native masks."""
    return (NATIVE_MASKS, NATIVE_IGNORED) if ignores else (NATIVE_MASKS,)


def write_index(
    folder: Path,
    facts: Sequence[Facts],
    problems: Sequence[Problem],
    ignores: bool = False,
    own_size: tuple[int, list[int]] = (0, []),
) -> None:
    """Write the index of the files in *folder*, which are complete.

    *own_size* are channels and lengths of images that keep their own size.
    """
    sizes = [[fact.height, fact.width] for fact in facts]
    warnings: list[JsonObject] = [asdict(one) for one in problems if one.level == "warning"]
    index = Index(sizes, {}, warnings, *own_size)
    index.bytes.update({name: (folder / name).stat().st_size for name in index.files(ignores)})
    left_out = () if index.channels else OWN_SIZE
    values = {key: value for key, value in asdict(index).items() if key not in left_out}
    write_json(folder / "index.json", values)


def read_index(folder: Path) -> Index | None:
    """Return the index of a cache; None if it is missing or damaged."""
    values = read_json(folder / "index.json")
    fields = {*Index.__annotations__}
    if values is None or {*values} not in (fields, fields - {*OWN_SIZE}):
        return None
    if wrong_type(Index, values):
        return None
    index = Index(**values)
    sizes = all(len(size) == 2 and min(size) > 0 for size in index.sizes)
    warnings = all(
        set(one) == {*Problem.__annotations__} and all(isinstance(it, str) for it in one.values())
        for one in index.warnings
    )
    return index if sizes and warnings and index.fits else None


def is_whole(folder: Path, count: int, ignores: bool = False) -> bool:
    """Whether *folder* holds the cache of *count* samples, each file as long as it must be."""
    index = read_index(folder)
    if index is None or len(index.sizes) != count:
        return False
    wanted = index.files(ignores)
    try:
        lengths = {name: (folder / name).stat().st_size for name in wanted}
    except OSError:
        return False
    shapes = [shape_of(folder / name) or (0,) for name in ARRAYS if name in wanted]
    arrays = all(shape[0] == count for shape in shapes)
    native = all(lengths[name] == length for name, length in wanted.items() if length is not None)
    return lengths == index.bytes and native and arrays
