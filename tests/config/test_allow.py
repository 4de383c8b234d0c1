"""Packages of the user: allowed on the command line or in trust.yaml, never by a config."""

import os

import pytest
import yaml

from segsweep.config.allow import command_line, granted, trust_file
from segsweep.errors import ConfigError


@pytest.fixture
def trust(tmp_path, monkeypatch):
    """Return a function that writes the user's trust.yaml and returns its path."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))

    def write(text):
        file = tmp_path / "xdg" / "segsweep" / "trust.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


@pytest.mark.parametrize(
    "word", ["allow=[mine]", "+allow=[mine]", "++allow=[ 'mine' ]", "allow=[other, mine]"]
)
def test_command_line_allows(word):
    """In every spelling that Hydra takes."""
    with command_line(["-m", word, "seed=1"]):
        assert granted(["mine"]) == ["mine"]


@pytest.mark.parametrize("words", [[], ["seed=1"], ["allow=[mine]"], ["loss.allow=[os]"]])
def test_config_allows_nothing(words, trust):
    """One line says where the package must stand."""
    with command_line(words), pytest.raises(ConfigError) as caught:
        granted(["theirs"])

    assert str(caught.value) == (
        "allow=[theirs]: set by a config file; only you may allow a package: on the command "
        f"line, allow=[theirs], or in {trust_file()}"
    )


def test_trust_file_allows_for_every_command(trust):
    """Its packages are added to those of the command line."""
    trust("allow: [mine, ours.nets]\n")
    with command_line(["allow=[more]"]):
        assert granted(["more"]) == ["more", "mine", "ours.nets"]
    with command_line([]):
        assert granted([]) == ["mine", "ours.nets"]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "allow: []\n"])
def test_empty_trust_file(trust, text):
    """It allows nothing."""
    trust(text)

    assert granted([]) == []


@pytest.mark.parametrize(
    "text",
    [
        *("allow: mine\n", "[mine]\n", "alow: [mine]\n", "allow: [1]\n", "allow: [a\n"),
        *(b"\xff\xfe\x00", pytest.param("allow: " + "[" * 5_000, id="deep")),
    ],
)
def test_bad_trust_file(trust, text):
    """One line with the path and the form."""
    file = trust(text)
    with pytest.raises(ConfigError) as caught:
        granted([])
    (line,) = str(caught.value).splitlines()

    assert line.startswith(f"{file}: ")
    assert "allow: [mypackage]" in line


def test_trust_file_is_a_folder(trust):
    """It exists but cannot be read."""
    file = trust("")
    file.unlink()
    file.mkdir()
    with pytest.raises(ConfigError, match=r"trust\.yaml: cannot be read \(Is a directory\)"):
        granted([])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_home_of_somebody_else(trust):
    """A container's home folder may be out of reach: then there is no trust file."""
    file = trust("allow: [mine]\n")
    file.parent.chmod(0)
    try:
        assert granted([]) == []
    finally:
        file.parent.chmod(0o700)


def test_place_of_the_trust_file(monkeypatch, tmp_path):
    """XDG_CONFIG_HOME if it is an absolute path, else ~/.config; no home is no error."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")

    assert trust_file() == tmp_path / ".config" / "segsweep" / "trust.yaml"
    assert granted([]) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("os", "part of Python itself"),
        ("subprocess", "part of Python itself"),
        ("builtins", "part of Python itself"),
        ("importlib.util", "part of Python itself"),
        ("posix", "part of Python itself"),
        ("torch", "is fixed"),
        ("segsweep.system", "is fixed"),
        ("my-nets", "not the name"),
        ("..", "not the name"),
        ("", "not the name"),
    ],
)
def test_what_nobody_may_allow(name, reason, trust):
    """Neither on the command line nor in the file: these can run anything, and hold no networks."""
    with command_line([f"allow=[{name}]"]), pytest.raises(ConfigError, match=reason):
        granted([name])
    file = trust(yaml.safe_dump({"allow": [name]}))
    with command_line([]), pytest.raises(ConfigError, match=reason) as caught:
        granted([])

    assert str(file) in str(caught.value)
