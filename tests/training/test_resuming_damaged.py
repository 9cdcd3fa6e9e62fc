"""Damaged or impossible checkpoints: the previous one is used, or an error is reported."""

from __future__ import annotations

import copy
import functools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import xpmlp
from tests.digits import digits_config
from tests.training.interrupted import FREQUENT, copied, dies, files, resumed
from xpmlp.errors import RunFolderError
from xpmlp.storage import read_sealed, write_sealed


def test_a_damaged_newest_checkpoint(tmp_path: Path) -> None:
    config = digits_config(FREQUENT)
    xpmlp.train(config, tmp_path / "whole")
    dies(config, tmp_path / "run", 10)
    before, newest = sorted((tmp_path / "run" / "checkpoints").glob("step-*"))
    newest.write_bytes(newest.read_bytes()[:-100])
    _, (damaged, where) = resumed(config, tmp_path / "run")
    assert damaged.startswith(f"the checkpoint {newest.name} is damaged (")
    assert where.startswith(f"resuming after {int(before.stem.removeprefix('step-'))} steps")
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_all_damaged(tmp_path: Path) -> None:
    config = digits_config(FREQUENT)
    dies(config, tmp_path / "run", 10)
    for path in (tmp_path / "run" / "checkpoints").glob("step-*"):
        path.write_bytes(b"rubbish")
    with pytest.raises(RunFolderError, match=r"every checkpoint in .* is damaged: train again with --overwrite"):
        resumed(config, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize(
    "figures",
    [
        np.float64(1),
        np.ones((2, 5)),
        np.ones((2, 6), np.float32),
        np.full((2, 6), np.nan),  # no epoch has such a number
        np.full((2, 6), 1.5),
        np.ones((3, 6)),
    ],
    ids=str,
)
def test_a_sound_checkpoint_whose_epochs_cannot_be(tmp_path: Path, figures: npt.NDArray[Any]) -> None:
    xpmlp.train(digits_config(FREQUENT), tmp_path / "run")
    *_, newest = sorted((tmp_path / "run" / "checkpoints").glob("step-*"))
    description, tensors = read_sealed(newest)
    assert tensors["runs.0.epochs.figures"].shape == (2, 6)
    write_sealed(newest, description, tensors | {"runs.0.epochs.figures": np.asarray(figures)})
    with pytest.raises(RunFolderError, match="does not fit the network"):
        resumed(digits_config({**FREQUENT, "train.epochs": 3}), tmp_path / "run")


NONSENSE: list[Any] = [None, True, 0, -1, 10**30, 1.5, float("inf"), float("nan"), "", "x", [], {}, [1], {"a": 1}, [[]]]


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in nested tables and lists."""
    yield before
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*before, key))


@pytest.mark.slow
def test_a_sound_checkpoint_that_says_nonsense(tmp_path: Path) -> None:
    """A stranger may have made the checksum right: it is gone on from, or refused in a sentence."""
    config = digits_config({"train.patience": 1, "train.evaluate_train": True, "output.checkpoint_every": "1 epoch"})
    xpmlp.train(config, tmp_path / "run")
    *_, newest = sorted((tmp_path / "run" / "checkpoints").glob("step-*"))
    description, tensors = read_sealed(newest)
    longer = digits_config({"train.patience": 1, "train.evaluate_train": True, "train.epochs": 3})
    every = [place for place in places(description) if place and place[0] in ("training", "circumstances")]
    rng, refusals = random.Random(0), 0
    for number in range(80):
        folder = copied(tmp_path / "run", tmp_path / str(number))
        changed = copy.deepcopy(description)
        *way, last = rng.choice(every)
        table = functools.reduce(lambda inner, key: inner[key], way, changed)
        table[last] = rng.choice(NONSENSE)
        write_sealed(folder / "checkpoints" / newest.name, changed, tensors)
        try:
            xpmlp.train(longer, folder, resume=True)
        except RunFolderError:
            refusals += 1
    assert 20 < refusals < 80
