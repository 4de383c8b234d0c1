"""A sweep `outputs/main` with two cells and two seeds, for tests of the `segsweep` command."""

RESULT = {"epochs": 3, "best_epoch": 2, "val_iou": 0.7, "test_iou": 0.6, "seconds": 6.0}
FAILURE = {"cause": "raised", "error": "ValueError: no", "attempts": 2, "traceback": "Trace\nend"}


def write_main(outputs, frozen, write_run):
    """Write the sweep and return its runs: finished, failed, interrupted, planned."""
    sweep = outputs / "main"
    made = [
        write_run(sweep, frozen(), result=RESULT, epochs=3),
        write_run(sweep, frozen(seed=1), failure=FAILURE, epochs=1),
        write_run(sweep, frozen("loss=dice"), epochs=2),
        write_run(sweep, frozen("loss=dice", seed=1)),
    ]
    (made[1] / "train.log").write_text("\n".join(f"line {n}" for n in range(30)) + "\n")
    return made
