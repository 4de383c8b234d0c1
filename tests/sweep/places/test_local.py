"""Slots of this machine: differences between a run's file and its plan."""

from segsweep.store.paths import RunPaths
from segsweep.store.records import config_text
from segsweep.sweep.places.local import differences


def test_differences_name_value_and_plan(frozen, tmp_path):
    """Changed, missing and added keys of config.yaml."""
    planned = frozen(threshold=0.5)
    node = {key: value for key, value in planned["optimizer"].items() if key != "weight_decay"}
    changed = {**planned, "optimizer": node, "threshold": 0.4, "extra": 3}
    paths = RunPaths(tmp_path)
    paths.config.write_text(config_text(changed, {}))

    assert differences(planned, paths) == [
        "threshold is 0.4, planned 0.5",
        "optimizer.weight_decay is missing, planned 0.01",
        "extra was not planned",
    ]


def test_equal_and_unreadable_files_have_no_differences(frozen, tmp_path):
    """A damaged file is refused for another reason."""
    planned, paths = frozen(), RunPaths(tmp_path)
    paths.config.write_text(config_text(planned, {}))
    equal = differences(planned, paths)
    paths.config.write_text("run_id: [1")

    assert equal == differences(planned, paths) == []
