"""One model and one loss of one's own, to be swept beside those of segsweep."""

from ridge_nets.edge_bce import EdgeBceLoss
from ridge_nets.ridgenet import RidgeNet

__all__ = ["EdgeBceLoss", "RidgeNet"]
