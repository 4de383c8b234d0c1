"""Multiply-adds of a network: a cost that no neighbour on the machine can change."""

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


def multiply_adds(model: nn.Module, image: Tensor) -> int | None:
    """Return the multiply-adds of one forward pass of *image*, (1, C, H, W), in evaluation mode.

    torch's own formulas are used: convolutions, matrix products and attention count; additions,
    activations and normalization do not. None if nothing of that kind was computed, or if the
    network does not accept the counter.
    """
    was_training = model.training
    counter = _Counter()
    try:
        with torch.no_grad(), counter:
            model.eval()(image)
    except Exception:  # a user's network may do what the counter cannot follow
        return None
    finally:
        model.train(was_training)
    return counter.operations // 2 or None


class _Counter(TorchDispatchMode):
    """Adds up the operations of every torch function that is called below it.

    torch's FlopCounterMode also follows functions into their parts; for that it imports sympy,
    which takes longer than a small run.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0
        """A multiplication and an addition are two."""

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        """Call *func* and count it, if torch knows how."""
        named = kwargs or {}
        result = func(*args, **named)
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.operations += int(formula(*args, **named, out_val=result))
        return result
