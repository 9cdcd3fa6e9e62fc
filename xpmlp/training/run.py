"""Runs: the settings that differ within a block, the record of a run, and the reporter of its progress."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._typing import Parameters
from xpmlp.backend import Choice
from xpmlp.config import Config, TrainConfig
from xpmlp.data import Dataset
from xpmlp.nn import Metric, Network
from xpmlp.training.inference import Score
from xpmlp.training.segments import Segment


class RunSettings(NamedTuple):
    """Settings that may differ between the stacked runs of one block."""

    seed: int
    learning_rate: float
    weight_decay: float
    momentum: float

    @classmethod
    def of(cls, train: TrainConfig) -> RunSettings:
        """Return the settings of the one run of a config without a grid."""
        return cls(train.seed, train.learning_rate, train.weight_decay, train.momentum)

    def applied_to(self, config: Config) -> Config:
        """Return the config of this run alone."""
        return config.replaced(train=self._asdict())


class EpochRow(NamedTuple):
    """Line of ``epochs.csv``.

    Attributes
    ----------
    epoch : int
        From 1.
    train_loss, train_value : float
        Means over the epoch's examples, each at its batch's step during training.  ``value`` is the run's metric,
        accuracy or R², which names the column.
    validation_loss, validation_value : float or None
        After the epoch; ``None`` if nothing is held out.
    learning_rate : float
    """

    epoch: int
    train_loss: float
    train_value: float
    validation_loss: float | None
    validation_value: float | None
    learning_rate: float

    def named(self, metric: Metric) -> dict[str, Any]:
        """Return the figures by the names of their columns."""
        return {name.replace("value", metric): figure for name, figure in self._asdict().items()}


class Status(StrEnum):
    """State of a run, or the reason for its end."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED_EARLY = "stopped early"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"


@dataclass
class EpochProgress:
    """Progress of a run in the current epoch.

    Attributes
    ----------
    steps, examples : int
    loss_sum : float
        Sum of the examples' losses, each at its batch's step.
    metric_sum : float
        Sum of the examples' contributions to accuracy or R², likewise.
    """

    steps: int = 0
    examples: int = 0
    loss_sum: float = 0.0
    metric_sum: float = 0.0

    def add(self, segment: Segment, losses: npt.NDArray[Any], metrics: npt.NDArray[Any]) -> None:
        """Add a trained segment, with the mean loss (steps,) and the sum of the examples' figures (steps,)."""
        self.steps += segment.steps
        self.examples += segment.examples
        self.loss_sum += float(losses.sum(dtype=np.float64)) * segment.batch
        self.metric_sum += float(metrics.sum(dtype=np.float64))

    @property
    def loss(self) -> float:
        """The mean loss of the examples so far."""
        return self.loss_sum / self.examples

    @property
    def metric(self) -> float:
        """Accuracy or R² of the examples so far."""
        return self.metric_sum / self.examples


@dataclass
class Run:
    """The record of a run, filled in by the training loop.

    Attributes
    ----------
    settings : RunSettings
    metric : "accuracy" or "r2"
        Metric of the ``value`` of its scores.
    status : Status
    progress : EpochProgress
        In the current epoch.
    epochs : list of EpochRow
    batch_losses : list of (steps,)
        The mean loss of every batch, one array for each segment.
    parameters : list of DenseParameters, or None
        Final weights, on the device, without a runs axis; ``None`` while it runs.
    best_loss, best_epoch : float, int
        Best figure of early stopping and its epoch; infinity and 0 without it.
    ended_at : (epoch, step in the epoch) or None
        Where it diverged.
    train_scores : list of Score
        Scores on the training examples after each epoch, if the config asks for them.
    test : Score or None
    """

    settings: RunSettings
    metric: Metric = "accuracy"
    status: Status = Status.RUNNING
    progress: EpochProgress = field(default_factory=EpochProgress)
    epochs: list[EpochRow] = field(default_factory=list)
    batch_losses: list[npt.NDArray[Any]] = field(default_factory=list)
    parameters: Parameters | None = None
    best_loss: float = math.inf
    best_epoch: int = 0
    best_parameters: Parameters | None = None
    ended_at: tuple[int, int] | None = None
    train_scores: list[Score] = field(default_factory=list)
    test: Score | None = None

    @property
    def losses(self) -> npt.NDArray[Any]:
        """The loss of every batch, (steps,)."""
        return np.concatenate(self.batch_losses) if self.batch_losses else np.empty(0)

    @property
    def steps(self) -> int:
        """The number of batches trained on."""
        return sum(map(len, self.batch_losses))

    def end(self, status: Status, parameters: Parameters) -> None:
        """Close the record."""
        self.status, self.parameters, self.best_parameters = status, parameters, None


class Progress(NamedTuple):
    """Progress of a training after a segment.

    Attributes
    ----------
    epoch, epochs : int
        The current epoch, from 1, and the total number of epochs.
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
    """Listener to the progress of a training that does nothing; a subclass overrides methods.

    Attributes
    ----------
    quiet : bool
        Whether downloads draw no progress bar.
    """

    quiet = True

    def prepared(self, choice: Choice, dataset: Dataset, network: Network) -> None:
        """Called when the backend is chosen, the data are read and the network is known."""

    def note(self, text: str) -> None:
        """Report information in a sentence, such as where a training resumes, or a damaged file."""

    def warning(self, text: str) -> None:
        """Report a problem that does not stop the training; by default as a note."""
        self.note(text)

    def begin(self, epochs: int, steps: int, metric: Metric) -> None:
        """Called when a training of this many epochs and steps per epoch begins; values will be of this metric."""

    def segment(self, progress: Progress) -> None:
        """Called when a segment is trained and its results are read back."""

    def epoch(self, run: int, row: EpochRow) -> None:
        """Called when a run has finished an epoch."""

    def end(self) -> None:
        """Called when the training has ended, for any reason, and its numbers are written."""
