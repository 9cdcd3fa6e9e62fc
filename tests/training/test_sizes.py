"""Epochs and batches by the size of the data, and by the available time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpmlp
from xpmlp.errors import DivergenceError
from xpmlp.training import Reporter, sizes
from xpmlp.training.sizes import A_UNIT, BATCH, EPOCHS, WORK, batch_size_for, epochs_for


@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 640, 12_345, 65_537, 10**6, 10**7])
def test_batches_are_equal_but_for_a_few_examples_and_within_bounds(n: int) -> None:
    size = batch_size_for(n)
    batches = -(-n // size)
    assert size <= BATCH[1]
    assert size > BATCH[0] / 2 or batches == 1
    assert batches * size - n < batches


@pytest.mark.parametrize("members", [1, 5])
def test_epochs_take_a_fixed_amount_of_work_between_the_fewest_and_the_most(members: int) -> None:
    weights, units = 160_000, 2_000
    assert epochs_for(1, weights, units, members) == epochs_for(500, weights, units, members) == EPOCHS[1]
    n = 80_000
    work = epochs_for(n, weights, units, members) * n * (weights + A_UNIT * units) * members
    assert work == pytest.approx(WORK, rel=0.1)
    assert epochs_for(10**8, weights, units, members) == EPOCHS[0]


def test_fewer_epochs_for_wide_tables() -> None:
    assert epochs_for(6_000, 1_600_000, 40_000, 5) < epochs_for(6_000, 1_600_000, 2_000, 5) < EPOCHS[1]


@pytest.mark.parametrize("keys", [{}, {"train.max_seconds": 1e-3}], ids=["by size", "by time"])
def test_numbers_stand_in_the_config_of_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any]
) -> None:
    """And a training that is resumed has them."""
    monkeypatch.setattr(sizes, "EPOCHS", (2, 2))
    monkeypatch.setattr(sizes, "PROBE_SECONDS", 0.0)
    rng = np.random.default_rng(0)
    data = xpmlp.from_arrays(rng.normal(size=(90, 3)), rng.integers(0, 2, 90))
    auto = {"train.epochs": "auto", "train.batch_size": "auto", "train.folds": 3, **keys}
    result = xpmlp.train(xpmlp.load_config("xpmlp:table.toml", auto), tmp_path / "run", data=data)
    saved = xpmlp.load_config(tmp_path / "run" / "config.toml")
    assert saved.train.length == (1 if keys else 2, 60)
    assert saved.train.max_seconds is None
    assert len(result.run.epochs) == saved.train.length.epochs


def test_a_training_that_fits_at_any_speed_is_not_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    probes = []
    monkeypatch.setattr(sizes, "train_block", lambda trainable, settings, *rest: probes.append(trainable))
    rng = np.random.default_rng(0)
    data = xpmlp.from_arrays(rng.normal(size=(90, 3)), rng.integers(0, 2, 90))
    keys = {"train.epochs": 2, "train.max_seconds": 60.0}
    result = xpmlp.train(xpmlp.load_config("xpmlp:table.toml", keys), data=data)
    assert not probes
    assert len(result.run.epochs) == 2
    xpmlp.train(xpmlp.load_config("xpmlp:table.toml", keys | {"train.max_seconds": 1e-3}), data=data)
    assert len(probes) == 1


def test_a_training_that_diverges_in_the_probe_says_so() -> None:
    rng = np.random.default_rng(0)
    data = xpmlp.from_arrays(rng.normal(size=(400, 5)), rng.integers(0, 2, 400))
    train = {"learning_rate": 1e38, "epochs": 100, "batch_size": 20, "max_seconds": 1e-3}
    config = xpmlp.Config.model_validate({"data": {"name": "arrays"}, "train": train})
    with pytest.raises(DivergenceError):
        xpmlp.train(config, data=data)


class Notes(Reporter):
    """The notes, in order."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


@pytest.mark.parametrize(("keys", "told"), [({}, False), ({"epochs": "auto"}, True), ({"batch_size": "auto"}, True)])
def test_epochs_and_batches_are_reported_if_they_were_not_given(keys: dict[str, Any], told: bool) -> None:
    """And not where only ``max_seconds`` is left out, for a training that fits into it."""
    rng = np.random.default_rng(0)
    data, reporter = xpmlp.from_arrays(rng.normal(size=(90, 3)), rng.integers(0, 2, 90)), Notes()
    train = {"epochs": 2, "batch_size": 30, "max_seconds": 60.0, **keys}
    config = xpmlp.Config.model_validate({"data": {"name": "arrays"}, "train": train})
    xpmlp.train(config, data=data, reporter=reporter)
    assert any("by the size of the data or the time" in text for text in reporter.texts) is told
