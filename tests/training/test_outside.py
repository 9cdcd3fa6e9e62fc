"""Mistakes in records from outside the package: each is named before the training, and correct records pass."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import xpmlp
from tests.digits import digits_config
from tests.nn.layers.cases import CASES
from tests.nn.test_every_loss import LOSSES
from tests.test_extending import FILE, PAGE
from xpmlp.config import Config, TrainConfig
from xpmlp.config.names import tables
from xpmlp.errors import ConfigError
from xpmlp.nn import activations
from xpmlp.nn.network import _after_first, _built
from xpmlp.optim import optimizers
from xpmlp.training.outside import try_activation, try_layer, try_loss, try_optimizer
from xpmlp.verify import parse_candidates, verify

FILES = dict(FILE.findall(PAGE.read_text(encoding="utf-8")))

RECORDS: dict[str, tuple[str, dict[str, Any]]] = {
    "activation": ("softsign", {"model.activation": "softsign:SOFTSIGN"}),
    "loss": ("brier", {"model.loss": "brier:BRIER"}),
    "optimizer": ("sign_sgd", {"train.optimizer": "sign_sgd:SIGN_SGD"}),
    "schedule": ("halving", {"train.schedule": "halving:HALVING"}),
    "layer": ("gates", {"model.layers": [{"kind": "dense", "units": 7}, {"kind": "gates:gate"}]}),
    "first layer": ("gates", {"model.layers": [{"kind": "gates:gate"}, {"kind": "dense", "units": 7}]}),
}
"""Those of docs/extending.md: the module of each, and a config."""

OF_SUM = "Gates(sum_over_batch(ops, x * upstream) / divisor)"

MISTAKES: dict[str, tuple[str, str, str, str]] = {
    "a gradient of one column": (
        "layer", OF_SUM, "Gates(sum_over_batch(ops, x * upstream)[..., :1] / divisor)",
        "its gradient has the shape Gates(gates=(2, 1, 1)) for 2 stacked runs, and has to have Gates(gates=(2, 1, 7)).",
    ),
    "the same of a first layer": (
        "first layer", OF_SUM, "Gates(sum_over_batch(ops, x * upstream)[..., :1] / divisor)",
        "its gradient has the shape Gates(gates=(2, 1, 1)) for 2 stacked runs, and has to have Gates(gates=(2, 1, 64))",
    ),
    "a bare gradient": ("layer", OF_SUM, "sum_over_batch(ops, x * upstream) / divisor", "its gradient has the shape ("),
    "a gradient without its axis": (
        "layer", OF_SUM, "Gates(ops.xp.sum(x * upstream, axis=-2) / divisor)", "its gradient has the shape Gates(",
    ),
    "no gradient": ("layer", OF_SUM, "None", "its gradient has the shape None"),
    "forward of one value": (
        "layer", "x * opened, (x, opened)", "x * opened",
        "its forward returns (2, 3, 7) for 2 stacked runs, and has to return two values.",
    ),
    "residuals lacking": (
        "layer", "x * opened, (x, opened)", "x * opened, (x,)", "its backward fails on a small trial (ValueError: ",
    ),
    "no backward": ("layer", "return upstream * opened", "upstream * opened", "its backward returns None"),
    "nothing sent back": (
        "layer", "upstream * opened if wanted else None, (", "None, (",
        "its derivative with respect to the input has the shape None",
    ),
    "a wrong width": (
        "layer", '{}, width, slots', '{}, width + 1, slots', "its output has the shape (2, 3, 7) for 2 stacked runs, "
        "and has to have (2, 3, 8).",
    ),
    "first values turned": (
        "layer", "width, 0.0)", "width, lambda random: random.normal(size=(width, 1)))",
        "its initial value has the shape Gates(gates=(7, 1))",
    ),
    "no first values": ("layer", "width, 0.0)", "width, lambda random: None)", "value has the shape Gates(gates=None)"),
    "an activation of one value": ("activation", "factor, (factor,)", "factor", "its forward returns (2, 3, 4)"),
    "an activation summed": (
        "activation", "upstream * factor * factor", "ops.xp.sum(upstream * factor * factor, axis=-1, keepdims=True)",
        "its delta has the shape (2, 3, 1)",
    ),
    "an activation without backward": ("activation", "return upstream", "upstream", "its delta has the shape None"),
    "a loss with its axis": (
        "loss", "(error * error, axis=-1)", "(error * error, axis=-1, keepdims=True)", "its value has the shape (",
    ),
    "a loss of the batch": ("loss", "(error * error, axis=-1)", "(error * error)", "its value has the shape ()"),
    "a loss of another axis": ("loss", "(error * error, axis=-1)", "(error * error, axis=2)", "its value has the"),
    "a loss's derivative": (
        "loss", "return probabilities * (error", "return (error[..., :1]", "its delta has the shape (2, 3, 1)",
    ),
    "an optimiser of parameters alone": (
        "optimizer", "return updated, state", "return updated", "its update fails on a small trial (ValueError: not ",
    ),
    "the same, not composed": (
        "optimizer", "return compose(l2_penalty(kinds), Optimizer(lambda parameters: (), update))",
        "return Optimizer(lambda parameters: (), lambda *given: update(*given)[0])", "its update returns [DenseParam",
    ),
    "parameters added up": (
        "optimizer", "(value - rate * ops.xp.sign(slope),)", "(ops.xp.sum(value, axis=0),)",
        "its result has the shape [DenseParameters(weights=(4, 5), biases=(1, 5))]",
    ),
    "a schedule of a letter": ("schedule", "return settings.first", 'return "a" #', "gives an object of type str for "),
    "a schedule of arrays": (
        "schedule", "return settings.first", "import numpy; return numpy.ones(3) #", "gives an object of type ndarray",
    ),
    "a schedule of NaN": ("schedule", "return settings.first", 'return float("nan") #', "gives nan for done = 0, and"),
    "a schedule below 0": ("schedule", "return settings.first", "return -settings.first", "gives -0.003 for"),
}  # fmt: skip
"""The record, what is in its place and what should be there, and the sentence."""

Write = Callable[..., Config]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """A function that writes the module of a record, changed, and returns a config with the record."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(kind: str, right: str = "", wrong: str = "") -> Config:
        module, settings = RECORDS[kind]
        assert right in FILES[f"{module}.py"]
        text = FILES[f"{module}.py"].replace(right, wrong) if right else FILES[f"{module}.py"]
        (tmp_path / f"{module}.py").write_text(text, encoding="utf-8")
        return digits_config({**settings, "train.epochs": 1, "backend.name": "numpy", "backend.fused": False})

    yield write
    _built.cache_clear()
    _after_first.cache_clear()
    for module, _ in RECORDS.values():
        sys.modules.pop(module, None)
    for table in tables().values():
        table._given.clear()
        table._outside.clear()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(mistake: str, write: Write) -> None:
    kind, right, wrong, sentence = MISTAKES[mistake]
    config, (module, _) = write(kind, right, wrong), RECORDS[kind]
    with pytest.raises(ConfigError, match=re.escape(sentence)) as error:
        xpmlp.train(config, allow_code=True)
    assert str(error.value).startswith(f"the {kind.removeprefix('first ')} '{module}:")
    assert "\n" not in str(error.value)
    assert (error.value.__cause__ is not None) == ("fails" in sentence)


