"""What is the same in all trials of a study: the study's name tells studies apart by it."""

from collections.abc import Iterable

from segsweep.config.identity import identity_values
from segsweep.config.run_config import Values


def fixed_values(config: Values, searched: Iterable[str]) -> dict[str, object]:
    """Return what can change the numbers of a run, without the *searched* keys.

    Of an option that is searched, such as `optimizer`, what was set below it stays: it is the
    same in all trials.
    """
    values = identity_values(config)
    for key in searched:
        *sections, name = key.split(".")
        if not sections:
            continue
        inside: object = values
        for section in sections:
            inside = inside.get(section) if isinstance(inside, dict) else None
        if isinstance(inside, dict):
            inside.pop(name, None)
    return values
