"""The results of `segsweep.stats` in sentences."""
