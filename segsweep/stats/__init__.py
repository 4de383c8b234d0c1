"""What the per-image values of a sweep carry: contrasts of cells, their intervals and p values."""
