"""A pattern where a folder belongs: folder and pattern apart, one id for one layout."""

import pytest

from segsweep.config.check import check_config
from segsweep.config.identity import run_id
from segsweep.config.patterns import folder_and_name
from segsweep.errors import ConfigError

SHORT = ('data.images="cases/{id}/photo.jpg"', 'data.masks="cases/{id}/mask.png"')
LONG = (
    *("data.images=cases", 'data.image_name="{id}/photo.jpg"', 'data.mask_name="{id}/mask.png"'),
)


@pytest.mark.parametrize(
    ("place", "name", "found"),
    [
        ("photos", "{id}_x.png", ("photos", "{id}_x.png")),
        ("{id}/photo.jpg", "{id}.*", (".", "{id}/photo.jpg")),
        ("/data/{id}.png", "{id}.*", ("/data", "{id}.png")),
        ("/{split}/i", "{id}.*", ("/", "{split}/i/{id}.*")),
        ("~/a/b/**", "{id}_x.png", ("~/a/b", "**/{id}_x.png")),
        ("a/*/b/", "{id}.*", ("a", "*/b/{id}.*")),
        ("v1.0/{id}", "scan.dcm", ("v1.0", "{id}/scan.dcm")),
    ],
)
def test_folder_and_pattern_come_apart(place, name, found):
    """At the first part that holds a word of patterns."""
    assert folder_and_name("images", place, name) == found


def test_two_patterns_of_files_are_refused():
    """One of them would be lost."""
    with pytest.raises(ConfigError, match=r"data\.images=a/\{id\}\.png: names files, and so does"):
        folder_and_name("data.images", "a/{id}.png", "{id}_x.png")


def checked(words):
    """Return the checked config that *words* compose to."""
    from segsweep.cli.main import compose_values

    return check_config(*compose_values(["data=folder", *words], None))


def test_both_spellings_are_one_run(tmp_path, monkeypatch):
    """The config that is stored holds the folder and the pattern."""
    (tmp_path / "cases").mkdir()
    monkeypatch.chdir(tmp_path)
    short, long = checked(SHORT), checked(LONG)

    assert short["data"] == long["data"]
    assert run_id(short, "f") == run_id(long, "f")
    assert checked([f"data.images={tmp_path}/cases", *LONG[1:]])["data"]["masks"] is None


def test_pattern_and_name_of_files_are_one_clear_line(tmp_path, monkeypatch):
    """As a config error that names both."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"data\.images=.* names files"):
        checked([*SHORT, 'data.image_name="{id}_x.png"'])
