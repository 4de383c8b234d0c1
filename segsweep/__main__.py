"""`python -m segsweep`: the `segsweep` command."""

from segsweep.cli.main import main

if __name__ == "__main__":
    main()
