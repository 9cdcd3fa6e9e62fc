"""Every field: its default, and the values that it accepts and refuses."""

from __future__ import annotations

import contextlib
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from xpmlp.config import Config, DataConfig, json_schema

DEFAULTS: dict[str, dict[str, Any]] = {
    "backend": {"name": "numpy", "device": None, "dtype": "float32", "fused": True, "tf32": False, "threads": None},
    "data": {
        "name": "digits",
        "root": None,
        "path": None,
        "target": "target",
        "features": "features",
        "missing": ["?", "NA", "N/A", "null", "NaN", "-"],
        "split": "validation",
        "validation_size": None,
        "test_fraction": 0.2,
        "seed": 0,
        "standardize": None,
        "drop": [],
        "weights": None,
        "group": None,
        "time": None,
        "types": None,
        "task": "auto",
        "log_target": False,
        "test": None,
        "validation": None,
        "separator": None,
        "quote": None,
        "decimal": None,
        "encoding": None,
        "header": None,
        "comment": None,
    },
    "model": {
        "hidden_layer_sizes": [100],
        "activation": "relu",
        "linear_skip": False,
        "layers": [],
        "loss": "auto",
        "huber_delta": 1.0,
        "quantiles": [0.1, 0.5, 0.9],
        "label_smoothing": 0.0,
        "threshold": None,
        "dropout": 0.0,
        "dropout_schedule": "constant",
        "init": "glorot_uniform",
        "init_scale": 0.01,
    },
    "train": {
        "epochs": 10,
        "batch_size": 32,
        "max_seconds": None,
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "momentum": 0.9,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "epsilon": 1e-8,
        "weight_decay": 0.0,
        "rates": None,
        "clip_norm": None,
        "averaging": None,
        "class_weight": None,
        "schedule": "constant",
        "weight_decay_schedule": "constant",
        "schedule_by": "auto",
        "warmup": 0.0,
        "power_t": 0.5,
        "tol": 1e-4,
        "n_iter_no_change": 10,
        "seed": 0,
        "shuffle": True,
        "patience": None,
        "min_improvement": 0.0,
        "metric": None,
        "best_by": "loss",
        "calibrate": False,
        "members": 1,
        "shared": False,
        "folds": None,
        "judge_folds": "apart",
        "evaluate_train": False,
        "segment_steps": 500,
    },
    "grid": {
        "runs": 1,
        "learning_rate": [],
        "weight_decay": [],
        "momentum": [],
        "batch_size": [],
        "hidden_layer_sizes": [],
        "activation": [],
        "optimizer": [],
        "block_width": "auto",
        "workers": "auto",
        "scheduler": None,
    },
    "output": {
        "folder": Path("runs"),
        "plots": True,
        "tensorboard": False,
        "page": False,
        "checkpoint_every": "auto",
        "keep": 2,
    },
}
KEYS = [(section, key) for section, table in DEFAULTS.items() for key in table]

COUNTS = [
    ("train", "epochs"),
    ("train", "batch_size"),
    ("train", "segment_steps"),
    ("train", "n_iter_no_change"),
    ("output", "keep"),
]
OPTIONAL_COUNTS = [("backend", "threads"), ("data", "validation_size"), ("train", "patience")]
SEEDS = [("train", "seed"), ("data", "seed")]
DECAYS = [("train", "momentum"), ("train", "beta_1"), ("train", "beta_2"), ("data", "test_fraction")]
POSITIVE = [("train", "epsilon"), ("model", "init_scale")]
NON_NEGATIVE = [
    ("train", key) for key in ("learning_rate", "weight_decay", "power_t", "tol", "min_improvement", "warmup")
]
BOOLEANS = [
    ("backend", "fused"),
    ("backend", "tf32"),
    ("train", "shuffle"),
    ("train", "evaluate_train"),
    ("train", "calibrate"),
    ("output", "plots"),
    ("output", "tensorboard"),
    ("output", "page"),
    ("data", "standardize"),
]
SCHEDULES = ["constant", "inverse_scaling", "adaptive", "cosine", "linear", "one_cycle", "flat_cosine", "coslog"]
LITERALS = {
    ("backend", "name"): ["auto", "numpy", "cupy", "torch", "jax", "strict"],
    ("backend", "dtype"): ["float32", "float64"],
    ("data", "split"): ["validation", "test", "three-way"],
    ("model", "activation"): [
        *("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus"),
        "scaled_tanh",
        "unbent",
    ],
    ("model", "loss"): ["auto", "cross_entropy", "logistic", "squared", "poisson", "absolute", "huber", "quantile"],
    ("model", "dropout_schedule"): SCHEDULES,
    ("model", "init"): [
        *(
            "glorot_uniform",
            "glorot_normal",
            "he_uniform",
            "he_normal",
            "lecun_uniform",
            "lecun_normal",
            "normal",
            "zeros",
        ),
        "ntk",
    ],
    ("train", "optimizer"): ["sgd", "momentum", "nesterov", "adam", "adamw"],
    ("train", "schedule"): SCHEDULES,
    ("train", "weight_decay_schedule"): SCHEDULES,
    ("train", "judge_folds"): ["apart", "together", "auto"],
    ("train", "schedule_by"): ["auto", "epoch", "step"],
    ("train", "best_by"): ["loss", "log_loss", "refined_log_loss", "error", "auc", "ece", "rmse", "mae"],
}


