"""The runs of a grid, their order, and their division into blocks."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from xpmlp.config import Config, DataConfig, GridConfig, TrainConfig, load_config
from xpmlp.grid import Block, blocks_of, members_of
from xpmlp.training.run import RunSettings


def config_with(grid: dict[str, Any], **train: Any) -> Config:
    return Config(data=DataConfig(name="digits"), train=TrainConfig(**train), grid=GridConfig(**grid))


def numbers(blocks: list[Block]) -> list[list[int]]:
    return [[member.number for member in block.members] for block in blocks]


def test_a_config_without_a_grid_is_one_run() -> None:
    config = config_with({}, seed=3, learning_rate=0.2)
    (member,) = members_of(config)
    assert (member.number, member.point, member.config) == (0, {}, config)
    assert not config.grid.is_grid


def test_every_combination_with_every_seed_the_seeds_fastest() -> None:
    grid = {"runs": 2, "learning_rate": [0.1, 0.3], "batch_size": [8, 16], "activation": ["tanh", "relu"]}
    members = members_of(config_with(grid, seed=5))
    assert [member.number for member in members] == list(range(16))
    seen = [(*member.point.values(), member.config.train.seed) for member in members]
    assert seen == list(product([0.1, 0.3], [8, 16], ["tanh", "relu"], [5, 6]))
    assert all(list(member.point) == ["learning_rate", "batch_size", "activation"] for member in members)


@pytest.mark.parametrize(
    ("axis", "values", "section"),
    [
        ("learning_rate", [0.1, 0.2], "train"),
        ("weight_decay", [0.0, 0.1], "train"),
        ("momentum", [0.5, 0.0], "train"),
        ("batch_size", [1, 7], "train"),
        ("optimizer", ["adam", "sgd"], "train"),
        ("activation", ["tanh", "sigmoid"], "model"),
        ("hidden_layer_sizes", [[3], [3, 2]], "model"),
    ],
)
def test_the_config_of_a_run_alone_differs_by_its_values_only(axis: str, values: list[Any], section: str) -> None:
    config = config_with({axis: values, "workers": 3}, optimizer="momentum")
    for member, value in zip(members_of(config), values, strict=True):
        assert not member.config.grid.is_grid
        assert member.config.grid == GridConfig()
        expected = config.model_dump() | {"grid": GridConfig().model_dump()}
        expected[section] |= {axis: value}
        assert member.config.model_dump() == expected


def test_what_stacks_is_one_block() -> None:
    grid = {"runs": 2, "learning_rate": [0.1, 0.3], "weight_decay": [0.0, 0.1], "momentum": [0.0, 0.9]}
    (block,) = blocks_of(members_of(config_with(grid, optimizer="nesterov")), width=100)
    assert numbers([block]) == [list(range(16))]
    combinations = product([0.1, 0.3], [0.0, 0.1], [0.0, 0.9], [0, 1])
    assert block.settings == [RunSettings(seed, rate, decay, momentum) for rate, decay, momentum, seed in combinations]


@pytest.mark.parametrize(
    "axis",
    [
        {"batch_size": [8, 16]},
        {"hidden_layer_sizes": [[3], [5]]},
        {"activation": ["tanh", "relu"]},
        {"optimizer": ["sgd", "adam"]},
    ],
    ids=lambda axis: next(iter(axis)),
)
def test_what_changes_shapes_or_code_splits(axis: dict[str, list[Any]]) -> None:
    # the learning rate varies slowest, so that the runs of a block are not neighbours
    blocks = blocks_of(members_of(config_with({"runs": 2, "learning_rate": [0.1, 0.3], **axis})), width=100)
    assert sorted(numbers(blocks)) == [[0, 1, 4, 5], [2, 3, 6, 7]]
    ((name, values),) = axis.items()
    for block in blocks:
        (value,) = {repr(member.point[name]) for member in block.members}
        section = block.config.model if name in ("activation", "hidden_layer_sizes") else block.config.train
        assert repr(getattr(section, name)) == value
        assert value in map(repr, values)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (1, [[0], [1], [2], [3], [4]]),
        (2, [[0, 1], [2, 3], [4]]),
        (4, [[0, 1, 2, 3], [4]]),
        (5, [[0, 1, 2, 3, 4]]),
        (99, [[0, 1, 2, 3, 4]]),
    ],
)
def test_a_block_is_no_wider_than_it_may_be(width: int, expected: list[list[int]]) -> None:
    blocks = blocks_of(members_of(config_with({"runs": 5})), width)
    assert numbers(blocks) == expected
    assert [block.number for block in blocks] == list(range(len(expected)))


def test_every_run_is_in_one_block() -> None:
    grid = {"runs": 3, "batch_size": [4, 32, 5], "learning_rate": [0.1, 0.2], "hidden_layer_sizes": [[], [10], [9, 9]]}
    members = members_of(config_with(grid))
    blocks = blocks_of(members, width=4)
    assert sorted(member.number for block in blocks for member in block.members) == list(range(54))
    assert len(blocks) == 9 * 2  # 6 runs of each of 9 shapes, at most 4 in a block


def test_a_block_names_its_runs() -> None:
    wide, narrow = blocks_of(members_of(config_with({"runs": 3})), width=2)
    assert (wide.label, narrow.label) == ("runs 0, 1", "run 2")


def test_the_name_of_the_config_stays() -> None:
    path = Path(__file__).parents[2] / "configs" / "grid.toml"
    assert {member.config.name for member in members_of(load_config(path))} == {"grid"}
