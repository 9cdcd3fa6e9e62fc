"""The length of a training from the size of its data: `"auto"` for ``train.epochs`` and ``train.batch_size``.

Few rows get many epochs; many rows get as many as a fixed amount of work allows.  docs/recipe.md has the rules.
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
"""Multiplications by a weight in all forward passes of a training, all members together: minutes on two cores."""

A_UNIT = 40
"""Cost of the operations on a unit, above all its activation function, in multiplications."""

EPOCHS = (8, 256)
"""The fewest epochs, for millions of rows, and the most."""

BATCH = (256, 1024)
"""The smallest and the largest batch; between them it is the square root of the number of rows."""

FEW = 1000
"""Number of training examples below which `judge_folds = "auto"` means together and `linear_skip = "auto"` may add a
skip."""

EXAMPLES_A_WEIGHT = 4
"""Minimum number of training examples per input for `linear_skip = "auto"`: with fewer, the skip learns noise."""

SLOWEST = 3e8
"""Multiplications in a second that any machine does: a training that fits into its time even then needs no probe."""

PROBE_SECONDS = 1.0
"""Time for measuring the speed of a training."""

PROBE_STEPS = 8
"""Number of steps between two readings of the clock."""

SHARE = 0.85
"""Share of ``train.max_seconds`` planned for epochs: the speed varies."""


def skips(examples: int, inputs: int) -> bool:
    """Return whether ``linear_skip = "auto"`` adds a skip: for few examples, but several per number or category.

    Examples
    --------
    >>> skips(200, 13), skips(200, 300), skips(20_000, 13)
    (True, False, False)
    """
    return EXAMPLES_A_WEIGHT * inputs <= examples < FEW


def batch_size_for(n_examples: int) -> int:
    """Choose the batch size for a number of examples: all batches are equal, or the last is slightly smaller.

    Examples
    --------
    >>> [batch_size_for(n) for n in (100, 640, 12_000, 160_000, 10_000_000)]
    [100, 214, 256, 400, 1024]
    """
    least, most = BATCH
    wanted = min(max(least, round(math.sqrt(n_examples))), most)
    return max(1, math.ceil(n_examples / math.ceil(n_examples / wanted)))


def epochs_for(n_examples: int, n_parameters: int, n_units: int, members: int = 1) -> int:
    """Choose the number of epochs from the work of all members together.

    Parameters
    ----------
    n_examples : int
        Examples in an epoch of a member.
    n_parameters, n_units : int
        Parameters of a member, and units in all its layers.
    members : int

    Examples
    --------
    >>> [epochs_for(n, 160_000, 2_000, 5) for n in (100, 8_000, 40_000, 1_000_000)]
    [256, 256, 52, 8]
    """
    least, most = EPOCHS
    return min(max(least, int(WORK / work_of(n_examples, n_parameters, n_units, members))), most)


def work_of(n_examples: int, n_parameters: int, n_units: int, members: int = 1) -> int:
    """Return the work of an epoch of all members, in multiplications; parameters as for `epochs_for`."""
    return members * max(n_examples, 1) * (n_parameters + A_UNIT * n_units)


def length_of(trainable: ConfigTrainable) -> Length:
    """Return the epochs and the batch size of a trainable, with numbers in place of `"auto"`."""
    train, n = trainable.config.train, trainable.n_examples
    epochs, batch_size = train.epochs, train.batch_size
    if epochs == "auto":
        epochs = epochs_for(*_size(trainable))
    return Length(epochs, batch_size_for(n) if batch_size == "auto" else batch_size)


def _size(trainable: ConfigTrainable) -> tuple[int, int, int, int]:
    """The parameters of `epochs_for`."""
    network, networks = trainable.network, trainable.config.train.networks
    return trainable.n_examples, network.n_parameters * network.root.repeats, network.n_outputs_within, networks


def sized(trainable: Some) -> Some:
    """Replace `"auto"` by numbers in the config of a trainable."""
    train = trainable.config.train
    return _with(trainable, trainable.length._asdict()) if "auto" in (train.epochs, train.batch_size) else trainable


def in_time(trainable: Some, settings: Sequence[RunSettings]) -> Some:
    """Reduce the epochs of a trainable to fit ``train.max_seconds``.

    The speed is measured on the first steps, trained within the backend's session and discarded, unless the training
    fits even at the `SLOWEST` speed.  In the returned config the epochs replace ``max_seconds``, so that a resumed
    training has the same number.
    """
    seconds = trainable.config.train.max_seconds
    if seconds is None:
        return trainable
    if trainable.settings.epochs * work_of(*_size(trainable)) < SLOWEST * seconds:
        return _with(trainable, {"max_seconds": None})
    pace, began = _Pace(), time.perf_counter()
    probe = _with(trainable, {"segment_steps": PROBE_STEPS})
    train_block(probe, settings, pace, pace.enough)
    if not pace.looks:  # all runs diverged in the first segment, and will again
        return _with(trainable, {"max_seconds": None})
    left = SHARE * seconds - (time.perf_counter() - began)
    epochs = int(left / (pace.seconds_per_step * trainable.steps_per_epoch))
    return _with(trainable, {"epochs": min(max(1, epochs), trainable.settings.epochs), "max_seconds": None})


class _Pace(Reporter):
    """Clock read after each segment; the first two segments do not count, since they include compilation."""

    def __init__(self) -> None:
        self.looks: list[tuple[float, int]] = []

    def segment(self, progress: Progress) -> None:
        """Record the time and the number of steps."""
        done = (progress.epoch - 1) * progress.steps + progress.step
        self.looks.append((time.perf_counter(), done))

    def enough(self) -> bool:
        """Return whether the speed is known."""
        return len(self.looks) > 2 and self.looks[-1][0] - self.looks[1][0] > PROBE_SECONDS

    @property
    def seconds_per_step(self) -> float:
        """Seconds per step, evaluations in between included, without the first two segments (or the first of two)."""
        first = 0 if len(self.looks) < 3 else 1
        (began, before), (ended, after) = self.looks[first], self.looks[-1]
        return max(ended - began, 1e-9) / max(after - before, 1)


def _with(trainable: Some, fields: Mapping[str, int | None]) -> Some:
    return replace(trainable, config=trainable.config.replaced(train=fields))
