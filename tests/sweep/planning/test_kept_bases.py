"""What an earlier command composed equals what Hydra composes now, or is not used."""

import itertools
import json

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from segsweep.config.schema import OPTION_NODES
from segsweep.plugins.register import register_schema
from segsweep.sweep.planning import compose as module
from segsweep.sweep.planning.compose import Composer, compose, resolve
from segsweep.sweep.planning.kept_bases import FILE, KeptBases, digest_of
from segsweep.system.installation import conf_folder

GROUPS = sorted(
    group.name
    for group in conf_folder().iterdir()
    if group.name in (*OPTION_NODES, "trainer", "experiment")
)
OPTIONS = {
    group: sorted(path.stem for path in (conf_folder() / group).glob("*.yaml")) for group in GROUPS
}
WORDS = [f"{group}={option}" for group in GROUPS for option in OPTIONS[group]]
MORE = ("seed=3", "optimizer.lr=0.5", "data.channels=1", "trainer.epochs=${seed}")


@pytest.fixture(autouse=True)
def in_hydra():
    """Initialize Hydra, as inside its sweeper."""
    register_schema()
    with initialize_config_dir(str(conf_folder()), job_name="test"):
        yield


def sources_of(*words):
    """Return where Hydra reads configs from."""
    return compose(words).hydra.runtime.config_sources


def first_command(folder, *command_lines, words=()):
    """Compose and keep command lines, as a first command does."""
    composer = Composer(KeptBases(folder, sources_of(*words)))
    for line in command_lines:
        composer.composed([*words, *line])
    composer.save()


@pytest.fixture
def composed_anew(monkeypatch):
    """Return the command lines that Hydra itself composes, and what it makes of them."""
    asked = {}

    def spy(overrides):
        asked[tuple(overrides)] = cfg = compose(overrides)
        return cfg

    monkeypatch.setattr(module, "compose", spy)
    return asked


def assert_equal_to_hydra(folder, lines, composed_anew):
    """The next command has Hydra's own result for each line, and Hydra composes none."""
    first_command(folder, *lines)
    by_hydra = dict(composed_anew)
    composed_anew.clear()
    composer = Composer(KeptBases(folder, sources_of()))
    for line in lines:
        cfg = by_hydra[tuple(line)]

        assert repr(composer.composed(line)) == repr(
            (resolve(cfg), dict(cfg.hydra.runtime.choices))
        )
    assert composed_anew == {}


@pytest.mark.slow
def test_every_option_of_every_group(tmp_path, composed_anew):
    """Each option alone, also each experiment."""
    assert len(WORDS) >= 35
    assert_equal_to_hydra(tmp_path, [[], *([word] for word in WORDS)], composed_anew)


@pytest.mark.parametrize("words", [[], ["model=unet", "loss=focal"], ["experiment=notebook"]])
def test_values_are_set_as_on_hydras_config(tmp_path, composed_anew, words):
    """Plain values and interpolations, on a config that an earlier command composed."""
    first_command(tmp_path, words)
    composed_anew.clear()
    found = Composer(KeptBases(tmp_path, sources_of())).composed([*words, *MORE])

    assert repr(found[0]) == repr(resolve(compose([*words, *MORE])))
    assert composed_anew == {}


def all_pairs():
    """Return command lines that together hold every pair of options of two groups.

    Each line takes from every group the option that is in most pairs not held yet.
    """
    missing = {
        frozenset(pair)
        for one, two in itertools.combinations(GROUPS, 2)
        for pair in itertools.product(*([f"{g}={name}" for name in OPTIONS[g]] for g in (one, two)))
    }
    lines = []
    while missing:
        line = sorted(min(missing, key=sorted))
        for group in GROUPS:
            words = [f"{group}={name}" for name in OPTIONS[group]]
            if not {*words} & {*line}:
                new = [sum(frozenset((word, other)) in missing for other in line) for word in words]
                line.append(words[new.index(max(new))])
        missing -= {frozenset(pair) for pair in itertools.combinations(line, 2)}
        lines.append(line)
    return lines


@pytest.mark.slow
def test_every_pair_of_options(tmp_path, composed_anew):
    """Options of several groups: an experiment overrides options of other groups."""
    lines = all_pairs()

    most = sorted(map(len, OPTIONS.values()))[-2:]
    assert most[0] * most[1] <= len(lines) < 2 * most[0] * most[1]
    assert_equal_to_hydra(tmp_path, lines, composed_anew)


