"""docs/keys.md lists every fixed key of the schema, as the schema describes it.

`python tests/test_keys_page.py` writes it again.
"""

import dataclasses
import inspect
import types
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml

from conftest import compose_here
from segsweep.config import schema
from segsweep.config.usage import field_texts

PAGE = Path(__file__).resolve().parents[1] / "docs" / "keys.md"
SECTIONS = (
    ("A run", "", schema.Config),
    ("Data: what every data set has", "data", schema.DataConfig),
    ("Split", "data.split", schema.SplitConfig),
    ("Training", "trainer", schema.TrainerConfig),
    ("Evaluation", "evaluate", schema.EvaluateConfig),
    ("Search", "search", schema.SearchConfig),
    ("Race", "race", schema.RaceConfig),
    ("Report", "report", schema.ReportConfig),
    ("Tracker", "tracker", schema.TrackerConfig),
    ("One command", "", schema.CommandConfig),
)
"""Title, prefix of the keys, class."""
KINDS = {int: "whole number", float: "number", str: "text", bool: "true, false"}
KINDS |= {list[str]: "list of texts", list[int]: "list of whole numbers"}
KINDS |= {dict[str, Any]: "a section of texts"}
INTRODUCTION = """# The keys of a config

Every fixed key, from `segsweep/config/schema.py`. Set a key on the command line:
`trainer.epochs=80`. `segsweep-train --cfg job` prints the whole config of a command. The arguments
of options, such as `loss.gamma` of `loss=focal`, are on [the page of options](options.md).

The default is that of a command without any words; an option or an experiment may set another.
"New run" marks the keys whose value is part of a run's id: with another value, another run is
trained. The other keys cannot change a run's numbers, except by rounding.
"""


def allowed(kind: object, limits: schema.Limits) -> str:
    """Return the values that a key takes, in words."""
    kinds = get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    words = [KINDS[one] for one in kinds if one is not types.NoneType]
    if limits.allowed:
        words = [", ".join(limits.allowed)]
    elif str(limits):
        words = [f"{' or '.join(words)} {limits}"]
    return " or ".join(words) + (", or null" if types.NoneType in kinds else "")


def in_yaml(value: object) -> str:
    """Return a value as a config file has it."""
    return yaml.safe_dump(value, default_flow_style=True).partition("\n")[0]


def rows(prefix: str, section: type, defaults: dict, choices: dict) -> list[str]:
    """Return the table's row of each key of a section that is no section itself."""
    hints, texts = get_type_hints(section), field_texts(section)
    inherited = {
        name for base in section.__bases__ for name in getattr(base, "__annotations__", ())
    }
    found = []
    for field in dataclasses.fields(section):
        if field.name in inherited or dataclasses.is_dataclass(hints[field.name]):
            continue
        key = f"{prefix}.{field.name}".removeprefix(".")
        if field.name in schema.OPTION_NODES:
            default, values, new = choices[field.name], f"the files of conf/{field.name}/", True
        else:
            default = in_yaml(defaults[field.name])
            values = allowed(hints[field.name], field.metadata["limits"])
            new = field.metadata["identity"]
        text = texts[field.name].replace("|", "or")
        found.append(f"| `{key}` | {default} | {values} | {'yes' if new else ''} | {text} |")
    return found


def page() -> str:
    """Return the whole text of docs/keys.md."""
    values, choices = compose_here()
    parts = [INTRODUCTION]
    for title, prefix, section in SECTIONS:
        defaults = values
        for part in prefix.split(".") if prefix else []:
            defaults = defaults[part]
        note = " ".join(inspect.getdoc(section).split())
        parts += [f"## {title}\n", f"{note}\n", "| key | default | allowed | new run | meaning |"]
        parts += ["|---|---|---|---|---|", *rows(prefix, section, defaults, choices), ""]
    return "\n".join(parts)


def test_every_key_is_on_the_page() -> None:
    """The page is what the schema gives; the command in the message writes it again."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run python tests/test_keys_page.py"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
