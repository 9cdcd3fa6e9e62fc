"""What no field can check alone: values that do not go together."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from xpmlp._records import is_outside
from xpmlp.config.layers import RULE
from xpmlp.config.names import tables
from xpmlp.config.sections import GRID_AXES, INSTEAD_OF_LAYERS, DataConfig, ModelConfig, TrainConfig
from xpmlp.config.show import show
from xpmlp.nn import losses
from xpmlp.optim import users_of

if TYPE_CHECKING:
    from xpmlp.data.format import Format

TABLE_KEYS = (
    *("drop", "weights", "group", "time", "types", "task", "log_target", "test", "validation"),
    *("separator", "quote", "decimal", "encoding", "header", "comment"),
)
"""The keys of ``[data]`` for tables alone."""

VALUES = [name for name, loss in losses.items() if loss.targets == "values"]
"""The losses of values."""

_DEFAULTS = {key: field.default for key, field in DataConfig.model_fields.items()}

_MLP = [ModelConfig.model_fields[key].default for key in INSTEAD_OF_LAYERS]

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
"""The keys of ``[data]`` that are refused where the data set has no use for them, and why or what to do."""


def _lacks(name: str, has: Callable[[Format], bool]) -> bool:
    """Whether a data set is known not to have something; one from outside is not known before it is imported."""
    record = tables()["data set"].find(name)
    return record is not None and not has(record)


def _users(has: Callable[[Format], bool]) -> str:
    """The data sets that have something, for a sentence."""
    *most, last = (f'"{name}"' for name, record in tables()["data set"].items() if has(record))
    return f"data.name = {', '.join(most)} or {last}" if most else f"data.name = {last}"


def _takes(key: str) -> Callable[[Format], bool]:
    return lambda record: key in record.keys


def _has_values(record: Format) -> bool:
    return record.has_values


class Rule(NamedTuple):
    """Values that do not go together.

    Attributes
    ----------
    keys
        The dotted keys concerned.  The first is the one to name in the message, and never at its default.
    broken
        Called with the keys' values; true if they contradict each other.
    message
        What follows ``key = value``: why not, and what to do; or a function that gives it.
    """

    keys: tuple[str, ...]
    broken: Callable[..., bool]
    message: str | Callable[[], str]


def _refused_where_unused(key: str) -> Rule:
    def broken(value: Any, name: str) -> bool:
        return value is not False and value != _DEFAULTS[key] and _lacks(name, _takes(key))

    return Rule(
        (f"data.{key}", "data.name"),
        broken,
        lambda: f"is for {_users(_takes(key))} only: leave it out{_INSTEAD[key]}.",
    )


RULES = (
    Rule(
        ("data.name", "data.path"),
        lambda name, path: path is None and name in tables()["data set"] and not _lacks(name, _takes("path")),
        "needs data.path: the file to read.",
    ),
    *map(_refused_where_unused, _INSTEAD),
    Rule(
        ("data.split", "data.name"),
        lambda split, name: split != "validation" and _lacks(name, lambda record: record.has_test),
        lambda: f'needs a test set, and {_users(lambda record: not record.has_test)} has none: use "validation".',
    ),
    Rule(
        ("data.test_fraction", "data.split", "data.name"),
        lambda fraction, split, name: (
            fraction == 0 and split != "validation" and not _lacks(name, _takes("test_fraction"))
        ),
        'leaves no test set for data.split to evaluate: give more than 0, or data.split = "validation".',
    ),
    Rule(
        ("train.patience", "data.split"),
        lambda patience, split: patience is not None and split == "test",
        'needs a validation part to watch, and data.split = "test" holds none out: use data.split = "three-way" '
        'or "validation", or leave train.patience out.',
    ),
    *(
        Rule(
            (f"train.{key}", "grid.runs", *(f"grid.{axis}" for axis in GRID_AXES)),
            lambda value, runs, *axes, default=TrainConfig.model_fields[key].default: (
                value != default and (runs > 1 or any(axes))
            ),
            "is for a single vote, and the config has a [grid] of several runs: leave it out, or the grid.",
        )
        for key in ("members", "folds")
    ),
    Rule(
        ("train.best_by", "data.split", "train.folds"),
        lambda best_by, split, folds: best_by != "loss" and split == "test" and folds is None,
        'needs a validation part, and data.split = "test" holds none out: use data.split = "three-way" or '
        '"validation", or leave train.best_by out.',
    ),
    Rule(
        ("model.loss", "data.name"),
        lambda loss, name: loss in VALUES and _lacks(name, _has_values),
        lambda: f"predicts values, and only {_users(_has_values)} can have any: leave it out.",
    ),
    Rule(
        ("train.class_weight", "model.loss"),
        lambda weight, loss: weight is not None and loss in VALUES,
        "is for classes, and model.loss predicts values: leave it out.",
    ),
    *(
        Rule(
            (f"model.{key}", "model.loss"),
            lambda given, name, own=loss.name, default=ModelConfig.model_fields[key].default: (
                given != default and name not in (own, "auto" if own == "cross_entropy" else own)
            ),
            f'is for model.loss = "{loss.name}" only: leave it out.',
        )
        for loss in losses.values()
        for key, _ in loss.settings
    ),
    *(
        Rule(
            (key, "model.hidden_layer_sizes", "grid.hidden_layer_sizes"),
            lambda given, sizes, grid: any(
                len(given) != len(one) for one in grid or [sizes] if isinstance(given, list)
            ),
            "needs as many values as there are hidden layers, or a single one for all.",
        )
        for key in ("model.activation", "model.dropout")
    ),
    Rule(
        ("model.layers", *(f"model.{key}" for key in INSTEAD_OF_LAYERS), "grid.hidden_layer_sizes", "grid.activation"),
        lambda layers, *others: bool(layers) and any(map(operator.ne, others, (*_MLP, [], []))),
        f"stands in the place of {', '.join(INSTEAD_OF_LAYERS)} and of their lists in [grid]: leave those out.",
    ),
    Rule(
        ("grid.activation", "model.hidden_layer_sizes", "grid.hidden_layer_sizes"),
        lambda given, sizes, grid: any(
            len(one) != len(layers) for one in given if isinstance(one, list) for layers in grid or [sizes]
        ),
        "has a list without a value for each hidden layer: give as many, or a single name for all layers.",
    ),
    *(
        Rule(
            (f"grid.{axis}",),
            lambda values: any(value in values[:place] for place, value in enumerate(values)),
            "has a value twice, which would train the same runs twice: give each once.",
        )
        for axis in GRID_AXES
    ),
    Rule(
        ("grid.runs", "train.seed"),
        lambda runs, seed: seed + runs > 2**32,
        "needs seeds beyond the largest, 2**32 - 1: give fewer runs or a lower train.seed.",
    ),
    Rule(
        ("train.members", "train.folds", "train.seed"),
        lambda members, folds, seed: (members > 1 or folds is not None) and seed + members * (folds or 1) > 2**32,
        "needs seeds beyond the largest, 2**32 - 1: give fewer members or a lower train.seed.",
    ),
    Rule(
        ("grid.momentum", "train.optimizer", "grid.optimizer"),
        lambda momenta, optimizer, optimizers: (
            bool(momenta)
            and not {*users_of("momentum")} & {optimizer, *optimizers}
            and not any(map(is_outside, [optimizer, *optimizers]))
        ),
        "varies what train.optimizer has no use for: choose "
        f"{' or '.join(map(show, users_of('momentum')))}, or leave it out.",
    ),
)


def _text(message: str | Callable[[], str]) -> str:
    return message if isinstance(message, str) else message()


def check_rules(value: Callable[[str], Any]) -> None:
    """Refuse values that do not go together; ``value`` looks a dotted key up.

    Raises
    ------
    ValidationError
        One error of the type ``RULE`` for each broken rule, its key as the location, all keys in its context.
    """
    errors = [
        InitErrorDetails(
            type=PydanticCustomError(RULE, "{message}", {"message": _text(rule.message), "keys": rule.keys}),
            loc=tuple(rule.keys[0].split(".")),
            input=value(rule.keys[0]),
        )
        for rule in RULES
        if rule.broken(*map(value, rule.keys))
    ]
    if errors:
        raise ValidationError.from_exception_data("Config", errors)
