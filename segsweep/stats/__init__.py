"""Statistics of a sweep: contrasts of cells with simultaneous intervals and adjusted p-values."""
