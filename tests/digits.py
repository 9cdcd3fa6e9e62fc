"""Trainings on scikit-learn's digits in a tenth of a second, for tests of everything around the training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xpmlp
from xpmlp.config import Config

QUICKSTART = Path(__file__).parents[1] / "configs" / "quickstart.toml"

QUICK = {"train.epochs": 2, "model.hidden_layer_sizes": [16], "output.plots": False}
"""Settings that make quickstart.toml quicker still."""

STEPS = 41
"""In an epoch: 1,293 digits in batches of 32, the last of 13."""


CODED = {
    "model.layers": [
        {"kind": "beside", "layers": [{"kind": "activation", "name": "identity"}, {"kind": "categories", "width": 3}]},
        {"kind": "dense", "units": 16},
        {"kind": "activation", "name": "relu"},
    ]
}
"""For tables: the same hidden units, which take the codes of categories, too."""


def digits_config(overrides: Mapping[str, Any] | None = None) -> Config:
    """quickstart.toml with two epochs, 16 hidden units and no plots, where ``overrides`` do not say otherwise."""
    settings = {**QUICK, **(overrides or {})}
    if "model.layers" in settings:
        del settings["model.hidden_layer_sizes"]
    return xpmlp.load_config(QUICKSTART, settings)
