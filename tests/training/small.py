"""A problem small enough to be trained many times, in memory, and ways to train it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.helpers import assert_lives_on
from xpmlp._tree import leaves
from xpmlp.backend import Backend, resolve
from xpmlp.config import Config, DataConfig, ModelConfig, TrainConfig
from xpmlp.data import Dataset, Part, Preprocessing
from xpmlp.training import Reporter, Run
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.run import RunSettings

EXAMPLES = 71
"""For training: 8 full batches of 8, and a tail of 7."""

STEPS = 9
"""In an epoch of batches of 8."""

FEATURES, CLASSES, LARGEST = 6, 3, 16


def small_dataset(*, noise: float = 0.3) -> Dataset:
    """Whole numbers from 0 to 16 whose class a linear rule gives, a part ``noise`` of them at random instead."""
    rng = np.random.default_rng(20)
    features = rng.integers(0, LARGEST + 1, size=(EXAMPLES + 30, FEATURES), dtype=np.uint8)
    targets = ((features - LARGEST / 2) @ rng.normal(size=(FEATURES, CLASSES))).argmax(axis=1)
    random = rng.uniform(size=len(targets)) < noise
    targets[random] = rng.integers(0, CLASSES, size=random.sum())
    return Dataset(
        name="small",
        train=Part(features[:EXAMPLES], targets[:EXAMPLES]),
        validation=Part(features[EXAMPLES:], targets[EXAMPLES:]),
        test=None,
        classes=np.arange(CLASSES),
        preprocessing=Preprocessing(scale=1 / LARGEST),
        image_shape=None,
        feature_names=None,
        hashes={},
    )


def small_problem(
    backend: Backend | None = None,
    dataset: Dataset | None = None,
    hidden: Sequence[int] = (5,),
    activation: Any = "tanh",
    **train: Any,
) -> ConfigTrainable:
    """The small data, a network, and ``[train]`` with batches of 8; on NumPy in float64 where not said otherwise."""
    config = Config(
        data=DataConfig(name="digits"),  # the loop does not look at it
        model=ModelConfig(hidden_layer_sizes=list(hidden), activation=activation),
        train=TrainConfig(**{"epochs": 2, "batch_size": 8, "learning_rate": 0.5, **train}),
    )
    return ConfigTrainable(config, dataset or small_dataset(), backend or resolve("numpy", None, "float64").backend)


def train_runs(problem: ConfigTrainable, *settings: RunSettings, reporter: Reporter | None = None) -> list[Run]:
    """Train these runs as one block; without any, the one that the config describes."""
    chosen = settings or [RunSettings.of(problem.config.train)]
    with problem.backend.session(problem.rows_at_once):
        return train_block(problem, chosen, reporter or Reporter(), lambda: False)


def weights_of(problem: ConfigTrainable, run: Run) -> list[npt.NDArray[Any]]:
    """The run's weights and biases on the host, layer after layer; they have to come from the backend's device."""
    __tracebackhide__ = True
    arrays = [leaf for _, leaf in leaves(run.parameters)]
    for leaf in arrays:
        assert_lives_on(leaf, problem.backend)
        assert leaf.dtype == problem.backend.dtype
    return [problem.backend.to_numpy(leaf) for leaf in arrays]
