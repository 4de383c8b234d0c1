"""Slots of this machine and the processes that execute runs in them."""
