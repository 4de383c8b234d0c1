"""Rows of a simulation in a CSV file, written after each batch, and their tables in a document."""

import csv
import os
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

R = TypeVar("R")


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
