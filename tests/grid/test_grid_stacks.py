"""Run k of a stacked block equals the run trained alone with its own config."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import xpmlp
from tests.grid.small import STEPS, grid_config
from tests.helpers import Case, cases, other_devices_slow, relative_difference
from xpmlp.backend import Backend
from xpmlp.grid import Block, blocks_of, members_of
from xpmlp.grid.block import train_one
from xpmlp.training import Reporter
from xpmlp.training.record import Outcome

# rates at which rounding errors do not grow: at 0.5 with momentum 0.9, float32 alone leaves float64 alone by 3%
AXES: dict[str, Any] = {"learning_rate": [0.1, 0.01], "weight_decay": [0.001, 0.1], "momentum": [0.9, 0.3], "runs": 2}
"""All that stacks: 16 runs."""

CHOSEN = (0, 1, 2, 4, 8, 15)
"""Those that are trained alone, too: the first, those that differ from it along one axis, and the last."""

EPOCHS = {"float64": 1, "float32": 12}
"""One epoch, and over a hundred steps."""

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


@pytest.fixture(params=other_devices_slow(cases()))
def case(request: pytest.FixtureRequest, get_backend: Callable[..., Backend]) -> Case:
    """Each backend on each of its devices and dtypes, as far as they are here."""
    wanted: Case = request.param
    get_backend(wanted.name, wanted.device, wanted.dtype)
    return wanted


def train_block(block: Block) -> list[Outcome]:
    return train_one(block, None, Reporter(), lambda: False)


def leaves(outcome: Outcome) -> list[npt.NDArray[Any]]:
    return [leaf for layer in outcome.network.parameters for leaf in layer]


def difference(outcome: Outcome, other: Outcome) -> float:
    """The largest relative difference over the batches' losses and each of the weights."""
    pairs = zip(leaves(outcome), leaves(other), strict=True)
    losses = relative_difference(outcome.run.losses, other.run.losses)
    return max(losses, *(relative_difference(*pair) for pair in pairs))


def test_equals_the_run_alone(data: Path, case: Case) -> None:
    epochs, tolerance = EPOCHS[case.dtype], TOLERANCE[case.dtype]
    assert case.dtype == "float64" or epochs * STEPS >= 100
    config = grid_config(data, backend=case._asdict(), train={"epochs": epochs, "optimizer": "momentum"}, **AXES)
    members = members_of(config)
    (block,) = blocks_of(members, width=16)
    outcomes = train_block(block)
    chosen = [outcomes[number] for number in CHOSEN]
    for outcome, single in zip(chosen, blocks_of((members[number] for number in CHOSEN), width=1), strict=True):
        (alone,) = train_block(single)
        assert outcome.config == single.members[0].config
        assert outcome.run.settings == alone.run.settings
        assert len(outcome.run.losses) == epochs * STEPS
        assert difference(outcome, alone) <= tolerance
        for row, row_alone in zip(outcome.run.epochs, alone.run.epochs, strict=True):
            assert row == pytest.approx(row_alone, rel=tolerance)
    for outcome, other in pairwise(chosen):  # else one could be mistaken for another
        assert difference(outcome, other) > 1e-3


def test_a_block_of_one_is_what_train_does(data: Path) -> None:
    member = members_of(grid_config(data, train={"optimizer": "momentum"}, **AXES))[6]
    (outcome,) = train_block(Block(0, member.config, (member,)))
    result = xpmlp.train(member.config)
    assert outcome.run.epochs == result.run.epochs
    np.testing.assert_array_equal(outcome.run.losses, result.run.losses)
    for layer, trained in zip(outcome.network.parameters, result.parameters, strict=True):
        for leaf, trained_leaf in zip(layer, trained, strict=True):
            np.testing.assert_array_equal(leaf, trained_leaf)


def test_blocks_of_any_width_are_the_same_in_float64(data: Path) -> None:
    config = grid_config(data, runs=5, learning_rate=[0.5, 0.1])
    wide, narrow = (
        [outcome for block in blocks_of(members_of(config), width) for outcome in train_block(block)]
        for width in (10, 3)
    )
    for outcome, other in zip(wide, narrow, strict=True):
        assert outcome.run.epochs == other.run.epochs
        np.testing.assert_array_equal(outcome.run.losses, other.run.losses)
        for leaf, other_leaf in zip(leaves(outcome), leaves(other), strict=True):
            np.testing.assert_array_equal(leaf, other_leaf)


def test_a_file_that_has_changed_is_read_again(data: Path) -> None:
    config = grid_config(data, runs=2)
    (block,) = blocks_of(members_of(config), width=2)
    before = train_block(block)[0]
    with np.load(data) as saved:
        np.savez(data, features=saved["features"] + 1.0, target=saved["target"][::-1])
    after, alone = train_block(block)[0], xpmlp.train(block.members[0].config)
    assert after.facts["data"]["sha256"] != before.facts["data"]["sha256"]
    np.testing.assert_array_equal(after.run.losses, alone.run.losses)
    assert relative_difference(after.run.losses, before.run.losses) > 1e-3
