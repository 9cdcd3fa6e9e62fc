"""Rules across several fields: combinations of values that are not allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from xpmlp._records import is_outside
from xpmlp.config.layers import RULE
from xpmlp.config.names import tables
from xpmlp.config.sections import GRID_AXES, INSTEAD_OF_LAYERS, DataConfig, ModelConfig
from xpmlp.config.show import show
from xpmlp.nn import losses
from xpmlp.optim import users_of

if TYPE_CHECKING:
    from xpmlp.config.model import Config
    from xpmlp.data.format import Format

TABLE_KEYS = (
    *("drop", "weights", "group", "time", "types", "task", "log_target", "test", "validation"),
    *("separator", "quote", "decimal", "encoding", "header", "comment"),
)
"""The keys of ``[data]`` that apply to tables only."""

VALUES = [name for name, loss in losses.items() if loss.targets == "values"]
"""The losses for values."""

_DATA, _MODEL = DataConfig.model_fields, ModelConfig.model_fields

_INSTEAD = {
    "path": ", or name one of these",
    "root": " (csv and npz take data.path)",
    "target": "",
    "features": " (a csv file's features are all columns but the target)",
    **dict.fromkeys(TABLE_KEYS, ""),
    "missing": " (arrays are taken as they are)",
    "standardize": " (the other sets bring their own scale)",
    "test_fraction": " (the test sets of the others are fixed)",
}
"""The keys of ``[data]`` refused if the data set does not use them, each with a reason or advice."""


def _users(has: Callable[[Format], bool]) -> str:
    """List the data sets with a property, for a sentence."""
    *most, last = (f'"{name}"' for name, record in tables()["data set"].items() if has(record))
    return f"data.name = {', '.join(most)} or {last}" if most else f"data.name = {last}"


def broken_rules(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the incompatible values of a config.

    Yields
    ------
    keys : tuple of str
        The dotted keys concerned.  The first is named in the message, and is never at its default.
    message : str
        The text after ``key = value``: the reason and the remedy.
    """
    data, model, train, grid = config.data, config.model, config.train, config.grid
    record = tables()["data set"].find(data.name)  # None for one from outside that is not imported
    if record and data.path is None and "path" in record.keys:
        yield ("data.name", "data.path"), "needs data.path: the file to read."
    for key, instead in _INSTEAD.items():
        value = getattr(data, key)
        if record and key not in record.keys and value is not False and value != _DATA[key].default:
            users = _users(lambda one, key=key: key in one.keys)  # type: ignore[misc]
            yield (f"data.{key}", "data.name"), f"is for {users} only: leave it out{instead}."
    if record and not record.has_test and data.split != "validation":
        users = _users(lambda one: not one.has_test)
        yield ("data.split", "data.name"), f'needs a test set, and {users} has none: use "validation".'
    judged = data.test is not None or (
        data.split == "test" and train.folds is not None
    )  # by folds, where not by a file
    drawn = not judged and data.split != "validation" and (not record or "test_fraction" in record.keys)
    if data.test_fraction == 0 and drawn:
        message = 'leaves no test set for data.split to evaluate: give more than 0, or data.split = "validation".'
        yield ("data.test_fraction", "data.split", "data.name"), message
    none_held_out = 'data.split = "test" holds none out: use data.split = "three-way" or "validation", or leave'
    if train.patience is not None and data.split == "test" and train.folds is None:
        message = f"needs a validation part to watch, and {none_held_out} train.patience out."
        yield ("train.patience", "data.split"), message
    for key, left_out in (("members", 1), ("folds", None)):
        if getattr(train, key) != left_out and grid.is_grid:
            message = "is for a single vote, and the config has a [grid] of several runs: leave it out, or the grid."
            yield (f"train.{key}", "grid.runs", *(f"grid.{axis}" for axis in GRID_AXES)), message
    for key, without in (("epochs", "give a number"), ("batch_size", "give a number"), ("max_seconds", "leave it out")):
        if grid.is_grid and isinstance(getattr(train, key), str | float):
            message = f"is for a single training, and the config has a [grid] of several runs: {without}."
            yield (f"train.{key}", "grid.runs", *(f"grid.{axis}" for axis in GRID_AXES)), message
    if train.best_by != "loss" and data.split == "test" and train.folds is None:
        yield ("train.best_by", "data.split"), f"needs a validation part, and {none_held_out} train.best_by out."
    if record and not record.has_values and model.loss in VALUES:
        users = _users(lambda one: one.has_values)
        yield ("model.loss", "data.name"), f"predicts values, and only {users} can have any: leave it out."
    if train.class_weight is not None and model.loss in VALUES:
        message = "is for classes, and model.loss predicts values: leave it out."
        yield ("train.class_weight", "model.loss"), message
    for loss in losses.values():
        for key, _ in loss.settings:
            used = model.loss == loss.name or (model.loss == "auto" and loss.name == "cross_entropy")
            if not used and getattr(model, key) != _MODEL[key].default:
                yield (f"model.{key}", "model.loss"), f'is for model.loss = "{loss.name}" only: leave it out.'
    sizes = grid.hidden_layer_sizes or [model.hidden_layer_sizes]
    for key in ("activation", "dropout"):
        given = getattr(model, key)
        if isinstance(given, list) and any(len(given) != len(one) for one in sizes):
            message = "needs as many values as there are hidden layers, or a single one for all."
            yield (f"model.{key}", "model.hidden_layer_sizes", "grid.hidden_layer_sizes"), message
    described = any(getattr(model, key) != _MODEL[key].default for key in INSTEAD_OF_LAYERS)
    if model.layers and (described or grid.hidden_layer_sizes or grid.activation):
        keys = *(f"model.{key}" for key in ("layers", *INSTEAD_OF_LAYERS)), "grid.hidden_layer_sizes", "grid.activation"
        instead = ", ".join(INSTEAD_OF_LAYERS)
        yield keys, f"stands in the place of {instead} and of their lists in [grid]: leave those out."
    if any(len(one) != len(layers) for one in grid.activation if isinstance(one, list) for layers in sizes):
        message = "has a list without a value for each hidden layer: give as many, or a single name for all layers."
        yield ("grid.activation", "model.hidden_layer_sizes", "grid.hidden_layer_sizes"), message
    for axis in GRID_AXES:
        values = getattr(grid, axis)
        if any(value in values[:place] for place, value in enumerate(values)):
            yield (f"grid.{axis}",), "has a value twice, which would train the same runs twice: give each once."
    if train.seed + grid.runs > 2**32:
        message = "needs seeds beyond the largest, 2**32 - 1: give fewer runs or a lower train.seed."
        yield ("grid.runs", "train.seed"), message
    if train.shared and train.members == 1:
        message = "is for the members of a vote: give train.members, too, or leave it out."
        yield ("train.shared", "train.members"), message
    if train.shared and any(table["kind"] in ("repeat", "adapters") for table in model.layers):
        message = "stands for the layers repeat and adapters: leave them out, or train.shared."
        yield ("train.shared", "model.layers"), message
    if train.shared and model.linear_skip is True:
        yield ("train.shared", "model.linear_skip"), "has no linear skip: leave one of the two out."
    if train.networks > 1 and train.seed + train.networks > 2**32:
        message = "needs seeds beyond the largest, 2**32 - 1: give fewer members or a lower train.seed."
        yield ("train.members", "train.folds", "train.seed"), message
    optimizers, with_momentum = [train.optimizer, *grid.optimizer], users_of("momentum")
    if grid.momentum and not {*with_momentum, *filter(is_outside, optimizers)} & {*optimizers}:
        choices = " or ".join(map(show, with_momentum))
        message = f"varies what train.optimizer has no use for: choose {choices}, or leave it out."
        yield ("grid.momentum", "train.optimizer", "grid.optimizer"), message


def check_rules(config: Config) -> None:
    """Refuse incompatible values.

    Raises
    ------
    ValidationError
        With one error of the type ``RULE`` for each broken rule, its first key as location and all keys in its context.
    """
    errors = []
    for keys, message in broken_rules(config):
        section, key = keys[0].split(".")
        error = PydanticCustomError(RULE, "{message}", {"message": message, "keys": keys})
        errors.append(InitErrorDetails(type=error, loc=(section, key), input=getattr(getattr(config, section), key)))
    if errors:
        raise ValidationError.from_exception_data("Config", errors)