@pytest.mark.slow
def test_wrong_values_are_still_hydras_errors(tmp_path, composed_anew):
    """A kept config has the types of the schema: Hydra is asked, and refuses."""
    first_command(tmp_path, ["model=unet"])
    for wrong in ("seed=abc", "trainer.epochs=1.5", "sead=3", "loss.gamma=2", "seed=null"):
        composer = Composer(KeptBases(tmp_path, sources_of()))
        with pytest.raises(Exception) as expected:
            compose(["model=unet", wrong])
        with pytest.raises(type(expected.value)) as found:
            composer.composed(["model=unet", wrong])

        assert str(found.value) == str(expected.value)


@pytest.fixture
def own(tmp_path):
    """Return the user's own config folder, with an option `loss=mine`."""
    file = tmp_path / "mine/loss/mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("_target_: mine.Loss\nalpha: 1\n")
    return file


def test_change_of_a_users_file_is_seen(tmp_path, own, composed_anew):
    """Its text counts, also if size and time stay the same; so does a new file."""
    words = [f"hydra.searchpath=['file://{tmp_path / 'mine'}']"]
    first_command(tmp_path, ["loss=mine"], words=words)
    composed_anew.clear()
    again = Composer(KeptBases(tmp_path, sources_of(*words)))
    known = again.composed([*words, "loss=mine"])[0]["loss"]
    unchanged = list(composed_anew)
    own.write_text("_target_: mine.Loss\nalpha: 2\n")
    changed = Composer(KeptBases(tmp_path, sources_of(*words)))

    assert (known["alpha"], unchanged) == (1, [])
    assert changed.composed([*words, "loss=mine"])[0]["loss"]["alpha"] == 2


def test_config_dir_counts(tmp_path, own):
    """A folder added by --config-dir is among the sources, as Hydra reports them."""
    (tmp_path / "mine/loss/bce.yaml").write_text("_target_: mine.Loss\n")
    first_command(tmp_path, ["loss=bce"])
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(tmp_path / "mine"), job_name="test"):
        theirs = [dict(one, path=str(tmp_path / "mine")) for one in _file_sources()]

    assert digest_of(theirs) not in ("", digest_of(_file_sources()))


def _file_sources():
    return [{"schema": "file", "path": str(conf_folder()), "provider": "main"}]


def test_what_depends_on_the_environment_is_not_kept(tmp_path, own, composed_anew):
    """An option chosen by a variable, by a file or on the command line."""
    words = [f"hydra.searchpath=['file://{tmp_path / 'mine'}']"]
    own.write_text("_target_: mine.Loss\nalpha: ${oc.env:ALPHA,3}\n")
    first_command(tmp_path, ["loss=mine"], words=words)

    assert digest_of(sources_of(*words)) == ""
    assert not (tmp_path / FILE).exists()


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 1, 200, -2])
def test_damaged_file_is_made_again(tmp_path, composed_anew, size):
    """Hydra composes as if there were none, and the file is whole again."""
    first_command(tmp_path, ["model=unet"])
    file = tmp_path / FILE
    whole = file.read_bytes()
    file.write_bytes(whole[:size])
    composed_anew.clear()
    first_command(tmp_path, ["model=unet"])

    assert list(composed_anew) == [("model=unet",)]
    assert file.read_bytes() == whole


@pytest.mark.parametrize("wrong", [None, [], {}, {"choices": 1, "params": {}, "parts": {}}])
def test_entry_of_another_type_is_ignored(tmp_path, composed_anew, wrong):
    """A file that is whole but holds something else."""
    kept = KeptBases(tmp_path, sources_of())
    kept._kept[repr(["model=unet"])] = wrong
    kept.save()
    found = Composer(KeptBases(tmp_path, sources_of())).composed(["model=unet"])

    assert found[1]["model"] == "unet"
    assert list(composed_anew) == [("model=unet",)]


def test_changed_files_while_composing_are_not_kept(tmp_path, own):
    """Hydra may have read some files before the change and some after it."""
    words = [f"hydra.searchpath=['file://{tmp_path / 'mine'}']"]
    composer = Composer(KeptBases(tmp_path, sources_of(*words)))
    composer.composed([*words, "loss=mine"])
    own.write_text("_target_: mine.Loss\nalpha: 9\n")
    composer.save()

    assert not (tmp_path / FILE).exists()


def test_file_is_plain_json(tmp_path):
    """Two lines of JSON: nothing in it can run code."""
    first_command(tmp_path, ["model=unet"])
    lines = (tmp_path / FILE).read_text().splitlines()

    assert [type(json.loads(line)) for line in lines] == [dict, dict]
