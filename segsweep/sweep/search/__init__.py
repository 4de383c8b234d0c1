"""The search: trials of each cell, then its runs at the best values."""
