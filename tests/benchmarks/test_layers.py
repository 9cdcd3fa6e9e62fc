"""The networks timed against PyTorch's: all kinds of layers and activations, with the same parameters."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.layers import CASES, CLASSES, CODES, FEATURES
from xpmlp._tree import leaves
from xpmlp.config import ModelConfig
from xpmlp.nn import Network, Widths, activations, losses
from xpmlp.nn.layers import layers
from xpmlp.training.configured import layers_of


def kinds(tables: list[dict[str, Any]]) -> set[str]:
    return {kind for one in tables for kind in (one["kind"], *kinds(one.get("layers", [])))}


def test_all_layers_and_activations_are_among_them() -> None:
    assert set().union(*(kinds(case.layers) for case in CASES.values())) == {*layers}
    assert {f"activation {name}" for name in activations} < {*CASES}
    assert any(case.label_smoothing for case in CASES.values())


@pytest.mark.parametrize("name", CASES)
def test_both_have_as_many_parameters(name: str) -> None:
    torch = pytest.importorskip("torch", reason="the array library is not installed")
    case = CASES[name]
    widths = Widths(FEATURES, CODES if case.has_codes else ())
    root = Network(layers_of(ModelConfig(layers=case.layers), widths, CLASSES), widths, losses["cross_entropy"]).root
    ours = sum(slot.rows * slot.columns for _, slot in leaves(root.slots) if slot.kind != "state")
    module, x, codes = case.modules(torch), torch.ones(2, FEATURES), torch.ones(2, len(CODES), dtype=torch.long)
    width = module(x, codes).shape[1]
    theirs = sum(parameter.numel() for parameter in module.parameters()) + (width + 1) * CLASSES
    assert ours == theirs
