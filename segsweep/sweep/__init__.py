"""Sweeps: many runs planned, checked and launched by one command."""
