"""The parts of a network that this folder replaces, and how.

A part keeps its weights, buffers and names in the state dict: only its class changes, to a
subclass that computes the same values in another way and adds no attribute.
"""

from torch import Tensor, nn

from segsweep.models.blocks import EncoderDecoder, Stage
from segsweep.models.lean.recompute import RecomputedMaxPool, has_hooks, passed_on
from segsweep.models.lean.reflect_conv import ReflectConv2d, repeated


class SplitStage(Stage):
    """A stage that never concatenates its inputs: its first convolution takes each separately."""

    def forward(self, *parts: Tensor) -> Tensor:
        """Return what `Stage` returns; parts of half the height and width are repeated."""
        first = self[0]
        if isinstance(first, nn.Sequential) and self._is_unchanged(first, len(parts)):
            convolution, norm, activation = first
            return self.finish(convolution(*parts), norm, activation)
        height = max(part.shape[-2] for part in parts)
        return super().forward(*(repeated(x, height // x.shape[-2]) for x in parts))

    def _is_unchanged(self, first: nn.Sequential, parts: int) -> bool:
        """Whether no layer or hook was added to the block and its convolution was not replaced."""
        usual = len(self) == 2 and len(first) == 3 and type(first) is nn.Sequential
        takes_parts = parts == 1 or type(first[0]) is ReflectConv2d
        return usual and takes_parts and not has_hooks(first)

    def finish(self, x: Tensor, norm: nn.Module, activation: nn.Module) -> Tensor:
        """Return the output of the rest of the stage for *x*, its first convolution's output."""
        output: Tensor = self[1](activation(norm(x)))
        return output


class LeanStage(SplitStage):
    """A `SplitStage` that does not keep what its first block passes to the second."""

    def finish(self, x: Tensor, norm: nn.Module, activation: nn.Module) -> Tensor:
        """Return the same; large intermediate tensors are recomputed for the gradient."""
        return passed_on(x, norm, activation, self[1])


class Unrepeated(nn.Upsample):
    """Nearest upsampling by 2, done by the following stage, which also takes the skip."""

    def forward(self, input: Tensor) -> Tensor:
        """Return *input* as it is."""
        return input


def apply(model: nn.Module, *, saving: bool) -> None:
    """Replace the parts of every `EncoderDecoder` in *model*; other networks stay as they are.

    Args:
        model: the network; changed in place.
        saving: also replace parts where that saves memory and costs time.

    """
    for network in model.modules():
        if isinstance(network, EncoderDecoder):
            replace_parts(network, saving=saving)
            if network.skips and type(network).forward is EncoderDecoder.forward:
                _leave_repeating(network)


def replace_parts(module: nn.Module, *, saving: bool) -> None:
    """Replace the stages and reflecting 3x3 convolutions in *module*; poolings if *saving*."""
    for part in module.modules():
        if type(part) is Stage:
            part.__class__ = LeanStage if saving else SplitStage
        elif type(part) is nn.Conv2d and _reflects(part):
            part.__class__ = ReflectConv2d
        elif saving and type(part) is nn.MaxPool2d and not part.return_indices:
            part.__class__ = RecomputedMaxPool


def _reflects(layer: nn.Conv2d) -> bool:
    """Whether *layer* is a 3x3 convolution that keeps the size and reflects the border."""
    shape = layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups
    return layer.padding_mode == "reflect" and shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1)


def _leave_repeating(network: EncoderDecoder) -> None:
    for up, stage in zip(network.ups, network.decoder, strict=True):
        doubles = type(up) is nn.Upsample and up.scale_factor == 2 and up.mode == "nearest"
        if doubles and isinstance(stage, SplitStage):
            up.__class__ = Unrepeated
