"""What is the same in all trials of a study."""

import copy

import pytest

from command import TINY
from segsweep.config.check import check_config
from segsweep.plugins.register import register_schema
from segsweep.sweep.planning.compose import compose, resolve
from segsweep.sweep.search.fixed import fixed_values

SEARCHED = ["optimizer.lr", "trainer.clip_norm", "optimizer", "model.nothing", "nothing.at.all"]


@pytest.fixture
def fixed():
    """Return a function: words -> what is fixed in the run with these values."""
    register_schema()

    def of(*words):
        config = compose([*TINY, *words])
        checked = check_config(resolve(config), dict(config.hydra.runtime.choices))
        before = copy.deepcopy(checked)
        found = fixed_values(checked, SEARCHED)
        assert checked == before
        return found

    return of


@pytest.mark.parametrize("word", ["optimizer.lr=0.5", "trainer.clip_norm=3", "device=cpu"])
def test_searched_values_and_those_without_effect_do_not_count(fixed, word):
    """Two trials of a study have the same rest."""
    assert fixed(word) == fixed()


@pytest.mark.parametrize(
    "word",
    [
        *("optimizer.weight_decay=0.5", "loss=dice", "model=unet", "data.seed=9"),
        *("trainer.epochs=7", "data.split.seed=1", "augment=flips", "seed=1"),
    ],
)
def test_every_other_value_counts(fixed, word):
    """Also one below an option that is searched."""
    assert fixed(word) != fixed()
