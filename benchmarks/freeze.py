"""Freezes the runs of a `-m` command without training them: `python freeze.py -m WORDS`."""

from segsweep.sweep.places.local import Local
from segsweep.train import run_command, stop_server


def main() -> None:
    """Run the command with a launch that starts nothing, so it ends with code 1."""
    Local.launch = lambda self, work, slots, costs: []  # type: ignore[method-assign]
    assert run_command() == 1, "every run was finished before, or the command was refused"
    stop_server()


if __name__ == "__main__":
    main()
