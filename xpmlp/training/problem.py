"""What is to be trained: a network, an optimiser and a data set, on a backend."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from array_api_compat import numpy as numpy_namespace

from xpmlp._typing import Array
from xpmlp.backend import Backend, Fold
from xpmlp.config import Config, TrainConfig
from xpmlp.data import Dataset
from xpmlp.init import Purpose, data_rows, generator
from xpmlp.nn import Inputs, Network, Widths, mlp, pure_ops
from xpmlp.optim import Optimizer
from xpmlp.training.course import changes_by_step
from xpmlp.training.held_back import held_back, rows_at_once
from xpmlp.training.inference import Inference
from xpmlp.training.layered import layers_of
from xpmlp.training.objective import class_weights, loss_of
from xpmlp.training.optimizer import optimizer_of
from xpmlp.training.step import Examples, training_fold


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
    def n_outputs(self) -> int:
        """The width of the network's output."""
        return self.network.root.width

    @property
    def sizes(self) -> list[int]:
        """The widths of the layers, from the features to the outputs."""
        return self.network.sizes

    @cached_property
    def network(self) -> Network:
        """The network that the config's ``[model]`` describes."""
        model, dataset, loss = self.config.model, self.dataset, loss_of(self.config, self.dataset)
        n_outputs = loss.n_outputs(len(dataset.target_names), dataset.n_classes)
        widths = Widths(dataset.n_features, dataset.code_counts)
        if model.layers:
            layers = layers_of(model, widths, n_outputs)
        else:
            units = [*model.hidden_layer_sizes, n_outputs]
            layers = mlp(units, model.hidden_activations, model.dropout_rates, model.init, model.init_scale)
        return Network(layers, widths, loss, dataset.preprocessing.scale)

    @cached_property
    def optimizer(self) -> Optimizer:
        """The optimiser that the config's ``[train]`` describes."""
        return optimizer_of(self.plan, self.network.root.kinds)

    @cached_property
    def inference(self) -> Inference:
        """The network's evaluation on the same backend."""
        return Inference(self.network, self.backend)

    @cached_property
    def training_fold(self) -> Fold:
        """See `xpmlp.training.step`; one object, so that JAX compiles it once for each shape."""
        fold = training_fold(self.network, self.optimizer, self.backend.ops, self.backend.dtype)
        together = self.rows_at_once // self.plan.batch_size
        if together == 1:
            return fold
        by_step = changes_by_step(self.plan)
        return held_back(fold, self.network, self.optimizer, self.backend, together, by_step=by_step)

    @property
    def rows_at_once(self) -> int:
        """How many examples the largest products of a step take at once."""
        if self.network.after_first is None:
            return self.plan.batch_size
        return rows_at_once(self.plan, self.dataset.n_features, self.backend)

    @cached_property
    def train_examples(self) -> Examples:
        """The training part on the device."""
        part = replace(self.dataset.train, weights=class_weights(self.config, self.dataset))
        return self.inference.to_device(part, self.n_outputs)

    @cached_property
    def validation_examples(self) -> Examples | None:
        """The validation part on the device, or ``None`` where nothing is held out."""
        part = self.dataset.validation
        return None if part is None else self.inference.to_device(part, self.n_outputs)

    @property
    def plan(self) -> TrainConfig:
        """The config's ``[train]``."""
        return self.config.train

    @property
    def dropout_schedule(self) -> str:
        """The config's ``model.dropout_schedule``."""
        return self.config.model.dropout_schedule

    @property
    def n_examples(self) -> int:
        """How many examples are trained on."""
        return len(self.dataset.train)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, the shorter last one included."""
        return -(-self.n_examples // self.plan.batch_size)

    def fetch(self, order: npt.NDArray[np.int64]) -> tuple[Array, Examples]:
        """The row numbers ``order`` (steps, runs, batch) on the device, and all training examples."""
        rows = self.backend.asarray(order.astype(self.backend.index_dtype_name, copy=False))
        return rows, self.train_examples

    def initial_parameters(self, seed: int) -> Any:
        """The parameters that a run with this seed begins with, on the host, without a runs axis."""
        root, random = self.network.root, generator(seed, Purpose.WEIGHTS)
        parameters = root.init(random)
        if root.fit is None:
            return parameters
        part, rows = self.dataset.train, data_rows(seed, self.n_examples)
        chosen = part.features[rows, ...]
        host = chosen if isinstance(chosen, np.ndarray) else self.backend.to_numpy(chosen)
        x = np.asarray(host, np.float64) * self.network.input_scale
        inputs = Inputs(x.reshape(len(rows), -1), None if part.codes is None else part.codes[rows])
        return root.fit(pure_ops(numpy_namespace), random, parameters, inputs)
