"""Option nodes: which classes a config may name, and which arguments fit their signatures."""

import sys
from pathlib import Path

import pytest
import torch

from segsweep.config.targets import arguments_of, build, check_node, locate, path_arguments
from segsweep.errors import ConfigError

SOURCE = '''
from pathlib import Path
from typing import Literal, Optional

class Tiny:
    """Takes one argument of each kind."""

    def __init__(
        self,
        width: int,
        rate: Optional[float] = None,
        mode: Literal["up", "down"] = "up",
        sides: tuple[int, ...] = (1,),
        pair: tuple[float, float] = (0.0, 1.0),
        weights: Path | None = None,
        deep: bool = False,
        name: str = "",
        anything=None,
    ) -> None:
        if width > 100:
            raise ValueError(f"width must be at most 100; got {width}")
        self.given = locals()

def make(width: int, **more):
    """A function is as good as a class."""
    return width

VALUE = 3
'''
made = iter(range(1000))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return the name of an importable package of a user, a new one for each test."""
    name = f"someones_nets_{next(made)}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "nets.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.fixture
def checked(package):
    """Return a function: arguments -> the user's node after the check."""

    def check(**arguments):
        node = {"_target_": f"{package}.nets.Tiny", "width": 1, **arguments}
        return check_node("model", node, [package])

    return check


@pytest.mark.parametrize(
    ("key", "given", "expected"),
    [
        ("width", "3", 3),
        ("width", 3.0, 3),
        ("rate", None, None),
        ("rate", 1, 1.0),
        ("rate", "1e-3", 0.001),
        ("mode", "down", "down"),
        ("sides", [1, "2", 3.0], [1, 2, 3]),
        ("sides", [], []),
        ("pair", [0, 1], [0.0, 1.0]),
        ("weights", "some/where.pt", "some/where.pt"),
        ("weights", None, None),
        ("deep", "true", True),
        ("anything", [1, "a", None], [1, "a", None]),
    ],
)
def test_arguments_are_converted_to_the_types_of_the_signature(checked, key, given, expected):
    """In the form of YAML and JSON: paths as text, tuples as lists."""
    found = checked(**{key: given})[key]

    assert found == expected
    assert type(found) is type(expected)
    if isinstance(expected, list):
        assert [*map(type, found)] == [*map(type, expected)]


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("width", "wide", "whole number"),
        ("width", True, "whole number"),
        ("width", None, "whole number"),
        ("rate", "fast", "number or null"),
        ("rate", False, "number or null"),
        ("mode", "sideways", "one of up, down"),
        ("sides", 3, "list of whole number"),
        ("sides", [1.5], "list of whole number"),
        ("sides", [True], "list of whole number"),
        ("pair", [0.0], "list of number"),
        ("pair", [0.0, 1.0, 2.0], "list of number"),
        ("weights", 3, "path or null"),
        ("deep", "deeply", "true or false"),
        ("name", 3, "text"),
    ],
)
def test_wrong_type_names_the_type_wanted(checked, key, value, wanted):
    """One line with the key, the value and the type."""
    with pytest.raises(ConfigError) as caught:
        checked(**{key: value})

    assert str(caught.value) == f"model.{key}={value!r}: wanted {wanted}"


def test_all_problems_of_a_node_are_listed_at_once(package):
    """One line each for a misspelt, an invalid and a missing argument."""
    node = {"_target_": f"{package}.nets.Tiny", "widht": 3, "mode": "left"}
    with pytest.raises(ConfigError) as caught:
        check_node("model", node, [package])
    lines = str(caught.value).splitlines()

    assert len(lines) == 3
    assert lines[0].startswith("model.widht: no such key; model has anything, deep, mode")
    assert lines[0].endswith("did you mean 'width'?")
    assert lines[1:] == ["model.mode='left': wanted one of up, down", "model.width is not set"]


def test_class_gets_arguments_of_its_types(package):
    """Tuples and paths, where the config has lists and text; functions work too."""
    node = {"_target_": f"{package}.nets.Tiny", "width": 2, "sides": [1, 2], "weights": "a/b"}
    given = build("model", node, [package]).given

    assert given["sides"] == (1, 2)
    assert given["weights"] == Path("a/b")
    assert (given["width"], given["rate"], given["mode"]) == (2, None, "up")
    assert build("model", {"_target_": f"{package}.nets.make", "width": "7"}, [package]) == 7


