"""Values of a stored config that are missing or of the wrong type."""

import pytest

from conftest import put
from segsweep.config.stored import wrong_value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("seed", "0"), ("seed", None), ("kind", 1), ("run_id", 5), ("threshold", "x")],
        *[("trainer", None), ("trainer", [1]), ("trainer.epochs", "many"), ("model", "unet")],
        *[("trainer.epochs", 10**30), ("data.size", "big"), ("data.split", 3)],
        *[("data.split.fold", "x"), ("choices.model", None), ("choices", []), ("loss", {})],
        *[("evaluate.at", 1), ("data.channels", [3]), ("allow", "mine"), ("search.filled", 1)],
    ],
)
def test_a_wrong_value_is_named(frozen, key, value) -> None:
    """By its dotted key; a section may be named by its first missing key."""
    config = frozen()
    put(config, key, value)
    wrong = wrong_value(config)

    assert wrong is not None
    assert wrong[0].startswith(key.split(".")[0])


def test_a_config_cut_anywhere_is_incomplete(frozen) -> None:
    """A later key is missing, wherever the file ends."""
    config = frozen()
    keys = list(config)

    assert wrong_value(config) is None
    for count in range(len(keys)):
        assert wrong_value({key: config[key] for key in keys[:count]}) is not None
