"""A sweep with a search, as files: two cells searched, one of them not to its end."""

import csv

from segsweep.store.chosen import Chosen, write_chosen

LR = "optimizer.lr"
RANGE = "tag(log, interval(1e-5, 1e-2))"
RESULT = {"run_id": "", "epochs": 2, "best_epoch": 1, "seconds": 1.5}
BCE, DICE = "unet2/bce 0123456789ab", "unet2/dice 0123456789ab"


def chosen_row(**changed):
    """Return a row of chosen.csv: unet2/bce, 4 trials, at rate 0.003."""
    values = {
        **{"cell": "unet2/bce", "model": "unet2", "loss": "bce", "fold": None, "cell_id": "a"},
        **{"values": {LR: 3e-3}, "params": {LR: RANGE}, "trial": "000000000002"},
        **{"val_iou": 0.8, "own_val_iou": 0.7, "n_trials": 4, "complete": 2, "pruned": 1},
        **{"diverged": 1, "failed": 0, "epochs": 7, "seconds": 4.5, "study": BCE},
    }
    return Chosen(**{**values, **changed})


def write_searched(outputs, frozen, write_run):
    """Write outputs/main: unet2/bce has chosen from 4 trials, unet2/dice has ended one of 2."""
    sweep, rows = outputs / "main", []

    def trial(loss, study, rate, **more):
        section = {"study": study, "filled": [LR], "pruner": "none"}
        config = frozen(f"loss={loss}", kind="trial", search=section, optimizer__lr=rate)
        folder = write_run(sweep, config, **more)
        rows.append({**config, "folder": folder.name, "cell": f"unet2/{loss}", "loss": loss})

    trial("bce", BCE, 2e-3, result={**RESULT, "val_iou": 0.7}, epochs=2)
    trial("bce", BCE, 3e-3, result={**RESULT, "val_iou": 0.8}, epochs=2)
    trial("bce", BCE, 1e-2, failure={"cause": "non-finite", "error": "NaN", "attempts": 1})
    trial("bce", BCE, 1e-5, result={**RESULT, "val_iou": 0.1, "pruned": True}, epochs=1)
    trial("dice", DICE, 2e-3, result={**RESULT, "val_iou": 0.6}, epochs=2)
    trial("dice", DICE, 4e-3)
    names = ("run_id", "kind", "cell", "model", "loss", "seed", "fold", "folder", "requested_at")
    with (sweep / "plan.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*names, "request", "epochs"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**row, "model": "unet2", "fold": "", "epochs": 2} for row in rows)
    write_chosen(sweep / "chosen.csv", [chosen_row()])
    (sweep / "search.db").touch()
    return sweep
