"""`segsweep data FOLDER`: what it prints, and that the line it prints trains."""

import csv
import shlex

import numpy as np
import pytest
import tifffile
from PIL import Image

from command import refusal, train_here
from fake_data import write_bordered
from layouts import IDS, pair, part_of, save, write_halves, write_pairs, write_table

SMALL = (
    *("data.size=32", "model.channels=[2,2]", "augment=none", "trainer.epochs=1", "device=cpu"),
    *("trainer.averaging=0", "threads=1", "report.images=false"),
)


def line_of(text):
    """Return the words of the line that trains."""
    (line,) = [line for line in text.splitlines() if line.startswith("to train: ")]
    words = shlex.split(line.removeprefix("to train: "))

    assert words[0] == "segsweep-train"
    return words[1:]


def cut(root):
    """Leave an image and a mask without their partners."""
    write_pairs(root)
    (root / "masks/s03.png").unlink()
    (root / "images/s05.png").unlink()


def listed(root):
    """Write pairs and the table that lists them."""
    write_pairs(root)
    rows = [
        {"image": f"images/{n}.png", "mask": f"masks/{n}.png", "split": part_of(n), "patient": n}
        for n in IDS
    ]
    write_table(root / "pairs.csv", rows)


def mixed(root):
    """Write masks of 0 and 1 beside masks of 0 and 255."""
    write_pairs(root, ids=IDS, value=1)
    write_pairs(root, ids=IDS[:4])


def repaint(root, paint, folder="masks"):
    """Write pairs, and what *paint* returns for the array of each file of *folder*."""
    write_pairs(root)
    for path in (root / folder).iterdir():
        with Image.open(path) as image:
            painted = paint(np.asarray(image))
        save(painted, path)


def objects(root):
    """Write two masks an image, all in one folder."""
    for index, name in enumerate(IDS):
        image, mask = pair(index)
        save(image, root / f"{name}.png")
        for part, rows in enumerate((slice(0, 16), slice(16, None))):
            half = np.zeros_like(mask)
            half[rows] = mask[rows]
            save(half, root / f"{name}_mask_{part}.png")


