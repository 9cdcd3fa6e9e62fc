"""Comparison of recordings of one trial, and search for the first quantity that differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from xpmlp.backend import DTypeName
from xpmlp.verify.quantities import Quantities, Quantity, relative_difference
from xpmlp.verify.recording import TrialRecord
from xpmlp.verify.tolerances import tolerance
from xpmlp.verify.trial import Trial

REFERENCE = "reference"
"""Label of `xpmlp.verify.reference` as the base of a comparison."""

FORWARD = ("activations", "logits", "loss")
"""Quantities computed before any derivative of an activation."""


class Difference(NamedTuple):
    """Difference of a backend's quantity from that of another backend or of the reference.

    Attributes
    ----------
    backend, base : str
        Labels of the two.
    dtype : "float32" or "float64"
    step : int
        From 1.
    quantity : Quantity
    value : float
        ``max|a - b| / max|b|``.
    tolerance : float or None
        ``None`` if it is not judged, as for relu in float32; see docs/parity.md.
    """

    backend: str
    base: str
    dtype: DTypeName
    step: int
    quantity: Quantity
    value: float
    tolerance: float | None

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance, or not judged; NaN is out of tolerance."""
        return self.tolerance is None or self.value <= self.tolerance


def compare(
    trial: Trial, dtype: DTypeName, backend: str, recording: TrialRecord, base: str, other: TrialRecord
) -> list[Difference]:
    """Compute all differences of a backend's recording from another one, in the order of computation."""
    optimizer = trial.config.train.optimizer
    differences = []
    for step, quantities in recording.quantities.items():
        expected = other.quantities[step]
        judged = _judged(trial, dtype, step, quantities, expected)
        for quantity, array in quantities.items():
            allowed = tolerance(dtype, optimizer, quantity, step) if quantity.kind in judged else None
            value = relative_difference(array, expected[quantity])
            differences.append(Difference(backend, base, dtype, step, quantity, value, allowed))
    return differences


def _judged(trial: Trial, dtype: DTypeName, step: int, actual: Quantities, expected: Quantities) -> Sequence[str]:
    """Return the kinds of quantities that can be judged.

    In float32, some pre-activation of a relu unit is soon so close to zero that rounding determines its sign, and so
    whether the unit learns from an example: from then on, the runs are two different trainings.
    """
    everything = (*FORWARD, "deltas", "gradients", "weights")
    if dtype == "float64" or not trial.reference_network.is_kinked:
        return everything
    if step > 1:
        return ()
    if not trial.is_plain:  # its units are not compared
        return FORWARD
    hidden = [quantity for quantity in actual if quantity.kind == "activations"]
    same_units = all(((actual[one] > 0) == (expected[one] > 0)).all() for one in hidden)
    return everything if same_units else FORWARD


def first_failure(differences: Sequence[Difference]) -> str | None:
    """Return a sentence on the first quantity, in the order of computation, that is out of tolerance; else ``None``.

    Differences from the reference come first: they show which backend is wrong, not only that two are unequal.
    """
    failed = [one for one in differences if not one.passed]
    if not failed:
        return None

    def place(one: Difference) -> tuple[bool, bool, int, int]:
        order = [each.quantity for each in differences if (each.step, each.dtype) == (one.step, one.dtype)]
        return one.base != REFERENCE, one.dtype != "float64", one.step, order.index(one.quantity)

    first = min(failed, key=place)
    same = [one for one in failed if place(one) == place(first)]
    names = _listed([one.backend for one in same])
    base = "the independent reference" if first.base == REFERENCE else first.base
    worst = max(same, key=lambda one: (one.value != one.value, one.value))
    return (
        f"{names} in {first.dtype} {'differs' if len(same) == 1 else 'differ'} from {base}, first in the "
        f"{first.quantity} at step {first.step}: by {worst.value:.1e} where {first.tolerance:.1e} is allowed."
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
