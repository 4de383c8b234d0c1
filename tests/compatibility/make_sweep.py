"""Make `sweep_0_1_0/` and `expected_0_1_0.json` with the code of a checkout.

    python tests/compatibility/make_sweep.py CHECKOUT TARGET

The sweep has finished runs, runs that SIGKILL ended in the middle of training, a failed run,
whose loss raised an error, and planned runs. The expected results are those of the same runs
without a kill or an error.
"""

import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = (
    *("-m", "--config-dir=apps/conf", "allow=[trouble]"),
    *("data.count=24", "data.side=32", "data.size=32", "model.channels=[4,4]", "augment=flips"),
    *("trainer.epochs=12", "trainer.batch=4", "trainer.averaging=0.8", "trainer.preview_every=0"),
    *("optimizer.lr=0.01", "data.difficulty=0.1"),
    *("threads=1", "device=cpu", "slots=3", "preflight=false"),
)
"""Every command, but for its cells. The folder `apps` is a copy of `tests/apps`."""
MODELS = "model=unet2,segnet,unet3"
ALL = (MODELS, "loss=bce,dice,raises")
"""The cells of the whole sweep."""
TIMES = ("seconds", "peak_memory_mb", "started", "finished", "git_commit", "version")
"""Keys of a result that differ between two equal runs."""
TABLES = ("results.csv", "comparison.csv", "pairs.csv")


def processor() -> str:
    """Return a digest of what the processor is and can do: it decides how sums are rounded."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    told = {line for line in lines if line.startswith(("model name", "flags", "Features"))}
    return hashlib.sha256("\n".join(sorted(told)).encode()).hexdigest()[:16]


def start(checkout: Path, folder: Path, *words: str, **more: str) -> "subprocess.Popen[bytes]":
    """Start the checkout's training command in *folder*, in a process group of its own."""
    path = os.pathsep.join((str(checkout), str(folder / "apps")))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}
    command = [sys.executable, "-m", "segsweep.train", *WORDS, *words]
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)


def workplace(checkout: Path, folder: Path) -> Path:
    """Return the new *folder*, from which commands start."""
    folder.mkdir()
    shutil.copytree(checkout / "tests/apps", folder / "apps")
    return folder


def epochs_done(run: Path) -> int:
    """Return the rows of a run's history."""
    file = run / "history.csv"
    return len(file.read_text().splitlines()) - 1 if file.exists() else 0


def kill_in_training(process: "subprocess.Popen[bytes]", runs: Path) -> bool:
    """Kill the command when every `dice` run has epochs behind it; whether none had ended."""
    while process.poll() is None:
        found = list(runs.glob("*-dice-*"))
        if len(found) == 3 and all(epochs_done(run) >= 3 for run in found):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            time.sleep(1)
            return not any((run / "result.json").exists() for run in found)
        time.sleep(0.001)
    return False


def make_sweep(checkout: Path, folder: Path) -> bool:
    """Make the sweep in *folder*; whether the kill came in time."""
    workplace(checkout, folder)
    assert start(checkout, folder, MODELS, "loss=bce").wait() == 0
    assert start(checkout, folder, "model=unet2", "loss=raises").wait() == 1
    runs = folder / "outputs/main/runs"
    if not kill_in_training(start(checkout, folder, MODELS, "loss=bce,dice"), runs):
        return False
    assert start(checkout, folder, "model=segnet,unet3", "loss=raises", "plan=true").wait() == 0
    report = "from segsweep.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-c", report, "report", "main"]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    return True


def expected(checkout: Path, folder: Path) -> dict[str, object]:
    """Return the results of the whole sweep, undisturbed and with a loss that is mended."""
    workplace(checkout, folder)
    assert start(checkout, folder, *ALL, MENDED="1").wait() == 0
    sweep = folder / "outputs/main"
    found = {}
    for run in sorted((sweep / "runs").iterdir()):
        result = json.loads((run / "result.json").read_text())
        found[run.name] = {
            "result": {key: value for key, value in result.items() if key not in TIMES},
            "history": (run / "history.csv").read_text(),
            "per_image": (run / "per_image.csv").read_text(),
        }
    environment = json.loads((run / "environment.json").read_text())
    made_on = {key: environment[key] for key in ("torch", "segsweep", "git_commit")}
    made_on["processor"] = processor()
    tables = {name: (sweep / name).read_text() for name in TABLES}
    return {"made_on": made_on, "runs": found, "tables": tables}


def neutral(sweep: Path, checkout: Path, folder: Path) -> None:
    """Replace the machine's name and paths in texts, remove what the report draws again."""
    places = {str(checkout): "/checkout", str(folder): "/folder", sys.prefix: "/environment"}
    base = {sys.base_prefix: "/python", platform.node(): "machine"}
    for file in (path for path in sweep.rglob("*") if path.is_file()):
        if file.name in ("report.html", "curves.png"):
            file.unlink()
        elif file.suffix != ".pt" and b"\0" not in file.read_bytes():
            text = file.read_text(encoding="utf-8")
            for here, there in {**places, **base}.items():
                text = text.replace(here, there)
            file.write_text(text, encoding="utf-8")


def main(checkout: Path, target: Path) -> None:
    """Make both in a temporary folder and put them into *target*."""
    with tempfile.TemporaryDirectory() as name:
        made = Path(name, "made")
        while not make_sweep(checkout, made):
            shutil.rmtree(made)
        results = expected(checkout, Path(name, "expected"))
        sweep = made / "outputs/main"
        neutral(sweep, checkout, made)
        shutil.copytree(sweep, target / "sweep_0_1_0")
    text = json.dumps(results, indent=1)
    (target / "expected_0_1_0.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*(Path(word).resolve() for word in sys.argv[1:3]))
