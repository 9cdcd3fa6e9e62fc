"""The parameters of the estimators for tables, and the config built from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Hidden, Interval, StrOptions

from xpmlp.backend import LISTED, NAMES
from xpmlp.config import Config, load_config
from xpmlp.config.metrics import OF_TASK
from xpmlp.config.names import outside_names
from xpmlp.config.table import recipe_config
from xpmlp.errors import ConfigError
from xpmlp.estimator.parameters import COUNT, POSITIVE, DeclaredParameters, parameter


@dataclass(eq=False, repr=False)
class TabularParameters(DeclaredParameters):
    """The parameters of an estimator for tables, each a field with its allowed values."""

    _: KW_ONLY
    recipe: str | None = parameter(None, str, None)
    members: int = parameter(1, COUNT)
    folds: int | None = parameter(None, Interval(Integral, 2, None, closed="left"), None)
    metric: str | None = parameter(None, None)
    max_seconds: float | None = parameter(720.0, POSITIVE, None)
    random_state: Any = parameter(None, "random_state")
    backend: str | None = parameter(None, StrOptions({*LISTED, "auto"}), Hidden(StrOptions(set(NAMES))), None)
    device: str | None = parameter(None, str, None)
    dtype: str | None = parameter(None, StrOptions({"float32", "float64"}), None)
    settings: Mapping[str, Any] | None = parameter(None, dict, None)

    _task: ClassVar[str]

    @property
    def _parameter_constraints(self) -> dict[str, list[Any]]:
        return {**super()._parameter_constraints, "metric": [StrOptions(set(OF_TASK[self._task])), None]}

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
        config = load_config(self.recipe, given) if self.recipe is not None else recipe_config(self._task, given)
        for key, table, name in outside_names(config):
            if name not in table:
                raise ConfigError(
                    f'{key} = "{name}" is code from outside of xpmlp: import it, and give the object itself in '
                    f"settings, as {{{key!r}: {name.partition(':')[2]}}}."
                )
        return config
