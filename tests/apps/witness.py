"""A network that writes down which images it is shown."""

from hashlib import sha256

from torch import Tensor

from segsweep.models.unet2 import UNet2


class Witness(UNet2):
    """A small U-Net that prints `saw <digest>` for each image of each batch."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        for image in x:
            print("saw", sha256(image.cpu().numpy().tobytes()).hexdigest(), flush=True)
        logits: Tensor = super().forward(x)
        return logits
