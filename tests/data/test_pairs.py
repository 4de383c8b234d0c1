"""A CSV of pairs: paths, groups, parts, and what is said about tables that do not fit."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from layouts import IDS, pair, part_of, write_halves, write_pairs, write_table
from segsweep.config.schema import SplitConfig
from segsweep.data.pairs import Pairs
from segsweep.data.split import split_samples
from segsweep.errors import DataError


def rows_of(names=IDS):
    """Return a row for each pair in `images` and `masks`."""
    return [
        {
            "image": f"images/{name}.png",
            "mask": f"masks/{name}.png",
            "split": part_of(name),
            "patient": f"p{IDS.index(name) // 3}",
        }
        for name in names
    ]


def test_pairs_groups_and_parts_come_from_the_table(tmp_path):
    """Paths are relative to the table, wherever the command is started."""
    write_pairs(tmp_path)
    source = Pairs(write_table(tmp_path / "pairs.csv", rows_of()), group_column="patient")
    samples, problems = source.find()
    parts = split_samples(samples, SplitConfig(given=True))

    assert problems == []
    assert [sample.id for sample in samples] == IDS
    assert [sample.group for sample in samples] == [f"p{index // 3}" for index in range(12)]
    assert parts == [part_of(name) for name in IDS]
    for index, sample in enumerate(samples):
        np.testing.assert_array_equal(source.read(sample).mask, pair(index)[1] > 0)


def test_rows_of_one_image_unite_their_masks(tmp_path):
    """A file an object, one row each."""
    write_halves(tmp_path)
    rows = [
        {"image": f"{name}/images/{name}.png", "mask": f"{name}/masks/{name}-{half}.png"}
        for half in range(2)
        for name in IDS
    ]
    source = Pairs(write_table(tmp_path / "pairs.csv", rows))
    samples, _ = source.find()

    assert len(samples) == len(IDS)
    for index, sample in enumerate(samples):
        np.testing.assert_array_equal(source.read(sample).mask, pair(index)[1] > 0)


def test_pages_ranges_and_colours_are_read_as_in_folders(tmp_path):
    """The keys of data=folder that decide pixels are keys of a table's data too."""
    image, mask = pair(3)
    pages = np.stack([image[..., 0]] * 2).astype(np.uint16) * 16
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    Image.fromarray((mask[..., None] > 0) * np.uint8([200, 0, 10])).save(tmp_path / "m.png")
    table = write_table(tmp_path / "pairs.csv", [{"image": "a.tif", "mask": "m.png"}])
    source = Pairs(table, page=2, range=[0, 4080], foreground_color=[200, 0, 10])
    (sample,), problems = source.find()
    pixels = source.read(sample)

    assert problems == []
    assert source.signature.endswith("foreground=200,0,10 invert=False page=2 range=0,4080")
    np.testing.assert_array_equal(pixels.mask, mask > 0)
    np.testing.assert_array_equal(pixels.image[..., 1], image[..., 0] * np.uint16(257))


def test_semicolons_and_ids_that_repeat(tmp_path):
    """As a spreadsheet saves it; images of one name in two folders have longer ids."""
    write_pairs(tmp_path / "one", ids=IDS[:1])
    write_pairs(tmp_path / "two", ids=IDS[:1])
    lines = [f"{place}/images/s00.png;{place}/masks/s00.png" for place in ("one", "two")]
    (tmp_path / "pairs.csv").write_text("\ufeffimage;mask\n" + "\n".join(lines))
    ids = [sample.id for sample in Pairs(tmp_path / "pairs.csv").find()[0]]

    assert ids == ["one-images-s00.png", "two-images-s00.png"]


def test_files_that_are_not_there_are_one_line(tmp_path):
    """With their number and the lines of the first."""
    write_pairs(tmp_path, ids=IDS[:4])
    table = write_table(tmp_path / "pairs.csv", rows_of())
    samples, (problem,) = Pairs(table).find()

    assert [sample.id for sample in samples] == IDS[:4]
    assert problem.what.startswith("no such file: 16 of its files: ")
    assert "s04.png (line 6)" in problem.what


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("image\na.png\n", {}, "no column 'mask': .* has image"),
        ("", {}, "no column 'image'"),
        ("image,mask\na,b\n", {"group_column": "patient"}, "no column 'patient'"),
    ],
)
def test_tables_that_do_not_fit_are_one_clear_line(tmp_path, text, options, message):
    """What is wrong, in which line."""
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(DataError, match=rf"pairs\.csv: {message}") as caught:
        Pairs(tmp_path / "pairs.csv", **options).find()

    assert "\n" not in str(caught.value)


def test_all_rows_that_cannot_be_used_are_said_at_once(tmp_path):
    """Each with its line; the files that are not there are counted, and all of them listed."""
    (tmp_path / "pairs.csv").write_text(
        "n,image,mask,split\n1,,b,\n2,a,b,left\n3,a,b,val\n3,a,c,test\n3,a,b,val\n3,c,d,\n4,e,,\n"
    )
    samples, problems = Pairs(tmp_path / "pairs.csv", id_column="n").find()

    assert samples == []
    assert [problem.what for problem in problems[:-1]] == [
        "row without image: line 2",
        "unknown part: 'left' in the column split (line 3); allowed are train, val, test, or "
        "nothing for images that are not used",
        "an earlier line has another group, part or id: a (line 5)",
        "the same pair once more: a and b (line 6)",
        "row without mask: line 8",
        "one id of two images: '3' is a and c",
    ]
    assert [name.rpartition("/")[2] for name in problems[-1].names][:2] == [
        "a (line 3)",
        "b (line 3)",
    ]


def test_no_table_is_one_clear_line(tmp_path):
    """Missing, a folder, or not text."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    for place in (tmp_path / "none.csv", tmp_path, tmp_path / "binary", Path()):
        with pytest.raises(DataError, match="cannot be read as a CSV"):
            Pairs(place).find()
