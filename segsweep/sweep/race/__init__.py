"""Races: further seeds only for cells that may still be the best."""
