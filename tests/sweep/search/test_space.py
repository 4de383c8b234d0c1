"""`search.params`, written as Hydra writes sweeps, become Optuna's distributions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.stats import kstest

from segsweep.errors import ConfigError
from segsweep.sweep.search.space import (
    at_share,
    contains,
    flat_params,
    grid_of,
    space_of,
    stratified,
    words_of,
)

LR = {"optimizer.lr": "tag(log, interval(1e-5, 1e-2))"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("tag(log, interval(1e-5, 1e-2))", FloatDistribution(1e-5, 1e-2, log=True)),
        ("interval(0.1, 0.9)", FloatDistribution(0.1, 0.9)),
        ("interval(1, 5)", FloatDistribution(1.0, 5.0)),  # as Hydra's sweeper: not whole numbers
        ("int(interval(1, 5))", IntDistribution(1, 5)),
        ("tag(log, int(interval(4, 64)))", IntDistribution(4, 64, log=True)),
        ("choice(8, 16)", CategoricalDistribution([8, 16])),
        ("none,flips", CategoricalDistribution(["none", "flips"])),
        ("choice([4,8],[8,16])", CategoricalDistribution(["[4,8]", "[8,16]"])),
        ("choice(true, false)", CategoricalDistribution([True, False])),
        ("range(3, 6)", CategoricalDistribution([3, 4, 5])),  # the end is left out, as in Hydra
        ("shuffle(range(3, 6))", None),
    ],
)
def test_grammar(text, wanted):
    """Each form of Hydra's grammar means what it means in a sweep."""
    found = space_of({"optimizer.x": text})["optimizer.x"]

    if wanted is None:
        assert sorted(found.choices) == [3, 4, 5]
    else:
        assert found == wanted


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("optimizer.lr", "0.01", "one value, which nothing searches"),
        ("optimizer.lr", "choice(0.01)", "one value; a search needs several"),
        ("optimizer.lr", "interval(1e-2, 1e-5)", "must rise"),
        ("optimizer.lr", "interval(1e-2, 1e-2)", "must rise"),
        ("optimizer.lr", "tag(log, interval(0, 1))", "numbers above 0"),
        ("optimizer.lr", "interval(1e-5", "not understood"),
        ("optimizer.lr", "log(1e-5, 1e-2)", "not understood"),
        ("optimizer.lr", "range(0, 1, 1e-9)", "more than 10,000 values"),
        ("optimizer.lr", "tag(lgo, interval(1e-5, 1e-2))", "tag 'lgo' is not known"),
        ("optimizer.lr", "tag(log, x, interval(1e-5, 1e-2))", "tag 'x' is not known"),
        ("optimizer.lr", "tag(log, choice(1e-5, 1e-2))", "a list of values takes no tag"),
        ("optimizer.lr", "glob(*)", "optimizer.lr=glob(*): not understood; give an interval"),
        ("trainer.epochs", "choice(2, 4)", "search.epochs sets it for every trial"),
        ("kind", "choice(run, trial)", "the search sets it"),
        ("model", "unet,unet2", "cells are compared by it"),
        ("data.size", "choice(64, 128)", "cells are compared by it"),
        ("seed", "range(0, 3)", "cells are compared by it"),
        ("evaluate.select", "choice(val_iou, val_loss)", "cells are compared by it"),
        ("slots", "choice(1, 2)", "changes no result"),
        ("keep", "choice(best, last)", "changes no result"),
        ("search.epochs", "interval(0.1, 0.9)", "changes no result"),
    ],
)
def test_refusals_name_the_place(key, text, said):
    """What cannot be searched is refused with its key and text."""
    with pytest.raises(ConfigError) as caught:
        space_of({key: text})

    assert str(caught.value).startswith(f"search.params.{key}")
    assert said in str(caught.value)


def test_every_wrong_key_has_a_line():
    """One error for all of them."""
    with pytest.raises(ConfigError) as caught:
        space_of({"seed": "0,1", "optimizer.lr": "0.1", "optimizer.weight_decay": "interval(0,1)"})

    assert len(str(caught.value).splitlines()) == 2


def test_keys_may_be_nested():
    """`search.params.optimizer.lr=..` on a command line makes sections."""
    assert flat_params({"optimizer": {"lr": "interval(0,1)"}, "augment": "a,b"}) == {
        "optimizer.lr": "interval(0,1)",
        "augment": "a,b",
    }


@given(
    st.sampled_from(
        [
            "tag(log, interval(1e-5, 1e-2))",
            "interval(-1, 3)",
            "int(interval(1, 9))",
            "tag(log, int(interval(2, 90)))",
            "choice(a,b,c)",
        ]
    ),
    st.floats(0, 1, exclude_max=True),
)
def test_every_share_is_inside(text, share):
    """A share of 0 is the low end, below 1 stays within the range."""
    space = space_of({"optimizer.x": text})

    assert contains(space, {"optimizer.x": at_share(space["optimizer.x"], share)})


def test_shares_of_a_log_interval_are_uniform_in_the_logarithm():
    """Half-way between 1e-5 and 1e-3 is 1e-4."""
    distribution = space_of({"optimizer.lr": "tag(log, interval(1e-5, 1e-3))"})["optimizer.lr"]

    assert at_share(distribution, 0.5) == pytest.approx(1e-4)


def test_whole_numbers_are_equally_likely():
    """Each of 1 to 4 has a quarter of the shares."""
    distribution = space_of({"optimizer.x": "int(interval(1, 4))"})["optimizer.x"]

    found = [at_share(distribution, (i + 0.5) / 400) for i in range(400)]

    assert [found.count(value) for value in (1, 2, 3, 4)] == [100] * 4


@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_stratified_values_hit_each_part_once(seed, count):
    """Each of the equal parts of the log range has one value, for every seed."""
    values = [one["optimizer.lr"] for one in stratified(space_of(LR), count, seed)]
    parts = sorted(int((math.log10(value) + 5) / 3 * count) for value in values)

    assert parts == list(range(count))


def test_stratified_values_are_uniform_over_seeds():
    """Their logarithms, over many seeds, follow the uniform distribution."""
    values = [
        (math.log10(one["optimizer.lr"]) + 5) / 3
        for seed in range(300)
        for one in stratified(space_of(LR), 3, seed)
    ]

    assert kstest(values, "uniform").pvalue > 0.01


def test_grid_is_every_combination_once():
    """In the order of the keys."""
    space = space_of({"optimizer.x": "choice(1,2)", "augment": "none,flips"})

    assert grid_of(space) == [
        {"optimizer.x": x, "augment": augment} for x in (1, 2) for augment in ("none", "flips")
    ]


def test_a_grid_of_an_interval_is_refused():
    """It has no values to combine."""
    with pytest.raises(ConfigError, match="list its values"):
        grid_of(space_of(LR))


@pytest.mark.parametrize("value", [0.0001234567890123, 1e-5, 7, True, "flips", "[4,8]"])
def test_words_set_exactly_the_value(value):
    """What Hydra reads from the word is the value."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (word,) = words_of({"optimizer.x": value})
    read = OverridesParser.create().parse_override(word).value()

    assert read == (value if not isinstance(value, str) or "[" not in value else [4, 8])
    assert not isinstance(value, float) or isinstance(read, float)
