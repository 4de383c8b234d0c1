"""Networks: (B, in_channels, H, W) float32 to logits (B, 1, H, W); one file each."""
