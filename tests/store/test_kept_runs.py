"""What has not changed since an earlier command is known by the stamps of its files."""

import os
import shutil

import pytest

from segsweep.store import kept_runs
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


def version(sweep):
    """Return the version of the sweep's report."""
    return report_version(sweep, KeptRuns(sweep).sources())


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_a_run_is_another_version(sweep, run, name, change):
    """Of the run; of the report only if the content changes, and not that of a checkpoint."""
    before, report = run_version(run, ASKED), version(sweep)
    assert run_version(run, ASKED) == before
    CHANGES[change](run.root / name)
    of_weights = name.startswith("checkpoints/")

    assert run_version(run, ASKED).digest != before.digest
    assert (version(sweep) == report) == (of_weights or change == "written again")


def test_version_of_a_run_depends_on_what_it_is_asked(run):
    """A command with other settings examines the run again."""
    assert run_version(run, ASKED).digest != run_version(run, {**ASKED, "seed": 1}).digest


def test_claim_locks_and_logs_are_no_change(sweep, run):
    """A look may lock; no table shows a log."""
    before, report = run_version(run, ASKED), version(sweep)
    for path in (run.claim, run.tracked, sweep.lock, sweep.plan_lock):
        path.write_text("1")
    assert run_version(run, ASKED) == before
    (run.root / "train.log").write_text("more")

    assert version(sweep) == report


@pytest.mark.parametrize("change", ["table", "page", "plan", "race", "other data", "run", "stray"])
def test_any_change_of_a_sweep_is_another_version(sweep, run, change):
    """Of its report, its plan, what stands beside its runs, and its list of runs."""
    before, sources = version(sweep), KeptRuns(sweep).sources()
    evaluation = sweep.evaluations / "other/run.json"
    evaluation.parent.mkdir(parents=True)
    report = {"table": sweep.results, "page": sweep.page}
    beside = {"plan": sweep.plan, "race": sweep.race, "other data": evaluation}
    if change == "run":
        shutil.copytree(run.root, sweep.runs / "unet-bce-s1-0")
    else:
        names = {**report, **beside, "stray": sweep.runs / "notes.txt"}
        names[change].write_text("new")

    assert version(sweep) != before
    assert (KeptRuns(sweep).sources() == sources) == (change in report)


def test_kept_versions_are_known_to_the_next_command(sweep, run):
    """And to none with another version of the files."""
    kept, own, report = KeptRuns(sweep), run_version(run, ASKED), version(sweep)
    kept.keep_whole(run, own)
    kept.keep_report(report, "embedded images")
    kept.save()
    known = KeptRuns(sweep)
    assert known.is_whole(run, own)
    assert known.report_data(report) == "embedded images"
    run.result.write_text("another")

    assert not known.is_whole(run, run_version(run, ASKED))
    assert known.report_data(version(sweep)) is None
    assert not KeptRuns(SweepPaths(sweep.root.with_name("other"))).is_whole(run, own)


def test_files_with_known_stamps_are_not_read(sweep, run, monkeypatch):
    """Only those of a run that has changed, whose content may be the same."""
    kept = KeptRuns(sweep)
    before = kept.sources()
    kept.save()
    shutil.copytree(run.root, sweep.runs / "unet-bce-s1-0")
    shutil.rmtree(sweep.runs / "unet-bce-s1-0")
    read = []
    digest = kept_runs.file_digest
    monkeypatch.setattr(kept_runs, "file_digest", lambda path: read.append(path) or digest(path))
    assert KeptRuns(sweep).sources() == before
    assert not [path for path in read if run.root in path.parents]
    rewrite(run.result)

    assert KeptRuns(sweep).sources() == before
    in_run = [name for name in FILES if not name.startswith("checkpoints/")]
    assert sorted(path.name for path in read if path.parent == run.root) == sorted(in_run)


def test_large_file_is_known_by_its_stamp(sweep, run, monkeypatch):
    """Nobody waits for gigabytes that lie in a run's folder."""
    monkeypatch.setattr(kept_runs, "LARGE", 5)
    monkeypatch.setattr(kept_runs, "file_digest", None)
    before = version(sweep)
    assert version(sweep) == before
    rewrite(run.result)

    assert version(sweep) != before


def test_fresh_files_are_not_kept(sweep, run, monkeypatch):
    """They may change once more at the same time; their content is read again."""
    monkeypatch.setattr("segsweep.system.files._FRESH_NS", 10**12)
    kept, own = KeptRuns(sweep), run_version(run, ASKED)
    kept.keep_whole(run, own)
    before = kept.sources()
    kept.save()
    assert not kept_file(sweep).exists()
    stamp = run.result.stat()
    run.result.write_text("x" * stamp.st_size)
    os.utime(run.result, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    assert KeptRuns(sweep).sources() != before


def test_file_of_something_else_is_ignored(sweep, run):
    """Damaged, or from another version of segsweep: everything is read again."""
    kept, own = KeptRuns(sweep), run_version(run, ASKED)
    kept.keep_whole(run, own)
    kept.save()
    kept_file(sweep).write_bytes(kept_file(sweep).read_bytes()[:-9])

    assert not KeptRuns(sweep).is_whole(run, own)
