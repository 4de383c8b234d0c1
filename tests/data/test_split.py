"""Splits: the original experiment's own, groups that stay together, folds, files."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from segsweep.config.schema import SplitConfig
from segsweep.data.parts import PARTS, crossing_groups
from segsweep.data.source import Sample
from segsweep.data.split import part_sizes, split_samples, write_split
from segsweep.errors import DataError, SegsweepError

QUICK = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 2**32 - 1)
GROUPS = st.lists(st.integers(0, 12), min_size=4, max_size=40)
"""The group of each sample; many share one."""


def drawn(count, groups=()):
    """Return *count* samples; *groups*: sets of ids that belong together."""
    names = [f"IMD{number:03}" for number in range(1, count + 1)]
    together = {name: min(group) for group in groups for name in group}
    return [Sample(name, together.get(name, name)) for name in names]


def grouped(groups):
    """Return one sample for each of *groups*."""
    return [Sample(f"s{index:03}", f"g{group}") for index, group in enumerate(groups)]


def ids(samples, parts, part):
    """Return the ids in *part*, in their order."""
    return [s.id for s, p in zip(samples, parts, strict=True) if p == part]


def sides(samples, parts):
    """Return group -> the parts that hold it."""
    found = {}
    for sample, part in zip(samples, parts, strict=True):
        found.setdefault(sample.group, set()).add(part)
    return found


@pytest.fixture(scope="module")
def originals():
    """Return the ids of the original experiment's three parts, drawn as its notebook did."""
    names = np.array([sample.id for sample in drawn(200)])
    state = np.random.get_state()
    np.random.seed(42)
    order = np.random.choice(200, 200, replace=False)
    np.random.set_state(state)
    return [sorted(names[ix]) for ix in np.split(order, [100, 150])]


@pytest.mark.parametrize("sizes", [(100, 50, 50), (0.5, 0.25, 0.25)])
def test_seed_42_is_the_original_split(originals, sizes):
    """Without groups ours is the notebook's split over sorted ids, by number and by share."""
    samples = drawn(200, [("IMD199", "IMD200")])
    parts = split_samples(samples, SplitConfig(42, *sizes, keep_groups=False))

    assert [ids(samples, parts, part) for part in PARTS] == originals


def test_groups_of_one_change_nothing(originals):
    """keep_groups has nothing to keep where every sample is its own group."""
    samples = drawn(200)
    parts = split_samples(samples, SplitConfig())

    assert [ids(samples, parts, part) for part in PARTS] == originals


@pytest.mark.parametrize("seed", range(40))
def test_the_same_lesion_twice_stays_on_one_side(seed):
    """PH2's pair is together and the sizes are exact, whatever the seed."""
    samples = drawn(200, [("IMD199", "IMD200")])
    parts = split_samples(samples, SplitConfig(seed))

    assert Counter(parts) == {"train": 100, "val": 50, "test": 50}
    assert parts[198] == parts[199]


def test_the_pair_is_apart_if_allowed():
    """The check above can fail: without groups some seed separates the pair."""
    samples = drawn(200, [("IMD199", "IMD200")])
    parts = [split_samples(samples, SplitConfig(s, keep_groups=False)) for s in range(20)]

    assert any(drawn[198] != drawn[199] for drawn in parts)


@QUICK
@given(GROUPS, SEEDS)
def test_no_group_is_on_two_sides(groups, seed):
    """Each group is wholly in one part; no part outgrows what was asked by a whole group."""
    samples, split = grouped(groups), SplitConfig(seed)
    asked = part_sizes(len(samples), split, [])
    try:
        parts = split_samples(samples, split)
    except DataError:
        assume(False)
    counts, largest = Counter(parts), max(Counter(groups).values())

    assert all(len(places) == 1 for places in sides(samples, parts).values())
    assert all(1 <= counts[p] < size + largest for p, size in zip(PARTS, asked, strict=True))
    assert "unused" not in counts


