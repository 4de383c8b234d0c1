"""A folder of images and their masks, in a second folder or the same, paired by name."""

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Literal

from segsweep.config.patterns import ANY_ID, folder_and_name
from segsweep.data.decoding import Decoding
from segsweep.data.dicom import check_readable, without_dicom
from segsweep.data.file_source import FileSource
from segsweep.data.foreground import Foreground
from segsweep.data.groups import read_groups, unreadable_groups
from segsweep.data.guess import guess_patterns, guess_shared
from segsweep.data.images import without_copies
from segsweep.data.naming import NamePattern
from segsweep.data.pairing import (
    Files,
    below,
    beside_images,
    files_of,
    ids_of,
    images_by_key,
    key_of,
    masks_by_image,
    repeated,
)
from segsweep.data.source import Listing, Problem, Sample
from segsweep.errors import DataError
from segsweep.system.names import name_list


class Folder(FileSource):
    """Images and their masks in two folders, or in one.

    Args:
        images: the folder of images; or a pattern with it: cases/{id}/photo.jpg is the folder
            cases with the image_name {id}/photo.jpg.
        masks: the folder of masks, or a pattern with it; None: the folder of images.
        mask_name: the name of an image's mask, with {id} for the image's name without its
            ending; in one folder it also decides which files are masks.
        foreground: half: above half of the file's range; alpha: the same of the alpha channel;
            or the label values that count.
        invert: True: what the rule finds is background.
        groups_file: CSV with the columns id and group; samples of one group (one patient, one
            lesion) stay in one part of a split.
        image_name: which files are images, where the folder holds others too: {id}.jpg. Both
            names may hold folders, as in {id}/photo.jpg; else folders inside are not searched.
        page: which page of a file with several is read, from 1; None: such a file is refused.
        unmatched: error: images without masks and masks without images are refused; skip: they
            are left out.
        range: the two stored values that become 0 and 1 in an image; None: those of its type.
        foreground_color: the colour [red, green, blue] of a mask's foreground, or several.
        ignore: the stored values of pixels that count in no loss, metric or step, [255], or their
            colours, [[224, 224, 192]]; None: all pixels count.

    """

    def __init__(
        self,
        images: Path,
        masks: Path | None = None,
        mask_name: str = ANY_ID,
        foreground: Literal["half", "alpha"] | list[int] = "half",
        invert: bool = False,
        groups_file: Path | None = None,
        image_name: str = ANY_ID,
        page: int | None = None,
        unmatched: Literal["error", "skip"] = "error",
        range: list[float] | None = None,
        foreground_color: list[int] | list[list[int]] | None = None,
        ignore: list[int] | list[list[int]] | None = None,
    ) -> None:
        rule = Foreground.of(foreground, invert, foreground_color, ignore)
        super().__init__("folder", rule, Decoding.of(page, range))
        place, image_name = folder_and_name("images", str(images), image_name)
        self.images = self.masks = Path(place).expanduser()
        if masks is not None:
            place, mask_name = folder_and_name("masks", str(masks), mask_name)
            self.masks = Path(place).expanduser()
        self.mask_name = NamePattern("mask_name", mask_name)
        self.image_name = NamePattern("image_name", image_name)
        self.groups_file = None if groups_file is None else Path(groups_file).expanduser()
        self.skips = unmatched == "skip"

    @property
    def gives_split(self) -> bool:
        """Whether the names of folders say to which part of a split a sample belongs."""
        return "split" in self.image_name.holes

    def find(self) -> tuple[list[Sample], list[Problem]]:
        """Return the complete pairs sorted by id, and what is wrong with the other files."""
        try:
            image_paths, mask_paths = self._listed()
        except DataError as error:
            lines = [str(error), *unreadable_groups(self.groups_file)]
            raise DataError("\n".join(lines)) from None
        shared = self.image_name.holes & self.mask_name.holes
        images = images_by_key(image_paths, self.images, self.image_name, shared)
        masks, problems = masks_by_image(mask_paths, self.masks, self.mask_name, images, shared)
        problems += self._unmatched(images, masks)
        problems += repeated("duplicate id", images)
        names = ids_of(images)
        pairs = [key for key in images if len(images[key]) == 1 and key in masks]
        if not self.mask_name.takes_many:
            problems += repeated("more than one mask", {k: masks[k] for k in masks if k in images})
            pairs = [key for key in pairs if len(masks[key]) == 1]
        samples = []
        for key in sorted(pairs, key=lambda key: names[key]):
            name, (image,), (mask, *more) = names[key], images[key], masks[key]
            part = self._part(image) if self.gives_split else None
            samples.append(Sample(name, name, image, mask, tuple(more), part))
        if self.groups_file and samples:
            groups, more_problems = read_groups(self.groups_file, [one.id for one in samples])
            samples = [replace(one, group=groups.get(one.id, one.id)) for one in samples]
            problems += more_problems
        check_readable((path for one in samples for path in one.files), problems)
        return samples, problems

    def _part(self, image: Path) -> str:
        return key_of(self.image_name.names(below(image, self.images))[0], {"split"})[0]

    def _listed(self) -> tuple[list[Path], list[Path]]:
        shared = os.path.realpath(self.images) == os.path.realpath(self.masks)
        alike = shared and self.image_name.depth == self.mask_name.depth
        images, all_masks = self._files(alike)
        masks = [path for path in all_masks if self.mask_name.ids(below(path, self.masks))]
        if alike and self.mask_name.is_open:
            masks = beside_images(all_masks, self.masks, self.image_name, self.mask_name)
        masks = without_dicom(without_copies(masks))
        if not masks:
            known = [below(path, self.masks) for path in all_masks]
            raise DataError(
                f"{self.masks}: no masks: none of its image files, such as {known[0]}, "
                f"fits {self.mask_name.text}{self._hint(images, all_masks)}"
            )
        images = [path for path in images if self.image_name.ids(below(path, self.images))]
        images = without_copies(images)
        own = self.foreground.alpha and self.image_name.pattern == self.mask_name.pattern
        if shared and not own:  # else each image has its mask in its alpha channel
            taken = {below(path, self.masks) for path in masks}
            images = [path for path in images if below(path, self.images) not in taken]
        images = without_dicom(images)
        if not images:
            fits = "every image file" if shared else "no image file"
            pattern = self.mask_name if shared else self.image_name
            raise DataError(
                f"{self.images}: no images: {fits} fits {pattern.text}; "
                f"change the pattern, or name a folder of masks in data.masks"
                f"{self._hint(masks, masks) if shared else ''}"
            )
        return images, masks

    def _files(self, alike: bool) -> tuple[list[Path], list[Path]]:
        """Return all files of both folders; they are the same files if they are searched alike."""
        found, errors = [], []
        places = [(self.images, self.image_name, "data.images")]
        places += [] if alike else [(self.masks, self.mask_name, "data.masks")]
        for place in places:
            try:
                found.append(files_of(*place))
            except DataError as error:
                errors.append(str(error))
        if errors:
            raise DataError("\n".join(errors))
        return found[0], found[-1]

    def _unmatched(self, images: Files, masks: Files) -> list[Problem]:
        """Return what to say about files without a partner: an error a kind, or one warning."""
        lone_images = [below(p, self.images) for k in images if k not in masks for p in images[k]]
        lone_masks = [below(p, self.masks) for k in masks if k not in images for p in masks[k]]
        if not lone_images and not lone_masks:
            return []
        if self.skips:
            if not images.keys() & masks.keys():
                raise DataError(
                    f"{self.images}: no pairs: none of {len(images)} images has a mask in "
                    f"{self.masks} that fits {self.mask_name.text}"
                    f"{self._hint(_paths(images), _paths(masks))}"
                )
            what = (
                f"left out: images without masks: {len(lone_images)}, masks without images: "
                f"{len(lone_masks)}"
            )
            lone = (*lone_images, *lone_masks)
            return [Listing("warning", name_list(lone, 3).replace("/", ":"), what, lone)]
        hint = self._hint(_paths(images), _paths(masks)) if lone_images else ""
        found: list[Problem] = []
        if lone_images:
            what = (
                f"image without mask: {len(lone_images)} of {len(images)} images, such as "
                f"{name_list(lone_images, 3)}: nothing in {self.masks} fits {self.mask_name.text}"
            )
            names = tuple(lone_images)
            found.append(Listing("error", str(self.images), what + (hint or SKIP), names))
        if lone_masks and not hint:
            what = (
                f"mask without image: {len(lone_masks)} of {len(masks)} masks, such as "
                f"{name_list(lone_masks, 3)}: no such image in {self.images}"
            )
            found.append(Listing("error", str(self.masks), what + SKIP, tuple(lone_masks)))
        return found

    def _hint(self, images: list[Path], masks: list[Path]) -> str:
        """Return which patterns would give each image its mask; empty if none can be seen."""
        names = [path.name for path in masks]
        if os.path.realpath(self.images) == os.path.realpath(self.masks):
            guessed = guess_shared(names)
        else:
            guessed = guess_patterns([path.name for path in images], names)
        given = (self.image_name.pattern, self.mask_name.pattern)
        if guessed is None or guessed == given or self.image_name.depth or self.mask_name.depth:
            return ""
        keys = ("data.image_name", "data.mask_name")
        words = [
            shlex.quote(f'{key}="{new}"')
            for key, new, old in zip(keys, guessed, given, strict=True)
            if new != old
        ]
        return f"; all have one with {' '.join(words)}"


SKIP = "; data.unmatched=skip leaves them out"


def _paths(files: Files) -> list[Path]:
    return [path for paths in files.values() for path in paths]
