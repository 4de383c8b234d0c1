"""Looks at a folder or table of images and masks, and gives the words that train on it."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import yaml

from segsweep.cli.reproduce import value_text
from segsweep.config.patterns import ANY_ID
from segsweep.data.decoding import Decoding, narrow_range
from segsweep.data.dicom import rescale_text, rescales
from segsweep.data.id_tables import read_id_rows
from segsweep.data.layouts import GROUP_COLUMNS, Layout, find_layout, masks_overlap
from segsweep.data.mask_values import foreground_of, mask_values, value_lines
from segsweep.data.modes import DEEP, is_notable, max_stored, modes_of, spread
from segsweep.errors import ConfigError, DataError
from segsweep.system.files import replacing, resolved
from segsweep.system.installation import conf_folder
from segsweep.system.names import name_list, plural
from segsweep.system.progress import Counter as Progress

PLACES = ("data.images", "data.masks", "data.file", "data.groups_file", "data.split.file")
"""Keys with paths."""
BATCH = 10
"""trainer.batch as it is by default."""
MOST_NAMES = 5
"""Files that are left over and named on the screen; a file names all."""


@dataclass(frozen=True)
class Look:
    """What was found: a layout, and the keys and values that read it."""

    name: str
    layout: Layout
    values: Mapping[str, object]
    given: Sequence[str]
    """Words of the user's, which follow."""
    config_dir: Path | None = None
    """A folder with the option file that holds the values."""

    @property
    def words(self) -> list[str]:
        """The overrides that read this data set."""
        named = {word.partition("=")[0] for word in self.given}
        own = {key: value for key, value in self.values.items() if key not in named}
        return [*_words(own), *self.given]


def _words(values: Mapping[str, object]) -> list[str]:
    return [f"{key}={_value(value)}" for key, value in values.items()]


def _arguments_in(words: Sequence[str]) -> dict[str, str]:
    """Return the arguments of the data set among overrides."""
    named = (word for word in words if word.startswith("data."))
    return {word.partition("=")[0].removeprefix("data."): str(_parsed(word)) for word in named}


def look_at(places: Sequence[Path], given: Sequence[str]) -> Look:
    """Find out what is in *places* and print it; *given* are the user's own overrides."""
    layout = find_layout(places, _arguments_in(given))
    print(
        f"{' and '.join(map(str, places))}: {plural(len(layout.samples), 'pair')} of image and mask"
    )
    for line in _rule_lines(layout):
        print(f"  {line}")
    if layout.exchanged:
        print(
            "  exchanged: the first folder holds masks, the second photographs; taken the other "
            "way round"
        )
    for other in layout.others:
        words = shlex.join(
            ["segsweep", "data", *map(str, places), *_words(_of_data(other.arguments))]
        )
        print(f"  also found: {plural(len(other.samples), 'pair')} with other masks: {words}")
    values: dict[str, object] = {"data": layout.option}
    values |= _of_data(layout.arguments)
    if layout.option == "folder":
        values |= _tables_beside(places[0], layout)
        if any("left out" in problem.what for problem in layout.problems):
            values["data.unmatched"] = "skip"
    values |= _range(layout, given) | _foreground(layout, places, given) | _split(layout)
    word = "".join(c if c.isalnum() or c in "_-" else "-" for c in resolved(places[0]).stem)
    return Look(word.strip("-_") or "mine", layout, values, given)


def _rule_lines(layout: Layout) -> list[str]:
    """Return how images and masks are named, and the endings of their files."""
    arguments = layout.arguments
    if layout.option == "pairs":
        lines = [f"as listed in {arguments['file']}"]
    else:
        images = Path(arguments["images"], arguments.get("image_name", ANY_ID))
        folder = arguments.get("masks", arguments["images"])
        lines = [f"images {images}, masks {Path(folder, arguments.get('mask_name', ANY_ID))}"]
    more = sum(len(sample.more_masks) for sample in layout.samples)
    if more:
        lines.append(f"{more + len(layout.samples)} masks: those of one image are united")
    if masks_overlap(layout.samples):
        lines.append(
            "masks of one image mark mostly the same: if they are by several people, name one in "
            "data.mask_name"
        )
    endings = Counter(path.suffix for sample in layout.samples for path in sample.files)
    lines.append("endings: " + ", ".join(f"{n} {end}" for end, n in endings.most_common()))
    return lines


def _range(layout: Layout, given: Sequence[str]) -> dict[str, object]:
    """Print how images and masks are stored, where that is notable; return the images' range."""
    images = [sample.files[0] for sample in layout.samples]
    modes = modes_of(images)
    for what, found in (("images", modes), ("masks", modes_of(_masks(layout)))):
        if is_notable(found):
            print(f"{what}: " + ", ".join(f"{count} {mode}" for mode, count in found.items()))
    if different := rescales(images):
        print(f"DICOM: {rescale_text(different)}")
    if not modes or not all(DEEP in mode for mode in modes):
        return {}
    chosen = spread(images)
    brightest = max_stored(chosen, Progress("reading images"), _decoding(given))
    if (high := narrow_range(brightest)) is None:
        return {}
    print(
        f"range: the largest value in {plural(len(chosen), 'image')} of 16 bits is {brightest}: "
        f"0 to {high} is taken for black to white"
    )
    return {"data.range": [0, high]}


