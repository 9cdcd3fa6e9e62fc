"""Files that a folder needs to be resumed, and files that are removed from it."""

from __future__ import annotations

from pathlib import Path

import pytest

import xpmlp
from tests.digits import digits_config
from tests.training.interrupted import FREQUENT, copied, dies, resumed
from xpmlp.errors import RunFolderError


def test_folders_that_hold_no_training(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"holds no training to resume: it has no config\.toml"):
        resumed(digits_config(), tmp_path)
    few = tmp_path / "few"
    xpmlp.train(digits_config({"output.checkpoint_every": "none"}), few)
    with pytest.raises(RunFolderError, match="left no checkpoint to resume: begin anew with --overwrite"):
        resumed(digits_config(), few)
    with pytest.raises(RunFolderError, match="give `out`"):
        xpmlp.train(digits_config(), resume=True)
    with pytest.raises(RunFolderError, match="exclude each other"):
        resumed(digits_config(), few, overwrite=True)


def test_overwriting_leaves_no_checkpoint_behind(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path)
    dies(digits_config({"train.seed": 1, "train.segment_steps": 3}), folder, 1, overwrite=True)
    _, (note,) = resumed(digits_config({"train.seed": 1}), folder)
    assert note.startswith("there is no checkpoint")


def test_what_a_killed_process_was_writing_goes(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path)
    debris = [folder / ".run.json.x1.part.json", folder / "checkpoints" / ".step-1.safetensors.x2.part.safetensors"]
    mine = folder / ".notes.part"
    for path in (*debris, mine):
        path.write_text("half")
    resumed(digits_config({**FREQUENT, "train.epochs": 3}), folder)
    assert not any(path.exists() for path in debris)
    assert mine.read_text() == "half"