def with_value(section: str, key: str, value: Any) -> Config:
    tables: dict[str, dict[str, Any]] = {"data": {"name": "csv", "path": "/x.csv"}}
    tables.setdefault(section, {})[key] = value
    return Config.model_validate(tables)


def test_defaults() -> None:
    assert Config(data=DataConfig(name="digits")).model_dump() == DEFAULTS


def test_only_the_data_set_is_required() -> None:
    with pytest.raises(ValidationError) as error:
        Config.model_validate({"data": {}})
    assert [e["loc"] for e in error.value.errors()] == [("data", "name")]


@pytest.mark.parametrize(
    ("keys", "accepted", "refused"),
    [
        (COUNTS, [1, 10**9], [0, -1, 1.0, 1.5, True, "3", "none", [1], math.nan]),
        (OPTIONAL_COUNTS, [1, "none", None], [0, -1, 1.5, True, "3", "None", ""]),
        (SEEDS, [0, 2**32 - 1], [-1, 2**32, 0.0, False, "0"]),
        (DECAYS, [0, 0.0, 0.5, 0.9999], [1, 1.0, -0.1, math.nan, True, "0.5"]),
        (POSITIVE, [1e-300, 1, 5.0], [0, 0.0, -1.0, math.inf, math.nan, True, "1"]),
        (NON_NEGATIVE, [0, 0.0, 1e-3, 7], [-1e-9, math.inf, -math.inf, math.nan, True, "1", "none"]),
        (BOOLEANS, [True, False], [0, 1, "true", "yes", 1.0]),
        ([("model", "hidden_layer_sizes")], [[], [1], [300, 100]], [300, [0], [1.5], [True], ["3"], [[3]], "none"]),
        ([("train", "clip_norm")], [1e-3, 1, "none", None], [0, -1.0, math.inf, math.nan, True, "1"]),
        ([("train", "averaging")], [0, 0.999, "none", None], [1, -0.1, math.nan, True, "0.5"]),
        (
            [("train", "rates")],
            [{}, {"biases": 0}, {"weights": 1, "biases": 0.1}, "none", None],
            [0.1, {"biases": -1}, {"biases": "1"}, {"biases": math.nan}, {"biases": {}}, ["biases"], "biases"],
        ),
        ([("model", "linear_skip")], [True, False, "auto"], [0, 1, "true", "none", "Auto"]),
        ([("grid", "runs")], [1, 5], [0, -1, 1.0, True, "3", "none", [5]]),
        ([("grid", "block_width"), ("grid", "workers")], ["auto", 1, 20], [0, -1, 1.0, True, "3", "none", "Auto", [1]]),
        ([("grid", "learning_rate"), ("grid", "weight_decay")], [[], [0], [0.1, 1]], [0.1, [-1], ["1"], [math.nan]]),
        ([("grid", "momentum")], [[]], [0.9, [1.0], [-0.1], [True]]),
        ([("grid", "batch_size")], [[], [1, 32]], [32, [0], [1.5], [True]]),
        (
            [("model", "layers")],
            [[], [{"kind": "dense", "units": 3}]],
            ["dense", [3], [{}], [{"kind": "dens"}], [{"kind": "dense"}], [{"kind": "dense", "units": 0}], "none"],
        ),
        ([("grid", "hidden_layer_sizes")], [[], [[300], []], [[3, 2]]], [300, [300], [[0]], [[1.5]], "none"]),
        ([("grid", "activation")], [[], ["relu", "tanh"]], ["relu", ["Relu"], [1]]),
        ([("grid", "optimizer")], [[], ["sgd", "adam"]], ["sgd", ["SGD"], [1]]),
        ([("grid", "scheduler")], ["tcp://host:8786", "none"], ["", 1, True]),
        ([("backend", "device")], ["cpu", "cuda:0", "none", None], ["", 0, True]),
        ([("data", "target"), ("data", "features")], ["target", "features"], ["", 3, True]),
        (
            [("output", "checkpoint_every")],
            ["auto", "1 epoch", "10 epochs", "60 seconds", "1000 steps", "none", None],
            ["", "0 steps", "1.5 seconds", "-1 steps", "steps", "5", 5, "5 minutes", "5  steps", "1 step\n", True],
        ),
        ([("output", "folder")], ["out", "/tmp/out", Path("out")], ["", 3, "a\0b", True]),
        ([("data", "path")], ["x.csv", "/x.npz", Path("x.csv")], ["", 3, "a\0b", False]),
    ],
)
def test_what_a_field_takes(keys: list[tuple[str, str]], accepted: list[Any], refused: list[Any]) -> None:
    for section, key in keys:
        for value in accepted:
            if (section, key, value) != ("data", "features", "target"):  # a rule of its own, tested with the rules
                with_value(section, key, value if key != "features" else "features")
        for value in refused:
            with pytest.raises(ValidationError) as error:
                with_value(section, key, value)
            assert all(e["loc"][:2] == (section, key) for e in error.value.errors()), (key, value)


