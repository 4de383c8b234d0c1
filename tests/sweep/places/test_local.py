"""Slots of this machine: differences between a run's file and its plan."""

from segsweep.store.paths import RunPaths
from segsweep.store.records import config_text
from segsweep.sweep.places.local import differences


def test_differences_name_value_and_plan(frozen, tmp_path):
    """Changed, missing and added keys of config.yaml."""
    planned = frozen(threshold=0.5, seed=1)
    changed = {key: value for key, value in planned.items() if key != "seed"}
    paths = RunPaths(tmp_path)
    paths.config.write_text(config_text({**changed, "threshold": 0.4, "extra": 3}, {}))

    assert differences(planned, paths) == [
        "threshold is 0.4, planned 0.5",
        "seed is missing, planned 1",
        "extra was not planned",
    ]


def test_equal_and_unreadable_files_have_no_differences(frozen, tmp_path):
    """A damaged file is refused for another reason."""
    planned, paths = frozen(), RunPaths(tmp_path)
    paths.config.write_text(config_text(planned, {}))
    equal = differences(planned, paths)
    paths.config.write_text("run_id: [1")

    assert equal == differences(planned, paths) == []
