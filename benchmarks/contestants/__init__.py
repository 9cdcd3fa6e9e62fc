"""The contestants; each is imported in its own process only."""

from __future__ import annotations

import importlib
from typing import NamedTuple

from benchmarks.contestants.base import Contestant, ContestantError, Reached, Stretch

__all__ = [
    "CONTESTANTS",
    "FLOOR",
    "FLOORS",
    "GRIDS",
    "REFERENCE",
    "Contestant",
    "ContestantError",
    "Entry",
    "Reached",
    "Stretch",
]


class Entry(NamedTuple):
    """A contestant in the list.

    Attributes
    ----------
    name, title : str
    where : str
        ``module:class`` in this package.
    device : "cpu" or "gpu"
    """

    name: str
    title: str
    where: str
    device: str

    @property
    def is_ours(self) -> bool:
        """Whether it is xpmlp."""
        return self.where.startswith("ours:")

    def load(self) -> type[Contestant]:
        """Import its class."""
        module, _, name = self.where.partition(":")
        found: type[Contestant] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return found


REFERENCE = Entry("xpmlp-numpy", "xpmlp on NumPy", "ours:OnNumpy", "cpu")
"""The entry with which the others are compared."""

FLOOR = Entry("floor", "floor", "floor:Floor", "cpu")

GPU_FLOOR = Entry("floor-gpu", "floor, GPU", "gpu_floor:GpuFloor", "gpu")

FLOORS = {floor.device: floor for floor in (FLOOR, GPU_FLOOR)}
"""The entries with the lower bounds of the time, by device."""

GRIDS = [
    Entry("xpmlp-grid", "xpmlp on NumPy, grid over processes", "ours:GridOnNumpy", "cpu"),
    Entry("xpmlp-grid-cupy", "xpmlp on CuPy, grid stacked", "ours:GridOnCupy", "gpu"),
]
"""The entries of works of the kind ``grid``."""

CONTESTANTS = {
    entry.name: entry
    for entry in (
        REFERENCE,
        Entry("xpmlp-numpy-alone", "xpmlp on NumPy without Numba", "ours:OnNumpyAlone", "cpu"),
        Entry("xpmlp-torch", "xpmlp on PyTorch", "ours:OnTorch", "cpu"),
        Entry("xpmlp-jax", "xpmlp on JAX", "ours:OnJax", "cpu"),
        Entry("torch", "PyTorch eager", "pytorch:Eager", "cpu"),
        Entry("torch-compile", "PyTorch torch.compile", "pytorch:Compiled", "cpu"),
        Entry("sklearn", "scikit-learn MLPClassifier", "scikit_learn:Classifier", "cpu"),
        Entry("jax-jit", "JAX jit per step", "xla:JitPerStep", "cpu"),
        Entry("jax-scan", "JAX lax.scan", "xla:ScanPerEpoch", "cpu"),
        Entry("keras", "Keras 3 on JAX", "keras3:Fit", "cpu"),
        Entry("xpmlp-cupy", "xpmlp on CuPy", "ours:OnCupy", "gpu"),
        Entry("xpmlp-torch-gpu", "xpmlp on PyTorch, GPU", "ours:OnTorch", "gpu"),
        Entry("xpmlp-jax-gpu", "xpmlp on JAX, GPU", "ours:OnJax", "gpu"),
        Entry("torch-gpu", "PyTorch eager, GPU", "pytorch:Eager", "gpu"),
        Entry("torch-compile-gpu", "PyTorch torch.compile, GPU", "pytorch:Compiled", "gpu"),
        Entry("jax-jit-gpu", "JAX jit per step, GPU", "xla:JitPerStep", "gpu"),
        Entry("jax-scan-gpu", "JAX lax.scan, GPU", "xla:ScanPerEpoch", "gpu"),
        Entry("keras-gpu", "Keras 3 on JAX, GPU", "keras3:Fit", "gpu"),
    )
}
"""All entries but the floors and the grids, by name."""
