"""Contestants: they train a work's first steps, or until they reach an accuracy."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # see `benchmarks.seat`
    from benchmarks.works import Work


class ContestantError(Exception):
    """A contestant cannot take part here or has failed; the message says why."""


class Stretch(NamedTuple):
    """The first steps of a work, timed.

    Attributes
    ----------
    seconds : float
    steps : int
    losses : (steps,), or (1,) with their mean if a library reports only that, or (0,) if nothing is learned
    """

    seconds: float
    steps: int
    losses: npt.NDArray[Any]


class Reached(NamedTuple):
    """The end of an epoch: the time since the training began, and the validation accuracy."""

    seconds: float
    accuracy: float


class Contestant(ABC):
    """A library on a device, with a work's data in its memory and everything compiled or ready to be compiled.

    Parameters
    ----------
    work : Work
    device : "cpu" or "gpu"
    threads : int
        Number of CPU threads, to which the process is already confined.
    """

    def __init__(self, work: Work, device: str, threads: int) -> None:
        self.work, self.device, self.threads = work, device, threads
        self.prepare()

    @abstractmethod
    def prepare(self) -> None:
        """Import the library and load the data.

        Raises
        ------
        ContestantError
            If the library or the device is missing.
        """

    def close(self) -> None:
        """Release resources of `prepare` that garbage collection does not free."""
        return

    @abstractmethod
    def stretch(self) -> Stretch:
        """Train from the initial weights through a stretch of the work, until the losses are on the host."""

    def to_accuracy(self, epochs: int) -> list[Reached]:
        """Train from the initial weights until the work's last target is reached, for at most this many epochs."""
        raise ContestantError("it does not learn")


class Peer(Contestant):
    """Another library, used as in its documentation, with the weights and the order of xpmlp."""

    def prepare(self) -> None:
        """Load the data as float32, and build the network."""
        from benchmarks.works import as_float32

        features, labels = as_float32(self.work, "train")
        self.build(features, labels)

    @abstractmethod
    def build(self, features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> None:
        """Build the network, and take the training examples (n, n_in) and (n,)."""

    @abstractmethod
    def restart(self) -> None:
        """Set the initial weights."""

    @abstractmethod
    def arrange(self, order: npt.NDArray[np.int64]) -> None:
        """Prepare batches of these row numbers, (steps, batch); not timed."""

    @abstractmethod
    def train(self) -> npt.NDArray[Any]:
        """Train on the arranged batches; return their losses on the host, (steps,), or (1,) with the mean."""

    @abstractmethod
    def predict(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Predict the classes of examples, (n,)."""

    def stretch(self) -> Stretch:
        """Train from the initial weights through a stretch of the work."""
        self.restart()
        self.arrange(self.work.first_order())
        started = time.perf_counter()
        losses = self.train()
        return Stretch(time.perf_counter() - started, self.work.steps, losses)

    def to_accuracy(self, epochs: int) -> list[Reached]:
        """Train until the accuracy is reached; evaluation is timed, arranging is not."""
        from benchmarks.works import as_float32

        features, labels = as_float32(self.work, "validation")
        self.restart()
        reached: list[Reached] = []
        seconds = 0.0
        while len(reached) < epochs:
            self.arrange(self.work.order(len(reached) + 1))
            started = time.perf_counter()
            self.train()
            accuracy = float(np.mean(self.predict(features) == labels))
            seconds += time.perf_counter() - started
            reached.append(Reached(seconds, accuracy))
            if accuracy >= max(self.work.targets):
                break
        return reached
