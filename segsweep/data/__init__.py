"""From files to batches: find pairs, read and check them, cache, split, batch."""
