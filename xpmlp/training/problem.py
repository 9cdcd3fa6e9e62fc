"""What is to be trained: a network, an optimiser and a data set, on a backend."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._typing import Array
from xpmlp.backend import Backend, Fold
from xpmlp.config import Config, TrainConfig
from xpmlp.data import Dataset
from xpmlp.init import initial_parameters
from xpmlp.optim import Optimizer, adam, optimizers
from xpmlp.training.inference import Inference
from xpmlp.training.step import Examples, Network, training_fold


@dataclass(frozen=True)
class Problem:
    """A network, an optimiser and a data set, on a backend.

    Everything here is the same for all runs of a block; what differs between them is in `RunSettings`.

    Attributes
    ----------
    config : Config
    dataset : Dataset
    backend : Backend
    """

    config: Config
    dataset: Dataset
    backend: Backend

    @property
    def sizes(self) -> list[int]:
        """The widths of the layers, from the features to the classes."""
        return [self.dataset.n_features, *self.config.model.hidden_layer_sizes, self.dataset.n_classes]

    @cached_property
    def network(self) -> Network:
        """The network that the config's ``[model]`` describes."""
        model = self.config.model
        hidden = (model.activation,) * len(model.hidden_layer_sizes)
        return Network(hidden, model.loss, self.dataset.preprocessing.scale)

    @cached_property
    def optimizer(self) -> Optimizer:
        """The optimiser that the config's ``[train]`` describes."""
        train = self.config.train
        if train.optimizer == "adam":
            return adam(beta_1=train.beta_1, beta_2=train.beta_2, epsilon=train.epsilon)
        return optimizers[train.optimizer]()

    @cached_property
    def inference(self) -> Inference:
        """The network's evaluation on the same backend."""
        return Inference(self.network, self.backend)

    @cached_property
    def training_fold(self) -> Fold:
        """See `xpmlp.training.step`; one object, so that JAX compiles it once for each shape."""
        return training_fold(self.network, self.optimizer, self.backend.ops, self.backend.dtype)

    @cached_property
    def train_examples(self) -> Examples:
        """The training part on the device."""
        return self.inference.to_device(self.dataset.train, self.dataset.n_classes)

    @cached_property
    def validation_examples(self) -> Examples | None:
        """The validation part on the device, or ``None`` where nothing is held out."""
        part = self.dataset.validation
        return None if part is None else self.inference.to_device(part, self.dataset.n_classes)

    @property
    def plan(self) -> TrainConfig:
        """The config's ``[train]``."""
        return self.config.train

    @property
    def n_examples(self) -> int:
        """How many examples are trained on."""
        return len(self.dataset.train)

    def fetch(self, order: npt.NDArray[np.int64]) -> tuple[Array, Examples]:
        """The row numbers ``order`` (steps, [runs,] batch) on the device, and all training examples."""
        rows = self.backend.asarray(order.astype(self.backend.index_dtype_name, copy=False))
        return rows, self.train_examples

    def initial_parameters(self, seed: int) -> list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        """The weights (n_in, n_out) and biases (1, n_out) that a run with this seed begins with, on the host."""
        model = self.config.model
        return initial_parameters(self.sizes, seed, model.init, model.init_scale)
