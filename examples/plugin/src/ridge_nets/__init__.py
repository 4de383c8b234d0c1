"""One model, one loss and one metric of one's own, beside those of segsweep."""

from ridge_nets.edge_bce import EdgeBceLoss
from ridge_nets.f2 import F2
from ridge_nets.ridgenet import RidgeNet

__all__ = ["F2", "EdgeBceLoss", "RidgeNet"]