@pytest.mark.parametrize("kind", RECORDS)
def test_the_records_of_the_page_pass(kind: str, write: Write) -> None:
    assert xpmlp.train(write(kind), allow_code=True).history.train_loss[0] < 3


def test_a_schedule_by_step(write: Write) -> None:
    config = write("schedule", "return settings.first", "return 3 - done #").replaced(train={"schedule_by": "step"})
    with pytest.raises(ConfigError, match="gives -1 for done = 4, and not a finite number of at least 0"):
        xpmlp.train(config, allow_code=True)


def test_verify_names_the_mistake_too(write: Write) -> None:
    _, right, wrong, _ = MISTAKES["the same of a first layer"]
    with pytest.raises(ConfigError, match="the layer 'gates:gate': its gradient has the shape"):
        verify(write("first layer", right, wrong), parse_candidates("numpy"), steps=2, allow_code=True)


def test_a_layer_deep_within_others_is_tried_at_its_width(write: Write) -> None:
    _, right, wrong, _ = MISTAKES["a gradient of one column"]
    inner = {"kind": "chain", "layers": [{"kind": "dense", "units": 5}, {"kind": "gates:gate"}]}
    layers = [{"kind": "repeat", "members": 4}, {"kind": "vote", "layers": [inner, inner]}]
    config = write("layer", right, wrong).replaced(model={"layers": layers})
    with pytest.raises(ConfigError, match=re.escape("has to have Gates(gates=(2, 1, 5))")):
        xpmlp.train(config, allow_code=True)


def test_errors_of_another_library_are_left_to_it(write: Write) -> None:
    config = write("activation", "ops.xp.abs(z)", "z / None if ops.xp.__name__ == 'array_api_strict' else z.nothing")
    with pytest.raises(ConfigError, match="its forward fails on a small trial"):
        xpmlp.train(config, allow_code=True)
    with pytest.raises(TypeError, match="NoneType"):
        xpmlp.train(config.replaced(backend={"name": "strict"}), allow_code=True)


@pytest.mark.parametrize("name", CASES)
def test_all_layers_of_the_package_pass(name: str) -> None:
    case = CASES[name]
    try_layer(name, case.layer, case.widths, 3 * case.layer.repeats)
    if not case.widths.codes:
        try_layer(name, case.maker(3), 3, 3 * case.layer.repeats)


@pytest.mark.parametrize("name", activations)
def test_all_activations_of_the_package_pass(name: str) -> None:
    try_activation(activations[name])


@pytest.mark.parametrize("name", LOSSES)
def test_all_losses_of_the_package_pass(name: str) -> None:
    try_loss(LOSSES[name], 4, 1 if name == "quantile" else 4)


@pytest.mark.parametrize("name", optimizers)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_all_optimisers_of_the_package_pass(name: str, weight_decay: float) -> None:
    try_optimizer(optimizers[name], TrainConfig(weight_decay=weight_decay))
