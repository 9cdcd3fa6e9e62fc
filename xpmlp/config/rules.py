"""What no field can check alone: values that do not go together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from xpmlp.config.sections import GRID_AXES, DataConfig, ModelConfig
from xpmlp.config.show import show
from xpmlp.config.value_types import RULE
from xpmlp.nn import losses
from xpmlp.optim import users_of

FILES = ("csv", "npz")
STRATIFIED = ("digits", *FILES)
IDX = ("mnist", "fashion-mnist")

VALUES = [name for name, loss in losses.items() if loss.targets == "values"]
"""The losses of values."""

_DEFAULTS = {key: field.default for key, field in DataConfig.model_fields.items()}


class Rule(NamedTuple):
    """Values that do not go together.

    Attributes
    ----------
    keys
        The dotted keys concerned.  The first is the one to name in the message, and never at its default.
    broken
        Called with the keys' values; true if they contradict each other.
    message
        What follows ``key = value``: why not, and what to do.
    """

    keys: tuple[str, ...]
    broken: Callable[..., bool]
    message: str


RULES = (
    Rule(
        ("data.name", "data.path"),
        lambda name, path: name in FILES and path is None,
        "needs data.path: the file to read.",
    ),
    Rule(
        ("data.path", "data.name"),
        lambda path, name: path is not None and name not in FILES,
        'is for data.name = "csv" or "npz" only: leave it out, or name one of these.',
    ),
    Rule(
        ("data.root", "data.name"),
        lambda root, name: root is not None and name not in IDX,
        'is for data.name = "mnist" or "fashion-mnist" only: leave it out (csv and npz take data.path).',
    ),
    Rule(
        ("data.target", "data.name"),
        lambda target, name: target != _DEFAULTS["target"] and name not in FILES,
        'is for data.name = "csv" or "npz" only: leave it out.',
    ),
    Rule(
        ("data.features", "data.name"),
        lambda features, name: features != _DEFAULTS["features"] and name != "npz",
        'is for data.name = "npz" only: leave it out (a csv file\'s features are all columns but the target).',
    ),
    Rule(
        ("data.missing", "data.name"),
        lambda missing, name: missing != _DEFAULTS["missing"] and name != "csv",
        'is for data.name = "csv" only: leave it out (arrays are taken as they are).',
    ),
    Rule(
        ("data.standardize", "data.name"),
        lambda standardize, name: bool(standardize) and name not in FILES,
        'is for data.name = "csv" or "npz" only: leave it out (the other sets bring their own scale).',
    ),
    Rule(
        ("data.split", "data.name"),
        lambda split, name: split != "validation" and name == "synth",
        'needs a test set, and data.name = "synth" has none: use "validation".',
    ),
    Rule(
        ("data.test_fraction", "data.split", "data.name"),
        lambda fraction, split, name: fraction == 0 and split != "validation" and name in STRATIFIED,
        'leaves no test set for data.split to evaluate: give more than 0, or data.split = "validation".',
    ),
    Rule(
        ("data.test_fraction", "data.name"),
        lambda fraction, name: fraction != _DEFAULTS["test_fraction"] and name not in STRATIFIED,
        'is for data.name = "digits", "csv" or "npz" only: leave it out (the test sets of the others are fixed).',
    ),
    Rule(
        ("train.patience", "data.split"),
        lambda patience, split: patience is not None and split == "test",
        'needs a validation part to watch, and data.split = "test" holds none out: use data.split = "three-way" '
        'or "validation", or leave train.patience out.',
    ),
    Rule(
        ("model.loss", "data.name"),
        lambda loss, name: loss in VALUES and name not in FILES,
        'predicts values, and only data.name = "csv" or "npz" can have any: leave it out.',
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
        ("grid.momentum", "train.optimizer", "grid.optimizer"),
        lambda momenta, optimizer, optimizers: bool(momenta) and not {*users_of("momentum")} & {optimizer, *optimizers},
        "varies what train.optimizer has no use for: choose "
        f"{' or '.join(map(show, users_of('momentum')))}, or leave it out.",
    ),
)


def check_rules(value: Callable[[str], Any]) -> None:
    """Refuse values that do not go together; ``value`` looks a dotted key up.

    Raises
    ------
    ValidationError
        One error of the type ``RULE`` for each broken rule, its key as the location, all keys in its context.
    """
    errors = [
        InitErrorDetails(
            type=PydanticCustomError(RULE, "{message}", {"message": rule.message, "keys": rule.keys}),
            loc=tuple(rule.keys[0].split(".")),
            input=value(rule.keys[0]),
        )
        for rule in RULES
        if rule.broken(*map(value, rule.keys))
    ]
    if errors:
        raise ValidationError.from_exception_data("Config", errors)
