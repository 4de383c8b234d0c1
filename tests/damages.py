"""Six damages of a stored file."""

import json
from pathlib import Path

HUGE = "9" * 300_000


def wrong_type(path: Path) -> None:
    """Put a value of the wrong type into the file."""
    if path.suffix == ".json":
        values = json.loads(path.read_text() or "{}") if path.exists() else {}
        first = next(iter(values), "attempts")
        path.write_text(json.dumps({**values, first: ["x"], "attempts": "x", "threads": "x"}))
    elif path.suffix == ".yaml":
        path.write_text(path.read_text().replace("seed: 0\n", "seed: [x]\n", 1))
    elif path.suffix == ".csv" and path.exists():
        head, *rows = path.read_text().splitlines()
        path.write_text("\n".join([head, *(",".join("x" for _ in row.split(",")) for row in rows)]))
    else:
        path.write_text("x")


def huge(path: Path) -> None:
    """Put a value of 300,000 characters into the file."""
    if path.suffix == ".json":
        values = json.loads(path.read_text() or "{}") if path.exists() else {}
        first = next(iter(values), "attempts")
        text = json.dumps({**values, first: 0})
        path.write_text(text.replace(": 0", f": {HUGE}", 1))
    elif path.suffix == ".csv" and path.exists():
        head, *rows = path.read_text().splitlines()
        path.write_text("\n".join([head, *rows[:1], HUGE, *rows[1:]]) + "\n")
    else:
        path.write_text(HUGE)


def half(path: Path) -> None:
    """Cut the file in the middle."""
    if path.exists():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = {
    "missing": lambda path: path.unlink(missing_ok=True),
    "empty": lambda path: path.write_bytes(b""),
    "half": half,
    "random": lambda path: path.write_bytes(bytes(range(256)) * 7),
    "wrong type": wrong_type,
    "huge": huge,
}
