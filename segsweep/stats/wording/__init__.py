"""The results of the statistics in sentences."""
