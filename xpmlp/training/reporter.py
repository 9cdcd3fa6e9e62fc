"""What the training loop tells to whoever watches it."""

from __future__ import annotations

from typing import NamedTuple

from xpmlp.backend import Choice
from xpmlp.data import Dataset
from xpmlp.nn import Metric, Network
from xpmlp.training.run import EpochRow


class Progress(NamedTuple):
    """Where a training is, after a segment.

    Attributes
    ----------
    epoch, epochs : int
        The current epoch, from 1, and how many there will be.
    step, steps : int
        Steps done in this epoch, and steps of an epoch.
    examples : int
        Examples trained on since the last report, over all runs.
    loss, value : float
        Means over this epoch so far, over the runs still going; ``value`` is accuracy or R².
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    examples: int
    loss: float
    value: float


class Reporter:
    """A listener that does nothing; a subclass overrides what it wants to hear.

    Attributes
    ----------
    quiet : bool
        Whether a download must not draw a progress bar.
    """

    quiet = True

    def prepared(self, choice: Choice, dataset: Dataset, network: Network) -> None:
        """The backend was found, the data were read and the network is known."""

    def note(self, text: str) -> None:
        """Something that one may want to know, in a sentence: from where a training goes on, or what was damaged."""

    def begin(self, epochs: int, steps: int, metric: Metric) -> None:
        """A training of this many epochs, of this many steps each, begins; values will be of this metric."""

    def segment(self, progress: Progress) -> None:
        """A segment was trained and its results were read back."""

    def epoch(self, run: int, row: EpochRow) -> None:
        """A run finished an epoch."""

    def end(self) -> None:
        """The training has ended, however it did, and its numbers are written."""
