"""Rounds: contestants take turns, again and again, so that disturbances affect them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.contestants import GRIDS, REFERENCE, ContestantError, Entry, Reached, Stretch
from benchmarks.seat import Seat
from benchmarks.works import Work

MOST_EPOCHS = 30
"""Maximum number of epochs to an accuracy."""

PAUSE = 0.2
"""Seconds before a contestant's turn, in which the previous one's threads fall asleep: OpenBLAS's take up to 0.1."""


class Spread(NamedTuple):
    """Median and quartiles of some measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Compute the spread of one or more values."""
        low, median, high = np.percentile(values, [25, 50, 75])
        return cls(float(median), float(low), float(high))


@dataclass
class Row:
    """Results of a contestant in a work.

    Attributes
    ----------
    entry : Entry
    rounds : list of float
        Seconds per step, one number for each round; for the kind ``accuracy`` seconds to the last target.
    losses : (steps,), or (1,) with the mean, or (0,)
        Losses of the first stretch.
    trainings : list of list of Reached
        The epochs of each round, for the kind ``accuracy``.
    problem : str or None
        Why it could not take part, or had to stop.
    """

    entry: Entry
    rounds: list[float] = field(default_factory=list)
    losses: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0))
    trainings: list[list[Reached]] = field(default_factory=list)
    problem: str | None = None

    @property
    def spread(self) -> Spread:
        """The spread of its rounds."""
        return Spread.of(self.rounds)

    def seconds_to(self, accuracy: float) -> Spread | None:
        """Return the time to a validation accuracy, or ``None`` if a round did not reach it."""
        times = [next((end.seconds for end in ends if end.accuracy >= accuracy), None) for ends in self.trainings]
        return None if None in times else Spread.of([seconds for seconds in times if seconds is not None])

    def epochs_to(self, accuracy: float) -> int:
        """Return the epochs to a validation accuracy that was reached."""
        return next(number for number, end in enumerate(self.trainings[0], 1) if end.accuracy >= accuracy)


@dataclass
class Measurement:
    """The rows of a work, measured with a number of threads."""

    work: Work
    threads: int
    rows: list[Row]

    def row(self, name: str) -> Row | None:
        """Return the row of a contestant that took part."""
        return next((row for row in self.rows if row.entry.name == name and row.rounds), None)

    def times(self, row: Row, other: str) -> float | None:
        """Return the ratio of the contestant's time to another's, by the medians."""
        measure = self.row(other)
        return row.spread.median / measure.spread.median if measure is not None and row.rounds else None

    def times_by_round(self, name: str, other: str) -> float | None:
        """Return the median of the ratios to another contestant's time within a round, as conditions change between
        rounds.
        """
        one, two = self.row(name), self.row(other)
        if one is None or two is None or len(one.rounds) != len(two.rounds):
            return None
        return float(np.median(np.divide(one.rounds, two.rounds)))

    def loss_difference(self, row: Row) -> float | None:
        """``max|a - b| / max|b|`` between its losses and the reference's, or their means if it reports only those."""
        reference = self.row(REFERENCE.name)
        if reference is None or not row.losses.size or not reference.losses.size:
            return None
        b = reference.losses.astype(np.float64)
        if row.losses.size == 1:
            b = b.mean(keepdims=True)
        return float(np.max(np.abs(row.losses - b)) / np.max(np.abs(b)))


def measure(
    work: Work, threads: int, seats: Sequence[Seat], rounds: int, seconds: float, say: Callable[[str], None]
) -> Measurement:
    """Measure a work.

    Parameters
    ----------
    work : Work
    threads : int
    seats : sequence of Seat
        The contestants' processes; a contestant that fails is left out from then on.
    rounds : int
    seconds : float
        Minimum length of a contestant's turn, which continues to the end of a stretch.
    say : (line) -> None
        Called with lines on the progress.

    Returns
    -------
    measurement : Measurement
    """
    rows = {seat: Row(seat.entry) for seat in seats}
    for seat in seats:
        seat.tell("prepare", work)
    for seat in seats:
        _try(rows[seat], seat.answer)
    if work.kind == "accuracy":
        turns, warm_up, turn = max(1, rounds // 3), _first_epoch, _turn_to_accuracy
    else:
        turns, warm_up, turn = rounds, _first_stretch, _turn
    say("warming up")
    for seat in seats:
        _try(rows[seat], _grid if seat.entry in GRIDS else warm_up, seat, rows[seat])
    for number in range(turns):
        say(f"round {number + 1} of {turns}")
        for seat in seats[:: 1 if number % 2 == 0 else -1]:  # back and forth, so that drift favours no contestant
            if seat.entry not in GRIDS:
                time.sleep(PAUSE)
                _try(rows[seat], turn, seat, rows[seat], seconds)
    return Measurement(work, threads, list(rows.values()))


def _try(row: Row, action: Callable[..., object], *arguments: Any) -> None:
    """Call a contestant that is still in the race; a failure ends its race."""
    if row.problem is not None:
        return
    try:
        action(*arguments)
    except ContestantError as error:
        row.problem = str(error)


def _first_epoch(seat: Seat, row: Row) -> None:
    seat.ask("to_accuracy", 1)


def _first_stretch(seat: Seat, row: Row) -> None:
    stretch: Stretch = seat.ask("stretch")
    row.losses = stretch.losses


def _grid(seat: Seat, row: Row) -> None:
    """Train a grid once: it is many runs already, and started cold."""
    stretch: Stretch = seat.ask("stretch")
    row.losses = stretch.losses
    row.rounds.append(stretch.seconds / stretch.steps)


def _turn(seat: Seat, row: Row, least: float) -> None:
    seconds, steps = 0.0, 0
    while seconds < least:
        stretch: Stretch = seat.ask("stretch")
        seconds, steps = seconds + stretch.seconds, steps + stretch.steps
    row.rounds.append(seconds / steps)


def _turn_to_accuracy(seat: Seat, row: Row, least: float) -> None:
    epochs: list[Reached] = seat.ask("to_accuracy", MOST_EPOCHS)
    row.trainings.append(epochs)
    row.rounds.append(epochs[-1].seconds)
