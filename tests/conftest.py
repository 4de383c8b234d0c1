"""Shared fixtures: composed configs, run folders written by hand, a small disk."""

import csv
import json
import os
import subprocess
import sys
import warnings
from copy import deepcopy
from functools import cache

import pytest
import yaml

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tests are slower with more threads

FACTS = {"identity_version": 1, "segsweep_version": "0.1.0", "data_fingerprint": "0123456789abcdef"}
HISTORY = ("epoch", "train_loss", "val_loss", "val_iou", "val_dice", "val_score", "lr", "seconds")


LONGEST = ("end_to_end/test_sweep.py", "end_to_end/test_launchers.py")


def pytest_collection_modifyitems(items):
    """Start the files that take longest first: at the end no worker waits for one of them."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONGEST))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Reset torch to one thread for each file: an earlier test may have set more."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def compose_here(*overrides):
    """Return (resolved values, choices) of a command line."""
    from hydra import compose, initialize_config_dir

    from segsweep.plugins.register import register_schema
    from segsweep.sweep.planning.compose import resolve
    from segsweep.system.installation import conf_folder

    register_schema()
    with initialize_config_dir(str(conf_folder())):
        cfg = compose("config", list(overrides), return_hydra_config=True)
        return resolve(cfg), dict(cfg.hydra.runtime.choices)


@cache
def _composed_once(*overrides):
    return compose_here(*overrides)


@cache
def _frozen_once(*overrides):
    from segsweep.config.check import check_config

    return check_config(*deepcopy(_composed_once(*overrides)))


def put(config, key, value):
    """Set *value* at the dotted *key*, whose sections exist."""
    *above, name = key.split(".")
    for part in above:
        config = config[part]
    config[name] = value


@pytest.fixture
def composed():
    """Return a function: overrides -> (resolved values, choices), cached."""
    return lambda *overrides: deepcopy(_composed_once(*overrides))


@pytest.fixture
def frozen():
    """Return a function: overrides and {dotted key: value} -> a config as in `config.yaml`.

    Ids are 1, 2, 3, ..., not hashes: tables only need different ones.
    """
    made = []

    def make(*overrides, **changed):
        config = deepcopy(_frozen_once(*overrides))
        for key, value in changed.items():
            put(config, key.replace("__", "."), value)
        made.append(config)
        return {"run_id": f"{len(made):012x}", **FACTS, **config}

    return make


def typed(config):
    """Return the values of a `config.yaml` as the frozen config that reading it gives."""
    from segsweep.config.run_config import FrozenConfig

    return FrozenConfig.of(config)


@pytest.fixture
def segsweep(tmp_path, monkeypatch, capsys):
    """Return a function that runs `segsweep WORDS` in tmp_path: (exit code, stdout, stderr)."""
    from segsweep.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115, PTH123  no user at the keyboard

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["segsweep", *words])
        with pytest.raises(SystemExit) as left:
            main()
        out, error = capsys.readouterr()
        return left.value.code or 0, out, error

    return call


@pytest.fixture
def write_run():
    """Return a function that writes a run folder as docs/tables.md describes, without segsweep."""

    def write(sweep, config, *, result=None, failure=None, epochs=0, counts=()):
        choices = config["choices"]
        name = f"{choices['model']}-{choices['loss']}-s{config['seed']}-{config['run_id']}"
        folder = sweep / "runs" / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        if epochs:
            rows = [[i, 1 / i, 0.9 / i, 0.5, 0.6, 0.1, 0.002, 1.5] for i in range(1, epochs + 1)]
            _write_csv(folder / "history.csv", HISTORY, rows)
        if counts:
            header = ("run_id", "split", "at", "image", "tp", "fp", "fn", "tn")
            rows = [[config["run_id"], *row] for row in counts]
            _write_csv(folder / "per_image.csv", header, rows)
        if result is not None and "run_id" in result:
            result = {**result, "run_id": config["run_id"]}
        for file, values in (("result.json", result), ("failure.json", failure)):
            if values is not None:
                (folder / file).write_text(json.dumps(values))
        return folder

    return write


def _write_csv(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


@pytest.fixture
def small_disk(tmp_path, request):
    """Return a folder on a separate file system of 2 MB.

    `@pytest.mark.parametrize("small_disk", [8], indirect=True)` makes it 8 MB.
    """
    folder = tmp_path / "small disk ü"
    folder.mkdir()
    room = f"size={getattr(request, 'param', 2)}m"
    command = ["mount", "-t", "tmpfs", "-o", room, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
