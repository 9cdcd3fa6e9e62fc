"""Schedules: the change of a learning rate, the weight decay or dropout in the course of a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple


class ScheduleSettings(NamedTuple):
    """Settings that schedules depend on.

    Attributes
    ----------
    first : float
        The value in the config, which a schedule multiplies.
    length : int
        Epochs or steps of the whole training, as the schedule counts them.
    examples : float
        Examples in an epoch or in a step.
    power_t : float
        The exponent of inverse scaling.
    tol, n_iter_no_change : float, int
        By how much, and within how many epochs, the training loss must fall (adaptive).
    """

    first: float
    length: int
    examples: float
    power_t: float = 0.5
    tol: float = 1e-4
    n_iter_no_change: int = 10


class Schedule(NamedTuple):
    """A schedule by name.  It has no state: a resumed training computes the same values without having stored any.

    Attributes
    ----------
    name : str
        Its name in a config.
    sentence : str
        Its effect, for the documentation: a continuation of its name.
    value : (settings, done, losses) -> float
        The value after ``done`` epochs or steps; ``losses`` are the training losses of the epochs before, if it needs
        them.
    by : "epoch" or "step"
        How often it sets a new value, unless the config sets that.
    keys : tuple of str
        The keys of ``[train]`` that only it reads.
    needs_losses : bool
        Whether it reads the losses: always by epoch, then.  All others are proportional to ``settings.first``.
    needs_length : bool
        Whether it depends on the length of the training.
    """

    name: str
    sentence: str
    value: Callable[[ScheduleSettings, int, Sequence[float]], float]
    by: Literal["epoch", "step"] = "step"
    keys: tuple[str, ...] = ()
    needs_losses: bool = False
    needs_length: bool = True


def of_progress(name: str, sentence: str, factor: Callable[[float], float]) -> Schedule:
    """Make a schedule that multiplies the first value by a function of the completed part of training, in [0, 1)."""
    return Schedule(name, sentence, lambda settings, done, losses: settings.first * factor(done / settings.length))
