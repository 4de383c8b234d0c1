"""An epoch of unet2 written the obvious way, to compare segsweep's loop with."""

import numpy as np

BATCH, SEED = 25, 0
LR = 5e-4


def plain_loop(data, indices, double, gradients):
    """Return a function that trains one epoch and returns its losses, and the model."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    from segsweep.augment import flips
    from segsweep.losses import BceLoss
    from segsweep.models.unet2 import UNet2
    from segsweep.seeding import AUGMENT, derive, drawing_from, epoch_order

    dtype = torch.float64 if double else torch.float32
    train, val = indices

    class Pairs(Dataset):
        """Images and masks, flipped where *epoch* is set."""

        def __init__(self, rows, epoch=None):
            self.rows, self.epoch, self.flip = rows, epoch, flips()

        def __len__(self):
            return len(self.rows)

        def __getitem__(self, position):
            row = self.rows[position]
            image = torch.from_numpy(data.images[row].copy()).to(dtype)
            mask = torch.from_numpy(data.masks[row].copy()).to(dtype)
            if self.epoch is not None:  # the draws that segsweep makes, for the same learning
                with drawing_from(derive(SEED, AUGMENT, self.epoch, position)):
                    image, mask = self.flip(image, mask)
            return image, mask

    torch.manual_seed(SEED)
    model, loss_fn = UNet2().to(dtype), BceLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)

    def score(rows, batch):
        totals = []
        with torch.set_grad_enabled(gradients):
            for images, masks in DataLoader(Pairs(rows), batch_size=batch):
                predicted = model(images).sigmoid() > 0.5
                overlap = (predicted & (masks > 0.5)).sum((1, 2, 3))
                union = (predicted | (masks > 0.5)).sum((1, 2, 3))
                totals.append(overlap / union.clamp(min=1))
        return float(torch.cat(totals).mean())

    def epoch(number):
        losses = []
        model.train()
        order = epoch_order(SEED, number, len(train)).tolist()
        for images, masks in DataLoader(Pairs(train, number), batch_size=BATCH, sampler=order):
            optimizer.zero_grad()
            loss = loss_fn(model(images), masks)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            loader = DataLoader(Pairs(val), batch_size=BATCH)
            float(np.mean([loss_fn(model(images), masks).item() for images, masks in loader]))
        for rows in (train, val):
            score(rows, len(rows))
        return losses

    return epoch, model
