"""Pictures on the page: under the outlines, as they are stored, and never too many."""

import base64
import json
import re
from contextlib import nullcontext
from dataclasses import dataclass, field
from html import unescape

import numpy as np
import pytest

from sample_sweeps import EVIL, Maker
from segsweep.errors import StoredFileError
from segsweep.report.content import outlines as stored_outlines
from segsweep.report.content.outlines import ImageOutlines, outlines_of
from segsweep.report.content.pictures import within_limit
from segsweep.report.figures.outlines import SIDE, Named, outline_figure
from segsweep.report.write import write_report
from segsweep.store.paths import SweepPaths
from segsweep.store.pictures import picture_path
from segsweep.store.tables import read_all

FINGERPRINT = "0123456789abcdef"
SQUARE = [[2.0, 2.0, 5.0, 2.0, 5.0, 5.0, 2.0, 5.0]]


@pytest.fixture
def maker(tmp_path, frozen, write_run):
    """Return what writes a sweep."""
    return Maker(tmp_path / "mine", frozen, write_run, images=6, epochs=4)


def store(maker, side=16, fingerprint=FINGERPRINT, seed=0):
    """Store a picture of noise for each image of *maker*; return them by image."""
    random = np.random.default_rng(seed)
    return maker.pictures(lambda: random.random((3, side, side), dtype=np.float32), fingerprint)


def two_cells(maker, **changed):
    """Write a finished run of each of two cells, with outlines."""
    for loss, lift in (("bce", 0.05), ("dice", -0.05)):
        maker.outlines(maker.finished("unet", loss, 0, lift, **changed))


def page(maker):
    """Write the report; return its page."""
    maker.plan()
    write_report(SweepPaths(maker.folder))
    return (maker.folder / "report.html").read_text(encoding="utf-8")


def shown(html):
    """Return the JPEGs in a page, decoded from base64."""
    found = re.findall(r'href="data:image/jpeg;base64,([^"]*)"', html)
    return [base64.b64decode(text, validate=True) for text in found]


