"""What /proc/cpuinfo says of the processor."""

import pytest

from segsweep.system import processor


def machine(tmp_path, text):
    """Return the root of a machine whose /proc/cpuinfo holds *text*."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512f", False),
        ("fpu avx512f avx512_bf16", True),
        ("fpu amx_tile amx_bf16 amx_int8", True),
        ("", False),
    ],
)
def test_bfloat16_is_a_flag_of_the_processor(tmp_path, flags, expected):
    """AVX512 and AMX both have it; AVX512 alone does not."""
    root = machine(tmp_path, f"processor\t: 0\nmodel name\t: A: B\nflags\t\t: {flags}\n\n")

    assert processor.has_bfloat16(root) == expected
    assert processor.flags(root) == set(flags.split())
    assert processor.name(root) == "A: B"


def test_a_machine_without_the_file_has_no_flags(tmp_path):
    """MacOS and Windows: no flags, and a name from Python."""
    assert processor.flags(tmp_path) == set()
    assert not processor.has_bfloat16(tmp_path)
    assert processor.name(tmp_path)
