"""Split and group files by id: what is read, what is matched, and what is said about the rest."""

import pytest

from segsweep.config.schema import SplitConfig
from segsweep.data.groups import groups_from, read_groups
from segsweep.data.source import Sample
from segsweep.data.split import divide, split_samples
from segsweep.errors import DataError

ACCENT, TWO_SIGNS = "caf\u00e9", "cafe\u0301"
"""The same name: its accent as one character, and as a sign of its own."""


def lines(folder, content, ids, **options):
    """Return the parts that a split file with this content gives, and what is said about it."""
    path = folder / "split.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    samples = [Sample(name, name) for name in ids]
    parts, problems = divide(samples, SplitConfig(file=str(path), **options))
    return dict(zip(ids, parts, strict=True)), [problem.what for problem in problems]


IDS = ("a", "b", "c")
PARTS = {"a": "train", "b": "val", "c": "test"}


@pytest.mark.parametrize(
    "content",
    {
        "plain": "id,split\na,train\nb,val\nc,test\n",
        "semicolons": "id;split\na;train\nb;val\nc;test\n",
        "tabs": "id\tsplit\na\ttrain\nb\tval\nc\ttest\n",
        "byte order mark": "\ufeffid,split\na,train\nb,val\nc,test\n",
        "UTF-16": "id,split\na,train\nb,val\nc,test\n".encode("utf-16"),
        "header in other case, with spaces": " ID , Split\na,train\nb,val\nc,test\n",
        "quoted header": '"id";"split"\na;train\nb;val\nc;test\n',
        "sep=": "sep=;\nid;split\na;train\nb;val\nc;test\n",
        "empty lines": "\n\nid,split\na,train\n,\n\nb,val\nc,test\n\n",
        "line ends of Windows": "id,split\r\na,train\r\nb,val\r\nc,test\r\n",
        "parts in other words": "id,split\na,Training\nb,VALID\nc, Test \n",
        "spaces around ids": "id,split\n a ,train\nb  ,val\n\tc,test\n",
        "endings": "id,split\na.png,train\nb.JPG,val\nc.tiff,test\n",
        "folders": "id,split\nphotos/a.png,train\nphotos\\b.png,val\n/data/photos/c,test\n",
        "other case": "id,split\nA,train\nB,val\nC,test\n",
        "twice the same": "id,split\na,train\nA.png,train\nb,val\nc,test\n",
        "further columns": "age,split,id,note\n7,train,a,\n,val,b,x\n,test,c,\n",
        "cells that are empty": "id,split,,\na,train,,\nb,val,,\nc,test,,\n",
    }.values(),
)
def test_files_that_are_read(tmp_path, content):
    """However a spreadsheet or a person writes the same three rows."""
    assert lines(tmp_path, content, IDS) == (PARTS, [])


@pytest.mark.parametrize(
    ("ids", "cell"),
    [
        ([ACCENT], TWO_SIGNS),
        ([TWO_SIGNS], ACCENT.upper()),
        (["=sum"], "'=sum"),
        (["'=sum"], "'=sum"),
        (["-1"], "'-1"),
        (["north-1", "south-1"], "north/1.png"),
        (["north-1", "south-1"], "data/north/images/1.png"),
        (["a.b"], "a.b.png"),
        (["A", "a"], "A"),
        (["007", "17"], "007"),
    ],
)
def test_ids_that_are_found(tmp_path, ids, cell):
    """Accents in one sign or two, marks against formulas, folders that are part of ids."""
    parts, said = lines(tmp_path, f"id,split\n{cell},train\n", ids)

    assert [what for what in said if "id" in what.split(":")[0].split()] == []
    assert [parts[name] for name in ids[:1]] == ["train"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "needs a header with the columns id and split; it is empty"),
        ("id,split\n", "has a header and no rows"),
        ("a,train\nb,val\n", "needs a header with the columns id and split; .*'a,train'"),
        ("image,split\na,train\n", "needs a header with the columns id and split; .*'image,split'"),
        ("id,id,split\na,b,train\n", "has 2 columns called id; keep one"),
        ("ID,Id,split\na,b,train\n", "has 2 columns called id; keep one"),
        (b"PK\x03\x04rest", "cannot be read: it is a spreadsheet; save it as CSV"),
        (b"id,split\na,\xe9\n", "line 2 is not UTF-8 text; save it as CSV with the encoding UTF-8"),
        (b"id,split\na\0,train\n", "it is not a text file"),
        ("id,split\nd,train\ne,val\n", "ids not in the data: all, such as 'd'; ids look like 'a'"),
        ("id,split\na,train\nb,val\nbb,test\n", r"not in the data: 'bb' \(line 4\)"),
        ("id,split\na,tran\nb,val\n", r"unknown part: 'tran' \(line 2\); allowed are train, val"),
        ("id,split\na,train\n,val\n", r"row without an id: line 3 \(val\)"),
        ("id,split\na,train\nb,val\na,test\n", "a has train in line 2 and test in line 4"),
        ("id,split\na,train\nb,val\nA.png,\n", "a has train in line 2 and unused in line 4"),
        ("id,split\na,train,x\nb,val\n", r"too many cells: line 2 \(3 cells, the header has 2\)"),
        (
            "id,split\na,train\nc,test\n",
            "no images for val of 3; the best epoch is selected on val",
        ),
        ("id,split\na,val\nc,test\n", "no images for train of 3; a run needs images to train on"),
    ],
)
def test_files_that_are_explained(tmp_path, content, said):
    """One line that says what is wrong, where, and what to do."""
    _, (what,) = lines(tmp_path, content, IDS)

    with pytest.raises(DataError, match=said) as caught:
        split_samples([Sample(n, n) for n in IDS], SplitConfig(file=str(tmp_path / "split.csv")))
    assert "\n" not in str(caught.value)
    assert str(caught.value) == f"data.split.file={tmp_path / 'split.csv'}: {what}"


