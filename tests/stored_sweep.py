"""A sweep with one run in each state that files alone can show."""

RESULT = {
    **{"run_id": "x", "epochs": 3, "best_epoch": 2, "selected_by": "val_iou", "val_loss": 0.3},
    **{"val_iou": 0.7, "val_dice": 0.8, "val_score": 0.4, "last_val_iou": 0.65},
    **{"test_iou": 0.6, "test_dice": 0.75, "test_score": 0.3, "n_test": 1, "parameters": 10},
    **{"seconds": 4.5, "peak_memory_mb": 100.0, "device": "cpu", "version": "0.1.0"},
    **{"git_commit": "abc", "data_fingerprint": "f", "started": "t0", "finished": "t1"},
}
COUNTS = [("val", "train", "007", 1, 2, 3, 20), ("test", "train", "008", 5, 6, 7, 8)]


def write_states(folder, frozen, write_run):
    """Write the sweep: dice seed 0 finished, bce seed 1 failed, 2 interrupted, 3 planned."""
    write_run(folder, frozen("loss=dice"), result=RESULT, epochs=3, counts=COUNTS)
    failure = {"cause": "raised", "error": "ValueError: no", "attempts": 2}
    write_run(folder, frozen(seed=1), failure=failure, epochs=1)
    write_run(folder, frozen(seed=2), epochs=2)
    write_run(folder, frozen(seed=3))
