"""What trackers kept of a sweep, read with their own readers into one form."""

import json
import re
import struct
from dataclasses import dataclass, field

HISTORY = ("epoch", "train_loss", "val_loss", "val_iou", "val_dice", "val_score", "lr", "seconds")
MLFLOW_STATUS = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "interrupted"}
BLOCK, HEADER = 32768, 7
"""Bytes of a block of a .wandb file, and of what stands before each record in it."""


@dataclass
class Kept:
    """What a tracker's files say of one run, in the same form for each tracker."""

    curves: dict[str, list[tuple[int, float]]]
    """Column -> (epoch, value) of each point, in the order of writing."""
    settings: dict[str, str]
    numbers: dict[str, float]
    """The result: name -> its last value."""
    status: str
    error: str = ""
    labels: dict[str, str] = field(default_factory=dict)


def read_tensorboard(sweep):
    """Return run name -> `Kept`, from each folder of events."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for folder in sweep.tensorboard.iterdir():
        events = EventAccumulator(str(folder), purge_orphaned_data=False)
        events.Reload()
        scalars = {
            tag: [(one.step, one.value) for one in events.Scalars(tag)]
            for tag in events.Tags()["scalars"]
        }
        status, config = _table(events, "status"), _table(events, "config")
        found[folder.name] = Kept(
            curves={tag: scalars[tag] for tag in HISTORY[1:]},
            settings=config,
            numbers={tag: at[-1][1] for tag, at in scalars.items() if "/" in tag},
            status=status.pop("status"),
            error=status.pop("error", ""),
            labels={**config, **status},
        )
    return found


def _table(events, tag):
    """Return name -> value of the last text *tag*, a table in Markdown."""
    (text,) = events.Tensors(tag)[-1].tensor_proto.string_val
    rows = re.findall(r"^\| (.*?) \| (.*?) \|$", text.decode(), re.MULTILINE)
    return dict(rows[1:])


def read_mlflow(sweep):
    """Return run name -> `Kept`, of all runs that MLflow does not count as deleted."""
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{sweep.root.resolve().parent / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(sweep.root.name).experiment_id
    found = {}
    for run in client.search_runs([experiment]):
        number, tags = run.info.run_id, run.data.tags
        assert run.info.run_name not in found
        histories = {key: client.get_metric_history(number, key) for key in run.data.metrics}
        points = {
            key: sorted((one.step, one.value) for one in history)
            for key, history in histories.items()
        }
        labels = {
            key.removeprefix("segsweep."): text
            for key, text in tags.items()
            if key.startswith("segsweep.")
        }
        assert MLFLOW_STATUS[run.info.status] == labels["status"]
        found[run.info.run_name] = Kept(
            curves={key: at for key, at in points.items() if "/" not in key},
            settings=run.data.params,
            numbers={key: at[-1][1] for key, at in points.items() if "/" in key},
            status=labels["status"],
            error=labels.get("error", ""),
            labels=labels,
        )
    return found


def read_wandb(sweep):
    """Return run name -> `Kept`, from the one offline file of each run."""
    files = [*sweep.wandb.glob("*run-*/*.wandb")]
    assert all(file.parent.name.startswith("offline-run-") for file in files)
    found = {}
    for file in files:
        kept = _kept_by_wandb([*_records(file)], sweep.root.name)
        assert kept.labels["name"] not in found
        found[kept.labels["name"]] = kept
    return found


def _kept_by_wandb(records, group):
    runs = [one.run for one in records if one.HasField("run")]
    rows = [_pairs(one.history.item) for one in records if one.HasField("history")]
    last = {}
    for one in records:
        last |= _pairs(one.summary.update) if one.HasField("summary") else {}
    exits = [one.exit.exit_code for one in records if one.HasField("exit")]
    assert exits == [0 if last["status"] == "finished" else 1]
    assert (runs[0].project, runs[0].run_group) == ("segsweep", group)
    settings = {key: str(value) for key, value in _pairs(runs[0].config.update).items()}
    return Kept(
        curves={key: [(row["_step"], row[key]) for row in rows] for key in HISTORY[1:]},
        settings=settings,
        numbers={key: value for key, value in last.items() if "/" in key},
        status=last["status"],
        error=last.get("error", ""),
        labels={**settings, **last, "name": runs[0].display_name, "kind": runs[0].job_type},
    )


def _records(path):
    """Yield the records of a .wandb file: a log in blocks, as LevelDB writes it."""
    from wandb.proto.wandb_internal_pb2 import Record

    content = path.read_bytes()
    assert content[:4] == b":W&B"
    place, whole = HEADER, b""
    while place < len(content):
        left = BLOCK - place % BLOCK
        if left < HEADER:
            place += left
            continue
        _, size, kind = struct.unpack("<IHB", content[place : place + HEADER])
        whole += content[place + HEADER : place + HEADER + size]
        place += HEADER + size
        if kind in (1, 4):  # a whole record, or its last part
            record = Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def _pairs(items):
    """Return key -> value of what a record holds as JSON."""
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


READERS = {"tensorboard": read_tensorboard, "mlflow": read_mlflow, "wandb": read_wandb}
"""Tracker -> its reader, which takes the paths of a sweep."""