@pytest.mark.parametrize(
    ("ids", "cell", "hint"),
    [
        (["IMD001", "IMD002"], "IMD0O1", "did you mean 'IMD001'?"),
        (["007", "018"], "7", "did you mean '007'?"),
        (["7", "8"], "7.0", "did you mean '7'?"),
        (["lesion_1", "mole_2"], "photos/lesion-1.png", "did you mean 'lesion_1'?"),
        (["one", "two"], "xyz", "ids look like 'known'"),
        (["A", "a"], "photos/a.PNG", None),
        (["É", "é", "x"], "e\u0301.png", None),
    ],
)
def test_what_a_wrong_id_may_mean(tmp_path, ids, cell, hint):
    """The same number, the most similar name, else what ids look like."""
    ids = [*ids, "known"]
    said = lines(tmp_path, f"id,split\nknown,train\n{cell},val\n", ids)[1]

    assert [what for what in said if "not in the data" in what] == (
        [f"ids not in the data: {cell!r} (line 3); {hint}"] if hint else []
    )


def test_an_id_that_fits_several_is_explained(tmp_path):
    """With the names that it may stand for."""
    parts, said = lines(tmp_path, "id,split\nÄ1,train\nb,val\n", ["ä1", "A\u03081x", "b", "Ä1x"])
    (what,) = lines(
        tmp_path, "id,split\nMOLE.png,train\nb,train\nc,val\n", ["Mole", "mole", "b", "c"]
    )[1]

    assert (parts["ä1"], said) == ("train", [])
    assert what == (
        "id fits several images: 'MOLE.png' (line 2) may be Mole or mole; write it as one of them"
    )


def test_everything_wrong_with_a_file_is_said_at_once(tmp_path):
    """A contradiction, a wrong word, two unknown ids and a patient on two sides."""
    path = tmp_path / "split.csv"
    path.write_text("id,split\na,train\na,test\nb,tets\nx,train\ny,test\nc,train\nd,test\n")
    samples = [Sample(name, group) for name, group in zip("abcd", "1122", strict=True)]
    said = [problem.what for problem in divide(samples, SplitConfig(file=str(path)))[1]]

    assert [what.split(":")[0].split(";")[0] for what in said] == [
        "unknown part",
        "two parts for one image",
        "ids not in the data",
        "ids not in the data",
        "group is split up",
    ]


def test_an_empty_part_is_said_beside_unknown_ids(tmp_path):
    """No row names it, known or not."""
    _, (unknown, empty) = lines(tmp_path, "id,split\na,train\nx,train\n", IDS)

    assert unknown.startswith("ids not in the data: 'x'")
    assert empty.startswith("leaves no images for val of 3")


def groups_of(folder, content, ids):
    """Return the groups in a file with this content, and what is said about it."""
    (folder / "groups.csv").write_text(content, encoding="utf-8")
    groups, problems = read_groups(folder / "groups.csv", ids)
    return groups, [(problem.level, problem.where, problem.what) for problem in problems]


@pytest.mark.parametrize(
    "content",
    [
        "ID;Group\n A.png ;p\nphotos/b.JPG;p\n'=c;q\n",
        "\ufeffgroup\tid\np\ta\np\tB\nq\t=c\n",
        "id,group\na,p\nb,p\n=c,q\na,p\n",
    ],
)
def test_groups_are_found_in_the_same_ways(tmp_path, content):
    """Header, separators, endings, case and marks as in a split file."""
    groups = {"a": "p", "b": "p", "=c": "q"}

    assert groups_of(tmp_path, content, ["a", "b", "=c"]) == (groups, [])


def test_groups_that_only_one_side_has_are_warnings_with_what_may_be_meant(tmp_path):
    """An id that nearly fits is named beside it."""
    content = "id,group\na,p\nIMD0O2,p\nelsewhere,q\n"
    level, where, what = zip(*groups_of(tmp_path, content, ["a", "IMD002"])[1], strict=True)

    assert {*level} == {"warning"}
    assert where == ("IMD002", "IMD0O2 (did you mean 'IMD002'?)", "elsewhere")
    assert what[1:] == ("in the groups file, but not a pair of files",) * 2


def test_everything_wrong_with_a_groups_file_is_said_at_once(tmp_path):
    """No line hides another."""
    content = "id,group\na,p\na,q\nb,\n,r\n"
    said = groups_of(tmp_path, content, ["a", "b"])[1]

    assert [what for level, _, what in said if level == "error"] == [
        "row without a group: line 4 (b)",
        "two groups for one image: a has p in line 2 and q in line 3",
        "row without an id: line 5 (r)",
    ]
    with pytest.raises(DataError, match=r"line 4.*\n.*line 3.*\n.*line 5"):
        groups_from(tmp_path / "groups.csv", ["a", "b"])
