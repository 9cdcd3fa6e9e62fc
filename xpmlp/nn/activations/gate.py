"""The sigmoid as a factor of its own argument: small values have full relative precision."""

from __future__ import annotations

from xpmlp._typing import Array, Namespace


def gate(xp: Namespace, v: Array) -> tuple[Array, Array]:
    """Return ``sigmoid(v)`` and ``exp(-|v|)``, the latter for `gate_slope`; no exponential overflows."""
    e = xp.exp(-xp.abs(v))
    return xp.where(v > 0, xp.ones_like(e), e) / (1 + e), e


def gate_slope(e: Array) -> Array:
    """Compute the derivative of the sigmoid, ``s (1 - s) = e / (1 + e)**2``, without the difference."""
    root = 1 + e
    return e / (root * root)
