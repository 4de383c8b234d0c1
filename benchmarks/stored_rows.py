"""Rows of a simulation in a CSV file, written after each batch, and their tables in a document."""

import argparse
import csv
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

C = TypeVar("C", bound=tuple[Any, ...])
R = TypeVar("R")


def run(
    doc: str | None,
    kind: type[R],
    cases: Sequence[C],
    batch: Callable[[C, Sequence[int]], R],
    tables: Callable[[list[R]], str],
    *,
    count: str,
    out: Path,
    shown: tuple[Path, str, str],
) -> None:
    """Parse a command line that simulates, or that puts the tables of the rows into a document.

    Args:
        doc: what the script does, in its first line.
        kind: as in `simulate`, like *cases*, *batch* and *count*.
        cases: all of them.
        batch: runs some sweeps.
        tables: rows -> their tables in Markdown.
        count: the field that counts sweeps, and the option for the most of a case.
        out: where the rows are stored by default.
        shown: the document, and the marks between which the tables stand.

    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument(
        f"--{count}", type=int, default=2_500, help="of each case, at most", dest="most"
    )
    parser.add_argument("--processes", type=int, default=1, help="batches at once")
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--table", action="store_true", help="print tables of the stored rows")
    asked = parser.parse_args()
    if asked.table:
        text = tables(read_rows(asked.out, kind))
        print(text)
        put_between(*shown, text)
        return
    simulate(
        *(asked.out, kind, cases, batch),
        count=count,
        most=asked.most,
        minutes=asked.minutes,
        processes=asked.processes,
    )


def simulate(
    path: Path,
    kind: type[R],
    cases: Sequence[C],
    batch: Callable[[C, Sequence[int]], R],
    *,
    count: str,
    most: int,
    minutes: float,
    processes: int,
) -> None:
    """Run batches until *minutes* are over or every case has *most*; rows are stored after each.

    The case furthest behind is next. The number of processes changes no result: the seed of a batch
    is that of its case and of what was stored of it before.

    Args:
        path: of the rows; those that it has are continued.
        kind: dataclass of a row; its first fields are a case, the others sums.
        cases: all of them.
        batch: runs some sweeps of a case from a seed, in a process of its own; returns their sums.
        count: the field that counts sweeps.
        most: sweeps of a case.
        minutes: after which no batch is begun.
        processes: batches at once.

    """
    width = len(cases[0])
    known = {tuple(asdict(row).values())[:width]: row for row in read_rows(path, kind)}  # type: ignore[call-overload]
    rows = {case: known.get(tuple(case), kind(*case)) for case in cases}
    under_way: dict[Future[R], C] = {}
    end = time.monotonic() + 60 * minutes
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawned) as pool:
        while True:
            idle = [
                case
                for case in sorted(cases, key=lambda case: getattr(rows[case], count))
                if getattr(rows[case], count) < most and case not in under_way.values()
            ]
            for case in idle[: processes - len(under_way)] if time.monotonic() < end else ():
                seed = (cases.index(case), getattr(rows[case], count))
                under_way[pool.submit(batch, case, seed)] = case
            if not under_way:
                break
            for done in wait(under_way, return_when=FIRST_COMPLETED).done:
                case, sums = under_way.pop(done), done.result()
                for field in fields(kind)[width:]:  # type: ignore[arg-type]
                    before = getattr(rows[case], field.name)
                    setattr(rows[case], field.name, before + getattr(sums, field.name))
                write_rows(path, kind, [row for row in rows.values() if getattr(row, count)])


def read_rows(path: Path, kind: type[R]) -> list[R]:
    """Return the stored rows, of a dataclass; none if the file does not exist."""
    if not path.exists():
        return []
    kinds: dict[str, Any] = {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]
    with path.open(newline="") as file:
        return [
            kind(**{name: kinds[name](text) for name, text in row.items()})
            for row in csv.DictReader(file)
        ]


def write_rows(path: Path, kind: type[R], rows: Iterable[R]) -> None:
    """Write the rows atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    with temporary.open("w", newline="") as file:
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        for row in rows:
            numbers = asdict(row).items()  # type: ignore[call-overload]
            table.writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in numbers})
    temporary.replace(path)


def put_between(path: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between two marks in a document."""
    before, _, rest = path.read_text().partition(begin)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{begin}\n\n{text}\n{end}{after}")
