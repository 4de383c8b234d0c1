"""The README shows the figures that are stored, each with where and when it was measured."""

import csv

import figures


def test_readme_shows_what_is_stored() -> None:
    """`make figures` writes this part; by hand it would drift."""
    text = figures.README.read_text(encoding="utf-8")
    part = text.split(figures.BEGIN, 1)[1].split(figures.END, 1)[0]

    assert part == figures.figures_text()


def test_every_figure_says_where_and_when() -> None:
    """Command, date, commit, processor and load of each benchmark."""
    known = figures.stamps()

    assert set(figures.BENCHMARKS) <= set(known)
    for where in known.values():
        assert {"command", "date", "commit", "processor", "load"} == set(where)
        assert all(where.values())


def test_ratio_is_that_of_the_stored_seconds() -> None:
    """The plain loop's seconds over segsweep's, worked out from the file here."""
    with (figures.RESULTS / "epoch.csv").open(encoding="utf-8", newline="") as file:
        seconds = {row["loop"]: float(row["seconds"]) for row in csv.DictReader(file)}
    ratio = f"| {seconds['plain'] / seconds['auto float32']:.1f} |"

    assert sum(ratio in line for line in figures.epoch_lines() if "=float32" in line) == 1
