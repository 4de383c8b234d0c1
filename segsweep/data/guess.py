"""Guesses which patterns fit the file names at hand; only hints and `segsweep data` use them."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import takewhile
from pathlib import PurePath

from segsweep.config.patterns import ANY_ID
from segsweep.data.naming import NamePattern, folded

LAST_WORD = re.compile(r"(.+)([ _.-][^ _.-]+)")
NO_WORD = re.compile(r"[ _.-]+")
NUMBERED = re.compile(r".*\{id\}[^/]*[^0-9](?=[0-9]+\.)")
"""The part of a pattern before the number at its end."""
ANY_WORD = re.compile(r".*\{id\}[ _.-]+")
"""The part of a pattern before a word of any kind behind {id}."""
MASK_WORDS = ("mask", "label", "truth", "annot", "seg", "lesion", "manual", "target", "gt")
IMAGE_WORDS = ("image", "img", "photo", "picture", "input", "raw", "original", "scan", "frame")
TRIED = 3
"""Images from whose names patterns for masks are guessed."""


def guess_patterns(
    images: Sequence[str], masks: Sequence[str], share: float = 1.0, many: bool = False
) -> tuple[str, str] | None:
    """Return the patterns of images and masks that give each image one mask; None: no such.

    *images* and *masks* are file names; a *share* of the images is enough. *many*: each image may
    have several masks, and a star in the pattern of masks takes them all.
    """
    for pattern in _image_patterns(images):
        ids = _ids(NamePattern("image_name", pattern), images)
        if not ids or len(ids) != len({*images}):
            continue
        for guessed in _mask_patterns(sorted(ids), masks, many):
            if _fits(guessed, ids, masks, share):
                return pattern, guessed
    return None


def guess_shared(names: Sequence[str], many: bool = False) -> tuple[str, str] | None:
    """Return the patterns of images and masks that lie in one folder; None: none can be seen.

    Either a mask's name is that of its image and more, or both end in a word of their own.
    *many*: as in `guess_patterns`.
    """
    stems = {PurePath(name).stem: name for name in names}
    before, after = _more_than_others(stems)
    if many:
        return _starred(after)
    if before or after:
        patterns = [f"{{id}}{end}.*" for end in after] + [f"{start}{{id}}.*" for start in before]
        counts = Counter(dict(zip(patterns, [*after.values(), *before.values()], strict=True)))
        return ANY_ID, max(sorted(counts), key=lambda pattern: counts[pattern])
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


def _more_than_others(stems: Collection[str]) -> tuple[Counter[str], Counter[str]]:
    """Return what names have before and after another one's whole name, with its frequency."""
    before, after = Counter[str](), Counter[str]()
    for stem in stems:
        for cut in range(1, len(stem)):
            if stem[:cut] in stems:
                after[stem[cut:]] += 1
            if stem[cut:] in stems:
                before[stem[:cut]] += 1
    return before, after


def _starred(after: Counter[str]) -> tuple[str, str] | None:
    """Return a pattern with a star for masks that are numbered or called in any way."""
    starts = Counter[str]()
    for end, count in after.items():
        if (numbered := end.rstrip("0123456789")) not in ("", end):
            starts[numbered] += count
        if (sign := NO_WORD.match(end)) and sign[0] != numbered:
            starts[sign[0]] += count
    if not starts:
        return None
    return ANY_ID, f"{{id}}{max(sorted(starts), key=lambda start: (starts[start], len(start)))}*.*"


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


def _mask_patterns(ids: Sequence[str], masks: Sequence[str], many: bool) -> Iterator[str]:
    """Yield what turns one of the first ids into the name of a mask, or of one of its masks."""
    tried = dict.fromkeys(
        f"{name[:at]}{{id}}{name[at + len(one) :]}"
        for one in ids[:TRIED]
        for name in masks
        if (at := name.lower().find(one.lower())) >= 0
    )
    if many:
        tried = dict.fromkeys(
            f"{pattern[: found.end()]}*.{pattern.rpartition('.')[2]}"
            for ending in (NUMBERED, ANY_WORD)
            for pattern in tried
            if (found := ending.match(pattern))
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
    return len({*hits}) >= share * len(ids) and (made.takes_many or len(hits) == len({*hits}))
