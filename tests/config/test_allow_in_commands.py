"""A config folder from somebody else cannot allow itself anything, on any way into a command."""

import sys

import pytest

from command import TINY, refusal, train_here

EVIL = "def touch(path):\n    open(path, 'w').close()\n"
WAYS = {
    "experiment": ("experiment/bad", "# @package _global_\nallow: [evil]\n", "experiment=bad"),
    "group": ("loss/bad", "# @package _global_\nallow: [evil]\n", "loss=bad"),
    "words of the command": (
        "experiment/bad",
        "# @package _global_\nallow: [evil]\nhydra: {overrides: {task: ['allow=[evil]']}}\n",
        "experiment=bad",
    ),
    "sweeper": (
        "experiment/bad",
        "# @package _global_\nhydra: {sweeper: {params: {allow: '[evil]'}}}\n",
        "experiment=bad",
    ),
    "no callback": (
        "experiment/bad",
        "# @package _global_\nallow: [evil]\nhydra: {callbacks: {segsweep: null}}\n",
        "experiment=bad",
    ),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with the package `evil`, which a config could import."""
    (tmp_path / "evil.py").write_text(EVIL)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.delitem(sys.modules, "evil", raising=False)
    (tmp_path / "bad" / "loss").mkdir(parents=True)
    (tmp_path / "bad" / "experiment").mkdir()
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("many", [[], ["-m"]], ids=["run", "sweep"])
@pytest.mark.parametrize("way", WAYS)
def test_config_folder_allows_nothing(way, many, folder, monkeypatch, capsys):
    """One line, exit code 2, and the package is not even imported."""
    name, text, word = WAYS[way]
    (folder / "bad" / f"{name}.yaml").write_text(text)
    if way == "sweeper" and not many:
        pytest.skip("a single run has no sweeper")
    words = [*many, *TINY, f"--config-dir={folder / 'bad'}", word]
    code = train_here(words, monkeypatch, folder)
    out, error = capsys.readouterr()
    own = [line for line in error.splitlines() if not line.startswith("warning: Callback NoneType")]
    line = refusal((code, out, "\n".join(own)))  # Hydra's own line on the callback that is missing

    assert line.startswith("allow=[evil]: set by a config file; only you may allow a package")
    assert "evil" not in sys.modules
    assert not (folder / "outputs" / "main" / "runs").exists()


@pytest.mark.parametrize(
    "hydra",
    [
        "callbacks: {bad: {_target_: torch.hub.load, repo_or_dir: a/b, model: c}}",
        "callbacks: {bad: {_target_: segsweep.system.files.write_text, path: x, text: y}}",
        "job_logging: {version: 1, handlers: {bad: {(): os.system}}, root: {handlers: [bad]}}",
    ],
)
def test_hydra_builds_only_its_plugins(hydra, folder, monkeypatch, capsys):
    """Its own section may not name functions of torch, of segsweep or of Python."""
    text = f"# @package _global_\nhydra: {{{hydra}}}\n"
    (folder / "bad" / "experiment" / "bad.yaml").write_text(text)
    code = train_here(
        [*TINY, f"--config-dir={folder / 'bad'}", "experiment=bad"], monkeypatch, folder
    )
    _, error = capsys.readouterr()

    assert code == 2
    assert "whitelist" in error or "cannot be authorized" in error
    assert not list(folder.glob("outputs/main/runs/*/history.csv"))


def test_python_itself_is_refused_on_the_command_line(folder, monkeypatch, capsys):
    """`allow=[os]` has no use that is not harmful."""
    (folder / "bad" / "loss" / "bad.yaml").write_text("_target_: os.system\ncommand: ls\n")
    words = [*TINY, f"--config-dir={folder / 'bad'}", "allow=[os]", "loss=bad"]
    code = train_here(words, monkeypatch, folder)
    line = refusal((code, *capsys.readouterr()))

    assert line == (
        "allow=[os]: part of Python itself, without networks or losses; allow a package of your own"
    )


@pytest.mark.slow
def test_stored_run_needs_the_package_again(folder, monkeypatch, capsys):
    """Its config.yaml allows nothing; trust.yaml does."""
    (folder / "evil.py").write_text(
        "from segsweep.losses import DiceLoss as Base\nclass Mine(Base):\n    pass\n"
    )
    (folder / "bad" / "loss" / "mine.yaml").write_text("_target_: evil.Mine\n")
    words = [*TINY, "trainer.epochs=1", f"--config-dir={folder / 'bad'}", "loss=mine"]
    assert train_here([*words, "allow=[evil]", "-m"], monkeypatch, folder) == 0
    (run,) = (folder / "outputs" / "main" / "runs").iterdir()
    assert "evil" in (run / "config.yaml").read_text()
    (run / "result.json").unlink()
    capsys.readouterr()

    code = train_here(words, monkeypatch, folder)
    line = refusal((code, *capsys.readouterr()))
    assert "add allow=[evil] to the command line, or to " in line
    assert "trust.yaml" in line

    trust = folder / "xdg" / "segsweep"
    trust.mkdir(parents=True)
    (trust / "trust.yaml").write_text("allow: [evil]\n")
    assert train_here(words, monkeypatch, folder) == 0