MALFORMED = {
    "text for rings": {"truth": "x"},
    "text for numbers": {"predicted": [["a"] * 6]},
    "text for a ring": {"predicted": ["abcdef"]},
    "no truth": {"truth": None},
    "size of text": {"size": "x"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_outlines_are_named(maker, name):
    """The file and the image; the page has the other cells, also where it was written before."""
    two_cells(maker)
    maker.plan()
    sweep = SweepPaths(maker.folder)
    write_report(sweep)
    (path,) = maker.folder.glob("runs/unet-bce-*/outlines.json")
    values = json.loads(path.read_text())
    image = sorted(values["images"])[0]
    values["images"][image] |= MALFORMED[name]
    path.write_text(json.dumps(values))
    said = rf"outlines\.json: ignored: damaged, no outlines|outlines\.json: images: {image}"
    with pytest.warns(UserWarning, match=said):
        write_report(sweep, only_if_changed=True)
    html = sweep.page.read_text(encoding="utf-8")

    assert f"outlines.json: images: {image}: damaged, no outlines" in unescape(html)
    assert "unet/dice" in html


def test_page_holds_the_stored_files(maker):
    """Each picture is a stored file, byte by byte; only data URIs may be shown."""
    two_cells(maker)
    stored = store(maker)
    html = page(maker)

    assert set(shown(html)) == set(stored.values())
    assert len(stored) == 6
    assert "img-src data: blob:" in html
    assert "default-src 'none'" in html
    assert EVIL not in html


def test_best_and_worst_cell_are_named_with_their_values(maker):
    """In the legend and in the text for people who cannot see the picture."""
    two_cells(maker)
    store(maker)
    html = page(maker)
    labels = re.findall(r'aria-label="(Picture of test image [^"]*)"', html)
    pattern = r"of the truth and of 2 cells; best: unet/\w+, IoU 0\.\d\d; worst: unet/\w+, IoU 0"
    (first, *_) = re.findall(r'data-figure="outlines-1".*?(<svg.*?</svg>)', html, re.DOTALL)

    assert len(labels) == 6
    assert all(re.search(pattern, label) for label in labels)
    assert re.search(r">best unet/(bce|dice)</text>.*>IoU 0\.\d\d</text>", first)
    assert re.search(r">worst unet/(bce|dice)</text>.*>IoU 0\.\d\d</text>", first)
    assert ">truth</text>" in first
    assert 'class="ring edge m"' in first  # the truth is a line, which hides nothing


@pytest.mark.parametrize("off", ["all", "one"])
def test_switched_off_the_page_has_the_outlines_alone(maker, off):
    """Where a run says report.images=false no stored picture reaches the page."""
    two_cells(maker, report__images=off == "one")
    maker.finished("unet2", "bce", 0, report__images=False)
    store(maker)
    html = page(maker)

    assert shown(html) == []
    assert 'data-figure="outlines-1"' in html
    assert ">best unet" in html


def test_sweep_without_pictures_has_the_outlines_alone(maker):
    """A sweep of an earlier version; the truth is an area."""
    two_cells(maker)
    html = page(maker)

    assert shown(html) == []
    assert 'class="truth m"' in html


def test_what_is_no_small_jpeg_is_left_out(maker):
    """Another kind of file, a huge one and a folder in the place of a picture."""
    two_cells(maker)
    stored = store(maker)
    paths = [
        picture_path(SweepPaths(maker.folder), FINGERPRINT, (128, 128), 3, image)
        for image in stored
    ]
    paths[0].write_bytes(b"<svg onload=alert(1)>")
    paths[1].write_bytes(b"\xff\xd8\xff" + bytes(300_000))
    paths[2].unlink()
    paths[2].mkdir()

    assert set(shown(page(maker))) == set([*stored.values()][3:])


def test_data_sets_with_the_same_names_show_their_own_images(maker):
    """Two data sets in one sweep: each comparison has the pictures of its data."""
    two_cells(maker, data_fingerprint="1" * 16)
    two_cells(maker, data_fingerprint="2" * 16)
    one, other = (store(maker, fingerprint=digit * 16, seed=int(digit)) for digit in "12")
    first, second = page(maker).split('id="comparison-2"')

    assert {*map(frozenset, (shown(first), shown(second)))} == {
        frozenset(one.values()),
        frozenset(other.values()),
    }


def test_page_of_large_noise_stays_small(tmp_path, frozen, write_run):
    """50 test images of 512 x 512 pixels of noise, the worst there is: 2 MB of pictures."""
    maker = Maker(tmp_path / "mine", frozen, write_run, images=50, epochs=2)
    two_cells(maker)
    store(maker, side=512)
    html = page(maker)
    texts = re.findall(r"data:image/jpeg;base64,[^\"]*", html)

    assert len(texts) >= 9
    assert sum(map(len, texts)) < 2_000_000 + 40 * len(texts)
    assert len(html) < 3_000_000


@dataclass(frozen=True)
class Part:
    """What a page shows of one comparison."""

    outlines: dict[str, ImageOutlines] = field(default_factory=dict)


def test_limit_is_shared_by_the_comparisons():
    """The hardest images of all come first; outlines without a picture stay."""
    parts = [
        Part({name: ImageOutlines((8, 8), SQUARE, {}, bytes(300)) for name in names})
        for names in ("abc", "ab")
    ]
    kept = within_limit(parts, 1250)
    pictured = [[name for name, one in part.outlines.items() if one.picture] for part in kept]

    assert pictured == [["a", "b"], ["a"]]
    assert [list(part.outlines) for part in kept] == [["a", "b", "c"], ["a", "b"]]


def test_named_cells_are_drawn_however_many_there_are(maker, monkeypatch):
    """The worst cell on an image may not be among the first cells, which are the best ones."""
    two_cells(maker)
    monkeypatch.setattr(stored_outlines, "MOST_CELLS", 1)
    (image, *_) = maker.images
    tables = read_all(maker.folder)
    few = outlines_of(tables, ["unet/bce", "unet/dice"], [image])
    all_named = outlines_of(tables, ["unet/bce", "unet/dice"], [image], ["unet/dice"])

    assert list(few[image].predicted) == ["unet/bce"]
    assert list(all_named[image].predicted) == ["unet/bce", "unet/dice"]


def test_outlines_lie_on_the_pixels_of_the_picture():
    """The centre of the first pixel is half a pixel from the picture's corner."""
    one = ImageOutlines((8, 16), SQUARE, {"unet/bce": SQUARE}, b"\xff\xd8\xff")
    drawn = outline_figure(one, "a", 1, [Named("best", "unet/bce", "IoU 1.00")]).wide
    pixel = SIDE / 16
    corner = f"M{2.5 * pixel:.1f} {2.5 * pixel:.1f}L{5.5 * pixel:.1f} {2.5 * pixel:.1f}"

    assert drawn.count(corner) == 4  # truth and cell, each on its halo
    assert re.search(r'<image [^>]*width="240" height="120" preserveAspectRatio="none"', drawn)
    assert "worst" not in drawn


@pytest.mark.parametrize("picture", [b"", b"\xff\xd8\xff"])
def test_ignored_pixels_are_a_grey_area_with_a_word(picture):
    """On a picture and without one; an image without ignored pixels says nothing of them."""
    cells = {"unet/bce": SQUARE}
    plain = ImageOutlines((16, 16), SQUARE, cells, picture)
    other = ImageOutlines((16, 16), SQUARE, cells, picture, ignored=SQUARE)
    figures = [outline_figure(one, "a", 1, []) for one in (plain, other)]

    assert "ignored" not in figures[0].wide
    assert len(re.findall(r'<path [^>]*class="ignored m"', figures[1].wide)) == 1
    assert ">ignored: counts for nothing</text>" in figures[1].wide
    assert "grey areas are ignored" in figures[1].wide
    assert [row[0] for row in figures[1].rows].count("ignored") == 1


@pytest.mark.parametrize(
    ("stored", "known"), [(SQUARE, SQUARE), ([], []), ([[1.0, 2.0]], []), ("x", None), (7, None)]
)
def test_stored_rings_of_ignored_pixels_are_read(stored, known, tmp_path):
    """Malformed ones leave the image out, as those of a mask do, and are named."""
    both = {"truth": SQUARE, "predicted": SQUARE, "ignored": stored}
    found: dict[str, ImageOutlines] = {}
    values = {"size": [16, 16], "images": {"a": both}}
    with nullcontext() if known is not None else pytest.raises(StoredFileError, match="images: a"):
        stored_outlines._add(found, "unet/bce", "a", values, tmp_path / "outlines.json")

    assert [one.ignored for one in found.values()] == ([] if known is None else [known])
