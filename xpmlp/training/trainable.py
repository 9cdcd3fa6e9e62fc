"""Trainables: a network, optimiser, examples and policy on a backend, for the training loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._typing import Array, Parameters
from xpmlp.backend import Backend, Fold
from xpmlp.data import Part
from xpmlp.nn import Network
from xpmlp.optim import Optimizer
from xpmlp.training.delayed import delay_updates, steps_per_call
from xpmlp.training.inference import Inference
from xpmlp.training.step import Examples, training_fold

if TYPE_CHECKING:
    from xpmlp.training.policy import RunPolicy
    from xpmlp.training.run import Run


class LoopSettings(NamedTuple):
    """Length of a training, and its steps.

    Attributes
    ----------
    epochs, batch_size : int
    segment_steps : int
        Maximum number of steps between two readings of results from the device.
    evaluate_train : bool
        Whether to evaluate the training examples after each epoch, too.
    """

    epochs: int
    batch_size: int
    segment_steps: int
    evaluate_train: bool = False


class Trainable(ABC):
    """Network, optimiser and examples on a backend, common to the runs of a block.

    The differences between the runs are in their `RunSettings`.

    Attributes
    ----------
    backend : Backend
    """

    backend: Backend

    @property
    @abstractmethod
    def network(self) -> Network:
        """The network, without its parameters."""

    @property
    @abstractmethod
    def optimizer(self) -> Optimizer:
        """The rule for turning gradients into steps."""

    @property
    @abstractmethod
    def settings(self) -> LoopSettings:
        """The length of the training, and its steps."""

    @property
    @abstractmethod
    def policy(self) -> RunPolicy:
        """The default policy of the loop: orders of examples, rates and stopping."""

    @property
    @abstractmethod
    def train_part(self) -> Part:
        """The training examples, with their weights."""

    @property
    @abstractmethod
    def validation_part(self) -> Part | None:
        """The examples for evaluation after each epoch; ``None`` if there are none."""

    @abstractmethod
    def initial_parameters(self, seed: int) -> Parameters:
        """Return the initial parameters of a run with this seed, on the host, without a runs axis."""

    @cached_property
    def inference(self) -> Inference:
        """Inference with the network on the same backend."""
        return Inference(self.network, self.backend)

    @cached_property
    def training_fold(self) -> Fold:
        """The training fold (see `xpmlp.training.step`), a single object, so that JAX compiles it once per shape."""
        fold = training_fold(self.network, self.optimizer, self.backend.ops, self.backend.dtype)
        per_call, by_step = self.steps_per_call, self.policy.changes_by_step
        if per_call == 1:
            return fold
        return delay_updates(fold, self.network, self.optimizer, self.backend, per_call, by_step)

    @property
    def steps_per_call(self) -> int:
        """The number of steps per call of the fold: more than one if updates of the first layer are delayed."""
        if self.network.after_first is None or self.optimizer.update_from_factors is None:
            return 1
        return steps_per_call(self.settings.batch_size, self.network.widths.numbers, self.backend.prefetch.most_delayed)

    @property
    def rows_at_once(self) -> int:
        """The number of rows of a step's largest products, from which a backend chooses its number of threads."""
        return self.steps_per_call * self.settings.batch_size

    @cached_property
    def train_examples(self) -> Examples:
        """The training part on the device."""
        return self.inference.to_device(self.train_part)

    @cached_property
    def validation_examples(self) -> Examples | None:
        """The validation part on the device, or ``None`` if nothing is held out."""
        part = self.validation_part
        return None if part is None else self.inference.to_device(part)

    def judging(self, run: Run) -> Examples | None:
        """Return the examples on the device for judging and calibrating a run, or ``None`` if nothing is held out."""
        return self.validation_examples

    @property
    def n_examples(self) -> int:
        """The number of examples in an epoch."""
        return len(self.train_part)

    def rows_of(self, seed: int) -> npt.NDArray[np.int64]:
        """Return the row numbers of the training examples of the run with this seed, in ascending order."""
        return np.arange(self.n_examples)

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches in an epoch, including a shorter last one."""
        return -(-self.n_examples // self.settings.batch_size)

    def fetch(self, order: npt.NDArray[np.int64]) -> tuple[Array, Examples]:
        """Return the row numbers ``order`` (steps, runs, batch) on the device, and the examples that they refer to."""
        rows = self.backend.asarray(order.astype(self.backend.index_dtype_name, copy=False))
        return rows, self.train_examples
