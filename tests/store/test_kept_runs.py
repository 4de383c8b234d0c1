"""What has not changed since an earlier command is known by the stamps of its files."""

import os
import shutil

import pytest

from segsweep.store.kept_runs import KeptRuns, kept_file, report_version, run_version
from segsweep.store.paths import RunPaths, SweepPaths

ASKED = {"model": "unet", "seed": 0}
FILES = ("config.yaml", "result.json", "per_image.csv", "checkpoints/best-1.pt")


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Files count as settled at once, not after two seconds."""
    monkeypatch.setattr("segsweep.system.files._FRESH_NS", -1)


@pytest.fixture
def sweep(tmp_path):
    """Write a sweep of one run, beside the folder of what is kept."""
    found = SweepPaths(tmp_path / "outputs/main")
    for name in FILES:
        path = found.runs / "unet-bce-s0-0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    found.results.write_text("results")
    kept_file(found).parent.mkdir()
    return found


@pytest.fixture
def run(sweep):
    """Return the paths of the run."""
    return RunPaths(next(sweep.runs.iterdir()))


def rewrite(path):
    """Write the same bytes at another time."""
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(10**18, 10**18))


CHANGES = {
    "removed": lambda path: path.unlink(),
    "same size": lambda path: path.write_text("x" * path.stat().st_size),
    "longer": lambda path: path.write_text("longer than before, whatever it was"),
    "written again": rewrite,
    "beside it": lambda path: path.with_name("new").write_text(""),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_a_run_is_another_version(sweep, run, name, change):
    """Of the run, and of the report of its sweep, which does not depend on checkpoints."""
    before, report = run_version(run, ASKED), report_version(sweep)
    assert run_version(run, ASKED) == before
    CHANGES[change](run.root / name)

    assert run_version(run, ASKED).digest != before.digest
    assert (report_version(sweep).digest == report.digest) == name.startswith("checkpoints/")


def test_version_of_a_run_depends_on_what_it_is_asked(run):
    """A command with other settings examines the run again."""
    assert run_version(run, ASKED).digest != run_version(run, {**ASKED, "seed": 1}).digest


def test_claim_and_locks_are_no_change(sweep, run):
    """A look may lock."""
    before = run_version(run, ASKED), report_version(sweep)
    for path in (run.claim, run.tracked, sweep.lock, sweep.plan_lock):
        path.write_text("1")

    assert (run_version(run, ASKED), report_version(sweep)) == before


@pytest.mark.parametrize("change", ["table", "plan", "run", "stray file"])
def test_any_change_of_a_sweep_is_another_version(sweep, run, change):
    """Of its tables, its plan and its list of runs."""
    before = report_version(sweep)
    if change == "run":
        shutil.copytree(run.root, sweep.runs / "unet-bce-s1-0")
    else:
        names = {"table": sweep.results, "plan": sweep.plan, "stray file": sweep.runs / "notes.txt"}
        names[change].write_text("new")

    assert report_version(sweep).digest != before.digest


def test_kept_versions_are_known_to_the_next_command(sweep, run):
    """And to none with another version of the files."""
    kept, own, report = KeptRuns(sweep), run_version(run, ASKED), report_version(sweep)
    kept.keep_whole(run, own)
    kept.keep_report(report, "embedded images")
    kept.save()
    known = KeptRuns(sweep)
    assert known.is_whole(run, own)
    assert known.report_data(report) == "embedded images"
    rewrite(run.result)

    assert not known.is_whole(run, run_version(run, ASKED))
    assert known.report_data(report_version(sweep)) is None
    assert not KeptRuns(SweepPaths(sweep.root.with_name("other"))).is_whole(run, own)


def test_fresh_files_are_not_kept(sweep, run, monkeypatch):
    """They may change once more at the same time."""
    monkeypatch.setattr("segsweep.system.files._FRESH_NS", 10**12)
    kept, own, report = KeptRuns(sweep), run_version(run, ASKED), report_version(sweep)
    kept.keep_whole(run, own)
    kept.keep_report(report, "embedded images")
    kept.save()

    assert not kept_file(sweep).exists()


def test_file_of_something_else_is_ignored(sweep, run):
    """Damaged, or from another version of segsweep: everything is read again."""
    kept, own = KeptRuns(sweep), run_version(run, ASKED)
    kept.keep_whole(run, own)
    kept.save()
    kept_file(sweep).write_bytes(kept_file(sweep).read_bytes()[:-9])

    assert not KeptRuns(sweep).is_whole(run, own)
