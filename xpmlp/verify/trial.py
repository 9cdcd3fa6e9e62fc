"""The trial for every backend: the initial weights, the batches, and the steps to compare."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._tree import map_leaves
from xpmlp.backend import resolve
from xpmlp.config import Config
from xpmlp.data import Dataset
from xpmlp.nn import Draw, Network
from xpmlp.training.configured import ConfigTrainable, class_weights
from xpmlp.training.run import Run, RunSettings
from xpmlp.training.step import seeds_of
from xpmlp.verify.layered import LayeredNetwork, LayerName, layer_names
from xpmlp.verify.reference import Batch, ReferenceModel, ReferenceNetwork

BIAS = 0.1
"""Standard deviation of the initial biases, not zero so that a forgotten bias is detected."""


@dataclass(frozen=True)
class Trial:
    """Short training, the same for all backends.

    Attributes
    ----------
    config : Config
    dataset : Dataset
    network : Network
    start : tree of arrays
        The initial parameters: float64, but exact in float32, so that both dtypes begin with the same numbers.
    rows : (steps, batch)
        Row numbers of each step's training examples.
    weights : (n,), optional
        Weights of the training examples.
    """

    config: Config
    dataset: Dataset
    network: Network
    start: Any
    rows: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64] | None

    @property
    def steps(self) -> int:
        """The number of steps."""
        return len(self.rows)

    @property
    def batch_size(self) -> int:
        """The number of examples in a step."""
        return int(self.rows.shape[1])

    @property
    def shown(self) -> list[int]:
        """The steps with a comparison of every quantity, counted from 1."""
        return sorted({1, min(10, self.steps), self.steps})

    @cached_property
    def points(self) -> list[int]:
        """The steps after which weights are recorded: the first ten, about ten more, and around those shown."""
        stride = max(10, -(-self.steps // 10))
        curve = {*range(1, min(10, self.steps) + 1), *range(stride, self.steps, stride)}
        return sorted(curve | {*self.shown} | {step - 1 for step in self.shown if step > 1})

    @property
    def is_plain(self) -> bool:
        """Whether the network is a multilayer perceptron, as in `xpmlp.verify.reference`."""
        kinds = {layer.kind for layer in self.network.layers.members}
        return not self.config.model.layers and kinds <= {"dense", "activation", "dropout"}

    @property
    def names(self) -> list[LayerName]:
        """The names of the layers with parameters, and of their arrays."""
        return layer_names(self.network.root.kinds)

    @cached_property
    def reference_network(self) -> ReferenceModel:
        """The network for `xpmlp.verify.reference`."""
        if not self.is_plain:
            return LayeredNetwork(self.network)
        return ReferenceNetwork(self.network.hidden, self.network.loss.name, self.network.loss.settings)

    def reference_batch(self, step: int) -> Batch:
        """Return the batch of a step, counted from 1, for `xpmlp.verify.reference`: in float64, scaled.

        It includes the masks of dropout, since the reference draws none.
        """
        part, rows = self.dataset.train, self.rows[step - 1]
        x = part.features[rows].astype(np.float64) * self.network.input_scale
        targets = part.targets[rows]
        if not self.network.loss.of_classes:
            targets = targets.reshape(self.batch_size, -1).astype(np.float64)
        weights = None if self.weights is None else self.weights[rows].astype(np.float64)
        noise = self._noise(step - 1) if self.network.root.streams else ()
        masks = self._masks(noise) if noise and self.is_plain else noise
        return Batch(x, targets, weights, masks, None if part.codes is None else part.codes[rows])

    def _noise(self, number: int) -> Any:
        """Draw the random numbers of a step, counted from 0."""
        host = resolve("numpy", None, "float64").backend
        seeds = seeds_of(self.network, host, [self.config.train.seed])
        draw = Draw(seeds, np.asarray([[[number]]], dtype=np.int32), self.batch_size, np.float64)
        return map_leaves(lambda leaf: leaf[0, 0, ...], self.network.root.draw(host.ops, draw, 0))

    def _masks(self, drawn: Any) -> list[npt.NDArray[np.float64]]:
        kinds = [member.kind for member in self.network.layers.members]
        masks = [one for kind, one in zip(kinds, drawn, strict=True) if kind == "dropout"]
        return [np.ones(()) if isinstance(mask, tuple) else mask for mask in masks]


def make_trial(trainable: ConfigTrainable, steps: int) -> Trial:
    """Make the trial of a config: its initial parameters, and its batches, epoch after epoch without incomplete ones.

    Parameters
    ----------
    trainable : ConfigTrainable
        On any backend.
    steps : int
    """
    seed, root = trainable.config.train.seed, trainable.network.root
    rng = np.random.default_rng(seed)

    def first(values: npt.NDArray[np.float64], kind: str) -> npt.NDArray[np.float64]:
        return _exact_in_float32(BIAS * rng.standard_normal(values.shape) if kind == "biases" else values)

    start = map_leaves(first, trainable.initial_parameters(seed), root.kinds)
    weights = class_weights(trainable.config, trainable.dataset)
    return Trial(trainable.config, trainable.dataset, trainable.network, start, _batches(trainable, steps), weights)


def _exact_in_float32(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return values.astype(np.float32).astype(np.float64)


def _batches(trainable: ConfigTrainable, steps: int) -> npt.NDArray[np.int64]:
    policy, run = trainable.policy, Run(RunSettings.of(trainable.config.train))
    batch = min(trainable.settings.batch_size, trainable.n_examples)
    in_epoch = trainable.n_examples // batch
    epochs = range(1, -(-steps // in_epoch) + 1)
    orders = [policy.order(run, epoch)[: in_epoch * batch].reshape(in_epoch, batch) for epoch in epochs]
    return np.concatenate(orders)[:steps]
