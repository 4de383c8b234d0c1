"""Stored files of runs and sweeps: config, plan, test reads, failures."""

import csv
import json
import os

import pytest
import yaml

from segsweep.errors import StoredFileError
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.plan import add_to_plan
from segsweep.store.records import (
    add_look,
    add_test_read,
    config_text,
    is_later,
    read_config,
    read_reads,
    read_rows,
    record_failure,
    write_config_text,
)


def plan_rows(*ids, request="first"):
    """Return rows of plan.csv."""
    return [{"run_id": name, "kind": "run", "seed": 0, "request": request} for name in ids]


def test_plan_has_each_run_once_per_request(tmp_path):
    """Adding the same rows again does not write the file."""
    sweep = SweepPaths(tmp_path)
    add_to_plan(sweep, plan_rows("a", "b"))
    add_to_plan(sweep, plan_rows("b", "c", request="second"))
    rows = [(row["run_id"], row["request"]) for row in csv.DictReader(sweep.plan.open())]
    os.utime(sweep.plan, ns=(1, 1))
    add_to_plan(sweep, plan_rows("a", "b"))
    add_to_plan(sweep, plan_rows("b", "b", request="second"))
    add_to_plan(sweep, [])

    assert rows == [("a", "first"), ("b", "first"), ("b", "second"), ("c", "second")]
    assert sweep.plan.stat().st_mtime_ns == 1
    assert sweep.plan.read_text().splitlines()[0] == (
        "run_id,kind,cell,model,loss,seed,fold,folder,requested_at,request,epochs"
    )


def test_every_read_of_the_test_set_is_recorded(tmp_path):
    """The first is the run's one reading; a second one is possible only after a crash."""
    run = RunPaths(tmp_path)
    add_test_read(run, "2024-05-01T10:00:00+0000", 50)
    add_test_read(run, "2024-05-01T11:00:00+0000", 50)

    assert run.test_reads.read_text() == (
        "time,reason,images\n"
        "2024-05-01T10:00:00+0000,the run's one reading,50\n"
        "2024-05-01T11:00:00+0000,repeat after a crash,50\n"
    )


def test_a_look_of_a_race_is_no_repeated_reading(tmp_path):
    """It reads stored counts; each look is recorded once."""
    run = RunPaths(tmp_path)
    add_test_read(run, "t1", 50)
    for look, when in ((1, "t2"), (1, "t3"), (2, "t4")):
        add_look(run, when, look, 50)
    rows = [(read["time"], read["reason"]) for read in read_reads(run.test_reads)]

    assert rows == [
        ("t1", "the run's one reading"),
        ("t2", "look 1 of the race"),
        ("t4", "look 2 of the race"),
    ]
    assert [is_later(reason) for _, reason in rows] == [False, True, True]
    add_test_read(run, "t5", 50)
    assert read_reads(run.test_reads)[-1]["reason"] == "repeat after a crash"


def test_failures_are_counted(tmp_path):
    """Each failure replaces the file and adds an attempt; after a damaged file, count from 1."""
    run = RunPaths(tmp_path)
    record_failure(run, "raised", "ValueError: no", "Traceback ...", "t1")
    record_failure(run, "non-finite", "loss is nan", "Traceback ...", "t2")
    second = json.loads(run.failure.read_text())
    run.failure.write_text("{")
    record_failure(run, "raised", "again", "", "t3")

    assert second == {
        **{"cause": "non-finite", "error": "loss is nan", "attempts": 2, "time": "t2"},
        "traceback": "Traceback ...",
    }
    assert json.loads(run.failure.read_text())["attempts"] == 1


def test_config_is_read_as_it_was_written(tmp_path, frozen):
    """Same order, types and characters, for any YAML reader."""
    path = tmp_path / "run/config.yaml"
    config = frozen(optimizer__lr=1e-5, sweep="Läsion", seed=4294967295, threshold=0.1 + 0.2)
    write_config_text(path, config_text(config))

    assert read_config(path).values == config
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == config
    assert list(read_config(path).values) == list(config)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "damaged, cannot be read (No such file or directory)"),
        (b"", "damaged, not a config"),
        (b"model:\n  _target_: a.B\n loss", "damaged, not YAML"),
        (bytes(range(256)), "damaged, not YAML"),
        *[(mark * 100_000, "damaged, not YAML") for mark in (b"[", b"{", b"- ", b"? ", b"a: [")],
        (b"- model", "damaged, not a config"),
    ],
)
def test_damaged_config_is_told_in_words(content, said, tmp_path):
    """No name of an exception: what is wrong with the file."""
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoredFileError) as caught:
        read_config(path)

    assert str(caught.value) == f"{path}: {said}"


def test_cached_config_text_equals_plain_yaml(frozen):
    """Parts shared by configs are dumped once; 1, 1.0 and true stay distinct; no anchors."""
    shared = [4, 8]
    values = [1, 1.0, True, "1", None, "null", [], {}, float("nan"), "Läsion: 1", "a\n b\n", shared]
    configs = [frozen(threshold=value, seed=seed) for value in values for seed in (0, 1)]
    configs.append(frozen(search__filled=shared, allow=shared))
    cache = {}
    texts = [config_text(config, cache) for config in configs]

    assert texts == [
        yaml.safe_dump(c, sort_keys=False, allow_unicode=True) for c in configs[:-1]
    ] + [config_text(configs[-1])]
    assert [repr(yaml.safe_load(text)) for text in texts] == [repr(config) for config in configs]
    assert "&" not in texts[-1]


def test_missing_file_has_no_rows(tmp_path):
    """Nothing has been written yet."""
    assert read_rows(tmp_path / "history.csv") == []
