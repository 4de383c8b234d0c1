"""The training part must hold at least one batch."""

import pytest

from base_config import planner
from segsweep.errors import ConfigError


@pytest.fixture
def own_images(tmp_path):
    """Write six pairs of images; return their folder and a function that plans a run on them."""
    return planner(tmp_path)


def test_batch_larger_than_the_training_part_is_refused(own_images):
    """Without a whole batch there is no step; the error comes before the run is planned."""
    folder, planned = own_images
    with pytest.raises(ConfigError) as caught:
        planned(folder, trainer__batch=3)

    assert str(caught.value) == (
        "trainer.batch=3: more than the 2 training images; allowed are 1 to 2"
    )


def test_each_split_of_the_same_data_is_counted_separately(own_images):
    """An earlier split with a larger training part does not hide that this one is too small."""
    folder, planned = own_images
    planned(folder)
    with pytest.raises(ConfigError, match="more than the 1 training images"):
        planned(folder, data__split__train=1)
