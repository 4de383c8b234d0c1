"""Make the README's figures again: measure, store under docs/results, write them into the README.

    python benchmarks/figures.py                 # everything: half an hour on 2 idle cores
    python benchmarks/figures.py epoch overhead  # some parts only
    python benchmarks/figures.py readme          # only the text, from what is stored

Parts: epoch, overhead and report run the benchmarks of these names; pictures trains the demo and
takes pictures of its report with Chromium; heatmap takes one of the race on PH2, where its runs are
in outputs/ph2_race; readme writes the figures into the README. Each stored figure has its command,
date, commit, processor and load in docs/results/measured.json. Run this whenever the code that a
figure measures has changed, on a machine that does nothing else.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import ROOT, timed

from segsweep.stats.runs import short_commit
from segsweep.system import processor
from segsweep.system.machine import usable_cores

if TYPE_CHECKING:
    from browser import Tab

RESULTS, README = ROOT / "docs/results", ROOT / "README.md"
STAMPS = RESULTS / "measured.json"
BEGIN, END = "<!-- figures: make figures -->\n", "<!-- end of figures -->\n"
GRID = ("model=segnet,unet,unet2,unet3", "loss=bce,dice,focal,ss,bce_ss")
DEMO = ("-m", "experiment=demo", *GRID, "seed=0,1,2")
BENCHMARKS = {
    "epoch": (
        *("benchmarks/epoch.py", "--rounds", "2", "--lean", "on", "auto"),
        *("--precision", "float32", "bfloat16"),
        *("--output", "docs/results/epoch.md", "--csv", "docs/results/epoch.csv"),
    ),
    "overhead": (
        *("benchmarks/sweep_overhead.py", "--runs", "8", "--sizes", "1000", "--rounds", "1"),
        *("--csv", "docs/results/sweep_overhead.csv"),
    ),
    "report": ("benchmarks/report.py", "--csv", "docs/results/report.csv"),
}
CODE = ("segsweep", "conf", "benchmarks", "pyproject.toml", "constraints.txt")
"""What figures depend on; a change elsewhere, as in another figure, makes no commit dirty."""
PICTURES = {"pictures": "report, curves", "heatmap": "heatmap of the race"}
Table = Mapping[str, Mapping[str, str]]
"""The rows of a CSV by the text of their first columns."""


def main() -> None:
    """Make the parts that are asked for."""
    pictures = {"pictures": draw, "heatmap": draw_heatmap}
    parts = {**dict.fromkeys(BENCHMARKS, measure), **pictures, "readme": write_readme}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="default: all")
    asked = parser.parse_args().parts or list(parts)
    for name in dict.fromkeys([*asked, "readme"]):
        print(f"{name} ...", flush=True)
        parts[name](name)


@dataclass(frozen=True)
class Before:
    """What the machine and the checkout were like before something was measured."""

    commit: str
    load: float

    @classmethod
    def now(cls) -> "Before":
        """Return what they are like."""
        return cls(commit_of_code(), os.getloadavg()[0])


def commit_of_code() -> str:
    """Return the commit, with -dirty if the code differs from it."""
    head = _git("describe", "--always", "--abbrev=12", "--exclude=*")
    return f"{head}-dirty" if _git("status", "--porcelain", "--", *CODE) else head


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def measure(name: str) -> None:
    """Run a benchmark and store where and when."""
    before = Before.now()
    timed(BENCHMARKS[name])
    stamp(name, BENCHMARKS[name], before)


def draw(name: str) -> None:
    """Train the demo and take pictures of its report: the top, and curves."""
    before, outputs = Before.now(), ROOT / "outputs"
    words = ("-m", "segsweep.train", *DEMO, f"outputs={outputs}", "sweep=readme")
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True)
    with opened(outputs / "readme/report.html") as tab:
        tab.picture(ROOT / "docs/images/report.png", height=1500)
        tab.picture_of(ROOT / "docs/images/curves.png", "Validation score")
    stamp(name, words, before)


def draw_heatmap(name: str) -> None:
    """Take a picture of the heatmap of the race on PH2, if its runs are here."""
    before, sweep = Before.now(), ROOT / "outputs/ph2_race"
    if not sweep.exists():
        print(f"left out: no {sweep}; docs/results/README.md has the command that trains it")
        return
    words = ("-m", "segsweep", "report", str(sweep))
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True)
    with opened(sweep / "report.html") as tab:
        tab.picture_of_figure(ROOT / "docs/images/ph2-race-heatmap.png", "heatmap")
    stamp(name, words, before)


@contextmanager
def opened(page: Path) -> "Iterator[Tab]":
    """Open a page in a browser."""
    sys.path.insert(0, str(ROOT / "tests"))
    from browser import Tab, open_browser

    driver = open_browser(page.parent)
    try:
        tab = Tab(driver)
        tab.open(page, width=1280)
        yield tab
    finally:
        driver.quit()


def stamp(name: str, command: Sequence[str], before: Before) -> None:
    """Store how, where and when a figure was made."""
    known = stamps()
    known[name] = {
        "command": " ".join(["python", *(word.replace(f"{ROOT}/", "") for word in command)]),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": before.commit,
        "processor": f"{processor.name()}, {usable_cores()} cores",
        "load": f"{before.load:.1f}",
    }
    STAMPS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def stamps() -> dict[str, dict[str, str]]:
    """Return what is stored about each figure."""
    return json.loads(STAMPS.read_text(encoding="utf-8")) if STAMPS.exists() else {}


def write_readme(_name: str) -> None:
    """Replace the table of figures in the README."""
    before, after = README.read_text(encoding="utf-8").split(BEGIN, 1)
    text = f"{before}{BEGIN}{figures_text()}{END}{after.split(END, 1)[1]}"
    README.write_text(text, encoding="utf-8")


def figures_text() -> str:
    """Return the README's tables, from what is stored."""
    made: tuple[tuple[str, Callable[[], list[str]]], ...] = (
        ("epoch", epoch_lines),
        ("overhead", overhead_lines),
        ("report", report_lines),
    )
    lines = []
    for name, text_of in made:
        command = stamps()[name]["command"].partition(" --")[0]
        lines += [f"`{command}`, {where_text(name)}:", *("", *text_of(), "")]
    for name, pictures in PICTURES.items():
        lines.append(f"- Pictures ({pictures}): {where_text(name)}.")
    return "\n".join(lines) + "\n\n"


