"""Multilayer perceptrons on any array library that follows the Python array API standard.

``load_config`` reads a config, `train` trains its network, `evaluate` and `predict` use the trained network.  The
estimators are `MLPClassifier` and `MLPRegressor`, for tables `TabularClassifier` and `TabularRegressor`.  The network
itself is in `xpmlp.nn`, its optimisers in `xpmlp.optim`: array-API code that names no array library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from xpmlp._version import __version__

if TYPE_CHECKING:
    from xpmlp.config import Config, load_config
    from xpmlp.errors import XpmlpError
    from xpmlp.estimator import MLPClassifier, MLPRegressor
    from xpmlp.estimator.table_encoder import TableEncoder
    from xpmlp.estimator.tabular import TabularClassifier, TabularRegressor
    from xpmlp.grid import GridResult, train_grid
    from xpmlp.training import Reporter, Result, evaluate, from_arrays, predict, predict_interval, train


__all__ = [
    "Config",
    "GridResult",
    "MLPClassifier",
    "MLPRegressor",
    "Reporter",
    "Result",
    "TableEncoder",
    "TabularClassifier",
    "TabularRegressor",
    "XpmlpError",
    "__version__",
    "evaluate",
    "from_arrays",
    "load_config",
    "predict",
    "predict_interval",
    "train",
    "train_grid",
]

# A new public name has a place here, in `__all__`, and among the imports for type checkers.
_HOMES = {
    "Config": "xpmlp.config",
    "GridResult": "xpmlp.grid",
    "MLPClassifier": "xpmlp.estimator",
    "MLPRegressor": "xpmlp.estimator",
    "Reporter": "xpmlp.training",
    "Result": "xpmlp.training",
    "TableEncoder": "xpmlp.estimator.table_encoder",
    "TabularClassifier": "xpmlp.estimator.tabular",
    "TabularRegressor": "xpmlp.estimator.tabular",
    "XpmlpError": "xpmlp.errors",
    "evaluate": "xpmlp.training",
    "from_arrays": "xpmlp.training",
    "load_config": "xpmlp.config",
    "predict": "xpmlp.training",
    "predict_interval": "xpmlp.training",
    "train": "xpmlp.training",
    "train_grid": "xpmlp.grid",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that ``import xpmlp`` itself is quick."""
    if name in ("nn", "optim"):
        return importlib.import_module(f"xpmlp.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'xpmlp' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
