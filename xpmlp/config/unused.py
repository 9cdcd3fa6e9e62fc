"""Settings that a config changes without effect."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

from xpmlp._records import is_outside
from xpmlp.config.model import Config
from xpmlp.config.names import tables
from xpmlp.config.sections import GridConfig
from xpmlp.config.show import show
from xpmlp.optim import optimizers, schedules, users_of


def _uses() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield a key, the key of the choice that decides whether it is used, and the choices that use it."""

    def having(kind: str, key: str) -> tuple[str, ...]:
        return tuple(name for name, record in tables()[kind].items() if key in record.keys)

    for key in ("threads", "tf32"):
        yield f"backend.{key}", "backend.name", (*having("backend", key), "auto")
    for key in ("seed", "validation_size"):
        yield f"data.{key}", "data.name", having("data set", key)
    yield "data.validation_size", "data.split", ("validation", "three-way")
    for key in dict.fromkeys(key for one in optimizers.values() for key in one.hyperparameters):
        yield f"train.{key}", "train.optimizer", users_of(key)
    for key in dict.fromkeys(key for one in schedules.values() for key in one.keys):
        yield f"train.{key}", "train.schedule", having("schedule", key)
    yield "model.init_scale", "model.init", ("normal",)


def unused_settings(config: Config) -> Iterator[str]:
    """Yield a sentence for each setting changed from its default without effect; a grid's choices count, too."""
    for key, choice, users in _uses():
        section, name = key.split(".")
        fields = type(getattr(config, section)).model_fields
        value, chosen = _value(config, key), _value(config, choice)
        varied = list(getattr(config.grid, choice.partition(".")[2], []))
        if choice == "train.schedule":
            varied += [config.train.weight_decay_schedule, config.model.dropout_schedule]
        chosen_or_varied = {chosen, *varied}
        if key == "data.seed" and config.train.folds is not None:  # it draws the folds, of any data
            continue
        if value != fields[name].default and not chosen_or_varied & {*users, *filter(is_outside, chosen_or_varied)}:
            wanted = " or ".join(show(user) for user in users)
            yield f"{key} = {show(value)} has no effect with {choice} = {show(chosen)}: it is for {wanted}."
    train, output = config.train, config.output
    if train.min_improvement and train.patience is None and train.best_by == "loss":
        yield (
            f"train.min_improvement = {show(train.min_improvement)} has no effect without early stopping: "
            "set train.patience, too."
        )
    if train.judge_folds == "together" and train.folds is None:
        yield 'train.judge_folds = "together" has no effect without folds: set train.folds, too.'
    if output.checkpoint_every is None and output.keep != type(output).model_fields["keep"].default:
        yield f'output.keep = {show(output.keep)} has no effect with output.checkpoint_every = "none".'
    for name in () if config.grid.is_grid else ("block_width", "workers", "scheduler"):
        value = getattr(config.grid, name)
        if value != GridConfig.model_fields[name].default:
            yield f"grid.{name} = {show(value)} has no effect on a single run: it is for a grid of several."


def _value(config: Config, key: str) -> Any:
    return reduce(getattr, key.split("."), config)