def where_text(name: str) -> str:
    """Return when, with which code and on what a figure was made."""
    where = stamps()[name]
    return (
        f"{where['date']}, commit `{short_commit(where['commit'])}`, {where['processor']}, "
        f"load {where['load']} before"
    )


def epoch_lines() -> list[str]:
    """Return the table of an epoch."""
    loops = stored("epoch.csv", "loop")
    plain = float(loops["plain"]["seconds"])
    words = {
        "plain": "plain loop (DataLoader, float32, contiguous; both sets scored again)",
        "auto float32": "segsweep, `trainer.precision=float32`",
        "on float32": "the same, saving memory: `trainer.lean=on`",
        "auto bfloat16": "segsweep in bfloat16 (`auto` on processors that compute in it)",
    }
    rows = [
        f"| {text} | {float(loops[name]['seconds']):.1f} | "
        f"{plain / float(loops[name]['seconds']):.1f} | {float(loops[name]['gb']):.1f} |"
        for name, text in words.items()
        if name in loops  # bfloat16 is measured only on processors that compute in it
    ]
    first = float(loops["first step"]["seconds"])
    return [
        "| an epoch of unet2 (bce, 256x256, batch 25, 100 + 50 images) | seconds | plain loop is "
        "slower by | peak GB |",
        "|---|---|---|---|",
        *rows,
        "",
        f"From command to first training step, images cached: {first:.1f} s.",
    ]


def overhead_lines() -> list[str]:
    """Return the table of what a sweep costs beyond its training."""
    found = stored("sweep_overhead.csv", "what")
    beyond = {
        "segsweep, one slot": "a run in its own process, beyond its training, one slot",
        "segsweep, two slots": "the same with two slots",
        "Hydra's basic launcher": "in Hydra's basic launcher, which isolates nothing",
        "python -m segsweep.train": "as a new process",
    }
    wall = {
        "plan, preflight off": "plan of 1,000 runs",
        "plan, preflight measures": "the same while the steps of 20 kinds are measured",
        "Hydra composes": "composing them with Hydra alone",
        "rerun, all finished": "the same command when all are finished",
        "rerun again, nothing changed": "the same once more (touches no file)",
    }
    return [
        "| beyond training | seconds |",
        "|---|---|",
        *(f"| {text} | {float(found[name]['beyond']):.2f} |" for name, text in beyond.items()),
        *(f"| {text} | {float(found[name]['wall']):.1f} |" for name, text in wall.items()),
    ]


def report_lines() -> list[str]:
    """Return the table of reports."""
    with (RESULTS / "report.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["runs"]) >= 1000]
    return [
        "| report of | seconds |",
        "|---|---|",
        *(
            f"| {int(row['runs']):,} runs in {row['cells']} cells, 50 test images each | "
            f"{float(row['seconds']):.0f} |"
            for row in rows
        ),
    ]


def stored(file_name: str, key: str) -> Table:
    """Return the rows of a table under docs/results."""
    with (RESULTS / file_name).open(encoding="utf-8", newline="") as file:
        return {row[key]: row for row in csv.DictReader(file)}


if __name__ == "__main__":
    main()
