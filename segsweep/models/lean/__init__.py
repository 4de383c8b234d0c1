"""Saves memory and time compared with plain torch: kernels, saved-tensor hooks, the allocator.

Optional: `segsweep/models/kernels.py` is the only module that imports this folder, and without
it every network consists of plain torch layers (`docs/decisions/0011-special-kernels.md`).
"""
