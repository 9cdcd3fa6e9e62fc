"""A trainable: the network, optimiser, examples and policy that the training loop works with, on a backend."""

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


class LoopSettings(NamedTuple):
    """The length of a training, and its steps.

    Attributes
    ----------
    epochs, batch_size : int
    segment_steps : int
        Steps between two readings of results from the device, at most.
    evaluate_train : bool
        Whether the training examples are evaluated after each epoch, too.
    """

    epochs: int
    batch_size: int
    segment_steps: int
    evaluate_train: bool = False


class Trainable(ABC):
    """A network, an optimiser and examples, on a backend: all that the runs of a block have in common.

    What differs between these is in their `RunSettings`.

    Attributes
    ----------
    backend : Backend
    """

    backend: Backend

    @property
    @abstractmethod
    def network(self) -> Network:
        """The network, apart from its parameters."""

    @property
    @abstractmethod
    def optimizer(self) -> Optimizer:
        """The rule that turns gradients into steps."""

    @property
    @abstractmethod
    def settings(self) -> LoopSettings:
        """The length of the training, and its steps."""

    @property
    @abstractmethod
    def policy(self) -> RunPolicy:
        """The orders of the examples, the rates, and when to stop, if the loop is given no other policy."""

    @property
    @abstractmethod
    def train_part(self) -> Part:
        """The examples that are trained on, with their weights."""

    @property
    @abstractmethod
    def validation_part(self) -> Part | None:
        """The examples that are evaluated after each epoch, if there are any."""

    @abstractmethod
    def initial_parameters(self, seed: int) -> Parameters:
        """The parameters that a run with this seed begins with, on the host, without a runs axis."""

    @cached_property
    def inference(self) -> Inference:
        """The network's evaluation on the same backend."""
        return Inference(self.network, self.backend)

    @cached_property
    def training_fold(self) -> Fold:
        """See `xpmlp.training.step`; one object, so that JAX compiles it once for each shape."""
        fold = training_fold(self.network, self.optimizer, self.backend.ops, self.backend.dtype)
        per_call, by_step = self.steps_per_call, self.policy.changes_by_step
        return (
            fold
            if per_call == 1
            else delay_updates(fold, self.network, self.optimizer, self.backend, per_call, by_step)
        )

    @property
    def steps_per_call(self) -> int:
        """The steps that one call of the fold takes: more than one if updates of the first layer are delayed."""
        if self.network.after_first is None or self.optimizer.update_from_factors is None:
            return 1
        return steps_per_call(self.settings.batch_size, self.network.widths.numbers, self.backend.prefetch.most_delayed)

    @property
    def rows_at_once(self) -> int:
        """The rows of the largest products of a step, by which a backend chooses its number of threads."""
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

    @property
    def n_examples(self) -> int:
        """The length of an epoch."""
        return len(self.train_part)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, the shorter last one included."""
        return -(-self.n_examples // self.settings.batch_size)

    def fetch(self, order: npt.NDArray[np.int64]) -> tuple[Array, Examples]:
        """The row numbers ``order`` (steps, runs, batch) on the device, and the examples that they count in."""
        rows = self.backend.asarray(order.astype(self.backend.index_dtype_name, copy=False))
        return rows, self.train_examples