def test_given_values_are_passed_if_accepted_and_not_in_the_config(package):
    """Lengths and parameters are passed to signatures that have their names."""
    node = {"_target_": f"{package}.nets.Tiny", "width": 2, "rate": 0.5}
    given = build("model", node, [package], {"rate": 9.0, "name": "x", "unheard_of": 1}).given

    assert (given["rate"], given["name"]) == (0.5, "x")


def test_error_of_a_constructor_names_the_node(package):
    """Its ValueError or TypeError becomes one line of a ConfigError."""
    with pytest.raises(ConfigError) as wide:
        build("model", {"_target_": f"{package}.nets.Tiny", "width": 101}, [package])
    with pytest.raises(ConfigError, match=r"^loss: gamma must be >= 0; got -1\.0$"):
        build("loss", {"_target_": "segsweep.losses.FocalLoss", "gamma": -1})
    with pytest.raises(ConfigError, match=r"^optimizer: .*momentum"):
        weights = [torch.nn.Parameter(torch.ones(1))]
        node = {"_target_": "torch.optim.SGD", "nesterov": True}
        build("optimizer", node, (), {"params": weights})

    assert str(wide.value) == "model: width must be at most 100; got 101"


def test_only_path_arguments_count_by_content(package):
    """A path is recognized by its annotation, optional or not."""
    assert path_arguments(f"{package}.nets.Tiny", [package]) == {"weights"}
    assert path_arguments("segsweep.data.folder.Folder") == {"images", "masks", "groups_file"}
    assert path_arguments("torch.optim.AdamW") == set()


def test_annotations_of_torch_classes_are_used():
    """Required arguments that segsweep supplies may be missing in the config."""
    known = arguments_of("torch.optim.AdamW")

    assert known["params"][1] is True
    assert known["eps"] == (float, False)
    assert check_node("optimizer", {"_target_": "torch.optim.AdamW", "lr": 1}) == {
        "_target_": "torch.optim.AdamW",
        "lr": 1.0,
    }


def test_own_package_works_only_when_allowed(package, monkeypatch):
    """Importing a module runs it, so it is not imported before the user allows it."""
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    target = f"{package}.nets.Tiny"
    with pytest.raises(ConfigError) as caught:
        locate(target)
    before = f"{package}.nets" in sys.modules
    found = locate(target, [package])

    assert not before
    assert found.__name__ == "Tiny"
    assert str(caught.value) == (
        f"_target_={target}: package {package!r} is not trusted; "
        f"if it is yours, add allow=[{package}] to the command line, "
        "or to ~/.config/segsweep/trust.yaml"
    )


@pytest.mark.parametrize("target", ["torch.hub.load", "torch.load", "torchvision.io.read_image"])
def test_refusals_in_torch_say_what_may_be_named(target):
    """The package itself is not the reason: `torch.optim.AdamW` is in it."""
    with pytest.raises(ConfigError) as caught:
        locate(target)

    assert str(caught.value) == (
        f"_target_={target}: is not trusted: not a network, loss, optimizer or scheduler of "
        f"{target.split('.')[0]} that a config may name"
    )


def test_part_of_a_name_allows_nothing(package):
    """`allow=[some]` allows the package `some`, not every package whose name starts with it."""
    with pytest.raises(ConfigError, match="is not trusted"):
        locate(f"{package}.nets.Tiny", [package[:-1], "", f"{package}.net"])


@pytest.mark.parametrize(
    "target",
    [
        *("os.system", "subprocess.Popen", "builtins.exec", "posix.system", "shutil.rmtree"),
        *("torch.load", "torch.hub.load", "hydra.utils.instantiate", "pickle.loads"),
        *("segsweepx.files.write_text", "torchvision_evil.Net", "", "system", "."),
    ],
)
def test_untrusted_packages_are_refused(target):
    """Python's own modules, most of torch, and names that only start like trusted ones."""
    with pytest.raises(ConfigError, match="is not trusted"):
        locate(target)


