"""Settings that a config changes and that nothing in it uses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any, NamedTuple

from xpmlp.config.model import Config
from xpmlp.config.sections import BackendConfig, DataConfig, GridConfig, ModelConfig, Section, TrainConfig
from xpmlp.config.show import show
from xpmlp.optim import schedules

_SECTIONS: dict[str, type[Section]] = {
    "backend": BackendConfig,
    "data": DataConfig,
    "model": ModelConfig,
    "train": TrainConfig,
}


class _Use(NamedTuple):
    """By which choices of another key a setting is used; a grid may make that choice, too."""

    key: str
    choice: str
    users: tuple[str, ...]


_USES = (
    _Use("backend.threads", "backend.name", ("numpy", "torch", "auto")),
    _Use("backend.tf32", "backend.name", ("cupy", "torch", "jax", "auto")),
    _Use("data.seed", "data.name", ("digits", "csv", "npz")),
    _Use("data.validation_size", "data.name", ("mnist", "fashion-mnist", "synth", "digits", "csv", "npz")),
    _Use("data.validation_size", "data.split", ("validation", "three-way")),
    _Use("train.momentum", "train.optimizer", ("momentum", "nesterov")),
    _Use("train.beta_1", "train.optimizer", ("adam",)),
    _Use("train.beta_2", "train.optimizer", ("adam",)),
    _Use("train.epsilon", "train.optimizer", ("adam",)),
    *(
        _Use(f"train.{key}", "train.schedule", (schedule.name,))
        for schedule in schedules.values()
        for key in schedule.parameters
    ),
    _Use("model.init_scale", "model.init", ("normal",)),
)


def unused_settings(config: Config) -> Iterator[str]:
    """A sentence for each setting that has another value than its default to no effect."""
    for key, choice, users in _USES:
        section, name = key.split(".")
        fields = _SECTIONS[section].model_fields
        value, chosen = _value(config, key), _value(config, choice)
        varied = list(getattr(config.grid, choice.partition(".")[2], []))
        if choice == "train.schedule":
            varied += [config.train.weight_decay_schedule, config.model.dropout_schedule]
        if value != fields[name].default and not {chosen, *varied} & set(users):
            wanted = " or ".join(show(user) for user in users)
            yield f"{key} = {show(value)} has no effect with {choice} = {show(chosen)}: it is for {wanted}."
    if config.train.min_improvement and config.train.patience is None:
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
