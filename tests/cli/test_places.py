"""Words of `segsweep data` that name no place, and a sweep without runs: one clear line."""

import subprocess
import sys

import pytest

from command import refusal
from segsweep.store.json_files import known_failure
from segsweep.store.paths import RunPaths
from segsweep.store.records import record_failure
from segsweep.store.states import Cause

HOSTILE = "bad \x1b[31mred\x1b]0;title\x07 \x9b1m \u202e end"


@pytest.mark.parametrize("word", ["nothere", "/not/here/at/all", "~/nothere-at-all", "images/"])
def test_a_missing_folder_is_said(segsweep, word):
    """Not that the word is no key=value."""
    assert refusal(segsweep("data", word)).startswith(f"{word}: no such folder; give a folder of")


def test_a_link_in_a_circle(segsweep, tmp_path):
    """It is no folder."""
    (tmp_path / "loop").symlink_to("loop")

    assert refusal(segsweep("data", "loop")).startswith("loop: a link that leads nowhere; ")


@pytest.mark.parametrize("word", ["ph2", "data", "seed"])
def test_words_of_a_config_are_explained(segsweep, word):
    """They are no folders."""
    assert "such folder" not in refusal(segsweep("data", word))


def test_a_deletion_is_no_home_folder(segsweep):
    """~seed is not the home of a user."""
    assert "cannot be deleted" in refusal(segsweep("data", "~seed"))


@pytest.mark.parametrize("more", [(), ("--failed",)])
def test_a_sweep_without_runs(segsweep, tmp_path, more):
    """Says so."""
    (tmp_path / "outputs/new/runs").mkdir(parents=True)
    (tmp_path / "outputs/new/plan.csv").write_text("run_id\n")

    assert segsweep("runs", "new", *more)[:2] == (0, "new: no runs yet\n")


@pytest.mark.parametrize("module", ["segsweep", "segsweep.cli.main"])
def test_completion_is_of_the_command(tmp_path, module):
    """Also if Python starts it as a module: `python` itself must not be completed."""
    done = subprocess.run(
        [sys.executable, "-m", module, "--show-completion", "bash"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={
            **{"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
            "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",  # no shell may be above the test
        },
    )

    assert done.stdout.rstrip().endswith("-F _segsweep_completion segsweep")


def test_control_characters_of_an_error_are_not_stored(tmp_path):
    """`cat` would obey them; a report made from an older record shows them too."""
    paths = RunPaths(tmp_path)
    record_failure(paths, Cause.RAISED, HOSTILE, f"trace\n{HOSTILE}", "2026-01-01T00:00:00+0000")
    written = paths.failure.read_text()
    failure = known_failure(paths.failure)

    assert failure.error == r"bad \x1b[31mred\x1b]0;title\x07 \x9b1m \u202e end"
    assert not {*"\x1b\x07\x9b\u202e"} & {*written, *str(failure.values["traceback"])}
    paths.failure.write_text('{"error": "\\u001b[1m", "traceback": "a\\n\\u009b1m"}')
    old = known_failure(paths.failure)

    assert (old.error, old.values["traceback"]) == (r"\x1b[1m", "a\n\\x9b1m")
