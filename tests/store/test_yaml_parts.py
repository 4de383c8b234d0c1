"""Configs are parsed key by key, with the result and the errors of parsing them as a whole."""

import random
from pathlib import Path

import pytest
import yaml

from segsweep.store.yaml_parts import load_yaml

RUN = next(Path(__file__).parents[1].glob("compatibility/sweep_0_1_0/runs/*/config.yaml"))


@pytest.fixture
def config_text():
    """Return the config of a run of an earlier version."""
    return RUN.read_text(encoding="utf-8")


def by_yaml(text):
    """Return what YAML itself makes of a text, or the kind of its error."""
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError) as error:
        return type(error)


def by_parts(text):
    """Return the same by parts."""
    try:
        return load_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        return type(error)


TEXTS = {
    "empty": "",
    "only a comment": "# nothing\n",
    "comment first": "# config\na: 1\nb: 2\n",
    "twice the same key": "a: 1\na: 2\n",
    "section": "a:\n  b: 1\n  c: [1, 2]\nd: null\n",
    "list at the margin": "a:\n- 1\n- 2\nb: 3\n",
    "no value": "a:\nb: 2\n",
    "quoted over lines": "a: 'x\nb: y'\nc: 3\n",
    "list over lines": "a: [1,\nb: 2]\n",
    "braces over lines": "a: {x: 1,\nb: 2}\nc: 3\n",
    "anchor": "a: &x [1]\nb: *x\n",
    "merged": "a: &x {k: 1}\nb:\n  <<: *x\n",
    "merged at the top": "a: 1\n<<: {b: 2}\n",
    "block of text": "a: |\n  x\n  b: 2\n\nc: 3\n",
    "block with a number": "a: |1\n b: 2\nc: 3\n",
    "text over lines": "a: x\n  y\nb: 2\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "document ends": "a: 1\n...\nb: 2\n",
    "document begins": "---\na: 1\nb: 2\n",
    "directive": "%YAML 1.1\n---\na: 1\n",
    "line of its own": "a: 1\nhello\nb: 2\n",
    "item below a value": "a: 1\n- 2\n",
    "complex key": "? a\n: 1\nb: 2\n",
    "tag": "a: !!python/object/apply:os.getcwd []\nb: 1\n",
    "tag at the top": "!!map\na: 1\nb: 2\n",
    "numbers and booleans": "a: 1e-3\nb: 1.0e-3\nyes: on\nno: .nan\n1: 2\n",
    "indented": "  a: 1\n  b: 2\n",
    "carriage returns": "a: 1\r\nb: 2\rc: 3\n",
    "other line breaks": "a: 1\u2028b: 2\n\x85c: 3\n",
    "tab": "a:\t1\nb: 2\n",
    "no end of line": "a: 1\nb: 2",
    "control character": "a: 1\nb: \x00\n",
    "byte order mark": "\ufeffa: 1\nb: 2\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_equal_to_yaml(name):
    """Every kind of text that might be cut in the wrong place."""
    assert repr(by_parts(TEXTS[name])) == repr(by_yaml(TEXTS[name]))


def test_damaged_configs_are_read_as_by_yaml(config_text):
    """Characters of a real config are replaced, deleted and doubled at random."""
    draw = random.Random(1)
    signs = "\n:-[]{}'\"&*#|>!%@ ,?a1\t"
    for _ in range(400):
        place, sign = draw.randrange(len(config_text)), draw.choice(signs)
        end = place + draw.choice((0, 1, 1, 30))
        text = config_text[:place] + draw.choice(("", sign, sign * 3)) + config_text[end:]

        assert repr(by_parts(text)) == repr(by_yaml(text)), text


def test_runs_share_the_work_but_no_values(config_text, monkeypatch):
    """A second config costs its own keys only; changing its lists changes no other."""
    first = load_yaml(config_text)
    parsed = []
    load = yaml.load

    def spy(text, **named):
        parsed.append(text)
        return load(text, **named)

    monkeypatch.setattr(yaml, "load", spy)
    second = load_yaml(config_text.replace("\nseed: ", "\nseed: 98765"))
    second["model"]["channels"].append(7)

    assert len(parsed) == 1
    assert second["seed"] > 98764
    assert parsed[0].startswith("seed: 98765")
    assert first == load_yaml(config_text)
