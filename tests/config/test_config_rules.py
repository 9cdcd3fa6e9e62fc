"""Combinations of values that are not allowed, although each value is."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from xpmlp.config import GRID_AXES, Config, load_config
from xpmlp.config.rules import _INSTEAD, TABLE_KEYS, broken_rules
from xpmlp.data import table_format
from xpmlp.errors import ConfigError
from xpmlp.nn import losses

BROKEN = {
    **{
        f'[data]\nname = "digits"\n[train]\n{key} = {value}\n[grid]\nruns = 2': (
            f"train.{key} = {value} is for a single training, and the config has a [grid] of several runs: give"
        )
        for key, value in (("epochs", '"auto"'), ("batch_size", '"auto"'))
    },
    '[data]\nname = "digits"\n[train]\nmax_seconds = 1.0\n[grid]\nruns = 2': (
        "train.max_seconds = 1.0 is for a single training, and the config has a [grid] of several runs: leave it out."
    ),
    '[data]\nname = "digits"\n[train]\nshared = true': (
        "train.shared = true is for the members of a vote: give train.members, too, or leave it out."
    ),
    '[data]\nname = "digits"\n[model]\nlinear_skip = true\n[train]\nshared = true\nmembers = 2': (
        "train.shared = true has no linear skip: leave one of the two out."
    ),
    '[data]\nname = "digits"\n[train]\nshared = true\nmembers = 2\n[[model.layers]]\nkind = "repeat"\nmembers = 2': (
        "train.shared = true stands for the layers repeat and adapters: leave them out, or train.shared."
    ),
    '[data]\nname = "csv"': 'data.name = "csv" needs data.path: the file to read.',
    '[data]\nname = "npz"': 'data.name = "npz" needs data.path: the file to read.',
    '[data]\nname = "digits"\npath = "/x.csv"': (
        'data.path = "/x.csv" is for data.name = "csv", "npz" or "table" only: leave it out, or name one of these.'
    ),
    '[data]\nname = "synth"\nroot = "/x"': 'data.root = "/x" is for data.name = "mnist" or "fashion-mnist" only',
    '[data]\nname = "mnist"\ntarget = "y"': 'data.target = "y" is for data.name = "csv", "npz" or "table" only: leave',
    '[data]\nname = "csv"\npath = "/x.csv"\nfeatures = "x"': 'data.features = "x" is for data.name = "npz" or "table"',
    '[data]\nname = "npz"\npath = "/x.npz"\nmissing = []': 'data.missing = [] is for data.name = "csv" or "table" only',
    '[data]\nname = "digits"\nstandardize = true': 'data.standardize = true is for data.name = "csv" or "npz" only',
    '[data]\nname = "synth"\nsplit = "test"': (
        'data.split = "test" needs a test set, and data.name = "synth" has none: use "validation".'
    ),
    '[data]\nname = "synth"\nsplit = "three-way"': 'data.split = "three-way" needs a test set',
    '[data]\nname = "digits"\ntest_fraction = 0\nsplit = "test"': "data.test_fraction = 0.0 leaves no test set",
    '[data]\nname = "mnist"\ntest_fraction = 0.1': 'data.test_fraction = 0.1 is for data.name = "digits", "csv",',
    '[data]\nname = "digits"\nsplit = "test"\n[train]\npatience = 3': (
        'train.patience = 3 needs a validation part to watch, and data.split = "test" holds none out'
    ),
    '[data]\nname = "digits"\nsplit = "test"\n[train]\nbest_by = "error"': (
        'train.best_by = "error" needs a validation part, and data.split = "test" holds none out'
    ),
    '[data]\nname = "mnist"\n[model]\nloss = "squared"': 'model.loss = "squared" predicts values, and only',
    '[data]\nname = "csv"\npath = "/x"\n[model]\nloss = "poisson"\n[train]\nclass_weight = "balanced"': (
        'train.class_weight = "balanced" is for classes, and model.loss predicts values: leave it out.'
    ),
    '[data]\nname = "csv"\npath = "/x"\n[model]\nloss = "squared"\nlabel_smoothing = 0.1': (
        'model.label_smoothing = 0.1 is for model.loss = "cross_entropy" only: leave it out.'
    ),
    '[data]\nname = "digits"\n[model]\nactivation = "tanh"\nlayers = [{ kind = "scaling" }]': (
        "model.layers = [{...}] stands in the place of hidden_layer_sizes, activation, dropout and of their lists in"
    ),
    '[data]\nname = "digits"\n[model]\nhuber_delta = 2': 'model.huber_delta = 2.0 is for model.loss = "huber" only',
    '[data]\nname = "digits"\n[model]\nquantiles = [0.5]': 'model.quantiles = [0.5] is for model.loss = "quantile"',
    '[data]\nname = "digits"\n[model]\nactivation = ["relu", "tanh"]': (
        'model.activation = ["relu", "tanh"] needs as many values as there are hidden layers, or a single one for all.'
    ),
    '[data]\nname = "digits"\n[model]\nactivation = "tanh"\n[[model.layers]]\nkind = "dense"\nunits = 3': (
        "model.layers = [{...}] stands in the place of hidden_layer_sizes"
    ),
    '[data]\nname = "digits"\n[model]\ndropout = [0.5]\n[grid]\nhidden_layer_sizes = [[5], [5, 5]]': (
        "model.dropout = [0.5] needs as many values as there are hidden layers"
    ),
    '[data]\nname = "digits"\n[grid]\nactivation = ["relu", ["tanh", "relu"]]': (
        'grid.activation = ["relu", [...]] has a list without a value for each hidden layer'
    ),
    **{
        f'[data]\nname = "digits"\n[grid]\n{axis} = [{value}, {value}]': (
            f"grid.{axis} = [{shown}, {shown}] has a value twice, which would train the same runs twice"
        )
        for axis, value, shown in (
            ("learning_rate", "1", "1.0"),
            ("weight_decay", "0.5", "0.5"),
            ("batch_size", "8", "8"),
            ("hidden_layer_sizes", "[8]", "[...]"),
            ("activation", '"relu"', '"relu"'),
            ("optimizer", '"sgd"', '"sgd"'),
        )
    },
    '[data]\nname = "digits"\n[train]\nseed = 4294967295\n[grid]\nruns = 2': (
        "grid.runs = 2 needs seeds beyond the largest, 2**32 - 1: give fewer runs or a lower train.seed."
    ),
    '[data]\nname = "digits"\n[train]\nseed = 4294967295\nmembers = 2': (
        "train.members = 2 needs seeds beyond the largest, 2**32 - 1: give fewer members or a lower train.seed."
    ),
    '[data]\nname = "digits"\n[train]\nmembers = 2\n[grid]\nruns = 2': (
        "train.members = 2 is for a single vote, and the config has a [grid] of several runs: leave it out"
    ),
    '[data]\nname = "digits"\n[train]\nfolds = 2\n[grid]\nlearning_rate = [0.1]': (
        "train.folds = 2 is for a single vote, and the config has a [grid]"
    ),
    '[data]\nname = "digits"\n[train]\noptimizer = "momentum"\n[grid]\nmomentum = [0.5, 0.5]': (
        "grid.momentum = [0.5, 0.5] has a value twice"
    ),
    '[data]\nname = "digits"\n[grid]\nmomentum = [0.5]': "grid.momentum = [0.5] varies what train.optimizer has no use",
}
FINE = [
    '[data]\nname = "arrays"\n[model]\nloss = "squared"',
    '[data]\nname = "arrays"\n[model]\nloss = "poisson"',
    '[data]\nname = "digits"\n[model]\nlabel_smoothing = 0.1',
    '[data]\nname = "csv"\npath = "/x.csv"\nmissing = ["-999", "unknown"]',
    '[data]\nname = "csv"\npath = "/x.csv"\ntarget = ["a", "b"]\n[model]\nloss = "squared"',
    '[data]\nname = "digits"\n[model]\nhidden_layer_sizes = [5, 4]\nactivation = ["relu", "tanh"]\ndropout = [0.5, 0]',
    '[data]\nname = "digits"\n[train]\nseed = 4294967294\nclass_weight = { "3" = 2 }\n[grid]\nruns = 2',
    '[data]\nname = "csv"\npath = "/x.csv"\ntarget = "y"\nstandardize = false\ntest_fraction = 0',
    '[data]\nname = "npz"\npath = "/x.npz"\ntarget = "y"\nfeatures = "x"\nstandardize = true',
    '[data]\nname = "fashion-mnist"\nroot = "/x"\nstandardize = false\nsplit = "three-way"',
    '[data]\nname = "digits"\nsplit = "three-way"\ntest_fraction = 0.3\n[train]\npatience = 3',
    '[data]\nname = "digits"\n[grid]\nmomentum = [0.5]\noptimizer = ["sgd", "nesterov"]',
    '[data]\nname = "digits"\nsplit = "test"\n[train]\nbest_by = "error"\nfolds = 5\nmembers = 3',
    '[data]\nname = "digits"\nsplit = "test"\ntest_fraction = 0\n[train]\npatience = 3\nfolds = 5',
    '[data]\npath = "/x.csv"\nsplit = "three-way"\ntest_fraction = 0\ntest = "/y.csv"',
]

Mistakes = Callable[..., list[str]]


@pytest.mark.parametrize("text", BROKEN)
def test_what_does_not_go_together(text: str, mistakes: Mistakes) -> None:
    (line,) = mistakes(text)
    assert line.startswith(f"net.toml: {BROKEN[text]}")


@pytest.mark.slow
def test_every_rule_is_tested(write: Callable[[str], str]) -> None:
    """Each way to break one is gone, and each key of those that are alike is named."""
    lines, first = inspect.getsourcelines(broken_rules)
    unreached = {first + number for number, line in enumerate(lines) if line.strip().startswith("yield ")}
    assert len(unreached) > 12

    def trace(frame: Any, event: str, argument: Any) -> Any:
        if frame.f_code is broken_rules.__code__:
            unreached.discard(frame.f_lineno)
            return trace
        return None

    before = sys.gettrace()
    for text in BROKEN:
        path = write(text)
        sys.settrace(trace)
        try:
            with pytest.raises(ConfigError):
                load_config(path)
        finally:
            sys.settrace(before)
    assert not unreached
    broken = {line.split(" = ")[0] for line in BROKEN.values()}
    settings = {f"model.{key}" for loss in losses.values() for key, _ in loss.settings}
    data = {f"data.{key}" for key in {*_INSTEAD} - {*TABLE_KEYS}}  # those of tables are tested below
    assert data | settings | {f"grid.{axis}" for axis in GRID_AXES} <= broken


@pytest.mark.parametrize("key", TABLE_KEYS)
def test_keys_of_tables_are_for_tables(key: str, mistakes: Mistakes) -> None:
    values = {"drop": '["x"]', "types": '{ x = "text" }', "task": '"values"', "log_target": "true", "header": "true"}
    value = values.get(key, '"."' if key == "decimal" else '"x"')
    (line,) = mistakes(f'[data]\nname = "digits"\n{key} = {value}')
    assert line.startswith(f"net.toml: data.{key} = ")
    assert line.endswith('is for data.name = "table" only: leave it out.')


def test_which_keys_are_for_tables_alone() -> None:
    assert set(TABLE_KEYS) == set(table_format.TABLE_KEYS)


def test_a_path_alone_is_a_table(write: Callable[[str], str]) -> None:
    assert load_config(write('[data]\npath = "/x.csv"')).data.name == "table"


@pytest.mark.parametrize("text", FINE)
def test_what_goes_together(text: str, write: Callable[[str], str]) -> None:
    load_config(write(text))


def test_rules_are_told_together_and_beside_other_mistakes(mistakes: Mistakes) -> None:
    lines = mistakes(
        """
        [data]
        name = "synth"
        split = "test"
        path = "/x.csv"
        [train]
        patience = 3
        epochs = 0
        """
    )
    assert [line.split(" = ")[0] for line in lines] == [
        "net.toml: train.epochs",
        "net.toml: data.path",
        "net.toml: data.split",
        "net.toml: train.patience",
    ]


def test_a_rule_about_a_mistaken_value_is_not_told(mistakes: Mistakes) -> None:
    (line,) = mistakes('[data]\nname = "cvs"\npath = "/x.csv"\n')
    assert 'did you mean "csv"?' in line


def test_a_rule_is_named_after_where_the_value_came_from(mistakes: Mistakes) -> None:
    (line,) = mistakes('[data]\nname = "digits"\n[train]\npatience = 3', {"data.split": "test"})
    assert line.startswith("net.toml: train.patience = 3 needs")
    (line,) = mistakes('[data]\nname = "synth"', {"data.split": "test"})
    assert line.startswith('data.split = "test" needs')


def test_configs_built_in_python_are_held_to_the_rules() -> None:
    with pytest.raises(ValidationError, match=r"data\.name\n  needs data\.path") as error:
        Config.model_validate({"data": {"name": "csv"}})
    assert error.value.errors()[0]["loc"] == ("data", "name")
