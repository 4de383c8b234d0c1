"""Caption and label of a table in LaTeX, made from what the table shows."""

import re
from typing import TYPE_CHECKING

from segsweep.errors import ConfigError
from segsweep.report.export import Heading

if TYPE_CHECKING:
    from segsweep.report.analysis import Compared

LABEL = re.compile(r"[A-Za-z0-9:._-]+")
"""What a label may consist of."""


def heading_of(
    compared: "Compared",
    name: str,
    by: str | None = None,
    caption: str | None = None,
    label: str | None = None,
) -> Heading:
    """Return caption and label of a table of the sweep *name*; *caption* and *label* replace them.

    The caption names sweep, metric, seeds and test images: `Sweep main: mean test IoU of each cell,
    3 seeds, 50 test images.`

    Raises:
        ConfigError: the label has characters that LaTeX does not take.

    """
    asked, metric = compared.asked, compared.metric.label
    images = "test" if compared.part == "test" else "validation"
    if by is not None and compared.part == "test":
        what, kind = f"mean {images} {metric} of each {by}, averaged over the rest", f"by-{by}"
    elif asked.baseline is not None:
        what, kind = f"test {metric} and difference to {asked.baseline}", "baseline"
    else:
        what, kind = f"mean {images} {metric} of each cell", ""
    parts = [what, *_sizes(compared)]
    words = "-".join(filter(None, [name, asked.metric, kind]))
    return Heading(
        f"Sweep {name}: {', '.join(parts)}." if caption is None else caption, checked(words, label)
    )


def heading_of_two(
    names: tuple[str, str], metric: str, caption: str | None = None, label: str | None = None
) -> Heading:
    """Return caption and label of a table that compares two sweeps."""
    first, second = names
    words = f"Cells that the sweeps {first} (first) and {second} (second) share: test {metric}."
    return Heading(
        words if caption is None else caption, checked(f"{first}-{second}-{metric}", label)
    )


def checked(words: str, label: str | None) -> str:
    """Return *label*, or one made from *words*; ConfigError if LaTeX does not take it."""
    if label is None:
        return f"tab:{re.sub(r'[^A-Za-z0-9._-]+', '-', words).strip('-').lower()}"
    if not LABEL.fullmatch(label):
        raise ConfigError(
            f"--label {label}: a label may have letters, digits and the signs : . _ -, such as "
            "tab:main-iou"
        )
    return label


def _sizes(compared: "Compared") -> list[str]:
    """Return seeds and test images in words, where something was compared."""
    if compared.analysis is None:
        return []
    done = compared.cells[compared.cells[compared.value].notna()]
    seeds = sorted({int(count) for count in done["seeds"]})
    ends = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    images = len(compared.analysis.values.images)
    return [f"{ends} seed{'' if seeds[-1] == 1 else 's'}", f"{images:,} test images"]
