"""Time of a run beyond its training: segsweep's slots, Hydra's launchers, new processes."""

import importlib.util
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from measuring import Row, Taken, Words, lowest, median_cpu, timed

HERE = Path(__file__).resolve().parent
TRAIN, APP = ("-m", "segsweep.train"), (str(HERE / "hydra_app.py"),)
TINY = (
    *("data.count=24", "data.side=32", "data.size=32", "model.channels=[4,4]"),
    *("trainer.epochs=2", "trainer.batch=4", "trainer.averaging=0", "threads=1", "device=cpu"),
)
"""A training of two epochs on one thread that takes some hundredths of a second."""
FIT, WHOLE = "fit alone, in a loop", "whole runs, in a loop"
ONE, TWO = "segsweep, one slot", "segsweep, two slots"
BASIC, JOBLIB = "Hydra's basic launcher", "Hydra's joblib launcher"
FRESH = "python -m segsweep.train"
OWN = "each run in its own process"
COLUMNS = {
    **{
        "what": "",
        "per_run": "s/run",
        "per_run_min": "(min)",
        "slope": "2N - N",
        "cpu_per_run": "CPU s",
    },
    **{"beyond": "beyond fit", "beyond_min": "(min)", "cpu_beyond": "CPU beyond"},
    **{"ratio": "x ours", "start_up": "start-up"},
    "note": "",
}


@dataclass
class Way:
    """A way to execute many runs."""

    what: str
    commands: Callable[[int, str], list[Words]]
    """Called with the number of runs and a sweep's name."""
    ends: str
    """Glob of the files that runs write at their end, {} for the sweep's name."""
    slots: int = 1
    like: str = ONE
    """The way it is compared with."""
    note: str = ""
    grows: bool = True
    """One command executes all runs, so that its start-up can be separated from the runs."""
    few: list[Taken] = field(default_factory=list)
    many: list[Taken] = field(default_factory=list)
    steady: list[float] = field(default_factory=list)
    """Seconds per run, for each round."""

    def measure(self, runs: int, name: str, outputs: Path) -> None:
        """Time *runs*, and twice as many if one command executes all."""
        self.few.append(timed(*self.commands(runs, f"{name}-few"), at_a_time=self.slots))
        if self.grows:
            self.many.append(timed(*self.commands(2 * runs, f"{name}-many")))
            self.steady.append(pace(outputs.glob(self.ends.format(f"{name}-many")), self.slots))
        else:
            self.steady.append(self.few[-1].wall / runs)

    def slope(self, runs: int) -> float:
        """Return seconds per run from the difference of two commands, the median of rounds."""
        return median((two.wall - one.wall) / runs for one, two in self._rounds())

    def cpu_per_run(self, runs: int) -> float:
        """Return CPU seconds per run, the median of rounds."""
        if not self.grows:
            return median_cpu(self.few) / runs
        return median((two.cpu - one.cpu) / runs for one, two in self._rounds())

    def start_up(self, runs: int) -> float:
        """Return the seconds of a command that are not its runs', the median of rounds."""
        rounds = zip(self.many, self.steady, strict=True)
        return median(many.wall - 2 * runs * steady for many, steady in rounds)

    def _rounds(self) -> Iterator[tuple[Taken, Taken]]:
        return zip(self.few, self.many, strict=True)


def seeds(runs: int) -> str:
    """Return the override that gives *runs* runs."""
    return f"seed={','.join(map(str, range(runs)))}"


def ways(outputs: Path) -> list[Way]:
    """Return all ways available on this machine; files are written to *outputs*."""
    words = (*TINY, f"outputs={outputs}")

    def ours(slots: int) -> Callable[[int, str], list[Words]]:
        more = (f"slots={slots}", "preflight=false")
        return lambda runs, name: [
            (*TRAIN, "-m", *words, *more, f"sweep={name}-{slots}", seeds(runs))
        ]

    def theirs(launcher: str, *more: str) -> Callable[[int, str], list[Words]]:
        chosen = (f"hydra/launcher={launcher}", *more)
        return lambda runs, name: [
            (*APP, "-m", *words, *chosen, f"sweep={name}-{launcher}", seeds(runs))
        ]

    def fresh(runs: int, name: str) -> list[Words]:
        return [(*TRAIN, *words, f"sweep={name}-fresh", f"seed={seed}") for seed in range(runs)]

    joblib = theirs("joblib", "hydra.launcher.n_jobs=2")
    less = "stores and scores nothing"
    one, two = f"one process for all runs; {less}", f"two processes for all runs; {less}"
    found = [
        Way(ONE, ours(1), "{}-1/runs/*/result.json", note=OWN),
        Way(TWO, ours(2), "{}-2/runs/*/result.json", 2, TWO, OWN),
        Way(BASIC, theirs("basic"), "{}-basic-*.end", note=one),
        Way(JOBLIB, joblib, "{}-joblib-*.end", 2, TWO, two),
        Way(FRESH, fresh, "", 2, TWO, f"{OWN}, two at a time", grows=False),
    ]
    return [way for way in found if way.what != JOBLIB or has_joblib()]


