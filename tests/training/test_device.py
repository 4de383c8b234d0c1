"""What a run computes with: chosen when it first starts, kept when it resumes."""

import pytest

from segsweep.errors import ConfigError
from segsweep.models import kernels
from segsweep.training import device
from segsweep.training.device import choose


def chosen(lean="auto", cpu_precision=None, precision="auto", earlier=None):
    """Return the placement of a run on the CPU."""
    return choose("cpu", 1, precision, "auto", lean, cpu_precision, earlier)


@pytest.mark.parametrize("has", [True, False], ids=["with bfloat16", "without"])
@pytest.mark.parametrize(
    ("precision", "cpu_precision", "expected"),
    [
        ("auto", None, "float32"),  # planned by a version that did not choose
        ("auto", "float32", "float32"),
        ("auto", "bfloat16", "bfloat16 where the CPU has it"),
        ("float32", "bfloat16", "float32"),
        ("bfloat16", None, "bfloat16"),
        ("bfloat16", "float32", "bfloat16"),
    ],
)
def test_precision_on_a_cpu(precision, cpu_precision, expected, has, monkeypatch):
    """A precision that is asked for counts; auto is the sweep's, if this CPU can follow."""
    monkeypatch.setattr(device, "has_bfloat16", lambda: has)
    found = chosen(precision=precision, cpu_precision=cpu_precision).precision

    assert found == (("bfloat16" if has else "float32") if "where" in expected else expected)


def test_a_resumed_run_keeps_its_precision():
    """Whatever the sweep or the command says later."""
    earlier = {"device": "cpu", "precision": "float32"}

    assert chosen(cpu_precision="bfloat16", earlier=earlier).precision == "float32"


@pytest.mark.skipif(not kernels.is_available(), reason="no segsweep/models/lean")
@pytest.mark.parametrize(
    ("earlier", "lean", "expected"),
    [
        (None, "auto", "fast"),
        (None, "on", "memory"),
        (None, "off", "off"),
        ({"device": "cpu"}, "off", "fast"),  # of a version that always had the kernels
        ({"device": "cpu", "lean": "off"}, "on", "off"),
        ({"device": "cpu", "lean": "fast"}, "off", "fast"),
        ({"device": "cpu", "lean": "fast"}, "on", "memory"),  # the same bits
        ({"device": "cpu", "lean": "memory"}, "auto", "fast"),
        ({"device": "cuda:0", "lean": "off"}, "auto", "fast"),  # moved to another kind of machine
    ],
)
def test_a_resumed_run_keeps_its_kernels(earlier, lean, expected):
    """Plain stays plain and special stays special; how much memory they save may change."""
    assert chosen(lean, earlier=earlier).lean == expected


@pytest.mark.parametrize("earlier", [{"device": "cpu", "threads": 99999}, None])
def test_so_many_threads_crash_libraries(earlier):
    """Refused before any is started, also if a damaged file asks for them."""
    with pytest.raises(ConfigError, match="threads=99999: allowed are 0 to 1024; 0: all cores"):
        device.choose("cpu", 0 if earlier else 99999, "auto", "auto", earlier=earlier)


@pytest.mark.parametrize("name", ["foo", "cuda:77", "cpu:0", "xla", "meta"])
def test_a_device_that_is_not_there(name):
    """One line, the same in a check before training and where it is used; none of torch's own."""
    said = rf"^device={name}: this machine has \d+ CUDA GPUs; allowed are auto, cpu"
    with pytest.raises(ConfigError, match=said) as used:
        device.choose(name, 1, "auto", "auto")
    with pytest.raises(ConfigError) as checked:
        device.check_device(name, "auto")

    assert str(used.value) == str(checked.value)
    assert "\n" not in str(used.value)