@pytest.mark.parametrize(
    "target",
    [
        *("segsweep.system.files.os.system", "segsweep.os.system", "segsweep.train.sys.exit"),
        *(
            "segsweep.system.files.__builtins__.exec",
            "segsweep..os.system",
            "segsweep.system.files",
        ),
        *("torch.nn.functional.torch.load", "torchvision.os.system", "torch.nn.nothing"),
        *("segsweep.", "segsweep.losses.", "segsweep.losses.torch.load", "torch.optim.Adam.step"),
    ],
)
def test_dotted_paths_do_not_lead_through_a_module(target):
    """The path is a module and a name; modules that it has imported are not part of it."""
    with pytest.raises(ConfigError, match=r"cannot be imported|is not a class|is not trusted"):
        locate(target)


@pytest.mark.parametrize(
    "target",
    [
        "torchvision.models._api.load_state_dict_from_url",  # torch.hub's: unpickles a download
        "torchvision.datasets.kinetics.Pool",  # multiprocessing's
        "segsweep.data.cache.version",  # importlib.metadata's
        "segsweep.data.folder.Path",
        "segsweep.data.cache.shutil.rmtree",
    ],
)
def test_what_a_trusted_module_imported_is_not_trusted(target):
    """A config from someone else must not run code through an imported name."""
    with pytest.raises(ConfigError):
        locate(target)


@pytest.mark.parametrize(
    "target",
    [
        "segsweep.system.files.write_text",  # any file, any content, while the config is checked
        "segsweep.data.split.write_split",
        "segsweep.data.contact_sheet.contact_sheet",
        "segsweep.data.cache.prepare",
        "segsweep.data.cache.Prepared",
        "segsweep.data.source.Source",  # the protocol itself
        "segsweep.data.source.Sample",
        "segsweep.data.folder.read_groups",
        "segsweep.data.folder.NamePattern",
        "torchvision.datasets.utils.download_url",
        "torchvision.io.write_file",
    ],
)
def test_functions_that_write_or_download_are_refused(target):
    """In trusted packages, too, a config may only name classes and functions that build objects."""
    with pytest.raises(ConfigError):
        locate(target)


@pytest.mark.parametrize("name", ["folder.Folder", "ph2.PH2", "synthetic.Synthetic"])
def test_data_sources_are_trusted(name):
    """Classes in segsweep/data with signature, find and read, without a list of modules."""
    assert locate(f"segsweep.data.{name}").__name__ == name.partition(".")[2]


def test_other_classes_of_the_data_package_are_refused():
    """The message explains what a data source is."""
    with pytest.raises(ConfigError) as caught:
        locate("segsweep.data.cache.Prepared")

    assert str(caught.value) == (
        "_target_=segsweep.data.cache.Prepared: is not a data source; that is a class with "
        "signature, find and read (segsweep/data/source.py)"
    )


@pytest.mark.parametrize("raised", ["KeyError('x')", "SystemError()", "AssertionError('no')"])
def test_user_module_that_cannot_be_imported(package, tmp_path, raised):
    """Any error of the import becomes one line with the target and the error."""
    (tmp_path / package / "broken.py").write_text(f"raise {raised}")
    with pytest.raises(ConfigError) as caught:
        locate(f"{package}.broken.Net", (package,))

    assert str(caught.value).startswith(f"_target_={package}.broken.Net: cannot be imported (")
    assert raised.split("(")[0] in str(caught.value)


def test_user_constructor_that_fails(package, tmp_path):
    """The line has the type of an error whose text alone is unclear."""
    (tmp_path / package / "broken.py").write_text("def make():\n    return {}['width']\n")
    with pytest.raises(ConfigError, match=r"^model: KeyError: 'width'$"):
        build("model", {"_target_": f"{package}.broken.make"}, (package,))


def test_package_in_the_working_folder(tmp_path, monkeypatch):
    """The console script finds it, as `python -m` does, but only if it is allowed."""
    name = f"someones_nets_{next(made)}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "nets.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])

    assert locate(f"{name}.nets.make", (name,))(width=3) == 3
    with pytest.raises(ConfigError, match="not trusted"):
        locate(f"{name}.nets.make")


def test_home_folder_of_a_path(package, monkeypatch, tmp_path):
    """~ means the same as in a shell."""
    monkeypatch.setenv("HOME", str(tmp_path))
    node = {"_target_": f"{package}.nets.Tiny", "width": 1, "weights": "~/w.pt"}

    assert build("model", node, (package,)).given["weights"] == tmp_path / "w.pt"
