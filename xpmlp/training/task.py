"""What the training loop has to know of what it trains."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from xpmlp._typing import Array
from xpmlp.backend import Backend, Fold
from xpmlp.config import TrainConfig
from xpmlp.optim import Optimizer
from xpmlp.training.inference import Inference
from xpmlp.training.step import Examples


class Task(Protocol):
    """A network, an optimiser and examples, on a backend; `xpmlp.training.problem.Problem` is one from a config."""

    @property
    def backend(self) -> Backend:
        """Where it is trained."""

    @property
    def plan(self) -> TrainConfig:
        """How long, in which steps."""

    @property
    def optimizer(self) -> Optimizer:
        """The rule that turns gradients into steps."""

    @property
    def inference(self) -> Inference:
        """The network's evaluation on the same backend."""

    @property
    def training_fold(self) -> Fold:
        """See `xpmlp.training.step`; always the same object."""

    @property
    def dropout_schedule(self) -> str:
        """How dropout changes: a key of `xpmlp.optim.schedules`."""

    @property
    def n_examples(self) -> int:
        """The length of an epoch."""

    @property
    def validation_examples(self) -> Examples | None:
        """What is evaluated after each epoch, or ``None``."""

    @property
    def train_examples(self) -> Examples:
        """All that is trained on, on the device."""

    def initial_parameters(self, seed: int) -> Any:
        """The parameters that a run begins with, on the host, without a runs axis."""

    def fetch(self, order: npt.NDArray[np.int64]) -> tuple[Array, Examples]:
        """Examples for the device, and where in them is what the row numbers ``order`` (steps, runs, batch) mean."""
