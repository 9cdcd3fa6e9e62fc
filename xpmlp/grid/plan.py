"""The plan of a grid: its runs, and blocks of runs of equal shapes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, product
from pathlib import Path
from typing import Any, NamedTuple

from xpmlp.config import GRID_AXES, Config, GridConfig
from xpmlp.training.run import RunSettings

STACKING = ("learning_rate", "weight_decay", "momentum")
"""Axes that may differ between runs of one block; the others change shapes or code."""


class Member(NamedTuple):
    """Run of a grid.

    Attributes
    ----------
    number : int
        From 0, in the order of the grid: the last axis varies fastest, and the seeds faster still.
    point : dict
        The value of each axis that varies.
    config : Config
        Config for training it alone.
    """

    number: int
    point: dict[str, Any]
    config: Config


class Block(NamedTuple):
    """Block of runs trained together.

    Attributes
    ----------
    number : int
    config : Config
        Common config of the runs; its seed, learning rate, weight decay and momentum are the first run's.
    members : tuple of Member
    checkpoints : Path or None
        Folder of its checkpoints, from which its training resumes if there are any.
    allow_code : bool
        Whether the process that trains it may import the external records named by its config.
    """

    number: int
    config: Config
    members: tuple[Member, ...]
    checkpoints: Path | None = None
    allow_code: bool = False

    @property
    def settings(self) -> list[RunSettings]:
        """The settings that may differ between its runs."""
        return [RunSettings.of(member.config.train) for member in self.members]

    @property
    def label(self) -> str:
        """Its runs, for messages: ``run 3`` or ``runs 3, 4, 5``."""
        numbers = ", ".join(str(member.number) for member in self.members)
        return f"run{'s' if len(self.members) > 1 else ''} {numbers}"


def members_of(config: Config) -> list[Member]:
    """List all runs of a config's grid: every combination of its lists, with each seed.

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
    """Divide runs into blocks of at most ``width`` runs that differ only in the axes in `STACKING` and their seeds."""
    blocks: list[Block] = []
    ordered = sorted(members, key=lambda member: (_shape(member), member.number))
    for _, group in groupby(ordered, key=_shape):
        alike = tuple(group)
        for start in range(0, len(alike), width):
            blocks.append(Block(len(blocks), alike[start].config, alike[start : start + width]))
    return blocks


def _alone(config: Config, point: dict[str, Any], seed: int) -> Config:
    """Return the config of one run, with its point of the grid and its seed applied."""
    values: dict[str, dict[str, Any]] = {"model": {}, "train": {"seed": seed}}
    for name, value in point.items():
        values[GRID_AXES[name]][name] = value
    return config.replaced(**values).model_copy(update={"grid": GridConfig()})


def _shape(member: Member) -> str:
    """Return a sortable text of the values that the runs of one block must share."""
    return repr([(name, value) for name, value in member.point.items() if name not in STACKING])
