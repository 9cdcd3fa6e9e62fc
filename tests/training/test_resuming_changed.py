"""Resuming with a changed config or changed data: refused with the changes, forced, or harmless."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpmlp
from tests.digits import digits_config
from tests.training.interrupted import FREQUENT, copied, dies, files, resumed
from xpmlp.errors import RunFolderError


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"train.learning_rate": 0.5}, "train.learning_rate = 0.5, before 0.003"),
        ({"train.seed": 3}, "train.seed = 3, before 0"),
        ({"train.batch_size": 8}, "train.batch_size = 8, before 32"),
        ({"train.patience": 3, "data.split": "validation"}, "train.patience = 3, before none"),
        ({"data.seed": 1}, "data.seed = 1, before 0"),
        ({"backend.dtype": "float64"}, "backend.dtype = float64, before float32"),
        ({"model.hidden_layer_sizes": [16, 4]}, "model.hidden_layer_sizes = 16, 4, before 16"),
        ({"train.epochs": 1}, "train.epochs = 1, before 3 (3 are begun)"),
        ({"train.epochs": 2}, "train.epochs = 2, before 3 (3 are begun)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_another_config_is_refused_with_what_has_changed(
    killed: Path, tmp_path: Path, change: dict[str, Any], line: str
) -> None:
    folder = copied(killed, tmp_path)
    before = files(folder)
    with pytest.raises(RunFolderError) as error:
        resumed(digits_config({**FREQUENT, "train.epochs": 3, **change}), folder)
    first, *lines, last = str(error.value).splitlines()
    assert first == "the training to resume had another config:"
    assert f"  {line}" in lines
    assert len(lines) == len(change)
    assert "--overwrite" in last
    assert "--force" in last
    assert error.value.exit_status == 2
    assert files(folder) == before, "nothing is touched"


def test_more_epochs_of_a_schedule_that_depends_on_them(tmp_path: Path) -> None:
    change = {**FREQUENT, "train.schedule": "cosine"}
    dies(digits_config(change), tmp_path / "run", 6)
    with pytest.raises(
        RunFolderError, match=r'train\.epochs = 9, before 2 \(train\.schedule = "cosine" depends on it\)'
    ):
        resumed(digits_config({**change, "train.epochs": 9}), tmp_path / "run")


def test_force_goes_on_all_the_same(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path)
    changed = {"train.learning_rate": 0.01, "train.batch_size": 16, "train.segment_steps": 5}
    result, (where,) = resumed(digits_config({**FREQUENT, "train.epochs": 3, **changed}), folder, force=True)
    assert where.startswith("resuming after 97 steps, in epoch 3 of 3")
    assert [row.learning_rate for row in result.run.epochs] == [0.003, 0.003, 0.01]
    assert len(result.run.losses) == 97 + -(-(1293 - 32 * 15) // 16), "the rest of the epoch, in the new batches"


def test_a_network_that_does_not_fit_is_refused_even_then(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path)
    for change in ({"model.hidden_layer_sizes": [8]}, {"train.optimizer": "momentum"}):
        with pytest.raises(RunFolderError, match=r"does not fit the network and the optimiser of this config \("):
            resumed(digits_config({**FREQUENT, "train.epochs": 3, **change}), folder, force=True)


def test_harmless_changes(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path)
    config = digits_config({**FREQUENT, "train.epochs": 4, "output.keep": 1, "output.checkpoint_every": "1 epoch"})
    _, notes = resumed(config, folder)
    assert len(notes) == 1
    assert len(list((folder / "checkpoints").glob("step-*"))) == 1
    xpmlp.train(config, tmp_path / "whole")
    assert files(folder) == files(tmp_path / "whole")


def test_other_data_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    lines = [f"{x},{x % 7},{'ab'[x % 2]}" for x in range(60)]
    path.write_text("\n".join(["x,y,target", *lines]))
    config = digits_config({"data.name": "csv", "data.path": str(path), "data.split": "validation", **FREQUENT})
    xpmlp.train(config, tmp_path / "run")
    path.write_text("\n".join(["x,y,target", *reversed(lines)]))
    with pytest.raises(RunFolderError, match=r"had other data: the content of data\.csv is not what it was"):
        resumed(config, tmp_path / "run")
    resumed(config, tmp_path / "run", force=True)


def test_other_arrays_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 5))
    config = digits_config({"data.name": "arrays", "data.split": "validation"})
    targets = (features[:, 0] > 0).astype(int)
    xpmlp.train(config, tmp_path / "run", data=xpmlp.from_arrays(features, targets))
    _, (note,) = resumed(config, tmp_path / "run", data=xpmlp.from_arrays(features.copy(), targets))
    assert note.startswith("nothing is left to train")
    for other in ((features + 1, targets), (features[:-1], targets[:-1]), (features, 1 - targets)):
        with pytest.raises(RunFolderError, match=r"had other data: the content of arrays is not what it was"):
            resumed(config, tmp_path / "run", data=xpmlp.from_arrays(*other))
