"""The recipes for tables: they train whatever the columns are, and their steps are compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import xpmlp
from xpmlp.backend import resolve

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


def test_a_rate_for_no_layer_is_refused() -> None:
    with pytest.raises(xpmlp.XpmlpError, match=r"train\.rates has a factor for 'adapters'"):
        trained("table", NUMBERS, CLASSES, None, **{"train.rates": {"adapters": 2.0}})


@pytest.mark.filterwarnings("error")
def test_its_steps_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = resolve("numpy", None, "float32", threads=1).backend
    if backend.compiles_first() is None or "numba" not in backend.version:
        pytest.skip("needs Numba, which compiles NumPy's steps")
    from xpmlp.backend import base

    def uncompiled(*arguments: Any) -> Any:
        raise AssertionError("a step ran as it is written")

    monkeypatch.setattr(base.Backend, "scan", uncompiled)
    trained("table", NUMBERS, CLASSES, CODES)
