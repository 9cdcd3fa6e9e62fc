"""A training resumed after an interruption ends with the bits of an uninterrupted one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpmlp
from tests.digits import STEPS, digits_config
from tests.training.interrupted import FREQUENT, copied, dies, files, resumed
from xpmlp.backend import Backend, numpy
from xpmlp.storage import read_sealed
from xpmlp.training import delayed

pytestmark = pytest.mark.optimised

KINDS: dict[str, dict[str, Any]] = {
    "sgd": {"train.optimizer": "sgd", "train.learning_rate": 0.1},
    "nesterov": {"train.optimizer": "nesterov", "train.weight_decay": 0.001, "train.schedule": "adaptive"},
    "adam": {"train.evaluate_train": True},
    "adamw": {"train.optimizer": "adamw", "train.weight_decay": 0.1, "train.rates": {"biases": 0.1}},
    "averaging": {"train.averaging": 0.9, "train.clip_norm": 0.5, "train.optimizer": "sgd", "train.patience": 3},
    "cosine": {"train.schedule": "cosine"},
    "dropout": {"model.dropout": 0.3},
    "early stopping": {"train.patience": 1, "train.min_improvement": 0.3, "train.epochs": 8},
    "no shuffling": {"train.shuffle": False},
    "criterion": {"train.best_by": "error", "train.epochs": 8},
    "vote": {"train.members": 2, "train.best_by": "log_loss", "model.dropout": 0.3},
    "torch": {"backend.name": "torch"},
    "jax": {"backend.name": "jax"},
    "float64": {"backend.dtype": "float64", "backend.fused": False},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_killed_twice_and_ended_bitwise_the_same(
    kind: str, tmp_path: Path, get_backend: Callable[..., Backend]
) -> None:
    get_backend(KINDS[kind].get("backend.name", "numpy"))
    config = digits_config({**FREQUENT, **KINDS[kind]})
    xpmlp.train(config, tmp_path / "whole")
    dies(config, tmp_path / "run", 6)
    dies(config, tmp_path / "run", 20, resume=True)
    _, (where,) = resumed(config, tmp_path / "run")
    assert where == f"resuming after 62 steps, in epoch 2 of {config.train.epochs}, with 21 of its 41 steps done"
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_folds(tmp_path: Path) -> None:
    folds = {"train.folds": 3, "train.best_by": "refined_log_loss", "train.epochs": 4}
    config = digits_config({**FREQUENT, **folds})
    whole = xpmlp.train(config, tmp_path / "whole")
    dies(config, tmp_path / "run", 20)
    result, (where,) = resumed(config, tmp_path / "run")
    assert where.startswith("resuming after ")
    assert files(tmp_path / "run") == files(tmp_path / "whole")
    np.testing.assert_array_equal(result.out_of_fold, whole.out_of_fold)


def test_delayed_updates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delayed, "LEAST_INPUTS", 1)
    monkeypatch.setattr(numpy, "COMPILED", numpy.COMPILED._replace(most_delayed=8))
    sgd = {**KINDS["sgd"], "train.batch_size": 8, "train.segment_steps": 20, "output.checkpoint_every": "20 steps"}
    config = digits_config(sgd)
    xpmlp.train(config, tmp_path / "whole")
    dies(config, tmp_path / "run", 5)
    _, (where,) = resumed(config, tmp_path / "run")
    assert where.startswith("resuming after 80 steps, in epoch 1 ")
    assert files(tmp_path / "run") == files(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["adam", "dropout", "torch", pytest.param("jax", marks=pytest.mark.slow)])
def test_twice_as_many_epochs(kind: str, tmp_path: Path, get_backend: Callable[..., Backend]) -> None:
    get_backend(KINDS[kind].get("backend.name", "numpy"))
    short, long = (digits_config({**FREQUENT, **KINDS[kind], "train.epochs": n}) for n in (2, 4))
    xpmlp.train(long, tmp_path / "whole")
    xpmlp.train(short, tmp_path / "run")
    _, (where,) = resumed(long, tmp_path / "run")
    assert where == f"resuming after {2 * STEPS} steps, in epoch 3 of 4, at its beginning"
    assert files(tmp_path / "run") == files(tmp_path / "whole")


@pytest.mark.parametrize("kind", ["adam", "early stopping"])
def test_nothing_left_to_do(kind: str, tmp_path: Path) -> None:
    config = digits_config(KINDS[kind])
    first = xpmlp.train(config, tmp_path / "run")
    before = files(tmp_path / "run")
    (tmp_path / "run" / "weights.safetensors").unlink()
    again, (note,) = resumed(config, tmp_path / "run")
    assert note == f"nothing is left to train: it has ended after {len(first.run.losses)} steps"
    assert files(tmp_path / "run") == before, "what was lost is written again"
    assert again.run.test == first.run.test
    assert again.run.status == first.run.status


def test_none_yet(tmp_path: Path) -> None:
    config = digits_config()
    folder = tmp_path / "run"
    _, notes = resumed(config, folder)
    assert notes == [f"there is no checkpoint in {folder} yet: training from the beginning"]
    xpmlp.train(config, tmp_path / "whole")
    assert files(folder) == files(tmp_path / "whole")
    dies(config, tmp_path / "killed", 1)
    _, notes = resumed(config, tmp_path / "killed")
    assert notes == [f"there is no checkpoint in {tmp_path / 'killed'} yet: training from the beginning"]
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_batch_losses_return_in_their_type(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path)
    resumed(digits_config({**FREQUENT, "train.epochs": 3}), folder)
    losses = np.load(folder / "batch_losses.npy")
    assert (losses.dtype, losses.shape) == (np.float32, (3 * STEPS,))


def test_time_adds_up(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path)
    (newest,) = sorted((folder / "checkpoints").glob("step-*"))[-1:]
    description, _ = read_sealed(newest)
    before = description["training"]["seconds"]
    resumed(digits_config({**FREQUENT, "train.epochs": 3}), folder)
    (last,) = sorted((folder / "checkpoints").glob("step-*"))[-1:]
    assert read_sealed(last).description["training"]["seconds"] > before
