"""Names of cells in figures: what tells them apart is there, and lines do not overlap."""

import re

import pytest

from segsweep.report.figures.figure import row_label
from segsweep.report.figures.svg import Canvas, fitted_name

LONG = [
    f"unet2/soft_dice lr={lr} probability={share}" for lr in (0.01, 0.02) for share in (0.25, 0.5)
]


@pytest.mark.parametrize("room", [104, 150, 260])
def test_long_names_that_begin_alike_differ_when_cut(room):
    """They end with their values; a name that fits is whole."""
    cut = [fitted_name(name, room, 11) for name in LONG[:2]]

    assert len({*cut}) == 2
    assert all("…" in name for name in cut) == (room < 200)
    assert fitted_name("unet2/bce", room) == "unet2/bce"


@pytest.mark.parametrize("name", ["unet2/bce", *LONG])
def test_label_stays_within_its_row(name):
    """One line or two: from the top of the letters to the bottom, in 24 pixels."""
    canvas = Canvas(400, 24)
    row_label(canvas, name.replace(" lr", "@optimizer.lr").replace(" p", "@augment.p"), 120, 12)
    drawn = "".join(canvas.parts)
    for y, tight in re.findall(r'y="([\d.]+)"[^>]*class="([^"]*)"', drawn):
        size = 10 if "tight" in tight else 13
        assert float(y) - 0.95 * size >= 0
        assert float(y) + 0.3 * size <= 24
