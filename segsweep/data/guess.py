"""Guesses which patterns fit the file names at hand; only hints and `segsweep data` use them."""

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import PurePath

from segsweep.data.naming import ANY_ID, NamePattern, folded

LAST_WORD = re.compile(r"(.+)([ _.-][^ _.-]+)")
MASK_WORDS = ("mask", "label", "truth", "annot", "seg", "lesion", "manual", "target", "gt")
IMAGE_WORDS = ("image", "img", "photo", "picture", "input", "raw", "original", "scan", "frame")
TRIED = 3
"""Images from whose names patterns for masks are guessed."""


def guess_patterns(
    images: Sequence[str], masks: Sequence[str], share: float = 1.0
) -> tuple[str, str] | None:
    """Return the patterns of images and masks that give each image one mask; None: no such.

    *images* and *masks* are file names; a *share* of the images is enough.
    """
    for pattern in _image_patterns(images):
        ids = _ids(NamePattern("image_name", pattern), images)
        if not ids or len(ids) != len({*images}):
            continue
        for guessed in _mask_patterns(sorted(ids), masks):
            if _fits(guessed, ids, masks, share):
                return pattern, guessed
    return None


def guess_shared(names: Sequence[str]) -> tuple[str, str] | None:
    """Return the patterns of images and masks that lie in one folder; None: none can be seen.

    Either a mask's name is that of its image and more, or both end in a word of their own.
    """
    stems = {PurePath(name).stem: name for name in names}
    ends: dict[str, int] = {}
    for stem in stems:
        for cut in range(1, len(stem)):
            if stem[:cut] in stems:
                ends[stem[cut:]] = ends.get(stem[cut:], 0) + 1
            if stem[cut:] in stems:
                ends["<" + stem[:cut]] = ends.get("<" + stem[:cut], 0) + 1
    if ends:
        best = max(sorted(ends), key=lambda end: ends[end])
        pattern = f"{best[1:]}{{id}}.*" if best.startswith("<") else f"{{id}}{best}.*"
        return ANY_ID, pattern
    words: dict[str, set[str]] = {}
    for stem in stems:
        if found := LAST_WORD.fullmatch(stem):
            words.setdefault(found[2], set()).add(found[1])
    common = sorted(words, key=lambda word: -len(words[word]))[:2]
    if len(common) == 2 and words[common[0]] & words[common[1]]:
        mask = next((word for word in common if is_mask_word(word)), common[1])
        image = next(word for word in common if word != mask)
        return f"{{id}}{image}.*", f"{{id}}{mask}.*"
    return None


def is_mask_word(text: str) -> bool:
    """Whether the name of a folder or file sounds like masks."""
    word = folded(text)
    return any(known in word for known in MASK_WORDS)


def is_image_word(text: str) -> bool:
    """Whether the name of a folder or file sounds like images."""
    word = folded(text)
    return any(known in word for known in IMAGE_WORDS) and not is_mask_word(text)


def _image_patterns(images: Sequence[str]) -> Iterator[str]:
    """Yield patterns of images: the whole name, or without what all names share."""
    yield ANY_ID
    stems = [PurePath(name).stem for name in images]
    if len(stems) < 2:
        return
    before = _common_start(stems).rstrip("0123456789")
    after = _common_start([stem[::-1] for stem in stems])[::-1].lstrip("0123456789")
    for start, end in (("", after), (before, ""), (before, after)):
        if start or end:
            yield f"{start}{{id}}{end}.*"


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    equal = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(letter for letter, _ in equal)


def _mask_patterns(ids: Sequence[str], masks: Sequence[str]) -> Iterator[str]:
    """Yield what turns one of the first ids into the name of a mask."""
    tried = dict.fromkeys(
        f"{name[:at]}{{id}}{name[at + len(one) :]}"
        for one in ids[:TRIED]
        for name in masks
        if (at := name.lower().find(one.lower())) >= 0
    )
    anyhow = (f"{pattern.rpartition('.')[0]}.*" for pattern in tried)
    yield from dict.fromkeys((*tried, *anyhow))


def _ids(pattern: NamePattern, names: Sequence[str]) -> set[str]:
    return {folded(found[0]) for name in names if (found := pattern.ids(name))}


def _fits(pattern: str, ids: set[str], masks: Sequence[str], share: float) -> bool:
    try:
        made = NamePattern("mask_name", pattern)
    except ValueError:
        return False
    hits = [
        hit
        for name in masks
        if (hit := next((one for one in map(folded, made.ids(name)) if one in ids), None))
    ]
    return len(hits) == len({*hits}) >= share * len(ids)
