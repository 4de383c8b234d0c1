"""Imported only by the fork server, for trials that a pruner may end: its library, used once."""

from segsweep.training.pruning import Curve, should_end

for _pruner in ("median", "hyperband"):
    should_end(_pruner, "study", 9, {k: Curve((0.5, 0.6, 0.6), k < 3) for k in range(4)}, 3)
