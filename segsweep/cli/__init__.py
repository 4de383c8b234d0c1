"""The `segsweep` command."""
