"""`segsweep export`: files, the model card, and what is refused."""

import pytest

REFUSED = {
    "format": (("--format", "onx"), "--format onx: allowed are onnx, torch, safetensors"),
    "two choices": (("--best", "--run", "x"), "--run and --best: give only one of them"),
    "cell": (("--cell", "unet2/bc"), "no such cell; did you mean 'unet2/bce'?"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(segsweep, here, name):
    """Nothing is written."""
    words, said = REFUSED[name]
    code, out, error = segsweep("export", "main", "--out", "out", *words)

    assert (code, out, len(error.splitlines())) == (2, "", 1)
    assert said in error
    assert not (here.folder / "out").exists()


def test_folder_that_is_not_empty(segsweep, here):
    """Somebody's files are not mixed with a network's."""
    (here.folder / "out").mkdir()
    (here.folder / "out/mine.txt").write_text("mine")
    code, _, error = segsweep("export", "main", "--out", "out")

    assert (code, error) == (2, "--out out: exists; name a new folder\n")


def test_card_says_what_was_done(segsweep, here):
    """Data, split, protocol, figures with intervals, licence; and methods for a paper."""
    words = ("--format", "safetensors", "--cell", "unet2/bce", "--licence", "CC BY 4.0\n| b")
    code, out, _ = segsweep("export", "main", "--out", "out", *words)
    card = (here.folder / "out/README.md").read_text()

    assert code == 0
    assert out.splitlines() == [
        f"out/{name}" for name in ("model.safetensors", "facts.json", "README.md")
    ]
    assert "| network | unet2 (in_channels 3, channels [4, 4]), 1,537 parameters |" in card
    assert "| split | 12 images to train, 6 to validate, 6 to test |" in card
    assert r"| licence | CC BY 4.0 \| b |" in card
    assert "; 2 seeds, 6 test images) |" in card
    assert "| precision | trained and scored in float32, exported in float32 |" in card
    assert "for 12 epochs in batches of 4 with adamw (lr 0.02, weight_decay 0.01)" in card
    assert "compared with one other (2 seeds each); they differ in model (segnet, unet2)" in card
    assert "None" not in card


def test_interrupted_export_leaves_nothing(segsweep, here, monkeypatch):
    """The same command works afterwards: no half of a network is taken for somebody's files."""

    def interrupted(*_):
        raise KeyboardInterrupt

    words = ("export", "main", "--out", "out", "--format", "safetensors", "--cell", "unet2/bce")
    with monkeypatch.context() as patch:
        patch.setattr("segsweep.use.export._write_weights", interrupted)
        assert segsweep(*words)[0] == 130
    assert sorted(path.name for path in here.folder.iterdir()) == ["outputs", "photos"]
    assert segsweep(*words)[0] == 0
    assert sorted(path.name for path in (here.folder / "out").iterdir()) == [
        *("README.md", "facts.json", "model.safetensors"),
    ]
