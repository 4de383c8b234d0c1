"""A sweep with a search and realistic numbers, for tests of tables and report."""

from sample_sweeps import write_rows
from segsweep.config.cells import cell_id
from segsweep.store.chosen import Chosen, add_chosen
from segsweep.store.paths import SweepPaths

LR = "optimizer.lr"
RANGE = "tag(log, interval(1e-5, 1e-2))"
RATES = (2e-3, 3e-5, 4e-4, 8e-3)
"""Of the trials, the first is the config's own."""
HEADER = ("epoch", "train_loss", "val_loss", "val_iou", "val_dice", "val_score", "lr", "seconds")


def trial(maker, loss, rate, value=None, study=None, fold=None, **more):
    """Write a trial of unet/*loss*: complete with *value*, pruned, failed, or running without."""
    study = study or f"unet/{loss} 0123456789ab"
    config = maker.frozen("model=unet", f"loss={loss}", seed=99, kind="trial", optimizer__lr=rate)
    config["search"] = {"pruner": "none", "study": study, "filled": [LR]}
    config["data"]["split"]["fold"] = fold
    ended = {"parameters": 10, "seconds": 5.0, "epochs": 4, "best_epoch": 3, "device": "cpu"}
    result = None if value is None else {"run_id": "", "val_iou": value, **ended}
    if result is not None and more.get("pruned"):
        result |= {"pruned": True, "epochs": 2, "best_epoch": 1}
    failure = None
    if cause := more.get("cause"):
        failure = {"cause": cause, "error": "no", "attempts": 1}
    folder = maker.write_run(maker.folder, config, result=result, failure=failure)
    epochs = [[k, 0.5, 0.5, value or 0.1, 0.5, 0.1, rate, 1.25] for k in range(1, 5)]
    write_rows(folder / "history.csv", epochs, HEADER)
    return folder.name[-12:]


def final(maker, loss, seed, rate, filled=True, **more):
    """Write a finished run of unet/*loss* at this rate; *filled*: a search chose it."""
    search = {"pruner": "none", "study": "", "filled": [LR] if filled else []}
    return maker.finished("unet", loss, seed, optimizer__lr=rate, search=search, **more)


def choose(maker, loss, rate, runs, values, own=RATES[0], fold=None, **more):
    """Write the row of unet/*loss* in chosen.csv: these trials led to *rate*."""
    config = maker.frozen("model=unet", f"loss={loss}", seed=0, optimizer__lr=rate)
    config["data"]["split"]["fold"] = fold
    known = [value for value in values if value is not None]
    given = {
        **{"cell": f"unet/{loss}", "model": "unet", "loss": loss, "fold": fold},
        **{"cell_id": cell_id(config, [LR]), "values": {LR: rate}, "params": {LR: RANGE}},
        **{"trial": runs[0] if runs else "", "val_iou": max(known), "own_val_iou": values[0]},
        **{"n_trials": len(runs), "complete": len(known), "pruned": 0, "diverged": 0},
        **{"failed": 0, "epochs": 4 * len(runs), "seconds": 5.0 * len(runs)},
        **{"study": f"unet/{loss} 0123456789ab", "sampler": "tpe", "own": {LR: own}},
    }
    row = Chosen(**{**given, "trials": runs, **more})
    add_chosen(SweepPaths(maker.folder), [row])
    return row


def searched_sweep(maker, seeds=3):
    """Write unet/bce, best at the upper end of its range, and unet/dice, at its own rate."""
    scores = {"bce": (0.70, 0.60, 0.65, 0.80), "dice": (0.75, 0.60, 0.70, 0.74)}
    for loss, values in scores.items():
        runs = [trial(maker, loss, *pair) for pair in zip(RATES, values, strict=True)]
        rate = RATES[values.index(max(values))]
        choose(maker, loss, rate, runs, values, trial=runs[values.index(max(values))])
        for seed in range(seeds):
            final(maker, loss, seed, rate)
    maker.plan("-m model=unet loss=bce,dice search=lr seed=0,1,2")
