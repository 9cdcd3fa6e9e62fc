"""The recipes for tables: they train on any columns, and their steps are compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import xpmlp
from xpmlp.backend import resolve
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.inference import sharpened

RNG = np.random.default_rng(3)
N = 300
NUMBERS = RNG.normal(size=(N, 4)).astype(np.float32)
CODES = np.stack([RNG.integers(2, size, N) for size in (4, 7, 30)], axis=1).astype(np.int32)
SIGNAL = NUMBERS[:, 0] * NUMBERS[:, 1] + 0.5 * (CODES[:, 1] - 4)
CLASSES, VALUES = (SIGNAL > 0).astype(int), (SIGNAL - SIGNAL.mean()) / SIGNAL.std()


def trained(recipe: str, x: Any, y: Any, codes: Any, **train: Any) -> xpmlp.Result:
    overrides = {"train.epochs": 12, "train.batch_size": 50, "train.folds": 2, "backend.threads": 1, **train}
    validation = (x[:50], y[:50], *(() if codes is None else (codes[:50],)))
    rest = None if codes is None else codes[50:]
    data = xpmlp.from_arrays(x[50:], y[50:], codes=rest, validation=validation, values=y is VALUES)
    return xpmlp.train(xpmlp.load_config(f"xpmlp:{recipe}.toml", overrides), data=data)


@pytest.mark.slow
@pytest.mark.parametrize("codes", [CODES, CODES[:, :1], None], ids=["many and few", "few", "no categories"])
@pytest.mark.parametrize(
    ("recipe", "targets", "chance"), [("table", CLASSES, 0.6), ("table-values", VALUES, 0.1)], ids=["classes", "values"]
)
def test_better_than_chance_whatever_the_columns(recipe: str, targets: Any, chance: float, codes: Any) -> None:
    result = trained(recipe, NUMBERS, targets, codes)
    assert max(row.validation_value for row in result.run.epochs) > chance
    assert result.network.root.repeats == 2


def skipping(how: Any, rows: int = 60) -> ConfigTrainable:
    layers = {"model.layers": [{"kind": "periodic"}, {"kind": "dense", "units": 8, "init": "data"}]}
    config = xpmlp.load_config("xpmlp:table.toml", {**layers, "model.linear_skip": how})
    numbers, codes, classes = (np.resize(one, (rows, *one.shape[1:])) for one in (NUMBERS, CODES, CLASSES))
    data = xpmlp.from_arrays(numbers, classes, codes=codes, validation=(numbers, classes, codes))
    return ConfigTrainable(config, data, resolve("numpy", None, "float64", threads=1).backend)


def test_a_linear_skip_begins_at_0_and_is_linear_in_the_numbers_as_they_were() -> None:
    """Its weights are the last ones: of each number, then of each category's outputs, the missing ones first."""
    (plain, skip), x = (skipping(how) for how in (False, True)), NUMBERS[:7].astype(float)
    before, parameters = plain.initial_parameters(5), skip.initial_parameters(5)
    np.testing.assert_array_equal(
        skip.inference.predict(parameters, x, CODES[:7]), plain.inference.predict(before, x, CODES[:7])
    )
    weights = parameters[0][1][-1].weights
    weights[0, 1], weights[5, 1] = 2.0, 0.5  # of the first number, and of the first column's two categories
    logits = [np.log(one.inference.predict(own, x, CODES[:7])) for one, own in ((plain, before), (skip, parameters))]
    told = np.diff(logits[1]) - np.diff(logits[0])
    sign = np.select([CODES[:7, :1] == 2, CODES[:7, :1] == 3], [-0.5, 0.5])
    np.testing.assert_allclose(told, 2 * x[:, :1] / np.sqrt(1 - (x[:, :1] / 3) ** 2) + sign, atol=1e-10)


def test_a_linear_skip_is_for_few_rows_but_some_for_each_of_its_weights() -> None:
    inputs = NUMBERS.shape[1] + sum(skipping(False).dataset.code_counts)
    rows = [4 * inputs - 1, 4 * inputs, 999, 1000]
    kinds = [skipping("auto", count).network.layers.members[0].kind for count in rows]
    assert kinds == ["periodic", "add", "add", "periodic"]
    few, many = (skipping(how, 1000).network for how in (True, False))
    assert few.n_parameters - many.n_parameters > 0
    assert few.sizes == many.sizes
    assert few.sizes[-2:] == [8, 2]
    config = xpmlp.load_config("xpmlp:table-values.toml")
    assert config.model.linear_skip == "auto"


def test_a_temperature_divides_the_logits_of_a_skip_too() -> None:
    skip = skipping(True)
    parameters = skip.initial_parameters(1)
    parameters[0][1][-1].weights[...] = np.random.default_rng(0).normal(size=parameters[0][1][-1].weights.shape)
    sharper = sharpened(skip.network.layers, parameters, 2.5)
    before, after = (np.log(skip.inference.predict(one, NUMBERS, CODES)) for one in (parameters, sharper))
    np.testing.assert_allclose(np.diff(after), 2.5 * np.diff(before), rtol=1e-9)


def test_a_rate_for_no_kind_is_refused() -> None:
    with pytest.raises(xpmlp.XpmlpError, match=r"train\.rates has a factor for 'adapter'"):
        trained("table", NUMBERS, CLASSES, None, **{"train.rates": {"adapter": 2.0}})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("recipe", "targets"), [("table", CLASSES), ("table-values", VALUES)], ids=["classes", "values"]
)
def test_its_steps_are_compiled(recipe: str, targets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = resolve("numpy", None, "float32", threads=1).backend
    if backend.compiles_first() is None or "numba" not in backend.version:
        pytest.skip("needs Numba, which compiles NumPy's steps")
    from xpmlp.backend import base

    def uncompiled(*arguments: Any) -> Any:
        raise AssertionError("a step ran as it is written")

    monkeypatch.setattr(base.Backend, "scan", uncompiled)
    trained(recipe, NUMBERS, targets, CODES)