@pytest.mark.parametrize(("key", "values"), LITERALS.items())
def test_what_a_choice_takes(key: tuple[str, str], values: list[str]) -> None:
    for value in values:
        with_value(*key, value)
    for other in ("", values[0].upper(), values[0] + " ", 1, None, "none"):
        with pytest.raises(ValidationError):
            with_value(*key, other)


@pytest.mark.parametrize(
    ("loss", "key", "accepted", "refused"),
    [
        ("huber", "huber_delta", [1e-300, 2, 5.0], [0, -1.0, math.inf, math.nan, True, "1"]),
        ("cross_entropy", "label_smoothing", [0, 0.5, 0.99], [1, -0.1, math.nan, True, "0"]),
        ("auto", "label_smoothing", [0.1], [1]),
        ("quantile", "quantiles", [[0.5], [0.01, 0.99]], [[], [0], [1.0], [0.5, 0.5], [0.9, 0.1], 0.5, ["0.5"], None]),
    ],
)
def test_the_parameters_of_losses(loss: str, key: str, accepted: list[Any], refused: list[Any]) -> None:
    def config(value: Any) -> Config:
        table = {"data": {"name": "csv", "path": "/x.csv"}, "model": {"loss": loss, key: value}}
        return Config.model_validate(table)

    for value in accepted:
        assert config(value).model.loss_settings == ({key: value} if value else {})
    for value in refused:
        with pytest.raises(ValidationError):
            config(value)


def test_an_integer_becomes_a_float_where_one_is_due() -> None:
    rate = with_value("train", "learning_rate", 1).train.learning_rate
    assert type(rate) is float


def test_the_word_none_stands_for_none() -> None:
    assert with_value("train", "patience", "none").train.patience is None
    assert with_value("backend", "device", "none").backend.device is None


def test_a_config_is_frozen_and_keeps_its_sections() -> None:
    config = Config(data=DataConfig(name="digits"))
    with pytest.raises(ValidationError):
        config.train.epochs = 3  # type: ignore[misc]
    with pytest.raises(ValidationError):
        config.train = config.train  # type: ignore[misc]


def test_default_lists_are_not_shared() -> None:
    first, second = (Config(data=DataConfig(name="digits")) for _ in range(2))
    assert first.model.hidden_layer_sizes is not second.model.hidden_layer_sizes


def test_equality_is_of_the_sections_and_of_nothing_else() -> None:
    config = Config(data=DataConfig(name="digits"))
    assert config == Config(data=DataConfig(name="digits"))
    assert config != with_value("train", "epochs", 3)
    assert config != "a config"


def test_pickling() -> None:
    config = with_value("train", "epochs", 3)
    assert pickle.loads(pickle.dumps(config)) == config


def test_every_key_is_documented_and_tested() -> None:
    definitions = json_schema()["$defs"]
    fields = [field for section in definitions.values() for field in section["properties"].values()]
    assert len(fields) == len(KEYS)
    assert all(len(field["description"]) > 15 and field["description"][-1] == "." for field in fields)


@given(st.sampled_from(KEYS), st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()))
def test_any_value_is_taken_or_refused(place: tuple[str, str], value: Any) -> None:
    section, key = place
    taken = value
    with contextlib.suppress(ValidationError):
        taken = getattr(getattr(with_value(section, key, value), section), key)
    assert taken is None or isinstance(taken, Path) or taken is value or (type(taken) is float and taken == value)
