"""What segsweep asks of the operating system: files, locks, clock, signals, machine."""
