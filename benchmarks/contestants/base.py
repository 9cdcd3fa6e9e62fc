"""Contestants, which train a work's first steps, or train until they predict well enough."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # see `benchmarks.seat`
    from benchmarks.works import Work


class ContestantError(Exception):
    """A contestant cannot take part here, or could not do what it was told; says why."""


class Stretch(NamedTuple):
    """The first steps of a work, timed.

    Attributes
    ----------
    seconds : float
    steps : int
    losses : (steps,), or (1,) with their mean where a library tells no more, or (0,) where nothing is learned
    """

    seconds: float
    steps: int
    losses: npt.NDArray[Any]


class Reached(NamedTuple):
    """The end of an epoch: the time since training began, and the validation accuracy."""

    seconds: float
    accuracy: float


class Contestant(ABC):
    """A library on a device, with a work's data in its memory and everything compiled or ready to be.

    Parameters
    ----------
    work : Work
    device : "cpu" or "gpu"
    threads : int
        Of the CPU, which the process is confined to already.
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
            If the library or the device is not there.
        """

    def close(self) -> None:
        """Give back what `prepare` took and memory management does not see to."""
        return

    @abstractmethod
    def stretch(self) -> Stretch:
        """Train from the first weights through a stretch of the work, to losses on the host."""

    def to_accuracy(self, epochs: int) -> list[Reached]:
        """Train from the first weights until the work's last target is reached, for so many epochs at most."""
        raise ContestantError("it does not learn")


class Peer(Contestant):
    """Another library, written as its documentation would write it, given the weights and the order of xpmlp."""

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
        """Set the first weights."""

    @abstractmethod
    def arrange(self, order: npt.NDArray[np.int64]) -> None:
        """Do what can be done ahead for batches of these row numbers, (steps, batch); not timed."""

    @abstractmethod
    def train(self) -> npt.NDArray[Any]:
        """Train on the arranged batches: their losses on the host, (steps,), or (1,) with the mean."""

    @abstractmethod
    def predict(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """The classes of examples, (n,)."""

    def stretch(self) -> Stretch:
        """Train from the first weights through a stretch of the work."""
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
