"""The config: schema, checks, identity of a run, definition of a cell."""
