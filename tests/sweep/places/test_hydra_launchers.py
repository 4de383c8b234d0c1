"""Launching through Hydra's launchers: what is retried, with which words, in which batches."""

from types import SimpleNamespace

from hydra.core.override_parser.overrides_parser import OverridesParser

from segsweep.store.paths import RunPaths
from segsweep.sweep.places.hydra_launchers import _batches, _launch_until_done, frozen_override
from segsweep.sweep.places.retry import Retries


def test_killed_jobs_are_retried_once_and_then_recorded(tmp_path, capsys):
    """Runs are found by name: their configs, which are large, are never compared."""

    class Run:
        def __init__(self, number):
            self.name, self.paths = f"r{number}", RunPaths(tmp_path / f"r{number}")
            self.config = SimpleNamespace(allow=[])
            self.paths.root.mkdir()

        def __eq__(self, other):
            raise AssertionError("compared")

        __hash__ = None

    launches = []
    launcher = SimpleNamespace(launch=lambda words, start: launches.append(len(words)))
    runs = [Run(number) for number in range(5)]
    outcomes = _launch_until_done(launcher, False, runs)

    assert [(one.run, one.cause) for one in outcomes] == [(run.name, "killed") for run in runs]
    assert launches == [5, 5]
    assert capsys.readouterr().err.splitlines() == [
        f"{run.name}: its job ended without a result; retrying" for run in runs
    ]


def test_path_is_quoted_for_hydras_grammar(tmp_path):
    """Quotes, spaces, commas and brackets in a path come back unchanged."""
    path = tmp_path / "it's [a], b" / "config.yaml"
    (override,) = OverridesParser.create().parse_overrides([frozen_override(path)])

    assert (override.key_or_group, override.value()) == ("frozen", str(path))


def test_suspects_are_launched_alone_where_jobs_share_a_fate():
    """Runs that were killed before, one by one; the others together."""
    runs = [SimpleNamespace(name=name) for name in "abcd"]
    retries = Retries()
    retries.may_retry("b")
    retries.may_retry("d")

    def names(shares_fate):
        return [[run.name for run in batch] for batch in _batches(shares_fate, runs, retries)]

    assert names(True) == [["a", "c"], ["b"], ["d"]]
    assert names(False) == [["a", "b", "c", "d"]]
