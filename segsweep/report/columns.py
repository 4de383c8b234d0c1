"""A table's columns as people read them: titles, texts, what is marked and what the marks mean."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from segsweep.metrics import label, lower_is_better

if TYPE_CHECKING:
    from pandas import DataFrame

Show: TypeAlias = Callable[[Any], str]
"""From a cell's value to its text."""
TableRow: TypeAlias = Mapping[Any, Any]
"""A row of a frame: column -> value."""
DASH, DAGGER = "–", "†"
NO_CLAIM = "Nothing is marked: no claim about methods can be made from this."
NO_BEST = "Nothing is marked: none can be called the best on its own."
ALSO_BEST = "may be the best as well, with 95 % confidence."
ONLY_BEST = ", and nothing else{} may be the best, with 95 % confidence."
BASELINE = "Differences are to the baseline; their intervals and p hold together."
SWEEPS = "Difference: first less second; intervals and p hold for all rows together."
ENDS = {"ci_low": "ci_high", "diff_low": "diff_high", "minus_best_low": "minus_best_high"}
"""Lower -> upper end of an interval; they share a column."""
STARTS = {upper: lower for lower, upper in ENDS.items()}
ABOUT_BEST = ("may_be_best", "p_as_best", "minus_best_low", "p_best")
WORDS = ("may_be_best", "verdict")
FAILED_RUNS = "failed"
"""The column with the number of failed runs: left out if all are 0."""
METRIC = ("test_", "val_")


@dataclass(frozen=True)
class Column:
    """A column as people read it."""

    name: str
    """The column of the frame; for an interval the one of its lower end."""
    title: str
    texts: tuple[str, ...]
    """A text per row; DASH where the value is missing."""
    number: bool = True
    best: frozenset[int] = frozenset()
    """Rows of the best mean."""
    tied: frozenset[int] = frozenset()
    """Other rows that may be the best."""


def finished_first(frame: "DataFrame") -> "DataFrame":
    """Return *frame* with the rows that have no mean at the end."""
    name = headline(frame)
    empty = [False] * len(frame) if name is None else frame[name].isna().tolist()
    return frame.iloc[sorted(range(len(frame)), key=empty.__getitem__)]


def headline(frame: "DataFrame") -> str | None:
    """Return the column that was compared, test_<metric>; None for a table of two sweeps.

    It is val_<metric> in a table of cells without a test part.
    """
    names = [str(name) for name in frame.columns]
    tested = next((name for name in names if name.startswith("test_")), None)
    if tested is None or frame[tested].isna().all():
        validated = [name for name in names if name.startswith("val_")]
        known = next((name for name in validated if frame[name].notna().any()), None)
        return known or tested or next(iter(validated), None)
    return tested


def own_rows(frame: "DataFrame", data: str, metric: str) -> "DataFrame":
    """Return the rows of one comparison; without a test part, val_<metric> is the first metric."""
    rows, first = frame[frame["data"] == data], f"val_{metric}"
    if first not in rows or rows[first].isna().all() or headline(rows) == f"test_{metric}":
        return rows
    names = [str(name) for name in rows.columns if name != first]
    at = next((place for place, name in enumerate(names) if name.startswith(METRIC)), len(names))
    return rows[[*names[:at], first, *names[at:]]]


def keys_of(frame: "DataFrame") -> list[str]:
    """Return the columns that name a row: model, loss and the other swept keys."""
    names = [str(name) for name in frame.columns]
    measured = [at for at, name in enumerate(names) if name.startswith(METRIC) or name in BEFORE]
    return names[: min(measured, default=len(names))]


def columns_of(
    frame: "DataFrame", claims: bool = True, names: Sequence[str] | None = None
) -> list[Column]:
    """Return the columns that are not empty: names, the mean, its interval, then the rest.

    With *names*, columns of the frame, these columns in this order, empty ones too; either end
    of an interval stands for the interval.
    """
    rows, head = frame.to_dict("records"), headline(frame)
    wanted = [STARTS.get(name, name) for name in dict.fromkeys(names or ())]
    kept = _key_columns(keys_of(frame), rows, wanted)
    measured = _measured(frame)
    keys = keys_of(frame)
    measured += [name for name in dict.fromkeys(wanted) if name not in (*measured, *keys)]
    for name in measured:
        texts = tuple(_text(row, name, COLUMN_TEXTS.get(name, _number)) for row in rows)
        empty = set(texts) <= ({DASH, "0"} if name == FAILED_RUNS else {DASH})
        shown = (name == head or not empty) and (claims or name not in ABOUT_BEST)
        if shown or name in wanted:
            title = label(name) if name.startswith(METRIC) else TITLES.get(name, name)
            kept.append(Column(name, title, texts, name not in WORDS))
    best, tied = _best_and_tied(frame, claims)
    kept = [replace(col, best=best, tied=tied) if col.name == head else col for col in kept]
    by_name = {column.name: column for column in kept}
    return [by_name[name] for name in dict.fromkeys(wanted)] if names else kept


