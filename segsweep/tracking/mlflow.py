"""MLflow: an experiment per sweep, in one sqlite file beside the sweeps."""

import time
from collections.abc import Iterable, Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from segsweep.store.paths import SweepPaths
from segsweep.store.states import Status
from segsweep.system.files import locked
from segsweep.tracking.facts import COMPARED, Ending, Row, RunFacts, epochs_held

TAG = "segsweep."
"""What the names of segsweep's tags start with."""
MOST_PARAMS, MOST_METRICS = 100, 1000
"""In one request of MLflow."""
ENDED = {Status.FINISHED: "FINISHED", Status.FAILED: "FAILED", Status.INTERRUPTED: "KILLED"}


class Mlflow:
    """An experiment of the file `<outputs>/mlflow.db`."""

    def __init__(self, sweep: SweepPaths) -> None:
        """Create the file and the experiment where they are missing.

        Two commands at once would create the same tables: a lock lets one wait.
        """
        path = sweep.mlflow.resolve()
        with locked(path.with_name(".mlflow.lock")):
            self._client = MlflowClient(f"sqlite:///{path}")
            found = self._client.get_experiment_by_name(sweep.root.name)
            self._experiment: str = (
                found.experiment_id
                if found is not None
                else self._client.create_experiment(
                    sweep.root.name, artifact_location=str(path.with_name("mlflow-artifacts"))
                )
            )

    def open(self, run: RunFacts, rows: Sequence[Row]) -> "MlflowRun":
        """Return the run's record; one whose epochs are others is deleted, as MLflow deletes."""
        named = f"tags.`{TAG}run_id` = '{run.run_id}'"
        for found in self._client.search_runs([self._experiment], named):
            number = found.info.run_id
            points = self._client.get_metric_history(number, COMPARED)
            held = epochs_held({point.step: point.value for point in points}, rows)
            if held is not None:
                self._client.update_run(number, status="RUNNING")
                return MlflowRun(self._client, number, held)
            self._client.delete_run(number)
        tags = {TAG + key: text for key, text in run.labels.items()}
        created = self._client.create_run(self._experiment, run_name=run.name, tags=tags)
        number = created.info.run_id
        params = [Param(key, str(value)) for key, value in run.settings.items()]
        for start in range(0, len(params), MOST_PARAMS):
            self._client.log_batch(number, params=params[start : start + MOST_PARAMS])
        return MlflowRun(self._client, number, 0)

    def close(self) -> None:
        """Do nothing: each request ends by itself."""


class MlflowRun:
    """The record of one run."""

    def __init__(self, client: MlflowClient, number: str, held: int) -> None:
        """*number* is MLflow's own id; *held* epochs are in the record."""
        self._client, self._number, self.held = client, number, held

    def add(self, rows: Sequence[Row]) -> None:
        """Write the curves' next points: whole epochs in each request."""
        if not rows:
            return
        at_once = max(1, MOST_METRICS // len(rows[0]))
        for start in range(0, len(rows), at_once):
            self._log(
                metric
                for row in rows[start : start + at_once]
                for metric in _metrics(row, int(row["epoch"]))
            )

    def end(self, ending: Ending) -> None:
        """Write result and status."""
        self._log(_metrics(ending.numbers, int(ending.numbers.get("result/epochs", 0))))
        tags = [RunTag(TAG + key, text) for key, text in ending.words.items()]
        self._client.log_batch(self._number, tags=tags)
        if ending.status in ENDED:
            self._client.set_terminated(self._number, ENDED[ending.status])

    def drop(self) -> None:
        """Do nothing: nothing is open."""

    def _log(self, metrics: Iterable[Metric]) -> None:
        self._client.log_batch(self._number, metrics=list(metrics))


def _metrics(values: Mapping[str, float], step: int) -> list[Metric]:
    now = int(time.time() * 1000)
    return [Metric(key, value, now, step) for key, value in values.items() if key != "epoch"]
