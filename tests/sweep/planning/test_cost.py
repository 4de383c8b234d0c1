"""What a run costs: kinds of runs, the cache, the sums."""

import pytest

from conftest import typed
from segsweep.sweep.planning import cost as probe
from segsweep.sweep.planning.cost import Measured, load, probe_key, seconds_of, store

BY_HAND = Measured(
    start=2.0,
    warm_up=1.0,
    step=0.5,
    val_image=0.04,
    score_image=0.1,
    save_last=0.2,
    save_best=0.1,
    preview=0.3,
    shared_mb=400.0,
    peak_mb=900.0,
    gpu_mb=0.0,
    last_bytes=3000,
    best_bytes=1000,
    train=105,
    val=50,
    test=40,
)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 3),
        ("sweep", "other"),
        ("threshold", 0.4),
        ("optimizer.lr", 0.5),
        ("trainer.epochs", 99),
        ("trainer.early_stop", 5),
        ("trainer.averaging", 0.5),
        ("data.split.seed", 7),
        ("scheduler.pct_start", 0.4),
        ("evaluate.select", "val_dice"),
        ("run_id", "ffffffffffff"),
    ],
)
def test_what_does_not_change_the_cost_of_a_step(key, value, frozen):
    """Runs that differ only in these keys are measured once."""
    base = {"trainer.averaging": 0.9}

    assert probe_key(typed(frozen(**base))) == probe_key(typed(frozen(**base | {key: value})))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.channels", [8, 16]),
        ("loss._target_", "segsweep.losses.DiceLoss"),
        ("optimizer._target_", "torch.optim.SGD"),
        ("augment.probability", 0.1),
        ("data.size", 64),
        ("data.size", [32, 64]),
        ("data.channels", 1),
        ("trainer.batch", 5),
        ("trainer.precision", "bfloat16"),
        ("trainer.memory_format", "contiguous"),
        ("trainer.compile", True),
        ("trainer.averaging", 0.0),
        ("trainer.clip_norm", 1.0),
        ("device", "cpu"),
        ("threads", 3),
        ("evaluate.at", "train"),
        ("data_fingerprint", "fedcba9876543210"),
        ("data.split.train", 0.25),
        ("data.split.fold", 0),
    ],
)
def test_what_changes_the_cost_of_a_step(key, value, frozen):
    """Runs that differ in one of these keys have different probe keys of 16 hex digits."""
    base = {"trainer.averaging": 0.9, "augment.probability": 0.5}
    keys = {probe_key(typed(frozen(**base))), probe_key(typed(frozen(**base | {key: value})))}

    assert len(keys) == 2
    assert all(len(key) == 16 and int(key, 16) for key in keys)


def test_folds_cost_the_same(frozen):
    """Folds change how many images are trained on; which fold it is does not."""
    one, two = (probe_key(typed(frozen(**{"data.split.fold": fold}))) for fold in (1, 2))

    assert one == two


@pytest.mark.parametrize("name", ["fingerprint", "_torch_version", "__version__"])
def test_measurements_from_elsewhere_are_ignored(name, frozen, monkeypatch):
    """On another machine, torch or segsweep, the cost is measured again."""
    before = probe_key(typed(frozen()))
    monkeypatch.setattr(probe, name, "9.9" if name == "__version__" else lambda: "another")

    assert probe_key(typed(frozen())) != before


def test_stored_cost_is_loaded(tmp_path):
    """Only under its own key, from one file."""
    cache = tmp_path / "outputs" / ".cache"
    store(cache, "abc", BY_HAND)

    assert load(cache, "abc") == BY_HAND
    assert load(cache, "abd") is None
    assert [path.name for path in cache.iterdir()] == ["preflight-abc.json"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[1]",
        lambda text: text.replace('"step": 0.5,', ""),
        lambda text: text.replace('"step": 0.5', '"step": "fast"'),
        lambda text: text.replace('"step": 0.5', '"step": null'),
        lambda text: text.replace('"step": 0.5', '"step": -1'),
        lambda text: text.replace('"step": 0.5', '"step": true'),
        lambda text: text.replace('"step": 0.5', '"step": NaN'),
        lambda text: text.replace('"step": 0.5', '"step": Infinity'),
        lambda text: text.replace('"step": 0.5', '"step": 0.5, "more": 1'),
    ],
)
def test_damaged_cache_is_ignored(spoil, tmp_path):
    """After a truncated file, or one of another version, the cost is measured again."""
    store(tmp_path, "abc", BY_HAND)
    file = tmp_path / "preflight-abc.json"
    text = file.read_text()
    file.write_text(spoil(text))

    assert spoil(text) != text
    assert load(tmp_path, "abc") is None


@pytest.mark.parametrize(
    ("changed", "done", "seconds"),
    [
        # 10 steps of .5, 50 images of .04, state .2, .3 * weights .1, a picture each 10 and .3
        ({}, 0, 4 * (5 + 2 + 0.2 + 0.03 + 0.4 * 0.3) + 1 + 90 * 0.1),
        ({}, 3, 1 * (5 + 2 + 0.2 + 0.03 + 0.4 * 0.3) + 1 + 90 * 0.1),
        ({}, 4, 90 * 0.1),
        ({}, 9, 90 * 0.1),
        ({"kind": "trial"}, 4, 50 * 0.1),
        ({"trainer.preview_every": 0}, 3, 5 + 2 + 0.2 + 0.03 + 1 + 9),
        ({"trainer.checkpoint_every_steps": 3}, 3, 5 + 2 + 0.8 + 0.03 + 0.12 + 1 + 9),
        ({"trainer.batch": 50}, 3, 1 + 2 + 0.2 + 0.03 + 0.12 + 1 + 9),
    ],
)
def test_seconds_of_a_run_by_hand(changed, done, seconds, frozen):
    """Start, remaining epochs, scoring at the end, and at most half a second of overhead."""
    base = {"trainer.epochs": 4, "trainer.batch": 10, "trainer.preview_every": 10}
    found = seconds_of(typed(frozen(**base | changed)), BY_HAND, done)

    assert 0 < found - (2 + seconds) < 0.5