def _decoding(given: Sequence[str]) -> Decoding:
    """Return how files are read whose page the user names."""
    page = _arguments_in(given).get("page", "")
    return Decoding(int(page) if page.isdecimal() and int(page) else None)


def _masks(layout: Layout) -> list[Path]:
    return [path for sample in layout.samples for path in sample.files[1:]]


def _foreground(layout: Layout, places: Sequence[Path], given: Sequence[str]) -> dict[str, object]:
    """Print the values of masks; return the key for the foreground.

    Raises:
        DataError: there are several choices, and none is in *given*, the user's words.

    """
    if "foreground" in layout.arguments:
        print("foreground: the alpha channel of each image, above half")
        return {}
    paths = _masks(layout)
    found = mask_values(paths, Progress("reading masks"), _decoding(given))
    choice = foreground_of(found)
    seen = plural(found.looked_at, "mask")
    if found.looked_at < len(paths):
        seen = f"{found.looked_at} of {len(paths)} masks"
    print(f"{'colours' if found.colours else 'values'} in {seen}:")
    for line in value_lines(found):
        print(f"  {line}")
    if any(word.startswith("data.foreground") for word in given):
        return {}
    print(f"foreground: {choice.why}")
    if choice.keys is None:
        commands = [
            shlex.join(["segsweep", "data", *map(str, places), *given, *_words(_of_data(keys))])
            for keys in choice.examples
        ]
        raise DataError(f"say what is foreground, for example: {' or '.join(commands)}")
    return _of_data(choice.keys)


def _of_data(arguments: Mapping[str, object]) -> dict[str, object]:
    return {f"data.{key}": value for key, value in arguments.items()}


def _tables_beside(folder: Path, layout: Layout) -> dict[str, object]:
    """Return keys for CSV files in *folder* that give groups or parts by id."""
    found: dict[str, object] = {}
    for path in sorted(folder.glob("*.csv")):
        for column, key in (("group", "data.groups_file"), ("split", "data.split.file")):
            with suppress(DataError):  # another table
                read_id_rows(path, column)
                found[key] = str(path)
    for key, table in found.items():
        print(f"{key.removeprefix('data.')}: {table}")
    return found


def _split(layout: Layout) -> dict[str, object]:
    """Print the groups and parts that the data give; return the keys that use the parts."""
    groups = {sample.group for sample in layout.samples}
    if len(groups) < len(layout.samples):
        column = layout.arguments.get("group_column", GROUP_COLUMNS[0])
        print(f"groups: {len(groups)}, from the column {column}; each stays in one part")
    parts = Counter(sample.part for sample in layout.samples if sample.part)
    if "train" not in parts or len(parts) < 2:
        return {}
    print("split: given: " + ", ".join(f"{count} {part}" for part, count in parts.items()))
    return {"data.split.given": True}


def print_left_over(look: Look, outputs: Path | None = None) -> None:
    """Print the files that are in no pair, and write the whole list to *outputs*, if there."""
    left = look.layout.left_over
    if not left:
        return
    names = name_list(["/".join(Path(name).parts[-2:]) for name in left], MOST_NAMES)
    start = f"left over: {plural(len(left), 'image file')} in no pair: {names}"
    if outputs is None:
        print(f"{start}; `segsweep data` writes all names")
        return
    path = outputs / f"data-{look.name}-left-over.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text("".join(f"{name}\n" for name in left), encoding="utf-8")
    print(f"{start}; all: {path}")


def training_line(look: Look, train: int) -> str:
    """Return the shell command that trains on the data; *train* images are for training."""
    words = [f"sweep={value_text(look.name)}", *look.words]
    if train < BATCH and not any(word.startswith("trainer.batch=") for word in look.words):
        words.append(f"trainer.batch={max(1, train // 2)}")
    folder = [] if look.config_dir is None else ["--config-dir", str(look.config_dir)]
    return shlex.join(["segsweep-train", *folder, *words])


def write_option(look: Look, folder: Path) -> Look:
    """Write what was found as option `data=<name>` into *folder*; return the look that uses it."""
    if (conf_folder() / "data" / f"{look.name}.yaml").exists():
        raise ConfigError(
            f"--write: data={look.name} is segsweep's own option; rename the folder of the images"
        )
    path = folder / "data" / f"{look.name}.yaml"
    mine = [word for word in look.given if word.startswith("data.")]
    values = {**look.values, **{word.split("=")[0]: _parsed(word) for word in mine}}
    content: dict[str, object] = {"defaults": [look.layout.option, "_self_"]}
    for key, value in values.items():
        *sections, name = key.split(".")[1:] or [""]
        inside = content
        for section in sections:
            inside = cast("dict[str, object]", inside.setdefault(section, {}))
        if name:
            inside[name] = str(resolved(Path(str(value)))) if key in PLACES else value
    text = f"# {look.name}: found by segsweep data\n{yaml.safe_dump(content, sort_keys=False)}"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(f"{path}: is there and says something else; remove it or edit it")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"option file: {path}")
    rest = [word for word in look.given if word not in mine]
    return replace(look, values={"data": look.name}, given=rest, config_dir=folder)


def _parsed(word: str) -> object:
    return yaml.safe_load(word.partition("=")[2])


def _value(value: object) -> str:
    """Return a value for Hydra; text in double quotes where possible, the shell adds single."""
    text = value_text(value)
    if isinstance(value, str) and text != value and not {*'"\\$'} & {*value}:
        return f'"{value}"'
    return text
