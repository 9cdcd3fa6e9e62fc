"""The parameters of the estimators for tables, and the config that they amount to."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Hidden, Interval, StrOptions

from xpmlp.backend import LISTED, NAMES
from xpmlp.config import Config, load_config
from xpmlp.config.metrics import OF_TASK
from xpmlp.config.table import recipe_config


def metric_of(task: str) -> dict[str, Any]:
    """The constraint on the parameter ``metric`` of the estimator for a task."""
    return {"metric": [StrOptions(set(OF_TASK[task])), None]}


class TabularParameters(BaseEstimator):
    """The parameters of an estimator for tables."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "recipe": [str, None],
        "members": [Interval(Integral, 1, None, closed="left")],
        "folds": [Interval(Integral, 2, None, closed="left"), None],
        "max_seconds": [Interval(Real, 0, None, closed="neither"), None],
        "random_state": ["random_state"],
        "backend": [StrOptions({*LISTED, "auto"}), Hidden(StrOptions(set(NAMES))), None],
        "device": [str, None],
        "dtype": [StrOptions({"float32", "float64"}), None],
        "settings": [dict, None],
    }

    _task: ClassVar[str]

    def __init__(
        self,
        *,
        recipe: str | None = None,
        members: int = 1,
        folds: int | None = None,
        metric: str | None = None,
        max_seconds: float | None = None,
        random_state: Any = None,
        backend: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.recipe = recipe
        self.members = members
        self.folds = folds
        self.metric = metric
        self.max_seconds = max_seconds
        self.random_state = random_state
        self.backend = backend
        self.device = device
        self.dtype = dtype
        self.settings = settings

    @property
    def _asked(self) -> dict[str, Any]:
        """The parameters that are keys of a config; ``None`` for the recipe's value."""
        members = self.members if self.members > 1 else None
        return {"train.metric": self.metric, "train.members": members, "train.folds": self.folds}

    def _config(self, seed: int) -> Config:
        settings = dict(self.settings or {})
        place = {"name": self.backend, "device": self.device, "dtype": self.dtype}
        settings |= {f"backend.{key}": value for key, value in place.items() if value is not None}
        settings |= {key: value for key, value in self._asked.items() if value is not None}
        given = {"data.name": "arrays", "output.plots": False, "train.seed": seed, **settings}
        if self.recipe is not None:
            return load_config(self.recipe, given)
        return recipe_config(self._task, given)
