"""Each layer, each activation and label smoothing: three lines over quickstart.toml learn digits to over 95%."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

import xpmlp
from tests.digits import QUICKSTART
from tests.required import skip
from xpmlp.nn import activations
from xpmlp.nn.layers import layers

HIDDEN = '{ kind = "dense", units = 64 }, { kind = "activation", name = "relu" }'
CHAIN = f'{{ kind = "chain", layers = [{HIDDEN}] }}'

LAYERS = {
    "activation": HIDDEN,
    "add": f'{{ kind = "add", layers = [{{ kind = "dense", units = 64 }}, {CHAIN}] }}',
    "adapters": '{ kind = "repeat", members = 4 }, { kind = "adapters", units = 64, members = 4, random = true }, '
    '{ kind = "activation", name = "relu" }',
    "beside": f'{{ kind = "beside", layers = [{{ kind = "scaling" }}, {{ kind = "dense", units = 8 }}] }}, {HIDDEN}',
    "chain": CHAIN,
    "dense": HIDDEN,
    "dropout": HIDDEN + ', { kind = "dropout", rate = 0.1 }',
    "normalisation": '{ kind = "normalisation" }, ' + HIDDEN,
    "parametric": '{ kind = "dense", units = 64 }, { kind = "parametric", name = "gelu" }',
    "periodic": '{ kind = "periodic", waves = 4 }, ' + HIDDEN,
    "piecewise_linear": '{ kind = "piecewise_linear", bins = 4, width = 2 }, ' + HIDDEN,
    "plus": HIDDEN + f', {{ kind = "plus", layers = [{{ kind = "chain", layers = [{HIDDEN}] }}] }}',
    "prelu": '{ kind = "dense", units = 64 }, { kind = "prelu" }',
    "repeat": '{ kind = "repeat", members = 2 }, ' + HIDDEN,
    "scaling": '{ kind = "scaling" }, ' + HIDDEN,
    "vote": f'{{ kind = "vote", layers = [{CHAIN}, {CHAIN}] }}',
}
"""All kinds but those for codes, which digits have none of."""

LINES = {
    **{f"layer {kind}": f"layers = [{text}]" for kind, text in LAYERS.items()},
    **{f"activation {name}": f'activation = "{name}"' for name in activations},
    "label smoothing": "label_smoothing = 0.1",
}

EACH_TIME = ("layer normalisation", "layer adapters", "activation gelu")

BACKENDS: dict[str, dict[str, Any]] = {
    "numpy": {"backend.name": "numpy"},
    "numpy without Numba": {"backend.name": "numpy", "backend.fused": False},
    "torch": {"backend.name": "torch", "backend.device": "cpu"},
    "jax": {"backend.name": "jax", "backend.device": "cpu"},
}

CASES = [
    pytest.param(what, where, marks=() if what in EACH_TIME and where != "numpy" else pytest.mark.slow)
    for what in LINES
    for where in BACKENDS
]


@functools.cache
def importable(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize(("what", "where"), CASES)
def test_three_lines_learn_digits(what: str, where: str, tmp_path: Path) -> None:
    changes = BACKENDS[where]
    if not importable(changes["backend.name"]):
        skip(changes["backend.name"], f"{where} is not installed")
    path = tmp_path / "three.toml"
    path.write_text(f'extends = "{QUICKSTART.as_posix()}"\n[model]\n{LINES[what]}\n', encoding="utf-8")
    assert len(path.read_text(encoding="utf-8").splitlines()) == 3
    config = xpmlp.load_config(path, {**changes, "output.plots": False})
    result = xpmlp.train(config)
    assert result.run.test is not None
    if what == "activation identity":  # a linear model
        assert result.run.test.value > 0.93
    else:
        assert result.run.test.value > 0.95


def test_every_kind_of_layer_is_among_them() -> None:
    assert {*LAYERS} == {*layers} - {"categories", "embedding", "one_hot"}
