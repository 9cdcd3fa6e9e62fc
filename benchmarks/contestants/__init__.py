"""Who takes part.  Each is imported in its own process only."""

from __future__ import annotations

import importlib
from typing import NamedTuple

from benchmarks.contestants.base import Contestant, ContestantError, Reached, Stretch

__all__ = [
    "CONTESTANTS",
    "FLOOR",
    "GRID",
    "REFERENCE",
    "Contestant",
    "ContestantError",
    "Entry",
    "Reached",
    "Stretch",
]


class Entry(NamedTuple):
    """A contestant on the list.

    Attributes
    ----------
    name, title : str
    where : str
        ``module:class`` in this package.
    device : "cpu" or "gpu"
    packages : tuple of str
        Whose versions matter.
    """

    name: str
    title: str
    where: str
    device: str
    packages: tuple[str, ...]

    @property
    def is_ours(self) -> bool:
        """Whether it is xpmlp."""
        return self.where.startswith("ours:")

    def load(self) -> type[Contestant]:
        """Its class."""
        module, _, name = self.where.partition(":")
        found: type[Contestant] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return found


REFERENCE = Entry("xpmlp-numpy", "xpmlp on NumPy", "ours:OnNumpy", "cpu", ("numpy", "scipy"))
"""What the others are compared to."""

FLOOR = Entry("floor", "floor", "floor:Floor", "cpu", ("numpy", "scipy"))

GRID = Entry("xpmlp-grid", "xpmlp, grid over processes", "ours:Grid", "cpu", ("numpy", "scipy"))
"""In works of the kind ``grid`` only."""

CONTESTANTS = {
    entry.name: entry
    for entry in (
        REFERENCE,
        Entry("xpmlp-torch", "xpmlp on PyTorch", "ours:OnTorch", "cpu", ("torch",)),
        Entry("xpmlp-jax", "xpmlp on JAX", "ours:OnJax", "cpu", ("jax", "jaxlib")),
        Entry("torch", "PyTorch eager", "pytorch:Eager", "cpu", ("torch",)),
        Entry("torch-compile", "PyTorch torch.compile", "pytorch:Compiled", "cpu", ("torch",)),
        Entry("sklearn", "scikit-learn MLPClassifier", "scikit_learn:Classifier", "cpu", ("scikit-learn",)),
        Entry("jax-jit", "JAX jit per step", "xla:JitPerStep", "cpu", ("jax", "jaxlib")),
        Entry("jax-scan", "JAX lax.scan", "xla:ScanPerEpoch", "cpu", ("jax", "jaxlib")),
        Entry("keras", "Keras 3 on JAX", "keras3:Fit", "cpu", ("keras",)),
        Entry("xpmlp-cupy", "xpmlp on CuPy", "ours:OnCupy", "gpu", ()),
        Entry("xpmlp-torch-gpu", "xpmlp on PyTorch, GPU", "ours:OnTorch", "gpu", ("torch",)),
        Entry("xpmlp-jax-gpu", "xpmlp on JAX, GPU", "ours:OnJax", "gpu", ("jax", "jaxlib")),
        Entry("torch-gpu", "PyTorch eager, GPU", "pytorch:Eager", "gpu", ("torch",)),
        Entry("torch-compile-gpu", "PyTorch torch.compile, GPU", "pytorch:Compiled", "gpu", ("torch",)),
        Entry("jax-jit-gpu", "JAX jit per step, GPU", "xla:JitPerStep", "gpu", ("jax", "jaxlib")),
        Entry("jax-scan-gpu", "JAX lax.scan, GPU", "xla:ScanPerEpoch", "gpu", ("jax", "jaxlib")),
        Entry("keras-gpu", "Keras 3 on JAX, GPU", "keras3:Fit", "gpu", ("keras",)),
    )
}
"""All but the floor and the grid, by name."""