def note_of(frame: "DataFrame", claims: bool = True) -> str:
    """Return one line on what bold and dagger mean, or why nothing is marked."""
    name = headline(frame)
    finished = len(frame) if name is None else int(frame[name].notna().sum())
    if not claims or finished == 0:
        return NO_CLAIM if finished else "Nothing is finished."
    if name is None:
        return SWEEPS
    best, tied = _best_and_tied(frame, claims)
    most = "lowest" if lower_is_better(name) else "highest"
    if not best:
        return "Nothing to compare: one row has finished runs." if finished == 1 else NO_BEST
    several = f", the same in {len(best)} rows" if len(best) > 1 else ""
    if tied or "difference" in frame:
        return f"Bold: the {most} mean{several}. {f'{DAGGER} {ALSO_BEST}' if tied else BASELINE}"
    only = sum(map(_is_true, frame.get("may_be_best", ()))) == 1
    so_far = " that is finished" if finished < len(frame) else ""
    return f"Bold: the {most} mean{several}{ONLY_BEST.format(so_far) if only else '.'}"


def one_line(text: str) -> str:
    """Return *text* on one line, without control characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _best_and_tied(frame: "DataFrame", claims: bool) -> tuple[frozenset[int], frozenset[int]]:
    """Return the positions of the best mean, and of other cells that may be the best."""
    name, said = headline(frame), frame.get("may_be_best")
    unsaid = said is not None and said.isna().all()  # no loss is best without its architecture
    if name is None or not claims or unsaid or frame[name].notna().sum() < 2:
        return frozenset(), frozenset()
    known = [] if said is None else said.tolist()
    judged = frame[name] if said is None else frame[name].where(said.notna())
    top = judged.min() if lower_is_better(name) else judged.max()
    best = frozenset(at for at, value in enumerate(judged) if value == top)
    may = frozenset(at for at, value in enumerate(known) if _is_true(value))
    return best, may - best if len(may) > 1 else frozenset()


def _is_true(value: Any) -> bool:
    """Whether a value that may be missing, or be text from a CSV, is true."""
    return str(value) == "True"


def _number(value: float) -> str:
    return f"{round(value, 4) + 0.0:.4f}"  # + 0.0: no -0.0000


def _chance(value: float) -> str:
    if value < 0.005:
        return "< 0.01"
    return f"{value:.2f}" if value < 0.995 else "> 0.99"


def _p(value: float) -> str:
    from segsweep.stats.wording.phrases import p_text

    return p_text(value).removeprefix("p ").removeprefix("= ")


def _amount(value: float) -> str:
    from segsweep.stats.wording.phrases import amount_text

    return amount_text(value)


def _word(value: Any) -> str:
    """Return a value as text; 80 for the 80.0 of a column with gaps."""
    whole = isinstance(value, float) and value.is_integer()
    return one_line(str(int(value) if whole else value)) or DASH


BEFORE = (
    *("first", "second", "difference", "diff_low", "ci_low", "p_adjusted", "p_equal", "verdict"),
    *("may_be_best", "p_best", "cells", "seeds", "failed", "sd_seeds", "sd_images"),
)
BUDGET = ("trials", "trial_epochs", "trial_seconds")
"""What the search of a cell took."""
AFTER = ("lr", "multiply_adds", "parameters", "seconds", *BUDGET)
TITLES = {
    **{"ci_low": "95 % interval", "diff_low": "95 % interval", "parameters": "params"},
    **{"multiply_adds": "multiply-adds", "trial_epochs": "trial epochs"},
    "trial_seconds": "trial seconds",
    **{"p_adjusted": "p (adjusted)", "p_best": "chance best", "p_equal": "chance equal"},
    **{"p_as_best": "p as best", "minus_best_low": "less the best"},
    **{"sd_seeds": "sd (seeds)", "sd_images": "sd (images)", "may_be_best": "may be best"},
}
COLUMN_TEXTS: dict[str, Show] = {
    "multiply_adds": _amount,
    **dict.fromkeys(BUDGET, "{:,.0f}".format),
    **dict.fromkeys(("p_best", "p_equal"), _chance),
    **dict.fromkeys(("cells", "seeds", "failed", "parameters", "seconds"), "{:,.0f}".format),
    **dict.fromkeys(("rank", "data"), lambda value: _word(value)),
    **{"p_adjusted": _p, "p_as_best": _p, "lr": "{:.3g}".format},
    **{"verdict": _word, "may_be_best": lambda value: "yes" if _is_true(value) else "no"},
}


def _measured(frame: "DataFrame") -> list[str]:
    """Return the measured columns of *frame* in the order shown; the order of rows is the rank."""
    names = [str(name) for name in frame.columns[len(keys_of(frame)) :]]
    first, *others = [name for name in names if name.startswith(METRIC)] or [""]
    return [name for name in (first, *BEFORE, *others, *AFTER) if name in names]


def _key_columns(
    keys: Sequence[str], rows: Sequence[TableRow], wanted: Sequence[str] = ()
) -> list[Column]:
    """Return a column per key, titled by the key's last part where that is unambiguous."""
    short = [name.rpartition(".")[2] for name in keys]
    columns = []
    for name, last in zip(keys, short, strict=True):
        texts = tuple(_text(row, name, _word) for row in rows)
        title = last if short.count(last) == 1 and last not in BEFORE else name
        if not rows or set(texts) != {DASH} or name in wanted:
            columns.append(Column(name, one_line(title), texts, number=False))
    return columns


def _text(row: TableRow, name: str, show: Show) -> str:
    from pandas import isna

    if isna(row[name]):
        return DASH
    if name in ENDS:
        return f"{show(row[name])} to {show(row[ENDS[name]])}"
    return _verdict(row) if name == "verdict" else show(row[name])


def _verdict(row: TableRow) -> str:
    """Return the verdict; for a cell against the baseline, better or worse."""
    verdict = _word(row["verdict"])
    if "first" in row or not verdict.endswith("better"):
        return verdict
    return "better" if verdict.startswith("a ") else "worse"