def test_group_that_fits_nowhere_goes_where_most_room_is_left():
    """Patients of 4 images, 12 to train on and 6 each to validate and test: by hand 12, 8, 4."""
    parts = split_samples(grouped([number // 4 for number in range(24)]), SplitConfig())

    assert Counter(parts) == {"train": 12, "val": 8, "test": 4}


def test_numbers_asked_for_are_never_exceeded():
    """6, 4 and 4 of 24 in groups of 4: one group each, none twice."""
    samples = grouped([number // 4 for number in range(24)])
    parts = split_samples(samples, SplitConfig(0, 6, 4, 4))

    assert Counter(parts) == {"train": 4, "val": 4, "test": 4, "unused": 12}


@QUICK
@given(GROUPS, SEEDS, st.booleans(), st.sampled_from([None, 0, 1]))
def test_same_input_same_parts(groups, seed, keep, fold):
    """Twice the same, without touching numpy's own generator."""
    samples, split = grouped(groups), SplitConfig(seed, keep_groups=keep, folds=2, fold=fold)
    before = np.random.get_state()[1].tolist()
    try:
        once, again = split_samples(samples, split), split_samples(list(samples), split)
    except DataError:
        assume(False)

    assert once == again
    assert np.random.get_state()[1].tolist() == before


def test_seeds_differ():
    """Another seed draws another test set."""
    samples = drawn(200)
    tests = {tuple(split_samples(samples, SplitConfig(seed))) for seed in range(10)}

    assert len(tests) == 10


@QUICK
@given(st.integers(4, 1000), st.tuples(*[st.integers(1, 100)] * 3))
def test_three_shares_of_one_use_every_sample(total, weights):
    """Validation and test are their share rounded, training takes the rest."""
    shares, problems = [weight / sum(weights) for weight in weights], []
    sizes = part_sizes(total, SplitConfig(0, *shares), problems)
    assume(not problems)

    assert sum(sizes) == total
    assert all(abs(size - share * total) <= 1 for size, share in zip(sizes, shares, strict=True))


def test_smaller_numbers_leave_samples_unused():
    """20, 5 and 5 of 200 leave 170 unused."""
    parts = split_samples(drawn(200), SplitConfig(1, 20, 5, 5))

    assert Counter(parts) == {"train": 20, "val": 5, "test": 5, "unused": 170}


@pytest.mark.parametrize(
    ("count", "split", "message"),
    [
        (9, SplitConfig(0, 5, 3, 2), r"5 train, 3 val and 2 test.* there are 9"),
        (2, SplitConfig(), r"0 val and 0 test.* there are 2"),
        (10, SplitConfig(0, 5, 0.01, 2), r"0 val.* there are 10"),
        (10, SplitConfig(0, 5, 3, 0.01), r"0 test.* there are 10"),
        (10, SplitConfig(0, 0.9, 0.9, 0.9), r"there are 10"),
        (10, SplitConfig(0, 9, 3, 0), r"9 train, 3 val and 0 test.* there are 10"),
        (30, SplitConfig(0, 10.5, 5, 5), r"data\.split\.train=10\.5: .*whole number"),
        (30, SplitConfig(folds=5, fold=5), r"fold=5: must be below .*folds, .* 5"),
        (4, SplitConfig(folds=5, fold=4), r"no images for test of 4"),
        (10, SplitConfig(val=9, folds=5, fold=0), r"no images for train of 10"),
    ],
)
def test_what_cannot_be_divided_is_refused(count, split, message):
    """One line that names the key, what is wanted and what there is."""
    with pytest.raises(DataError, match=message) as caught:
        split_samples(drawn(count), split)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fold", [None, 0])
def test_groups_too_large_for_a_part_are_refused(fold):
    """Two patients with ten images each cannot fill three parts; none is silently empty."""
    samples = grouped([0] * 10 + [1] * 10)
    with pytest.raises(DataError, match=r"no images for .* of 20 in 2 groups"):
        split_samples(samples, SplitConfig(folds=2, fold=fold))


def test_home_folder_of_a_split_file(tmp_path, monkeypatch):
    """~ is what it is in a shell."""
    monkeypatch.setenv("HOME", str(tmp_path))
    rows = "a,train\nb,val\nc,test\n"
    (tmp_path / "s.csv").write_text(f"id,split\n{rows}")
    parts = split_samples([Sample(name, name) for name in "abc"], SplitConfig(file="~/s.csv"))

    assert parts == list(PARTS)


def with_parts(parts, groups=None):
    """Return samples with these parts."""
    names = [f"s{index:02d}" for index in range(len(parts))]
    return [
        Sample(name, (groups or names)[row], part=part)
        for row, (name, part) in enumerate(zip(names, parts, strict=True))
    ]


def test_given_parts_are_used_as_they_are():
    """Whatever the shares and the seed say."""
    parts = ["test", "train", "val", "unused", "train"]

    assert split_samples(with_parts(parts), SplitConfig(7, 0.9, 0.05, 0.05, given=True)) == parts


def test_validation_is_drawn_from_given_training_images():
    """A quarter of them here; the test set stays, and groups stay together."""
    samples = with_parts(["train"] * 8 + ["test"] * 4, [f"g{n // 2}" for n in range(12)])
    parts = split_samples(samples, SplitConfig(given=True))
    again = split_samples(samples, SplitConfig(given=True))

    assert parts == again
    assert Counter(parts) == {"train": 6, "val": 2, "test": 4}
    assert parts[8:] == ["test"] * 4
    assert all(len(places) == 1 for places in sides(samples, parts).values())


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (
            with_parts(["train", None, "test"]),
            "no part for 1 of 3 images, such as s01; .*image_name",
        ),
        (with_parts(["test", "val", "val"]), "no images for train"),
        (with_parts(["train", "val", "test"], "aab"), "group is split up: a has .*groups=false"),
    ],
)
def test_given_parts_that_do_not_do(samples, message):
    """Missing parts, none to train on, and a patient on two sides."""
    with pytest.raises(SegsweepError, match=message):
        split_samples(samples, SplitConfig(given=True))


def test_ids_of_a_split_file_may_be_file_names(tmp_path):
    """With endings, spaces, folders or in other case."""
    (tmp_path / "s.csv").write_text("id,split\nA.PNG,train\n b ,val\nx/c.jpg,test\n")
    samples = [Sample(name, name) for name in "abc"]

    assert split_samples(samples, SplitConfig(file=str(tmp_path / "s.csv"))) == list(PARTS)


@QUICK
@given(GROUPS, SEEDS, st.integers(2, 5), st.booleans())
def test_every_sample_is_tested_in_exactly_one_fold(groups, seed, folds, keep):
    """Over all folds; groups stay together in each, and nothing is unused."""
    samples = grouped(groups)
    split = {"seed": seed, "folds": folds, "keep_groups": keep, "val": 1}
    try:
        all_parts = [split_samples(samples, SplitConfig(**split, fold=f)) for f in range(folds)]
    except DataError:
        assume(False)
    tested = Counter(name for parts in all_parts for name in ids(samples, parts, "test"))

    assert tested == {sample.id: 1 for sample in samples}
    assert all(set(parts) == set(PARTS) for parts in all_parts)
    for parts in all_parts:
        assert not keep or all(len(places) == 1 for places in sides(samples, parts).values())


@pytest.mark.parametrize("fold", range(5))
def test_folds_of_the_original_data(fold):
    """Of 200 with one pair: 40 tested (a pair may make it 39 or 41), 50 validated, rest trained."""
    samples = drawn(200, [("IMD199", "IMD200")])
    counts = Counter(split_samples(samples, SplitConfig(fold=fold)))

    assert counts["test"] in (39, 40, 41)
    assert counts["val"] == 50
    assert counts.total() == 200
    assert counts["unused"] == 0


def from_text(folder, text, samples, keep_groups=True):
    """Return the parts that a file with this text gives."""
    path = folder / "split.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return split_samples(samples, SplitConfig(file=str(path), keep_groups=keep_groups))


def test_file_decides_and_the_rest_is_unused(tmp_path):
    """In any order, with further columns, Excel's byte order mark and stray blanks."""
    text = "\ufeffnote,split,id\nx, test ,IMD003\n,train,IMD001\n\n,val,IMD002\n,unused,IMD005\n"

    assert from_text(tmp_path, text, drawn(6)) == [
        "train",
        "val",
        "test",
        "unused",
        "unused",
        "unused",
    ]


def test_row_without_a_part_is_unused(tmp_path):
    """An empty cell and a row cut short say nothing about their sample."""
    text = "id,split\nIMD001,train\nIMD002,val\nIMD003,test\nIMD004,\nIMD005\n"

    assert from_text(tmp_path, text, drawn(5))[3:] == ["unused", "unused"]


@QUICK
@given(GROUPS, SEEDS)
def test_what_a_run_wrote_can_be_read_again(tmp_path_factory, groups, seed):
    """The split.csv of a run, given as a file, gives the same parts."""
    samples, path = grouped(groups), tmp_path_factory.mktemp("split") / "split.csv"
    try:
        parts = split_samples(samples, SplitConfig(seed))
    except DataError:
        assume(False)
    write_split(path, samples, parts)

    assert split_samples(samples, SplitConfig(file=str(path))) == parts


def test_written_split_by_hand(tmp_path):
    """A header and a row per sample."""
    write_split(tmp_path / "a.csv", [Sample("b", "g"), Sample("c,d", "g")], ["train", "unused"])

    assert (tmp_path / "a.csv").read_text() == 'id,group,split\nb,g,train\n"c,d",g,unused\n'


def without_test(samples, **values):
    """Return the parts of a split without a test part."""
    return Counter(split_samples(samples, SplitConfig(test=0, **values)))


def test_a_split_may_have_no_test_part():
    """data.split.test=0: the rest is drawn as ever; what no part takes is unused."""
    assert without_test(drawn(20)) == {"train": 10, "val": 5, "unused": 5}
    assert without_test(drawn(20), train=0.75) == {"train": 15, "val": 5}
    assert without_test(drawn(20), train=12, val=4) == {"train": 12, "val": 4, "unused": 4}


def test_without_a_test_part_the_others_are_those_of_the_same_seed():
    """Images that were to be tested are not used; training and validation stay the same."""
    samples = drawn(40)
    with_test, without = (split_samples(samples, SplitConfig(test=size)) for size in (0.25, 0))

    assert without == ["unused" if part == "test" else part for part in with_test]


@pytest.mark.parametrize("parts", [["train", "val", "unused", "train"], ["train"] * 8])
def test_given_parts_may_have_no_test(parts):
    """Folders of training and validation images, or of training images alone."""
    found = Counter(split_samples(with_parts(parts), SplitConfig(given=True)))

    assert "test" not in found
    assert min(found["train"], found["val"]) > 0


def test_a_file_may_have_no_test_images(tmp_path):
    """Said so or not; but not images to test beside data.split.test=0."""
    text = "id,split\nIMD001,train\nIMD002,val\n"
    path = str(tmp_path / "split.csv")
    plain = from_text(tmp_path, text, drawn(3))
    said = split_samples(drawn(3), SplitConfig(file=path, test=0))
    (tmp_path / "split.csv").write_text(f"{text}IMD003,test\n")

    assert plain == said == ["train", "val", "unused"]
    with pytest.raises(DataError, match=r"data\.split\.test=0: .*split\.csv has 1 test image;"):
        split_samples(drawn(3), SplitConfig(file=path, test=0))


def test_missing_file_is_one_clear_line(tmp_path):
    """Neither is a missing file a traceback."""
    with pytest.raises(DataError, match=r"data\.split\.file=.*none\.csv: cannot be read"):
        split_samples(drawn(6), SplitConfig(file=str(tmp_path / "none.csv")))


def test_file_that_separates_a_group(tmp_path):
    """Refused with the group and its members, unless that is asked for."""
    samples = drawn(4, [("IMD001", "IMD003")])
    text = "id,split\nIMD001,train\nIMD002,val\nIMD003,test\n"
    message = r"group is split up: IMD001 has IMD001 in train, IMD003 in test; .*groups=false"
    with pytest.raises(DataError, match=message):
        from_text(tmp_path, text, samples)
    allowed = from_text(tmp_path, text, samples, keep_groups=False)

    assert allowed == ["train", "val", "test", "unused"]


def test_an_unused_member_separates_nothing():
    """Only used parts count; a group with one member on each side is reported once."""
    samples = grouped([1, 1, 2, 2, 3])

    assert crossing_groups(samples, ["train", "unused", "val", "val", "test"]) == []
    assert crossing_groups(samples, ["train", "unused", "val", "test", "test"]) == [
        "group g2 is split up: s002 in val, s003 in test"
    ]
