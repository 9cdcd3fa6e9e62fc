"""Settings that a config changes and that nothing in it uses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any, NamedTuple

from xpmlp._records import is_outside
from xpmlp.config.model import Config
from xpmlp.config.names import tables
from xpmlp.config.sections import BackendConfig, DataConfig, GridConfig, ModelConfig, Section, TrainConfig
from xpmlp.config.show import show
from xpmlp.optim import optimizers, schedules, users_of

_SECTIONS: dict[str, type[Section]] = {
    "backend": BackendConfig,
    "data": DataConfig,
    "model": ModelConfig,
    "train": TrainConfig,
}


class _Use(NamedTuple):
    """By which choices of another key a setting is used; a grid may make that choice, too.

    Attributes
    ----------
    key, choice : str
    users : tuple of str
        Values of ``choice``.
    kind : str, optional
        Of the table whose records with ``key`` among their ``keys`` are users, too.
    """

    key: str
    choice: str
    users: tuple[str, ...] = ()
    kind: str | None = None

    def every_user(self) -> list[str]:
        """All values of ``choice`` that use the key."""
        records = {} if self.kind is None else tables()[self.kind]
        return [*(name for name in records if self.key.partition(".")[2] in records[name].keys), *self.users]


_USES = (
    _Use("backend.threads", "backend.name", ("auto",), "backend"),
    _Use("backend.tf32", "backend.name", ("auto",), "backend"),
    _Use("data.seed", "data.name", kind="data set"),
    _Use("data.validation_size", "data.name", kind="data set"),
    _Use("data.validation_size", "data.split", ("validation", "three-way")),
    *(
        _Use(f"train.{name}", "train.optimizer", users_of(name))
        for name in dict.fromkeys(name for one in optimizers.values() for name in one.hyperparameters)
    ),
    *(
        _Use(f"train.{key}", "train.schedule", kind="schedule")
        for key in dict.fromkeys(key for one in schedules.values() for key in one.keys)
    ),
    _Use("model.init_scale", "model.init", ("normal",)),
)


def unused_settings(config: Config) -> Iterator[str]:
    """A sentence for each setting that has another value than its default to no effect."""
    for use in _USES:
        key, choice, users = use.key, use.choice, use.every_user()
        section, name = key.split(".")
        fields = _SECTIONS[section].model_fields
        value, chosen = _value(config, key), _value(config, choice)
        varied = list(getattr(config.grid, choice.partition(".")[2], []))
        if choice == "train.schedule":
            varied += [config.train.weight_decay_schedule, config.model.dropout_schedule]
        chosen_or_varied = {chosen, *varied}
        if value != fields[name].default and not chosen_or_varied & {*users, *filter(is_outside, chosen_or_varied)}:
            wanted = " or ".join(show(user) for user in users)
            yield f"{key} = {show(value)} has no effect with {choice} = {show(chosen)}: it is for {wanted}."
    if config.train.min_improvement and config.train.patience is None and config.train.best_by == "loss":
        yield (
            f"train.min_improvement = {show(config.train.min_improvement)} has no effect without early stopping: "
            "set train.patience, too."
        )
    for name in () if config.grid.is_grid else ("block_width", "workers", "scheduler"):
        value = getattr(config.grid, name)
        if value != GridConfig.model_fields[name].default:
            yield f"grid.{name} = {show(value)} has no effect on a single run: it is for a grid of several."


def _value(config: Config, key: str) -> Any:
    return reduce(getattr, key.split("."), config)
