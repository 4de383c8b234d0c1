"""What saves memory and time beyond plain torch: own kernels, saved-tensor hooks, the allocator.

Optional: `segsweep/models/kernels.py` is the only module that imports this folder, and without
it every network runs from plain torch layers (`docs/decisions/0011-special-kernels.md`).
"""