WRITERS = {
    "objects": (objects, ["""'data.mask_name="{id}_mask_*.*"'""", "24 masks: those of one image"]),
    "colour": (
        lambda root: repaint(root, lambda m: (m[..., None] > 0) * np.uint8([200, 0, 10])),
        ["'data.foreground_color=[200,0,10]'", "colours in 12 masks:", "[200,0,10]  12 files"],
    ),
    "alpha": (
        lambda root: repaint(root, lambda m: np.dstack([np.zeros((*m.shape, 3), np.uint8), m])),
        ["data.foreground=alpha", "masks: 12 RGB with alpha", "alpha only  12 files"],
    ),
    "own alpha": (
        lambda root: [
            save(np.dstack(pair(index)), root / f"{name}.png") for index, name in enumerate(IDS)
        ],
        ["data.foreground=alpha", "the alpha channel of each image"],
    ),
    "12 bits": (
        lambda root: repaint(root, lambda m: m[..., 0].astype(np.uint16) * 16, "images"),
        ["images: 12 grey 16 bits", "0 to 4095 is taken", "'data.range=[0,4095]'"],
    ),
    "suffix": (
        lambda root: write_pairs(root, mask=lambda n: f"masks/{n}_seg.png"),
        ["""'data.mask_name="{id}_seg.png"'"""],
    ),
    "parts": (
        lambda root: write_pairs(
            root, lambda n: f"{part_of(n)}/images/{n}.png", lambda n: f"{part_of(n)}/masks/{n}.png"
        ),
        ["split: given: 6 train, 3 val, 3 test", "data.split.given=true"],
    ),
    "table": (listed, ["data=pairs", "data.group_column=patient", "data.split.given=true"]),
    "cases": (write_halves, ["""'data.mask_name="{id}/masks/*.png"'""", "are united"]),
    "lone": (
        cut,
        ["data.unmatched=skip", "left over: 2 image files in no pair: images/s03.png, masks/s05"],
    ),
    "border": (
        write_bordered,
        [
            "0 1 255  12 files",
            "foreground: 1; 255 beside them is often a border: taken as ignored, as in Pascal VOC",
            "of what counts; ignored 0.",
            "'data.foreground=[1]' 'data.ignore=[255]'",
        ],
    ),
    "values": (mixed, ["0 1    8 files", "0 255  4 files", "'data.foreground=[1,255]'"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_the_printed_line_plans_a_run(tmp_path, segsweep, monkeypatch, name):
    """Whatever the layout; what was found is said."""
    write, wanted = WRITERS[name]
    write(tmp_path / "my data")
    code, out, error = segsweep("data", "my data")

    assert code == 0, error
    assert [text for text in wanted if text not in out] == []
    assert (
        train_here(
            ["-m", *line_of(out), *SMALL, "plan=true", "preflight=false"], monkeypatch, tmp_path
        )
        == 0
    )


def test_the_printed_line_trains_on_the_given_split(tmp_path, segsweep, monkeypatch):
    """A run on the parts that the folders give."""
    WRITERS["parts"][0](tmp_path / "mine")
    words = line_of(segsweep("data", "mine")[1])
    code = train_here([*words, *SMALL], monkeypatch, tmp_path)
    (file,) = tmp_path.glob("outputs/mine/runs/*/split.csv")
    with file.open(newline="") as rows:
        parts = {row["id"]: row["split"] for row in csv.DictReader(rows)}

    assert code == 0
    assert parts == {name: part_of(name) for name in IDS}


def test_colours_that_the_user_has_to_choose_from(tmp_path, segsweep):
    """They are listed with their files, and a command that works is given."""
    rows = np.arange(32)[:, None] < 16
    repaint(
        tmp_path / "d",
        lambda m: (
            np.where(rows[..., None], np.uint8([9, 0, 0]), np.uint8([0, 0, 9])) * (m[..., None] > 0)
        ),
    )
    code, out, error = segsweep("data", "d", "data.size=64")
    command = error.split("for example: ")[1].split(" or ")

    assert code == 2
    assert "  [0,0,9]  12 files" in out.splitlines()
    assert "2 colours besides black are found: [0,0,9] [9,0,0]" in out
    assert shlex.split(command[0])[1:4] == ["data", "d", "data.size=64"]
    for text in command:
        code, out, error = segsweep(*shlex.split(text)[1:])
        assert code == 0, error
        assert [word for word in line_of(out) if word.startswith("data.foreground")] == [
            shlex.split(text)[-1]
        ]


def test_values_are_those_of_the_page_that_is_named(tmp_path, segsweep):
    """Without one, files with several pages are counted as not readable."""
    for index, name in enumerate(IDS):
        image, mask = pair(index)
        for folder, pages in (("i", [image, image]), ("m", [mask, mask // 255])):
            (tmp_path / folder).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / f"{folder}/{name}.tif", np.stack(pages), metadata=None)

    assert "  not readable  12 files" in segsweep("data", "i", "m")[1].splitlines()
    code, out, error = segsweep("data", "i", "m", "data.page=2")
    assert code == 0, error
    assert "  0 1  12 files" in out.splitlines()
    assert "data.foreground=[1]" in line_of(out)


def test_other_masks_come_with_their_command(tmp_path, segsweep):
    """It prints a line that trains on them."""
    write_pairs(tmp_path / "d")
    for index, name in enumerate(IDS):
        save(255 - pair(index)[1], tmp_path / f"d/view/{name}_view.png")
    out = segsweep("data", "d")[1]
    (line,) = [line for line in out.splitlines() if "also found" in line]
    code, out, error = segsweep(*shlex.split(line.partition("segsweep ")[2]))

    assert code == 0, error
    assert "data.masks=d/view" in line_of(out)


def test_images_of_several_modes_are_counted(tmp_path, segsweep):
    """One line that says how many of each; plain ones need none."""
    write_pairs(tmp_path)
    assert "images: " not in segsweep("data", "images", "masks")[1].replace("12 images", "")
    for name in IDS[:3]:
        with Image.open(tmp_path / f"images/{name}.png") as image:
            image.convert("L").save(tmp_path / f"images/{name}.png")

    assert "images: 3 grey, 9 RGB" in segsweep("data", "images", "masks")[1].splitlines()


def test_a_pattern_in_the_place_of_a_folder_trains(tmp_path, segsweep, monkeypatch):
    """It has the fingerprint, and the run the id, of the same data with a pattern of names."""
    write_pairs(tmp_path, lambda n: f"c/{n}/photo.png", lambda n: f"c/{n}/truth.png")
    words = {
        "short": ['data.images="c/{id}/photo.png"', 'data.masks="c/{id}/truth.png"'],
        "long": [
            *("data.images=c", 'data.image_name="{id}/photo.png"'),
            'data.mask_name="{id}/truth.png"',
        ],
    }
    facts = [segsweep("data", "data=folder", *given)[1] for given in words.values()]
    assert facts[0] == facts[1]
    assert "data fingerprint" in facts[0]
    for name, given in words.items():
        more = ["data=folder", f"sweep={name}", "trainer.batch=3", *SMALL, "plan=true"]
        assert train_here(["-m", *given, *more, "preflight=false"], monkeypatch, tmp_path) == 0


def test_own_foreground_ignores_nothing_by_itself(tmp_path, segsweep):
    """255 may be the object; where it is not named, it is listed with what to do."""
    write_bordered(tmp_path / "d")
    _, both, _ = segsweep("data", "d", "data.foreground=[1,255]")
    _, one, _ = segsweep("data", "d", "data.foreground=[1]")

    assert "data.ignore" not in both
    assert "data.ignore" not in " ".join(line_of(one))
    assert "value 255: not selected by data.foreground; add it to data.ignore if its" in one


def test_folders_without_test_images(tmp_path, segsweep):
    """Training and validation are given; what is missing is said."""
    sides = {name: "train" if number < 8 else "val" for number, name in enumerate(IDS)}
    write_pairs(
        tmp_path / "d",
        lambda n: f"{sides[n]}/images/{n}.png",
        lambda n: f"{sides[n]}/masks/{n}.png",
    )
    code, out, error = segsweep("data", "d")

    assert code == 0, error
    assert "data.split.given=true" in line_of(out)
    assert "split: 8 train, 4 val; no test part: validation only; data fingerprint" in out


def test_a_table_of_parts_beside_the_images_is_found(tmp_path, segsweep):
    """As a spreadsheet writes it: semicolons, a header in upper case, file names as ids."""
    write_pairs(tmp_path / "d")
    rows = [f"{name}.PNG;{'Train' if number < 8 else 'val'}" for number, name in enumerate(IDS)]
    (tmp_path / "d/parts.csv").write_text("ID;Split\n" + "\n".join(rows) + "\n")
    code, out, error = segsweep("data", "d")

    assert code == 0, error
    assert "data.split.file=d/parts.csv" in line_of(out)
    assert "split: 8 train, 4 val; no test part: validation only" in out


def test_data_and_split_are_checked_together(tmp_path, segsweep):
    """One command lists a damaged image, an image without a mask, and wrong rows."""
    write_pairs(tmp_path / "d")
    (tmp_path / "d/images/s03.png").write_bytes(b"no image")
    (tmp_path / "d/masks/s05.png").unlink()
    (tmp_path / "split.csv").write_text("id,split\ns01,train\ns99,val\ns02,tset\n")
    words = ("data=folder", "data.images=d/images", "data.masks=d/masks")
    code, _, error = segsweep("data", *words, "data.split.file=split.csv")
    wanted = ("s03", "image without mask: 1 of 12", "'s99' (line 3)", "'tset' (line 4)")

    assert code == 2
    assert [text for text in wanted if text not in error] == []
    assert "Traceback" not in error


def test_exchanged_folders_are_said(tmp_path, segsweep):
    """And the line has them in the right order."""
    write_pairs(tmp_path)
    code, out, _ = segsweep("data", "masks", "images")

    assert code == 0
    assert "exchanged: the first folder holds masks" in out
    assert "data.images=images" in line_of(out)


def test_own_words_replace_what_was_found(tmp_path, segsweep):
    """They follow the folder, and are in the line."""
    write_pairs(tmp_path / "d", value=1)
    code, out, error = segsweep("data", "d", "data.foreground=[1,2]", "data.size=64")

    assert code == 0, error
    assert [word for word in line_of(out) if "foreground" in word] == ["data.foreground=[1,2]"]
    assert "data.size=64" in line_of(out)


def test_the_whole_list_of_left_over_files_is_in_a_file(tmp_path, segsweep):
    """The screen has the first."""
    write_pairs(tmp_path / "d")
    for index in range(30):
        save(pair(index)[0], tmp_path / f"d/images/more{index:02d}.png")
    out = segsweep("data", "d")[1]
    line = next(line for line in out.splitlines() if line.startswith("left over: 30 "))
    names = (tmp_path / line.rsplit("all: ", 1)[1]).read_text().splitlines()

    assert len(line) < 200
    assert len(names) == 30


@pytest.mark.parametrize("words", [("a", "b", "c"), ("a", "t.csv"), ("t.csv",), ("a",)])
def test_what_cannot_be_looked_at_is_one_line(tmp_path, segsweep, words):
    """Three places, a folder beside a table, a table of something else, an empty folder."""
    for name in "abc":
        (tmp_path / name).mkdir()
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")

    assert refusal(segsweep("data", *words))


def test_an_option_file_holds_what_was_found(tmp_path, segsweep, monkeypatch):
    """The same data and id as with the words; a file that says something else is left alone."""
    write_pairs(tmp_path / "mine", mask=lambda n: f"masks/{n}_seg.png", value=1)
    plain = segsweep("data", "mine", "data.size=64")[1]
    code, out, error = segsweep("data", "mine", "data.size=64", "--write", "conf")
    words = line_of(out)

    assert code == 0, error
    assert words == ["--config-dir", "conf", "sweep=mine", "data=mine", "trainer.batch=3"]
    assert [line for line in plain.splitlines() if "fingerprint" in line] == [
        line for line in out.splitlines() if "fingerprint" in line
    ]
    assert "says something else" in refusal(segsweep("data", "mine", "--write", "conf"))
    assert train_here(["-m", *words, *SMALL[1:], "plan=true"], monkeypatch, tmp_path) == 0


def test_tiles_are_suggested_for_thin_structures(tmp_path, segsweep):
    """One line, where resizing loses them; with the suggestion there is none, and all is drawn."""
    lines = np.zeros((300, 280), bool)
    lines[::23] = True
    for kind, pixels in (("images", 200 - 100 * lines), ("masks", 255 * lines)):
        (tmp_path / "cracks" / kind).mkdir(parents=True)
        for name in "abcd":
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"cracks/{kind}/{name}.png")
    code, squeezed, error = segsweep("data", "cracks", "data.size=64", "data.split.test=1")
    assert code == 0, error
    code, tiled, error = segsweep("data", "cracks", "data.tile=256", "data.split.test=1")
    assert code == 0, error

    assert "data.tile=256 keeps images at their own size" in squeezed
    assert "keeps images" not in tiled
    assert "4 images, 300x280, foreground 0.047 to 0.047" in tiled
