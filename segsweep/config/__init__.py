"""The config: its schema, its checks, the identity of a run, what makes a cell."""
