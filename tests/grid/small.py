"""Grids small enough to be trained many times, with the data in a file for other processes to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from xpmlp.config import BackendConfig, Config, DataConfig, GridConfig, ModelConfig, OutputConfig, TrainConfig

EXAMPLES = 71
"""For training: 8 full batches of 8, and a tail of 7."""

STEPS = 9
"""In an epoch of batches of 8."""

FEATURES, CLASSES = 6, 3


def write_data(path: Path) -> Path:
    """An npz file of noisy classes; a tenth of it (20 of 91) is held out."""
    rng = np.random.default_rng(7)
    features = rng.normal(size=(EXAMPLES + 20, FEATURES))
    targets = (features @ rng.normal(size=(FEATURES, CLASSES)) + rng.normal(size=(len(features), CLASSES))).argmax(1)
    np.savez(path, features=features, target=targets)
    return path


def grid_config(data: Path, *, backend: dict[str, Any] | None = None, train: Any = None, **grid: Any) -> Config:
    """The data with a 6-5-3 network and this ``[grid]``; on NumPy in float64, in this process, where not said else."""
    return Config(
        backend=BackendConfig(**{"dtype": "float64", **(backend or {})}),
        data=DataConfig(name="npz", path=data, validation_size=20, test_fraction=0.0),
        model=ModelConfig(hidden_layer_sizes=[5], activation="tanh"),
        train=TrainConfig(**{"epochs": 2, "batch_size": 8, "learning_rate": 0.5, **(train or {})}),
        grid=GridConfig(**{"workers": 1, **grid}),
        output=OutputConfig(plots=False),
    )
