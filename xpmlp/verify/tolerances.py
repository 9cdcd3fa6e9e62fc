"""Tolerances: how far two trainings may be apart; measured and reasoned for in docs/parity.md."""

from __future__ import annotations

from typing import NamedTuple

from xpmlp.backend import DTypeName
from xpmlp.optim import optimizers
from xpmlp.verify.quantities import Quantity


class Tolerance(NamedTuple):
    """A relative difference that grows with the steps, as rounding errors add up.

    Attributes
    ----------
    first : float
        After the first step.
    further : float
        More for each further step.
    adam : float
        The factor for the weights where Adam has made them: it divides each gradient by the root of its own second
        moment, so that where a gradient is nearly zero its rounding error decides the step.
    """

    first: float
    further: float
    adam: float


TOLERANCES: dict[DTypeName, Tolerance] = {
    "float64": Tolerance(first=1e-12, further=1e-12, adam=1.0),
    "float32": Tolerance(first=2e-5, further=2e-6, adam=100.0),
}
"""float64: 1e-10 after 100 steps.  float32: 2e-5, and 2.2e-4 after 100 steps."""

FINITE_DIFFERENCES = 1e-5
"""Of the reference's gradients: what central differences in float64 leave is under 1e-7."""

PRODUCTS: dict[DTypeName, float] = {"float64": 1e-12, "float32": 1e-5}
"""The error of a matrix product up to which it is in full precision; TF32's is about 2e-4."""


def tolerance(dtype: DTypeName, optimizer: str, quantity: Quantity, step: int) -> float:
    """Compute how far a quantity may differ at a step, counted from 1."""
    first, further, adam = TOLERANCES[dtype]
    factor = adam if optimizers[optimizer].normalizes and quantity.kind == "weights" else 1.0
    return factor * (first + further * (step - 1))
