"""Checks of option nodes that an earlier command made."""

from copy import deepcopy

import pytest

from base_config import BASE, CHOICES
from conftest import put
from segsweep.config import check, kept_checks, targets
from segsweep.config.check import check_config
from segsweep.config.identity import run_id
from segsweep.config.kept_checks import FILE
from segsweep.config.kept_checks import kept_checks as keeping
from segsweep.errors import ConfigError


@pytest.fixture(autouse=True)
def new_command(monkeypatch):
    """Return a function that forgets what this process knows, as a new command would."""

    def forget():
        monkeypatch.setattr(check, "_checked_node", check.once(check._checked_node.__wrapped__))
        targets._path_arguments.cache_clear()
        targets._arguments_of.cache_clear()

    forget()
    yield forget
    monkeypatch.undo()
    forget()


@pytest.fixture
def no_import(monkeypatch):
    """Return a function after which no class can be looked up."""

    def forbid():
        def fail(target, allow=()):
            raise AssertionError(f"{target} was imported")

        monkeypatch.setattr(targets, "locate", fail)

    return forbid


def with_rate(value):
    """Return the config with a learning rate."""
    config = deepcopy(BASE)
    put(config, "optimizer.lr", value)
    return config


def checked(config, folder):
    """Return the checked config and its id, planned with the checks kept in *folder*."""
    with keeping(folder):
        found = check_config(config, CHOICES)
        return repr(found), run_id(found, "data")


def test_known_nodes_need_no_import(tmp_path, new_command, no_import):
    """The second command has the same config and id, and imports no class."""
    first = checked(BASE, tmp_path)
    new_command()
    no_import()

    assert checked(BASE, tmp_path) == first


@pytest.mark.parametrize("damage", ["deleted", "cut", "of another version", "nonsense"])
def test_damaged_file_is_made_again(tmp_path, new_command, no_import, monkeypatch, damage):
    """The result is the same, and the third command finds a whole file."""
    first = checked(BASE, tmp_path)
    file = tmp_path / FILE
    whole = file.read_bytes()
    if damage == "deleted":
        file.unlink()
    elif damage == "of another version":
        file.write_bytes(whole.replace(b'"stamp": "', b'"stamp": "0'))
    else:
        file.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"{}\n{}\n")
    new_command()
    second = checked(BASE, tmp_path)

    assert second == first
    assert file.read_bytes() == whole


def test_other_values_are_checked(tmp_path, new_command):
    """A wrong value is refused also where others of the node are known; errors are not kept."""
    checked(BASE, tmp_path)
    for _ in range(2):
        new_command()
        with pytest.raises(ConfigError, match=r"optimizer\.lr"):
            checked(with_rate("fast"), tmp_path)


def test_type_of_a_value_counts(tmp_path, new_command):
    """1, 1.0, true and "1" are four values."""
    found = []
    for value in (1, 1.0, True, "1"):
        new_command()
        try:
            found.append(checked(with_rate(value), tmp_path)[0])
        except ConfigError as error:
            found.append(str(error))
    new_command()
    alone = []
    for value in (1, 1.0, True, "1"):
        try:
            alone.append(repr(check_config(with_rate(value), CHOICES)))
        except ConfigError as error:
            alone.append(str(error))

    assert found == alone


def test_only_trusted_classes_are_kept(tmp_path):
    """A user's own class is looked at each time, and so is what nobody trusts."""
    with keeping(tmp_path):
        for target, allow in [("mine.Net", ("mine",)), ("os.system", ()), (None, ())]:
            node = {"_target_": target}
            kept_checks.keep_node("model", node, allow, node)
            kept_checks.keep_paths(str(target), allow, frozenset())

            assert kept_checks.known_node("model", node, allow) is None
            assert kept_checks.known_paths(str(target), allow) is None


def test_outside_a_plan_nothing_is_used(tmp_path, new_command, no_import):
    """What executes a run checks its config itself."""
    checked(BASE, tmp_path)
    new_command()
    no_import()

    with pytest.raises(AssertionError, match="was imported"):
        check_config(BASE, CHOICES)
