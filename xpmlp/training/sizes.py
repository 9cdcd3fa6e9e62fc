"""The length of a training by the size of its data: what `"auto"` means for ``train.epochs`` and ``train.batch_size``.

Few rows take many epochs; many rows as many as a fixed amount of work allows.  docs/recipe.md has the rules.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from xpmlp.config.sections import Length
from xpmlp.training.loop import train_block
from xpmlp.training.run import Progress, Reporter, RunSettings

if TYPE_CHECKING:
    from xpmlp.training.configured import ConfigTrainable

    Some = TypeVar("Some", bound=ConfigTrainable)

WORK = 2.5e12
"""Multiplications by a weight in the forward passes of a whole training, all members together: minutes on two cores."""

A_UNIT = 40
"""Multiplications that what is done to a unit, its function above all, takes as long as."""

EPOCHS = (8, 256)
"""The fewest epochs, for millions of rows, and the most."""

BATCH = (256, 1024)
"""The smallest and the largest batch; between them it is the square root of the number of rows."""

FEW = 1000
"""Training examples below which `judge_folds = "auto"` means together, and there may be a `linear_skip = "auto"`."""

EXAMPLES_A_WEIGHT = 4
"""Training examples for each input of a `linear_skip = "auto"`, at least: with fewer it learns noise."""

PROBE_SECONDS = 1.0
"""The time in which a training's pace is measured."""

PROBE_STEPS = 8
"""The steps between two looks at the clock."""

SHARE = 0.85
"""The part of ``train.max_seconds`` that epochs are planned for: the pace varies."""


def skips(examples: int, inputs: int) -> bool:
    """Whether ``linear_skip = "auto"`` is a skip: few examples, but several for each input, a number or a category.

    Examples
    --------
    >>> skips(200, 13), skips(200, 300), skips(20_000, 13)
    (True, False, False)
    """
    return EXAMPLES_A_WEIGHT * inputs <= examples < FEW


def batch_size_for(n_examples: int) -> int:
    """Choose the batch size for a number of examples: all batches are equal, or the last is shorter by a few.

    Examples
    --------
    >>> [batch_size_for(n) for n in (100, 640, 12_000, 160_000, 10_000_000)]
    [100, 214, 256, 400, 1024]
    """
    least, most = BATCH
    wanted = min(max(least, round(math.sqrt(n_examples))), most)
    return max(1, math.ceil(n_examples / math.ceil(n_examples / wanted)))


def epochs_for(n_examples: int, n_parameters: int, n_units: int, members: int = 1) -> int:
    """Choose the number of epochs, by the work that all members together take.

    Parameters
    ----------
    n_examples : int
        Of an epoch of a member.
    n_parameters, n_units : int
        Of a member; the units of all its layers.
    members : int

    Examples
    --------
    >>> [epochs_for(n, 160_000, 2_000, 5) for n in (100, 8_000, 40_000, 1_000_000)]
    [256, 256, 52, 8]
    """
    least, most = EPOCHS
    work = members * max(n_examples, 1) * (n_parameters + A_UNIT * n_units)
    return min(max(least, int(WORK / work)), most)


def length_of(trainable: ConfigTrainable) -> Length:
    """The epochs and the batch size of a trainable, with numbers in the place of `"auto"`."""
    train, network, n = trainable.config.train, trainable.network, trainable.n_examples
    epochs, batch_size = train.epochs, train.batch_size
    if epochs == "auto":
        members = train.members * (train.folds or 1)
        epochs = epochs_for(n, network.n_parameters, network.n_outputs_within, members)
    return Length(epochs, batch_size_for(n) if batch_size == "auto" else batch_size)


def sized(trainable: Some) -> Some:
    """Give the config of a trainable numbers in the place of `"auto"`."""
    train = trainable.config.train
    return _with(trainable, trainable.length._asdict()) if "auto" in (train.epochs, train.batch_size) else trainable


def in_time(trainable: Some, settings: Sequence[RunSettings]) -> Some:
    """Give a trainable as many epochs as ``train.max_seconds`` allow, at most those that it has.

    The first steps are trained, within the backend's session, and thrown away.  In the config that comes back the
    epochs stand in the place of ``max_seconds``, so that a training that is resumed has the same ones.
    """
    seconds = trainable.config.train.max_seconds
    if seconds is None:
        return trainable
    pace, began = _Pace(), time.perf_counter()
    probe = _with(trainable, {"segment_steps": PROBE_STEPS})
    train_block(probe, settings, pace, pace.enough)
    left = SHARE * seconds - (time.perf_counter() - began)
    epochs = int(left / (pace.seconds_per_step * trainable.steps_per_epoch))
    return _with(trainable, {"epochs": min(max(1, epochs), trainable.settings.epochs), "max_seconds": None})


class _Pace(Reporter):
    """A clock that is looked at after each segment; the first one, with what is compiled in it, does not count."""

    def __init__(self) -> None:
        self.looks: list[tuple[float, int]] = []

    def segment(self, progress: Progress) -> None:
        """Take down the time and the number of steps."""
        done = (progress.epoch - 1) * progress.steps + progress.step
        self.looks.append((time.perf_counter(), done))

    def enough(self) -> bool:
        """Whether the pace is known."""
        return len(self.looks) > 2 and self.looks[-1][0] - self.looks[1][0] > PROBE_SECONDS

    @property
    def seconds_per_step(self) -> float:
        """Of all steps but those of the first segment, with the evaluations between them."""
        first = 0 if len(self.looks) < 3 else 1
        (began, before), (ended, after) = self.looks[first], self.looks[-1]
        return max(ended - began, 1e-9) / max(after - before, 1)


def _with(trainable: Some, fields: Mapping[str, int | None]) -> Some:
    return replace(trainable, config=trainable.config.replaced(train=fields))
