"""What is built to check a config leaves nothing behind; the checks: `config/test_schema.py`."""

import subprocess
import sys

CODE = """
import sys
import torch
from segsweep.training.check_built import MARK, check_steps
optimizer = {"_target_": "torch.optim.AdamW", "lr": 0.1}
scheduler = {"_target_": "torch.optim.lr_scheduler.ConstantLR", "every": "epoch"}
check_steps(optimizer, scheduler, ())
assert "torch._dynamo" not in sys.modules
assert not hasattr(torch.optim.Optimizer.add_param_group.__wrapped__, MARK)
"""


def test_optimizer_is_checked_without_torchs_compiler():
    """Its import takes over a second of each command."""
    subprocess.run([sys.executable, "-c", CODE], check=True, timeout=120)
