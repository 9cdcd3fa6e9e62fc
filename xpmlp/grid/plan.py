"""The plan of a grid: its runs, and the blocks in which those of equal shapes are trained."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, product
from pathlib import Path
from typing import Any, NamedTuple

from xpmlp.config import GRID_AXES, Config, GridConfig
from xpmlp.training.run import RunSettings

STACKING = ("learning_rate", "weight_decay", "momentum")
"""The axes that runs of one block may differ in; the others change shapes or code."""


class Member(NamedTuple):
    """One run of a grid.

    Attributes
    ----------
    number : int
        From 0, in the order of the grid: the last axis varies fastest, and the seeds faster still.
    point : dict
        The value of each axis that varies.
    config : Config
        By which it could be trained alone.
    """

    number: int
    point: dict[str, Any]
    config: Config


class Block(NamedTuple):
    """Runs that are trained together.

    Attributes
    ----------
    number : int
    config : Config
        What they have in common; its seed, learning rate, weight decay and momentum are the first run's.
    members : tuple of Member
    checkpoints : Path or None
        Where its checkpoints are, and whence its training goes on if there are any.
    allow_code : bool
        Whether the process that trains it may import the records from outside of the package that it names.
    """

    number: int
    config: Config
    members: tuple[Member, ...]
    checkpoints: Path | None = None
    allow_code: bool = False

    @property
    def settings(self) -> list[RunSettings]:
        """The settings by which its runs differ."""
        return [RunSettings.of(member.config.train) for member in self.members]

    @property
    def label(self) -> str:
        """Its runs, for messages: ``run 3`` or ``runs 3, 4, 5``."""
        numbers = ", ".join(str(member.number) for member in self.members)
        return f"run{'s' if len(self.members) > 1 else ''} {numbers}"


def members_of(config: Config) -> list[Member]:
    """All runs of a config's grid: every combination of its lists, with each seed.

    Parameters
    ----------
    config : Config

    Returns
    -------
    members : list of Member
        One, with an empty point, for a config without a grid.
    """
    grid = config.grid
    axes = {name: getattr(grid, name) for name in GRID_AXES if getattr(grid, name)}
    members: list[Member] = []
    for values in product(*axes.values()):
        point = dict(zip(axes, values, strict=True))
        for seed in range(config.train.seed, config.train.seed + grid.runs):
            members.append(Member(len(members), point, _alone(config, point, seed)))
    return members


def blocks_of(members: Iterable[Member], width: int) -> list[Block]:
    """Cut runs into blocks of at most ``width`` that differ in nothing but what can be stacked."""
    blocks: list[Block] = []
    ordered = sorted(members, key=lambda member: (_shape(member), member.number))
    for _, group in groupby(ordered, key=_shape):
        alike = tuple(group)
        for start in range(0, len(alike), width):
            blocks.append(Block(len(blocks), alike[start].config, alike[start : start + width]))
    return blocks


def _alone(config: Config, point: dict[str, Any], seed: int) -> Config:
    """The config of one run: the grid's values in the places that they vary."""
    values: dict[str, dict[str, Any]] = {"model": {}, "train": {"seed": seed}}
    for name, value in point.items():
        values[GRID_AXES[name]][name] = value
    return config.replaced(**values).model_copy(update={"grid": GridConfig()})


def _shape(member: Member) -> str:
    """Write, as text that sorts, the values that the runs of one block must share."""
    return repr([(name, value) for name, value in member.point.items() if name not in STACKING])
