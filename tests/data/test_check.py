"""Checks of decoded samples: each problem, and how all of them are reported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segsweep.data.check import Facts, check_all, check_pixels, facts_of, format_problems
from segsweep.data.source import Pixels, Problem, Sample

SAMPLE = Sample("a", "a", Path("/data/a.png"), Path("/data/a_mask.png"))


def pixels(mask, image_shape=(4, 6, 3), grey=False):
    """Return pixels with the given mask and a plain image."""
    return Pixels(np.zeros(image_shape, np.uint8), np.array(mask, bool), grey)


HALF = np.arange(24).reshape(4, 6) < 12


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (pixels(HALF), []),
        (pixels(HALF.T), [("error", "sizes differ: mask 6x4, image 4x6")]),
        (pixels(HALF & False), [("warning", "empty mask: no foreground at all")]),
        (pixels(HALF | True), [("warning", "full mask: no background at all")]),
    ],
)
def test_one_sample_alone(read, expected):
    """Sizes, empty and full masks are reported with the mask's file."""
    problems = check_pixels(SAMPLE, read)

    assert [(p.level, p.what) for p in problems] == expected
    assert {p.where for p in problems} <= {"/data/a_mask.png"}


def test_grey_mask_is_a_warning():
    """More than two values in the file are reported."""
    (problem,) = check_pixels(SAMPLE, pixels(HALF, grey=True))

    assert problem.level == "warning"
    assert problem.what.startswith("grey-valued mask")


@pytest.mark.parametrize("mask", [HALF, HALF & False, HALF | True])
def test_values_that_no_rule_names_are_warnings(mask):
    """Each has its own; the object they may mark is then not reported as no foreground at all."""
    words = ("value 255", "colour [0,128,0]")
    read = Pixels(np.zeros((4, 6, 3), np.uint8), mask, unnamed=words)
    problems = check_pixels(SAMPLE, read)

    assert [(p.level, p.what.split(": ")[0]) for p in problems] == [("warning", w) for w in words]
    assert "by data.foreground;" in problems[0].what
    assert "by data.foreground_color;" in problems[1].what


@pytest.mark.parametrize(
    ("brightest", "share", "high"),
    [([3504, 900], "5%", 4095), ([4096], "6%", 8191), ([255, None], "0%", 255)],
)
def test_images_that_use_a_small_part_of_sixteen_bits(brightest, share, high):
    """One warning for all, by the largest value of all, with the next power of two less one."""
    facts = [replace(fact(str(i)), brightest=value) for i, value in enumerate(brightest)]
    (problem,) = check_all(facts)

    assert problem.level == "warning"
    assert f"only {share} of their range" in problem.what
    assert f"data.range=[0,{high}]" in problem.what


@pytest.mark.parametrize("brightest", [[3504, 40000], [0], [None, None]])
def test_images_that_use_more_are_not_dark(brightest):
    """One bright image is enough; images of 8 bits and black ones say nothing."""
    assert check_all([replace(fact(str(i)), brightest=b) for i, b in enumerate(brightest)]) == []


def test_sample_without_files_is_named_by_its_id():
    """A drawn sample has no file to name."""
    (problem,) = check_pixels(Sample("drawn", "drawn"), pixels(HALF & False))

    assert problem.where == "drawn"


def test_facts_are_counted():
    """Size, foreground and grey are those of the arrays."""
    facts = facts_of(SAMPLE, pixels(HALF, grey=True))

    assert (facts.id, facts.height, facts.width, facts.foreground, facts.grey) == (
        "a",
        4,
        6,
        12,
        True,
    )


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda image: image.copy(), True),
        (lambda image: np.asfortranarray(image), True),
        (lambda image: image ^ (np.arange(72).reshape(4, 6, 3) == 71), False),
        (lambda image: image.reshape(6, 4, 3), False),
        (lambda image: image.astype(np.uint16), False),
    ],
)
def test_digest_is_of_the_decoded_pixels(change, same):
    """The digest sees each pixel, the shape and the type, but not how memory is laid out."""
    image = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    one, two = (facts_of(SAMPLE, Pixels(i, HALF)).image_digest for i in (image, change(image)))

    assert (one == two) == same


def fact(name, foreground=5, digest=None):
    """Return facts that differ from others in what matters."""
    return Facts(name, 4, 6, foreground, False, digest or name)


def test_identical_images_are_one_warning_each_set():
    """Three copies are one finding that names all three, a pair is another."""
    facts = [fact("a", digest="x"), fact("b"), fact("c", digest="x"), fact("d", digest="y")]
    problems = check_all([*facts, fact("e", digest="x"), fact("f", digest="y")])

    assert [(p.level, p.where) for p in problems] == [
        ("warning", "a = c = e"),
        ("warning", "d = f"),
    ]
    assert problems[0].what.startswith("identical images")


