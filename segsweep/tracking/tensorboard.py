"""TensorBoard: a folder per run, with one file of events for each time that it was trained."""

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from segsweep.store.paths import SweepPaths
from segsweep.store.states import Status
from segsweep.tracking.facts import COMPARED, Ending, Row, RunFacts, epochs_held

SESSION = {
    Status.FINISHED: api_pb2.STATUS_SUCCESS,
    Status.FAILED: api_pb2.STATUS_FAILURE,
    Status.INTERRUPTED: api_pb2.STATUS_FAILURE,
}
"""The state of a run on TensorBoard's page of hyperparameters."""


class TensorBoard:
    """Files of events in `<sweep>/tensorboard/<run>/`."""

    def __init__(self, sweep: SweepPaths) -> None:
        """Write nothing yet."""
        self.sweep = sweep

    def open(self, run: RunFacts, rows: Sequence[Row]) -> "Events":
        """Return the run's events; a further file continues those that fit its history."""
        folder = self.sweep.tensorboard / run.name
        held = epochs_held(_curve(folder), rows)
        if held is None:
            shutil.rmtree(folder)
        new = not held
        events = Events(folder, held or 0)
        if new:
            settings = {key: _kept(value) for key, value in run.settings.items()}
            events.write(hparams_pb(settings, trial_id=run.name))
            events.write(text_pb("config", _table({**run.settings, **run.labels})))
        return events

    def close(self) -> None:
        """Do nothing: each record has files of its own."""


class Events:
    """The record of one run."""

    def __init__(self, folder: Path, held: int) -> None:
        """Open a new file in *folder*, which holds *held* epochs so far."""
        self.held = held
        self._writer = EventFileWriter(str(folder))

    def write(self, summary: Summary, step: int = 0) -> None:
        """Write a summary."""
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def add(self, rows: Sequence[Row]) -> None:
        """Write the curves' next points."""
        for row in rows:
            curves = {key: value for key, value in row.items() if key != "epoch"}
            self.write(_scalars(curves), int(row["epoch"]))
        self._writer.flush()

    def end(self, ending: Ending) -> None:
        """Write result and status."""
        step = int(ending.numbers.get("result/epochs", 0))
        self.write(_scalars(ending.numbers), step)
        self.write(text_pb("status", _table(ending.words)))
        if ending.status in SESSION:
            self.write(_session_end(SESSION[ending.status]))
        self._writer.close()

    def drop(self) -> None:
        """Close the file."""
        self._writer.close()


def _curve(folder: Path) -> dict[int, float]:
    """Return epoch -> training loss of the events in *folder*."""
    if not folder.is_dir():
        return {}
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    known = COMPARED in events.Tags()["scalars"]
    return {one.step: one.value for one in events.Scalars(COMPARED)} if known else {}


def _scalars(values: Mapping[str, float]) -> Summary:
    points = [Summary.Value(tag=key, simple_value=value) for key, value in values.items()]
    return Summary(value=points)


def _session_end(status: int) -> Summary:
    """Return what ends a run on the page of hyperparameters."""
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
    content = metadata.create_summary_metadata(
        plugin_data_pb2.HParamsPluginData(session_end_info=info)
    )
    tag, tensor = metadata.SESSION_END_INFO_TAG, metadata.NULL_TENSOR
    return Summary(value=[Summary.Value(tag=tag, metadata=content, tensor=tensor)])


def _kept(value: object) -> str | float | bool:
    """Return a value as the page of hyperparameters takes it."""
    return value if isinstance(value, str | float | int | bool) else "null"


def _table(values: Mapping[str, object]) -> str:
    """Return names and values as a table in Markdown."""
    rows = (f"| {key} | {_cell(value)} |" for key, value in values.items())
    return "\n".join(["| name | value |", "|---|---|", *rows])


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
