"""Nothing that segsweep does needs a network, or tries to reach one."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from command import ROOT, TINY, rows_of
from trained_sweeps import write_photos

WATCH = '''
import os, sys

def watch(event, arguments):
    """Record and refuse every attempt to reach a network; sockets on this machine are allowed."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if isinstance(arguments[-1], (str, bytes)) or arguments[-1] is None:  # a path, a pair
            return
    elif event not in ("socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"):
        return
    said = f"{event} {[one for one in arguments if not hasattr(one, 'fileno')]}"
    descriptor = os.open(os.environ["ATTEMPTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{said}\\n".encode())
    os.close(descriptor)
    raise OSError(f"network refused: {said}")

sys.addaudithook(watch)
'''
EVERY_OPTION = """
import json, sys
from pathlib import Path
from hydra import compose, initialize_config_dir
from segsweep.config.check import check_config
from segsweep.config.run_config import RunConfig
from segsweep.config.schema import OPTION_NODES
from segsweep.plugins.register import register_schema
from segsweep.sweep.planning.compose import resolve
from segsweep.system.installation import conf_folder
from segsweep.training.check_built import check_built

register_schema()
built = []
with initialize_config_dir(str(conf_folder())):
    for node in OPTION_NODES:
        for file in sorted((conf_folder() / node).glob("*.yaml")):
            places = {"folder": ["data.images=.", "data.masks=."], "ph2": ["data.root=."]}
            places["pairs"] = ["data.file=pairs.csv"]
            more = places.get(file.stem, []) if node == "data" else []
            words = [f"{node}={file.stem}", "data.size=64", "device=cpu", *more]
            cfg = compose("config", words, return_hydra_config=True)
            config = RunConfig.of(check_config(resolve(cfg), cfg.hydra.runtime.choices))
            check_built(config)
            built.append(f"{node}={file.stem}")
print(json.dumps(built))
"""


@pytest.fixture
def offline(tmp_path):
    """Return a function that runs Python without a network; it returns the attempts too."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(WATCH)
    attempts = tmp_path / "attempts"
    cut = ["unshare", "-rn"] if shutil.which("unshare") else []
    if cut and subprocess.run([*cut, "true"], capture_output=True, check=False).returncode:
        cut = []  # containers may forbid it; the hook is still there
    path = os.pathsep.join((str(hooks), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": path, "ATTEMPTS": str(attempts)}
    environment["WANDB_MODE"] = "online"

    def run(*words):
        command = [*cut, sys.executable, *words]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return done, attempts.read_text() if attempts.exists() else ""

    return run


def test_the_hook_sees_an_attempt(offline):
    """Otherwise the other tests prove nothing."""
    done, attempts = offline(
        "-c", "import torch; torch.hub.load_state_dict_from_url('http://a.b/c')"
    )

    assert done.returncode == 1
    assert "network refused" in done.stderr
    assert "a.b" in attempts


@pytest.mark.slow
def test_every_option_is_built_offline(offline):
    """All options of all groups; none downloads weights."""
    done, attempts = offline("-c", EVERY_OPTION)

    assert done.returncode == 0, done.stderr
    assert attempts == ""
    assert done.stdout.count("=") >= 32
    assert "model=deeplabv3" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_tracker_writes_offline(name, offline, tmp_path):
    """Also if variables say otherwise; neither its package nor the process beside it asks."""
    pytest.importorskip(name, reason=f"not installed: segsweep[{name}]")
    words = [*TINY, "trainer.epochs=1", "preflight=false", f"tracker={name}"]
    done, attempts = offline("-m", "segsweep.train", *words)
    place = {"tensorboard": "main/tensorboard/*/*", "mlflow": "mlflow.db"}

    assert done.returncode == 0, done.stderr
    assert attempts == ""
    assert "tracker=" not in done.stderr
    assert list((tmp_path / "outputs").glob(place.get(name, "main/wandb/offline-run-*/*.wandb")))


@pytest.mark.slow
def test_sweep_runs_offline(offline, tmp_path):
    """From the plan to the page, in processes of their own."""
    words = [*TINY, "trainer.epochs=1", "loss=bce,dice", "seed=0,1"]
    done, attempts = offline("-m", "segsweep.train", "-m", *words)

    assert done.returncode == 0, done.stderr
    assert attempts == ""
    rows = rows_of(tmp_path / "outputs/main/results.csv")
    assert [row["status"] for row in rows] == ["finished"] * 4


SEARCH = ("search=lr", "search.n_trials=3", "search.pruner=median", "loss=bce,dice", "seed=0,1")
RACE = ("race=best", "race.looks=[2,3]", "sweep=raced", "loss=bce,dice", "seed=range(3)")
OTHER = "data=folder data.images=photos/images data.masks=photos/masks"
COMMANDS = [
    *(["data", "data.count=24"], ["data", "photos/images", "photos/masks"]),
    *(["status", "main"], ["runs", "main"], ["list"], ["search", "main"]),
    *(["report", "main"], ["compare", "unet2/bce", "unet2/dice", "--sweep", "main"]),
    ["predict", "main", "--images", "photos/images", "--out", "masks", "--cell", "unet2/bce"],
    ["evaluate", "main", "--data", OTHER],
    ["evaluate", "main", "--ensemble", "2"],
    *(["export", "main", "--out", end, "--format", end] for end in ("torch", "safetensors")),
    ["export", "main", "--out", "onnx"],
    ["rm", "raced", "--yes"],
]
EACH = """
import json, sys
from segsweep.cli.main import main

codes = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["segsweep", *words]
    try:
        main()
    except SystemExit as ended:
        codes.append(ended.code or 0)
print(json.dumps(codes))
"""


@pytest.mark.slow
def test_every_command_works_offline(offline, tmp_path):
    """A search with a pruner, a race, then what looks at their sweeps or puts them to use."""
    pytest.importorskip("onnxruntime", reason="not installed: segsweep[onnx]")
    write_photos(tmp_path / "photos")
    for words in (SEARCH, RACE):
        short = [*TINY, "trainer.epochs=3", "preflight=false", *words]
        done, _ = offline("-m", "segsweep.train", "-m", *short)
        assert done.returncode == 0, done.stderr
    run = next((tmp_path / "outputs/main/runs").iterdir()).name
    commands = [["show", run], *COMMANDS]
    done, attempts = offline("-c", EACH, json.dumps(commands))
    codes = json.loads(done.stdout.splitlines()[-1])
    failed = [words for words, code in zip(commands, codes, strict=True) if code != 0]

    assert attempts == ""
    assert failed == [], done.stderr
