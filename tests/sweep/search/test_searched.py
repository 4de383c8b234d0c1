"""What one study searches: checked before it exists."""

import shlex

import pytest

from command import TINY, refusal, train_here
from segsweep.errors import ConfigError
from segsweep.sweep.search.searched import drawn, searched_by

LR = {"optimizer.lr": "tag(log, interval(1e-4, 3e-2))"}


def test_values_and_fixed_words_are_told_apart():
    """A fixed value wins against several, wherever each stands; so does Hydra's sweeper."""
    words = ["model=unet", "trainer.batch=4,8", "trainer.epochs=range(2,5)", "loss=bce"]
    searched, fixed = searched_by(words, {**LR, "trainer.epochs": "3"})

    assert fixed == ["trainer.epochs=3", "model=unet", "loss=bce"]
    assert [(one.key, one.size) for one in searched] == [("optimizer.lr", 0), ("trainer.batch", 2)]
    assert [float(end) for end in searched[0].values] == pytest.approx([1e-4, 0.03])
    assert searched[1].values == ("4", "8")


def test_the_command_wins_against_the_file():
    """A range on the command line replaces that of the experiment."""
    (one,), _ = searched_by(["optimizer.lr=interval(0.1,0.2)"], LR)

    assert one.text == "interval(0.1,0.2)"


def test_every_value_is_drawn_once():
    """Options all, numbers of a long list at its ends; the others at their first value."""
    words = ["optimizer=adam,adamw,sgd", "trainer.epochs=range(1,100)"]
    searched, _ = searched_by(words, None)

    assert drawn(searched) == [
        ["optimizer=adam", "trainer.epochs=1"],
        ["optimizer=adamw", "trainer.epochs=1"],
        ["optimizer=sgd", "trainer.epochs=1"],
        ["optimizer=adam", "trainer.epochs=99"],
    ]
    assert [one.size for one in searched] == [3, 99]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["optimizer.lr=0.01"], "nothing is searched"),
        (["optimizer.lr=interval(0.1,0.01)"], "must rise"),
        (["optimizer.lr=tag(log,interval(0,1))"], "numbers above 0"),
        (["threads=1,2"], "changes no result"),
        (["trainer.epochs=range(0,100000)"], "more than 10,000 values"),
        (["trainer.epochs=range(3,3)"], "names no value"),
    ],
)
def test_what_cannot_be_searched_is_refused(words, hint):
    """In one line that starts with the word."""
    with pytest.raises(ConfigError, match=hint) as caught:
        searched_by(words, LR)

    assert len(str(caught.value).splitlines()) == 1


COMPARED = (
    *("loss=bce,dice", "model=unet,unet2", "seed=0,1", "seed=range(0,3)", "data.split.fold=0,1"),
    *("data=ph2,synthetic", "threshold=interval(0.3,0.7)", "experiment=demo,notebook"),
    *("data.size=64,128", "evaluate.boundary=true,false"),
)


@pytest.mark.parametrize("word", COMPARED)
def test_what_is_compared_is_refused(word):
    """From the command line and from a file."""
    key, _, values = word.partition("=")
    for words, params in (([word], LR), ([], {**LR, key: values})):
        with pytest.raises(ConfigError) as caught:
            searched_by(words, params)

        assert str(caught.value).startswith(f"{word}: one study over everything would give")


def test_values_inside_a_model_or_loss_are_searched():
    """They are no other model or loss: `loss=bce,dice` is, `loss.gamma=1,2` is not."""
    searched, _ = searched_by(["loss.gamma=1,2", "model.channels=[4,4],[8,8]"], None)

    assert [one.key for one in searched] == ["loss.gamma", "model.channels"]


def test_the_search_in_the_refusal_works(monkeypatch, tmp_path, capsys):
    """The command in the line, run as it stands with plan=true, searches each loss."""
    words = ["optimizer.weight_decay=tag(log,interval(1e-4,1e-2))", "loss=bce,dice"]
    code = train_here(["-m", *TINY, "experiment=optuna_lr", *words], monkeypatch, tmp_path)
    line = refusal((code, *capsys.readouterr()))

    assert list(tmp_path.iterdir()) == []
    start, command = line.split("python -m segsweep.train ")
    assert start == (
        "loss=bce,dice: one study over everything would give unequal budgets to what is "
        "compared; search for each: "
    )
    code = train_here(
        [*shlex.split(command), "plan=true", "preflight=false"], monkeypatch, tmp_path
    )
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert "for each of 2 cells" in captured.out
    assert "optimizer.weight_decay in tag(log,interval(1e-4,1e-2))" in captured.out
