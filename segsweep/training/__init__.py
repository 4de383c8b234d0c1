"""One run, from its frozen config to its result."""
