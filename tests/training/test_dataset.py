"""The data set, its split and the batch are checked together: no problem hides another."""

import numpy as np
import pytest
from PIL import Image

from base_config import planner
from segsweep.data.check import MOST_LINES
from segsweep.errors import DataError


@pytest.fixture
def own_images(tmp_path):
    """Write six pairs of images; return their folder and a function that plans a run on them."""
    return planner(tmp_path)


def refused(planned, folder, **changed):
    """Return the lines of the error with which a plan is refused."""
    with pytest.raises(DataError) as caught:
        planned(folder, **changed)
    return str(caught.value).splitlines()


def test_batch_larger_than_the_training_part_is_refused(own_images):
    """Without a whole batch there is no step; the error comes before the run is planned."""
    folder, planned = own_images

    assert refused(planned, folder, trainer__batch=3) == [
        "trainer.batch=3: more than the 2 training images; allowed are 1 to 2"
    ]


def test_crops_of_an_epoch_are_counted(own_images):
    """Images of 24 x 32 pixels give 2 crops of 24 x 16 each, or as many as asked."""
    folder, planned = own_images
    planned(folder, trainer__batch=4, data__tile=[24, 16], model__channels=[4])
    changed = {"data__tile": [24, 16], "data__crops": 3, "model__channels": [4]}

    assert refused(planned, folder, trainer__batch=7, **changed) == [
        "trainer.batch=7: more than the 6 training crops of an epoch; allowed are 1 to 6"
    ]


def test_each_split_of_the_same_data_is_counted_separately(own_images):
    """An earlier split with a larger training part does not hide that this one is too small."""
    folder, planned = own_images
    planned(folder)

    assert "more than the 1 training images" in refused(planned, folder, data__split__train=1)[0]


def test_problems_of_data_split_and_groups_are_said_together(own_images, tmp_path):
    """A damaged image, one without a mask, bad rows in two tables: five errors of one command."""
    folder, planned = own_images
    (folder / "case0_mask.png").unlink()
    (folder / "case1.png").write_bytes(b"no image")
    split, groups = tmp_path / "split.csv", tmp_path / "groups.csv"
    split.write_text("id,split\ncase0,train\ncase2,train\ncase3,vall\nnobody,test\ncase4,val\n")
    groups.write_text("id,group\ncase2,p\ncase2,q\n")
    words = refused(planned, folder, data__split__file=str(split), data__groups_file=str(groups))
    wanted = [
        f"{groups}: two groups for one image: case2 has p in line 2 and q in line 3",
        "image without mask: 1 of 6 images, such as case0.png",
        "case1: ",
        "unknown part: 'vall' (line 4)",
        "ids not in the data: 'case0' (line 2); a file of that name has no partner",
        "ids not in the data: 'nobody' (line 5); ids look like 'case1'",
    ]

    assert [text for text in wanted if not any(text in line for line in words)] == []
    assert all(line.startswith(("error: ", "warning: ")) for line in words)


def test_sizes_that_do_not_fit_hide_no_damaged_image(own_images):
    """Nor does the damaged image hide the sizes."""
    folder, planned = own_images
    (folder / "case1.png").write_bytes(b"no image")
    words = refused(planned, folder, data__split__train=9)

    assert any("case1" in line for line in words)
    assert any("wants 9 train, 2 val and 2 test images; there are 6" in line for line in words)


def test_a_split_that_does_not_fit_hides_no_warning(own_images):
    """What is odd about the images is said too."""
    folder, planned = own_images
    mask = np.array(Image.open(folder / "case1_mask.png"))
    Image.fromarray(np.zeros_like(mask, np.uint8)).save(folder / "case1_mask.png")
    words = refused(planned, folder, data__split__train=9)

    assert [line.split(":")[0] for line in words] == ["error", "warning"]
    assert "empty mask" in words[1]


def test_a_folder_that_is_not_there_hides_no_split_file(own_images, tmp_path):
    """Both are said."""
    folder, planned = own_images
    words = refused(planned, folder / "none", data__split__file=str(tmp_path / "none.csv"))

    assert any("not a folder to read" in line for line in words)
    assert any("none.csv: cannot be read (No such file or directory)" in line for line in words)


def test_folders_that_are_not_there_hide_no_other_file(own_images, tmp_path):
    """Images, masks, groups and split: four lines."""
    _, planned = own_images
    words = refused(
        planned,
        tmp_path / "none",
        data__masks=str(tmp_path / "neither"),
        data__groups_file=str(tmp_path / "groups.csv"),
        data__split__file=str(tmp_path / "split.csv"),
    )

    assert [any(name in line for line in words) for name in ("none:", "neither:")] == [True, True]
    assert [
        any(f"{name}.csv: cannot" in line for line in words) for name in ("groups", "split")
    ] == [True, True]


def test_long_lists_are_cut_on_the_screen_and_whole_in_a_file(own_images, tmp_path):
    """Fifty unknown ids, and ten images without masks."""
    folder, planned = own_images
    for number in range(10):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / f"lone{number}.png")
    names = [f"x{number}" for number in range(50)]
    split = tmp_path / "split.csv"
    split.write_text("id,split\ncase0,train\n" + "".join(f"{name},val\n" for name in names))
    words = refused(planned, folder, data__split__file=str(split))
    whole = (tmp_path / "out/.cache/problems.txt").read_text().splitlines()

    assert sum("ids not in the data: 'x" in line for line in words) == MOST_LINES
    assert any("ids not in the data: 30 more" in line for line in words)
    assert words[-1].endswith("problems.txt")
    assert sum("ids not in the data: 'x" in line for line in whole) == 50
    assert [line for line in whole if line.startswith("  ")] == [
        f"  lone{n}.png" for n in range(10)
    ]


def test_without_a_test_part_the_frozen_config_says_so(own_images):
    """Only there: the configs of all other runs are what they were."""
    folder, planned = own_images
    tested, without = planned(folder), planned(folder, data__split__test=0)

    assert "validation_only" not in tested.config.values
    assert not tested.config.validation_only
    assert without.config.values["validation_only"] is True
    assert without.config.validation_only


def test_distances_are_not_asked_for_without_test_images(own_images, tmp_path):
    """They would never be measured."""
    folder, planned = own_images
    split = tmp_path / "split.csv"
    split.write_text("id,split\ncase0,train\ncase1,train\ncase2,val\n")

    assert refused(planned, folder, data__split__file=str(split), evaluate__boundary=True) == [
        "evaluate.boundary=true: measures test images, and the split has none; leave it out"
    ]
