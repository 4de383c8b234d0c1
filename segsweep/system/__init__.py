"""Access to the operating system: files, locks, clock, progress lines, signals, machine."""
