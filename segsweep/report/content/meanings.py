"""What each column of the page's tables means, in a few words."""

from segsweep.metrics import METRICS, Metric, metric_of

INTERVAL = (
    "95 % interval of the mean, for other seeds and other images; with one seed, for these trained "
    "networks on other images"
)
CELLS = {
    "cell": "what is compared: the runs that differ only in seed and fold",
    "seeds": "compared seeds",
    "failed": "failed runs",
    "ci_low": f"lower end of the {INTERVAL}",
    "ci_high": "upper end of that interval",
    "may_be_best": "yes: no other cell is better by more than chance explains (5 % level, Hsu's "
    "comparisons with the best)",
    "p_as_best": "p of the hypothesis that this cell is the best; at most .05: it is ruled out",
    "minus_best_low": "mean less the best mean of the others: the lower end of its interval, which "
    "holds for all cells together with 95 % confidence",
    "minus_best_high": "upper end of that interval; 0: ruled out as the best",
    "p_best": "probability of being the best of the cells, given the data",
    "sd_seeds": "standard deviation of the mean from seed to seed: the luck of one training; 0 "
    "where it cannot be told from that of the images",
    "sd_images": "standard deviation from image to image: how different the images are",
    "lr": "learning rate, the peak where a scheduler changes it",
    "seconds": "training and validation of one run",
    "parameters": "weights of the network",
    "multiply_adds": "multiplications with additions for one image, forward",
    "trials": "trials of the search of this cell that count: all but failed ones, over all folds",
    "trial_epochs": "epochs of all these trials together",
    "trial_seconds": "seconds of all these trials together",
}
PAIRS = {
    "family": "what is compared; intervals and p hold for all rows of one kind together",
    "a": "the side with the better mean",
    "b": "the side with the worse mean",
    "difference": "mean of the cell on the left less mean of that on the right",
    "ci_low": "lower end of the simultaneous 95 % interval of the difference",
    "ci_high": "upper end of that interval",
    "p_adjusted": "how often chance alone gives a difference as clear as this one anywhere in the "
    "kind; empty with one seed per cell",
    "p_equal": "probability that the two differ by less than the margin",
    "verdict": "better: the interval is on one side of 0; equal: it is within the margin; "
    "undecided: neither",
    "seeds_needed": "seeds per cell that would settle it with a power of 80 %; empty where no "
    "number would, or where it was not computed",
}
IMAGES = {
    "image": "test image, the hardest first",
    "mean": "mean over all cells",
    "sd": "standard deviation between the cells",
    "range": "best cell less worst cell, without sign",
    "best_cell": "the cell with the best value on this image; empty where all are equal",
    "best": "the value of that cell",
    "worst_cell": "the cell with the worst value on this image",
    "worst": "the value of that cell",
}
RUNS = {
    "folder": "folder below runs/",
    "cell": "the cell that it belongs to",
    "seed": "seed of weights, order of images and augmentation",
    "fold": "the part of the data that is the test set",
    "status": "planned, running, interrupted, failed or finished; superseded: at values that a "
    "search no longer chooses, and in no mean",
    "last_val_iou": "validation IoU of the last epoch",
    "collapsed": "the last validation IoU is below half of the best epoch's",
    "best_epoch": "the epoch whose weights were selected on validation images",
    "epochs": "trained epochs",
    "lr": CELLS["lr"],
    "seconds": "training and validation, all epochs",
    "peak_memory_mb": "most memory of the process, or of the GPU",
    "device": "where it was computed",
    "precision": "number format of the computation",
    "threads": "CPU threads",
    "finished": "when it ended",
}
TRIALS = {
    **RUNS,
    "status": f"{RUNS['status']}; pruned: ended early, because others of the cell did better",
    "cell": "the cell for which values were searched",
    "trial": "its number in the search of its cell",
    "state": "complete, pruned (ended early because it fell behind), diverged (the loss became NaN "
    "or infinite), failed or running",
    "chosen": "whether the cell is trained at these values",
}
SEARCHES = {
    "cell": "the cell whose values were searched",
    "fold": RUNS["fold"],
    "found": "validation IoU of the best trial, at its best epoch",
    "own": "validation IoU of the trial at the config's own values",
    "gain": "difference of the two, in standard deviations of the final runs over seeds",
    "complete": "trials that ran all their epochs",
    "pruned": "trials that were ended early because they fell behind",
    "diverged": "trials whose loss became NaN or infinite",
    "failed": "trials that ended with an error: they are missing from the budget",
    "trial_epochs": "epochs of all trials together, those that ended early included",
    "trial_seconds": "seconds of all trials together",
    "source": "the sweep whose search chose the values",
}
READS = {
    "time": "when the test set was scored",
    "run": "folder below runs/",
    "reason": "why: once per run, unless a crash or rerun= made it necessary again; looks of a "
    "race read the stored counts",
    "images": "scored test images",
}
ELSEWHERE = {
    "data": "the other data set",
    "cell": "its networks are those of this sweep",
    "images": "images that were scored; those that a network was trained or chosen on are left out",
    "seeds": "runs that are compared there",
    "here": "mean test IoU on the sweep's own data",
    "there": "mean IoU on the other data",
    "low": "lower end of the 95 % interval of the mean there",
    "high": "its upper end",
    "may": "not ruled out as the best on the other data, with 95 % confidence",
}
ENSEMBLES = {
    "ensemble": "all runs of these cells, chosen by validation; probabilities are averaged",
    "networks": "how many",
    "flips": "whether each image was seen in four flips",
    "val_iou": "mean IoU on the validation images",
    "test_iou": "the same on the test images: a second reading, after results were known",
    "alone": "mean test IoU of the same networks, one by one",
    "time": "when; the sweep's test_reads.csv has the readings",
}
TABLES = {
    "cells": CELLS,
    "pairs": PAIRS,
    "images": IMAGES,
    "runs": RUNS,
    "trials": TRIALS,
    "searches": SEARCHES,
    "reads": READS,
    "elsewhere": ELSEWHERE,
    "ensembles": ENSEMBLES,
}
VALUE = "value "
"""Starts the columns of searched values; the key follows."""
VALUES = {"searches": "the chosen value", "trials": "the value that was tried"}
PARTS = {"test": "on the test images, selected weights", "val": "on the validation images"}


def meaning_of(table: str, column: str) -> str:
    """Return what a *column* of a *table* of the page means."""
    if column.startswith(VALUE):
        return VALUES[table]
    known = TABLES[table].get(column)
    if known is not None:
        return known
    metric = metric_of(column)
    if metric is None:
        raise KeyError(f"{table}: {column} has no meaning; add it to TABLES")
    part, _, _ = column.partition("_")
    own = ", at the images' own size" if metric.at == "native" else ""
    unit = f", in {metric.unit}" if metric.unit else ""
    return f"mean {metric_words(metric)}, {PARTS[part]}{own}{unit}"


def metric_words(metric: Metric) -> str:
    """Return the label of a metric and what it is: `IoU (tp / (tp + fp + fn), ...)`."""
    return f"{metric.label} ({metric.description})"


def score_words() -> str:
    """Return what the score is."""
    return metric_words(METRICS["score"])
