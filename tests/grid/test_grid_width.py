"""How many runs are stacked: as the config says, as the device's memory holds, or one on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.grid.small import EXAMPLES, FEATURES, grid_config
from xpmlp.backend.numpy import NumpyBackend
from xpmlp.config import Config
from xpmlp.grid import Block, GridReporter, train_grid
from xpmlp.grid.block import width_that_fits
from xpmlp.training.outcome import Outcome

DATA = EXAMPLES * FEATURES * 8
"""Bytes of the training part."""

PARAMETERS = (6 + 1) * 5 + (5 + 1) * 3
"""Of a 6-5-3 network."""

BATCH = 8 * (6 + 5 + 3)
"""Numbers in the layers for a batch of 8: activations, deltas, and as many to work with."""

RUN = 8 * (3 * PARAMETERS + 3 * BATCH)
"""Bytes of a run in float64 with plain SGD."""


@pytest.mark.parametrize(
    ("config", "size"),
    [
        ({}, RUN),
        ({"backend": {"dtype": "float32"}}, RUN // 2),
        ({"train": {"optimizer": "momentum"}}, RUN + 8 * PARAMETERS),
        ({"train": {"optimizer": "nesterov"}}, RUN + 8 * PARAMETERS),
        ({"train": {"optimizer": "adam"}}, RUN + 8 * 2 * PARAMETERS),
        ({"train": {"batch_size": 16}}, RUN + 8 * 3 * BATCH),
    ],
    ids=["sgd", "float32", "momentum", "nesterov", "adam", "batch"],
)
@pytest.mark.parametrize("runs", [1, 2, 7, 1000])
def test_as_many_as_fit_into_four_fifths(data: Path, config: dict[str, Any], size: int, runs: int) -> None:
    enough = -(-runs * size * 5 // 4)
    assert width_that_fits(grid_config(data, **config), 6, 3, enough) == runs
    assert width_that_fits(grid_config(data, **config), 6, 3, enough - 2) == max(runs - 1, 1)


def test_one_fits_always(data: Path) -> None:
    assert width_that_fits(grid_config(data), 6, 3, 0) == 1
    assert width_that_fits(grid_config(data), 6, 3, -(10**9)) == 1


class Labels(GridReporter):
    """Notes which runs were trained together."""

    def __init__(self) -> None:
        self.labels: list[str] = []

    def block(self, block: Block, outcomes: list[Outcome], examples: int) -> None:
        self.labels.append(block.label)


def labels(config: Config) -> list[str]:
    reporter = Labels()
    train_grid(config, reporter=reporter)
    return reporter.labels


@pytest.mark.parametrize(
    ("width", "expected"),
    [("auto", ["run 0", "run 1", "run 2"]), (2, ["runs 0, 1", "run 2"]), (5, ["runs 0, 1, 2"])],
)
def test_on_a_cpu(data: Path, width: Any, expected: list[str]) -> None:
    assert labels(grid_config(data, runs=3, block_width=width, train={"epochs": 1})) == expected


@pytest.mark.parametrize(
    ("width", "room", "expected"),
    [
        ("auto", None, ["runs 0, 1, 2, 3"]),
        ("auto", 100, ["runs 0, 1, 2, 3"]),
        ("auto", 3, ["runs 0, 1, 2", "run 3"]),
        (2, 3, ["runs 0, 1", "runs 2, 3"]),
        (4, 3, ["runs 0, 1, 2", "run 3"]),
        ("auto", 0, ["run 0", "run 1", "run 2", "run 3"]),
    ],
)
def test_on_an_accelerator(
    data: Path, monkeypatch: pytest.MonkeyPatch, width: Any, room: int | None, expected: list[str]
) -> None:
    """``room``: how many runs the memory holds, almost one more, besides the data, which are on the device, too."""
    free = None if room is None else DATA + -(-(room + 1) * RUN * 5 // 4) - 2
    monkeypatch.setattr(NumpyBackend, "is_accelerator", True)
    monkeypatch.setattr(NumpyBackend, "free_memory", lambda self: free)
    config = grid_config(data, runs=4, block_width=width, workers="auto", train={"epochs": 1})
    assert labels(config) == expected


def test_the_largest_runs_of_a_grid_decide(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NumpyBackend, "is_accelerator", True)
    monkeypatch.setattr(NumpyBackend, "free_memory", lambda self: DATA + 2 * RUN * 5 // 4)
    config = grid_config(data, runs=2, hidden_layer_sizes=[[5], [50]], train={"epochs": 1})
    assert sorted(labels(config)) == ["run 0", "run 1", "run 2", "run 3"]
