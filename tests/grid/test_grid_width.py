"""The number of stacked runs: as configured, as many as the device's memory holds, or one on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.grid.small import EXAMPLES, FEATURES, grid_config
from xpmlp.backend.numpy import NumpyBackend
from xpmlp.config import Config
from xpmlp.grid import Block, GridReporter, train_grid
from xpmlp.grid.grid import _width
from xpmlp.grid.plan import members_of
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.memory import footprint
from xpmlp.training.record import Outcome
from xpmlp.training.trainer import load_data, resolve_configured


def problem_of(config: Config) -> ConfigTrainable:
    """The first run of a grid."""
    member = members_of(config)[0]
    return ConfigTrainable(member.config, load_data(config), resolve_configured(config.backend).backend)


def memory_for(config: Config, runs: int) -> int:
    """The free bytes that so many runs of a grid need, and not a byte more."""
    taken = footprint(problem_of(config))
    return next(free for free in range(taken.of(runs), 2 * taken.of(runs)) if taken.widest(free) >= runs)


@pytest.mark.parametrize(
    ("change", "parameters", "numbers"),
    [
        ({"train": {"optimizer": "momentum"}}, 1, 0),
        ({"train": {"optimizer": "nesterov"}}, 1, 0),
        ({"train": {"optimizer": "adam"}}, 2, 0),
        ({"train": {"patience": 3}}, 1, 0),
        # with batches of 8, evaluating the 20 takes more than training
        ({"train": {"batch_size": 16}}, 0, 3 * 16 * (6 + 5 + 3) - 20 * (6 + 2 * (5 + 3))),
    ],
    ids=["momentum", "nesterov", "adam", "best weights", "batch"],
)
def test_what_a_run_takes(data: Path, change: dict[str, Any], parameters: int, numbers: int) -> None:
    # of a 6-5-3 network, beside what plain SGD with batches of 8 takes
    plain, changed = footprint(problem_of(grid_config(data))), footprint(problem_of(grid_config(data, **change)))
    assert changed.data == plain.data == 8 * (EXAMPLES + 20) * FEATURES
    assert changed.run - plain.run == 8 * (parameters * ((6 + 1) * 5 + (5 + 1) * 3) + numbers)


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
    config = grid_config(data, runs=4, block_width=width, workers="auto", train={"epochs": 1})
    monkeypatch.setattr(NumpyBackend, "is_accelerator", True)
    free = None if room is None else memory_for(config, room + 1) - 1
    monkeypatch.setattr(type(NumpyBackend.memory), "free", lambda self: free)
    assert labels(config) == expected


def test_the_largest_runs_of_a_grid_decide(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = grid_config(data, runs=2, hidden_layer_sizes=[[5], [50]], train={"epochs": 1})
    monkeypatch.setattr(NumpyBackend, "is_accelerator", True)
    free = memory_for(config, 2)
    monkeypatch.setattr(type(NumpyBackend.memory), "free", lambda self: free)
    assert sorted(labels(config)) == ["run 0", "run 1", "run 2", "run 3"]


def test_on_a_cpu_a_stack_is_split_too_where_it_does_not_fit(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = grid_config(data, runs=4, block_width=4, train={"epochs": 1})
    free = memory_for(config, 2)
    monkeypatch.setattr(type(NumpyBackend.memory), "free", lambda self: free)
    assert labels(config) == ["runs 0, 1", "runs 2, 3"]


def test_processes_share_the_memory(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = grid_config(data, runs=4, block_width=4, workers=2)
    dataset, backend = load_data(config), resolve_configured(config.backend).backend
    for free, expected in ((2 * memory_for(config, 3), 3), (2 * memory_for(config, 3) - 2, 2)):
        monkeypatch.setattr(type(NumpyBackend.memory), "free", lambda self, free=free: free)
        assert _width(config, members_of(config), dataset, backend) == expected