def test_no_foreground_anywhere_is_an_error():
    """All masks empty is an error that names them and the options to look at."""
    (problem,) = check_all([fact("a", 0), fact("b", 0)])

    assert (problem.level, problem.where) == ("error", "a, b")
    assert "data.foreground" in problem.what


@pytest.mark.parametrize("facts", [[], [fact("a", 0), fact("b", 1)]])
def test_some_foreground_or_nothing_read_is_no_error(facts):
    """One mask with one pixel is enough; where nothing could be read others tell."""
    assert check_all(facts) == []


def test_errors_come_first_one_line_each():
    """Errors are above warnings, each with level, place and problem."""
    text = format_problems(
        [
            Problem("warning", "/m/b.png", "empty mask: no foreground at all"),
            Problem("error", "/m/c.png", "sizes differ: mask 1x2, image 3x4"),
            Problem("error", "a", "/i/a.png: empty file, 0 bytes: copy it again or remove it"),
        ]
    )

    assert text.splitlines() == [
        "error: /m/c.png: sizes differ: mask 1x2, image 3x4",
        "error: a: /i/a.png: empty file, 0 bytes: copy it again or remove it",
        "warning: empty mask: no foreground at all: b.png",
    ]


def test_many_warnings_of_a_kind_share_a_line():
    """200 grey masks are one line with ten names and a count."""
    problems = [Problem("warning", f"/m/{i:03}.png", "grey-valued mask: told") for i in range(200)]
    lines = format_problems(problems).splitlines()

    assert len(lines) == 1
    assert lines[0].endswith("007.png, 008.png, 009.png and 190 more")


@pytest.mark.parametrize(
    "what",
    [
        "sizes differ: mask 1x{0}, image 3x4",
        "mask without image: no image {0} in /data/m",
        "/data/x: y/{0}.png: truncated or damaged: cut at {0}",
    ],
)
def test_many_errors_of_a_kind_are_counted(what):
    """Of 30 errors that differ in names and numbers 20 have a line, 10 are counted."""
    problems = [Problem("error", f"/m/{i:03}.png", what.format(i)) for i in range(30)]
    lines = format_problems([*problems, Problem("error", "z", "other: thing")]).splitlines()

    assert len(lines) == 22
    assert lines[19].startswith("error: /m/019.png: ")
    assert lines[20].endswith(": 10 more")
    assert lines[21] == "error: z: other: thing"


@pytest.mark.parametrize(("level", "most"), [("error", 20), ("warning", 10)])
def test_list_that_is_cut_is_written_whole(tmp_path, monkeypatch, level, most):
    """Every problem has a line in the file that the last line names; the text stays as it was."""
    monkeypatch.chdir(tmp_path)
    problems = [Problem(level, f"/m/{i:03}.png", f"bad: {i}") for i in range(most + 1)]
    text = format_problems(problems, tmp_path / "out")

    assert (
        text
        == f"{format_problems(problems)}\nall {most + 1} problems, one a line: out/problems.txt"
    )
    lines = (tmp_path / "out" / "problems.txt").read_text().splitlines()
    assert lines == [f"{level}: /m/{i:03}.png: bad: {i}" for i in range(most + 1)]
    stamp = (tmp_path / "out" / "problems.txt").stat().st_mtime_ns
    format_problems(problems, tmp_path / "out")
    assert (tmp_path / "out" / "problems.txt").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(("level", "most"), [("error", 20), ("warning", 10)])
def test_list_that_fits_is_not_written(tmp_path, level, most):
    """A short list leaves no file."""
    problems = [Problem(level, f"/m/{i:03}.png", f"bad: {i}") for i in range(most)]

    assert format_problems(problems, tmp_path) == format_problems(problems)
    assert list(tmp_path.iterdir()) == []


def test_list_that_cannot_be_written_is_shown_cut(tmp_path):
    """Where the folder cannot be made, the problems are still told."""
    (tmp_path / "file").touch()
    problems = [Problem("error", f"{i}", "bad: thing") for i in range(30)]

    assert format_problems(problems, tmp_path / "file" / "x") == format_problems(problems)


def test_nothing_wrong_is_no_text():
    """No problem gives an empty text; the same problem twice is reported once."""
    problem = Problem("error", "a", "b: c")

    assert format_problems([]) == ""
    assert format_problems([problem, problem]) == "error: a: b: c"


def test_exchanged_images_and_masks_are_noticed():
    """A mask of many values beside an image of two; a grey mask alone is another matter."""
    drawn = np.zeros((8, 8), bool)
    drawn[2:5] = True
    plain = np.repeat(np.where(drawn, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)
    photo = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    found = {}
    for name, image, grey in (
        ("swapped", plain, True),
        ("soft", photo, True),
        ("ok", plain, False),
    ):
        problems = check_pixels(Sample(name, name), Pixels(image, drawn, grey))
        found[name] = [(one.level, one.what.split(":")[0]) for one in problems]

    assert found == {
        "swapped": [("warning", "the mask looks like a photograph, its image like a mask")],
        "soft": [("warning", "grey-valued mask")],
        "ok": [],
    }