def has_joblib() -> bool:
    """Whether Hydra's joblib launcher is installed."""
    return importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher") is not None


def measure(runs: int, rounds: int, outputs: Path) -> list[Row]:
    """Execute the same runs in every way, in turn; return a row for each way."""
    found, loop = ways(outputs), Loop()
    if not has_joblib():
        print(f"{JOBLIB} is not installed (hydra-joblib-launcher): left out")
    timed((*TRAIN, *TINY, f"outputs={outputs}", "sweep=first"))  # generates and caches the images
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", end="", flush=True)
        loop.measure(runs, f"round{number}", outputs)
        for way in found:
            print(f", {way.what}", end="", flush=True)
            way.measure(_count(way, runs), f"round{number}", outputs)
        print()
    return [*loop.rows(runs), *(_row(way, _count(way, runs), loop, found) for way in found)]


def _count(way: Way, runs: int) -> int:
    """Return the number of runs to time: fewer for new processes, which take seconds each."""
    return runs if way.grows else max(2, runs // 10 * 2)


@dataclass
class Loop:
    """The same runs one after the other in one process: the time of training itself."""

    rounds: list[list[dict[str, float]]] = field(default_factory=list)

    def measure(self, runs: int, name: str, outputs: Path) -> None:
        """Plan the runs, then execute them in one process."""
        plan = ("preflight=false", f"sweep={name}-loop", seeds(runs + 1))
        timed((str(HERE / "freeze.py"), "-m", *TINY, f"outputs={outputs}", *plan))
        taken = timed((str(HERE / "one_process.py"), str(outputs / f"{name}-loop")))
        self.rounds.append(json.loads(taken.output))

    def medians(self, key: str) -> list[float]:
        """Return the median time of a run for each round; *key* as in `one_process.py`."""
        return [median(run[key] for run in runs) for runs in self.rounds]

    def median(self, key: str) -> float:
        """Return the median of the rounds' medians."""
        return median(self.medians(key))

    def least(self, key: str) -> float:
        """Return the time of the fastest run."""
        return min(run[key] for runs in self.rounds for run in runs)

    def rows(self, runs: int) -> list[Row]:
        """Return two rows: the fit alone, and whole runs."""
        fit, fit_cpu, whole, cpu = map(self.median, ("fit", "fit_cpu", "whole", "cpu"))
        fit_min, whole_min = self.least("fit"), self.least("whole")
        note = "build, fit, store, score; one process for all runs"
        return [
            Row(
                what=FIT,
                runs=runs,
                per_run=fit,
                per_run_min=fit_min,
                cpu_per_run=fit_cpu,
                note="training and validation",
            ),
            Row(
                what=WHOLE,
                runs=runs,
                per_run=whole,
                per_run_min=whole_min,
                cpu_per_run=cpu,
                beyond=whole - fit,
                beyond_min=whole_min - fit_min,
                cpu_beyond=cpu - fit_cpu,
                note=note,
            ),
        ]


def _row(way: Way, runs: int, loop: Loop, found: Sequence[Way]) -> Row:
    (like,) = (other for other in found if other.what == way.like)
    pairs = zip(way.steady, like.steady, strict=True)
    fits = zip(way.steady, loop.medians("fit"), strict=True)
    cpu = way.cpu_per_run(runs)
    return Row(
        what=way.what,
        runs=runs,
        wall=median(one.wall for one in way.few),
        wall_min=lowest(way.few),
        cpu=median_cpu(way.few),
        per_run=median(way.steady),
        per_run_min=min(way.steady),
        slope=way.slope(runs) if way.grows else None,
        cpu_per_run=cpu,
        beyond=median(way.slots * one - fit for one, fit in fits),
        beyond_min=way.slots * min(way.steady) - loop.least("fit"),
        cpu_beyond=cpu - loop.median("fit_cpu"),
        start_up=way.start_up(runs) if way.grows else None,
        ratio=median(one / other for one, other in pairs),
        note=way.note,
    )


def pace(ends: Iterable[Path], slots: int) -> float:
    """Return a command's seconds per run, from the times of the files that end its runs.

    Measured from the end of the first run (of the first in each slot) to the end of the last.
    """
    times = sorted(path.stat().st_mtime for path in ends)
    return (times[-1] - times[slots - 1]) / (len(times) - slots)
