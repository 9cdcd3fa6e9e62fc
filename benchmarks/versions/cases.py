"""The cases: the package's configs, with changes, cut to a number of steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contestants.version import Training
from xpmlp.config import Config, load_config
from xpmlp.data import Dataset
from xpmlp.training.trainer import load_data

CONFIGS = Path(__file__).parents[2] / "configs"

MOST_VALIDATION_EXAMPLES = 1000

RUNS = 3
"""Number of runs in a stack."""


@dataclass(frozen=True)
class Case:
    """A config with changes.

    Attributes
    ----------
    name : str
    config : str
        The stem of a file in ``configs``.
    overrides : dict
    epochs : int
        Number of epochs for the steps; more if the data have too few examples.
    tail : int
        Examples in the last batch; 0 is a full one.
    stacked : bool
        Whether three seeds are trained as one stack.
    """

    name: str
    config: str
    overrides: dict[str, Any] = field(default_factory=dict)
    epochs: int = 1
    tail: int = 0
    stacked: bool = False

    @property
    def file(self) -> Path:
        """The config file."""
        return CONFIGS / f"{self.config}.toml"

    def settings(self, folder: Path) -> Config:
        """Load the config as read by the working tree; data made for it are in a folder."""
        needed = {"data.path": str(_diabetes(folder))} if self.config == "diabetes" else {}
        return load_config(self.file, overrides={"data.split": "validation", **self.overrides, **needed})

    def training(self, steps: int, folder: Path) -> Training:
        """Write the data into a folder: whole batches for the steps, and a last one of ``tail`` examples.

        Parameters
        ----------
        steps : int
        folder : Path

        Returns
        -------
        training : Training
        """
        config = self.settings(folder)
        dataset, batch = _loaded(self.config, folder), config.train.length.batch_size
        wanted = math.ceil(steps / self.epochs) * batch - (batch - self.tail if self.tail else 0)
        examples, train, validation = min(wanted, len(dataset.train)), dataset.train, dataset.validation
        assert validation is not None
        parts = (train.features[:examples], validation.features[:MOST_VALIDATION_EXAMPLES])
        targets = (train.targets[:examples], validation.targets[:MOST_VALIDATION_EXAMPLES])
        features = np.concatenate(parts)
        if dataset.image_shape is not None:
            features = features.reshape(-1, *dataset.image_shape)
        data = folder / f"{self.name}.npz"
        np.savez(data, features=features, target=np.concatenate(targets))
        source: dict[str, Any] = {"data.name": "arrays", "data.path": "none"}
        if config.model.loss == "squared":  # the loss of arrays of values, which must not name it
            source["model.loss"] = "auto"
        if self.stacked:
            source = {"data.name": "npz", "data.path": str(data), "data.test_fraction": 0.0}
            source |= {"data.validation_size": len(parts[1])}
            source |= {"grid.runs": RUNS, "grid.block_width": RUNS, "grid.workers": 1}
        return Training(
            config=self.file,
            overrides={"data.split": "validation", **self.overrides, **source, "output.plots": False},
            data=data,
            examples=examples,
            scale=dataset.preprocessing.scale,
            values=not dataset.n_classes,
            epochs=math.ceil(steps / math.ceil(examples / batch)),
            stacked=self.stacked,
        )


CASES = {
    case.name: case
    for case in (
        Case("mnist", "mnist"),
        Case("mnist-sgd", "mnist-sgd"),
        Case("quickstart", "quickstart"),
        Case("fashion-mnist", "fashion-mnist", epochs=5),  # for its schedule
        Case("synth", "synth"),
        Case("diabetes", "diabetes"),
        Case("momentum", "mnist", {"train.optimizer": "momentum", "train.weight_decay": 1e-4}),
        Case("stack", "mnist", stacked=True),
        Case("dropout", "mnist", {"model.dropout": 0.3}),
        Case("class-weight", "mnist", {"train.class_weight": "balanced"}),
        Case("tail-24", "mnist", tail=24),
    )
}


@lru_cache
def _loaded(config: str, folder: Path) -> Dataset:
    return load_data(Case("", config).settings(folder))


def _diabetes(folder: Path) -> Path:
    """Write the file described in ``diabetes.toml``."""
    from sklearn.datasets import load_diabetes

    path = folder / "diabetes-of-scikit-learn.npz"
    if not path.exists():
        x, y = load_diabetes(return_X_y=True)
        np.savez(path, features=x, target=y)
    return path
