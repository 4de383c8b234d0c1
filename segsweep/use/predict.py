"""Predicts all images of a folder: streamed, resumable, a bad image costs its row only."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segsweep import __version__
from segsweep.data.decoder_warnings import large_images
from segsweep.data.resize import load_resizing
from segsweep.data.source import Raw, Sample
from segsweep.data.work_size import decoding_bytes, memory_bytes
from segsweep.errors import DataError, StoreError
from segsweep.system.files import claimed, file_digest, read_json, write_json
from segsweep.system.machine import available_memory_mb, usable_cores
from segsweep.system.parallel import in_order
from segsweep.system.units import MIB
from segsweep.use.inputs import KINDS, MOST_PIXELS, ImageFile, images_in, read_image
from segsweep.use.network import Probability
from segsweep.use.together import Seen, Together
from segsweep.use.written import (
    Places,
    append_row,
    failed_row,
    known_rows,
    row_of,
    version_of,
    write_mask,
    write_overlay,
    write_probability,
    write_rows,
)

MEMORY_SHARE = 0.25
"""Share of the available memory for images being read, and again for those being written."""
WRITTEN_BYTES = 16
"""Memory of a pixel while what is predicted for it is written."""
MOST_READERS = 8

Tell = Callable[[int, int], None]
"""Called with the number of images done and their total."""


@dataclass(frozen=True)
class Wanted:
    """What is written for each image, besides its mask and its row."""

    probabilities: bool = False
    overlays: bool = False


@dataclass(frozen=True)
class Done:
    """What a command did."""

    table: Path
    predicted: int
    before: int
    """Images that an earlier command had predicted."""
    failed: Mapping[str, str]
    """Image -> why it could not be read."""


def predict_folder(
    together: Together,
    folder: Path,
    out: Path,
    wanted: Wanted,
    tell: Tell = lambda done, total: None,
    say: Callable[[str], None] = print,
) -> Done:
    """Write masks of all images in *folder*, and predictions.csv, into *out*.

    Images that an earlier command of the same networks and settings predicted, and that have not
    changed since, are left alone.

    Args:
        together: the networks.
        folder: of images; folders in it count too.
        out: is made if it does not exist.
        wanted: what else is written.
        tell: shows the progress.
        say: told in a line of each image that cannot be read.

    Raises:
        DataError: there is no image.
        StoreError: *out* holds predictions by other networks or settings, or another command
            is writing there.

    """
    images, places = images_in(folder, out), Places(out)
    _check_settings(places, settings_of(together))
    out.mkdir(parents=True, exist_ok=True)
    with claimed(places.claim) as mine:
        if not mine:
            raise StoreError(f"{out}: another command is writing there; wait for it")
        places.remove_temporary_files()
        write_json(places.settings, settings_of(together))
        known = _unchanged(images, known_rows(places.table))
        for image in images:
            if image.name not in known:
                places.remove(image)  # what an older image under this name left
        kept = {one.name: known[one.name] for one in images if _stands(one, known, places, wanted)}
        write_rows(places.table, kept.values())
        todo = [image for image in images if image.name not in kept]
        rows, failed = dict[str, Mapping[str, object]](kept), dict[str, str]()
        if todo:
            tell(0, len(todo))
        for number, (image, row) in enumerate(_predicted(together, todo, places, wanted), 1):
            append_row(places.table, row)
            rows[image.name] = row
            if error := row.get("error"):
                failed[image.name] = str(error)
                say(str(error))
            tell(number, len(todo))
        write_rows(places.table, [rows[image.name] for image in images])
    return Done(places.table, len(todo) - len(failed), len(kept), failed)


def settings_of(together: Together) -> dict[str, object]:
    """Return what decides predictions, as predictions.json keeps it."""
    first = together.networks[0]
    tiles = [None if one.tiling is None else list(one.tiling.tile) for one in together.networks]
    return {
        "sweep": first.paths.root.parents[1].name,
        "runs": [network.paths.root.name for network in together.networks],
        "results": [file_digest(network.paths.result)[:12] for network in together.networks],
        "threshold": together.threshold,
        "tile": tiles[0] if tiles.count(tiles[0]) == len(tiles) else tiles,
        "flips": first.flips,
        "segsweep": __version__,
    }


def check_unchanged(image: ImageFile, pixels: Raw, mask: NDArray[np.bool_]) -> None:
    """Raise DataError if an image has another size than the mask that was predicted for it."""
    if pixels.shape[:2] != mask.shape:
        raise DataError(f"{image.path}: changed its size while it was predicted")


def _check_settings(places: Places, settings: Mapping[str, object]) -> None:
    """Raise StoreError if the folder holds predictions that these settings would not give."""
    before = read_json(places.settings)
    if before is None:
        if places.settings.exists() or places.table.exists():
            raise StoreError(
                f"{places.root}: {places.settings.name} there is missing or damaged, so nobody "
                "knows what predicted the masks; name another --out, or remove that folder"
            )
        for kind in KINDS:
            if any((places.root / kind).rglob("*")):
                raise StoreError(
                    f"{places.root / kind}: holds other files, and masks could replace them; name "
                    "another --out"
                )
        return
    differing = [key for key in settings if before.get(key) != settings[key]]
    if differing:
        texts = ", ".join(f"{key} {before.get(key)}" for key in differing[:2])
        raise StoreError(
            f"{places.root}: holds predictions by other networks or settings ({texts}); name "
            "another --out, or remove that folder"
        )


def _unchanged(
    images: Sequence[ImageFile], rows: Mapping[str, Mapping[str, str]]
) -> dict[str, Mapping[str, str]]:
    """Return image -> its row, of images that are the same files as when they were predicted."""
    return {
        image.name: row
        for image in images
        if (row := rows.get(image.name)) is not None
        and not row["error"]
        and all(row[key] == str(value) for key, value in version_of(image).items())
    }


def _stands(
    image: ImageFile, known: Mapping[str, Mapping[str, str]], places: Places, wanted: Wanted
) -> bool:
    """Whether all that is wanted of an image is there; *known* are the rows of unchanged ones."""
    if image.name not in known:
        return False
    files = [places.mask(image)]
    files += [places.probability(image)] if wanted.probabilities else []
    files += [places.overlay(image)] if wanted.overlays else []
    named = known[image.name]["mask"] == places.mask_name(image)
    return named and all(map(Path.is_file, files))


def _predicted(
    together: Together, images: Sequence[ImageFile], places: Places, wanted: Wanted
) -> Iterator[tuple[ImageFile, Mapping[str, object]]]:
    """Yield each image with its row, once its files are written."""
    load_resizing()
    threads = max(2, min(usable_cores(), MOST_READERS))
    budget = MEMORY_SHARE * available_memory_mb() * MIB
    in_tiles = any(network.tiling is not None for network in together.networks)
    versions: dict[str, dict[str, object]] = {}

    def read(image: ImageFile) -> Seen | DataError:
        versions[image.name] = version_of(image)  # before it is read: it may change meanwhile
        if image.refused:
            return DataError(image.refused)
        try:
            return together.read(image.path)
        except DataError as error:
            return error

    def memory(image: ImageFile) -> float:
        sample = Sample(image.name, image.name, image.path)
        if in_tiles:
            return decoding_bytes(sample)
        return memory_bytes(sample, together.seen_size, "area")

    def write(one: tuple[ImageFile, Probability | DataError]) -> Mapping[str, object]:
        image, found = one
        if isinstance(found, DataError):
            return failed_row(image, found)
        mask = np.greater(found, together.threshold)
        if wanted.probabilities:
            write_probability(found, places.probability(image))
        if wanted.overlays:
            try:  # the second reading: the pixels were not kept, and the file may have changed
                pixels = read_image(image.path, together.networks[0].decoding)
                check_unchanged(image, pixels, mask)
            except DataError as error:
                return failed_row(image, error)
            write_overlay(pixels, mask, places.overlay(image))
        write_mask(mask, places.mask(image))
        return {**row_of(image, places, found, mask), **versions.pop(image.name)}

    def size(one: tuple[ImageFile, Probability | DataError]) -> float:
        return 0.0 if isinstance(one[1], DataError) else WRITTEN_BYTES * float(one[1].size)

    with large_images(MOST_PIXELS):
        seen = in_order(read, images, memory, threads, budget)
        found = zip(images, together.probabilities(seen), strict=True)
        yield from zip(images, in_order(write, found, size, threads, budget), strict=True)
