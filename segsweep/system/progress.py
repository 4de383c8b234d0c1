"""What a run says while it trains: one line with the time left."""

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

QUIET_SECONDS = 20.0
"""Where output is no terminal, a line at most this often."""


def duration(seconds: float) -> str:
    """Return a time as people say it: 45 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min"


class Progress:
    """The line of one run: rewritten in a terminal, now and then elsewhere, all in its log."""

    def __init__(self, name: str, epochs: int, log: Path, *, aloud: bool = True) -> None:
        """*name* stands in front; *epochs* is the full length; not *aloud*: the log only."""
        self.name, self.epochs, self.log, self.aloud = name, epochs, log, aloud
        self.short = name.rpartition("-")[0]
        self.live = aloud and sys.stderr.isatty()
        self.spoke = time.monotonic()
        self.latest = ""

    def step(self, step: int, steps: int) -> None:
        """Show the position inside an epoch."""
        if self.live and time.monotonic() - self.spoke > 0.2:
            self._show(f"[{step}/{steps}]  {self.latest}")

    def epoch(self, history: Sequence[dict[str, float]], best: bool) -> None:
        """Show an epoch's figures and the time left, from the mean of the last epochs."""
        row, recent = history[-1], history[-5:]
        pace = sum(item["seconds"] for item in recent) / len(recent)
        left = pace * (self.epochs - row["epoch"])
        self.latest = (
            f"epoch {row['epoch']:.0f}/{self.epochs}  {duration(left)} left  "
            f"val IoU {row['val_iou']:.4f}{'*' if best else ' '} loss {row['train_loss']:.4f}  "
            f"val {row['val_loss']:.4f}  lr {row['lr']:.2e}"
        )
        self.write(self.latest)
        ended = row["epoch"] == self.epochs
        if self.live:
            self._show(self.latest)
        elif ended or time.monotonic() - self.spoke > QUIET_SECONDS:
            self._print(self.latest)

    def write(self, line: str) -> None:
        """Add a line to the run's log only."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}\n")

    def say(self, line: str) -> None:
        """Say a line that stays, in the terminal and in the log."""
        self.write(line)
        self._print(line)

    def close(self) -> None:
        """Leave the line as it stands."""
        if self.live and self.latest:
            sys.stderr.write("\n")

    def _print(self, line: str) -> None:
        if not self.aloud:
            return
        start = "\r\033[K" if self.live else ""
        print(f"{start}{self.name}  {line}", file=sys.stderr, flush=True)
        self.spoke = time.monotonic()

    def _show(self, line: str) -> None:
        width = shutil.get_terminal_size().columns - 1  # a longer line would not be rewritten
        sys.stderr.write(f"\r\033[K{f'{self.short}  {line}'[:width]}")
        sys.stderr.flush()
        self.spoke = time.monotonic()


class Counter:
    """A line that counts, for work of more than a few seconds."""

    def __init__(self, what: str) -> None:
        """*what* is being counted."""
        self.what = what
        self.started = self.spoke = time.monotonic()
        self.shown = False

    def __call__(self, done: int, total: int) -> None:
        """Say how far it is, at most every two seconds."""
        now = time.monotonic()
        if now - self.spoke < 2 and not (self.shown and done + 1 == total):
            return
        left = (now - self.started) / max(done, 1) * (total - done)
        text = f"{self.what} {done}/{total}, {duration(left)} left"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{text}" + ("\n" if done + 1 == total else ""))
        else:
            print(text, file=sys.stderr)
        sys.stderr.flush()
        self.spoke, self.shown = now, True
