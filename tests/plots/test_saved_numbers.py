"""The saved numbers: a missing or damaged file is named, and nothing is written."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.helpers import huge_npy
from tests.plots.figures import FILES, HEADER, TWO_EPOCHS, falling
from xpmlp.errors import RunFolderError
from xpmlp.plots import draw_run


@pytest.mark.parametrize("name", ["epochs.csv", "batch_losses.npy"])
def test_a_missing_file_is_named(make, name):
    folder = make(falling(10), TWO_EPOCHS)
    (folder / name).unlink()
    with pytest.raises(RunFolderError, match=f"holds no {name}: name the folder of a run"):
        draw_run(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("epochs.csv", b""),
        ("epochs.csv", b"run,epoch\n0,1\n"),
        ("epochs.csv", (HEADER + "0,1,1.5").encode()),  # cut off
        ("epochs.csv", (HEADER + "0,1,1.5,0.5,many,0.6,0.01").encode()),
        ("epochs.csv", b"\xff\xfe"),
        ("batch_losses.npy", b""),
        ("batch_losses.npy", b"not an array"),
        ("batch_losses.npy", huge_npy()),
        ("run.json", b'{"name":'),
        ("run.json", b"[1]"),
        ("run.json", b"[" * 100_000),
    ],
)
def test_a_damaged_file_is_named_and_nothing_is_written(make, name, content):
    folder = make(falling(10), TWO_EPOCHS)
    (folder / name).write_bytes(content)
    with pytest.raises(RunFolderError, match=f"{name} is damaged"):
        draw_run(folder)
    assert not any((folder / file).exists() for file in FILES)


def test_losses_of_three_axes_are_refused(make):
    with pytest.raises(RunFolderError, match=r"of the shape \(2, 2, 2\) instead of"):
        draw_run(make(np.ones((2, 2, 2))))


def test_a_figure_that_fails_halfway_leaves_the_old_one(make, monkeypatch):
    folder = make(falling(10), TWO_EPOCHS)
    (folder / "loss.png").write_bytes(b"old")

    def fail(self, path, **options):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="no space"):
        draw_run(folder)
    assert (folder / "loss.png").read_bytes() == b"old"
    assert not [path for path in folder.iterdir() if ".part" in path.name]
