"""Tolerances for differences between two trainings; measured and justified in docs/parity.md."""

from __future__ import annotations

from typing import NamedTuple

from xpmlp.backend import DTypeName
from xpmlp.optim import optimizers
from xpmlp.verify.quantities import Quantity


class Tolerance(NamedTuple):
    """Allowed relative difference, growing with the steps as rounding errors accumulate.

    Attributes
    ----------
    first : float
        After the first step.
    further : float
        Increase for each further step.
    adam : float
        Factor for weights trained by Adam: it divides each gradient by the root of its own second moment, so that for
        a gradient near zero the rounding error determines the step.
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
"""Tolerance for the reference's gradients: the error of central differences in float64 is under 1e-7."""

PRODUCTS: dict[DTypeName, float] = {"float64": 1e-12, "float32": 1e-5}
"""Maximum error of a matrix product in full precision; TF32's is about 2e-4."""


def tolerance(dtype: DTypeName, optimizer: str, quantity: Quantity, step: int) -> float:
    """Compute the allowed relative difference of a quantity at a step, counted from 1."""
    first, further, adam = TOLERANCES[dtype]
    factor = adam if optimizers[optimizer].normalizes and quantity.kind == "weights" else 1.0
    return factor * (first + further * (step - 1))
