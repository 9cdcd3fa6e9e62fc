"""The floor: the large products of a step and the updates of the large weights, and nothing else, on NumPy.

For 784-300-10 these are ``x @ w`` and ``w -= x.T @ delta`` of the first layer.  Each is timed by itself on arrays
that stay in the cache; of three ways to update, the fastest counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.contestants.base import Contestant, Stretch


class Floor(Contestant):
    """The least time for a step on NumPy."""

    def prepare(self) -> None:
        """Make the operands, for all layers but the last, which is small."""
        rng = np.random.default_rng(0)
        batch = self.work.batch
        self.once: list[Callable[[], object]] = []
        self.updates: list[list[Callable[[], object]]] = []
        for index, (n_in, n_out) in enumerate(zip(self.work.sizes, self.work.hidden, strict=False)):
            x = rng.standard_normal((batch, n_in), dtype=np.float32)
            w = rng.standard_normal((n_in, n_out), dtype=np.float32)
            d = np.float32(1e-6) * rng.standard_normal((batch, n_out), dtype=np.float32)
            self.once.append(_product(x, w))
            if index:
                self.once.append(_product(d, w.T))
            self.updates.append(_updates(w, x, d))

    def stretch(self) -> Stretch:
        """Time every operation as many times as the stretch has steps."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(self.threads):
            seconds = sum(self._median(operation) for operation in self.once)
            seconds += sum(min(self._median(operation) for operation in ways) for ways in self.updates)
        return Stretch(seconds * self.work.steps, self.work.steps, np.empty(0))

    def _median(self, operation: Callable[[], object]) -> float:
        times = []
        for _ in range(self.work.steps):
            started = time.perf_counter()
            operation()
            times.append(time.perf_counter() - started)
        return statistics.median(times)


def _product(a: np.ndarray, b: np.ndarray) -> Callable[[], object]:
    out = np.empty((len(a), b.shape[1]), np.float32)
    return lambda: np.matmul(a, b, out=out)


def _updates(w: np.ndarray, x: np.ndarray, d: np.ndarray) -> list[Callable[[], object]]:
    """Return the ways to compute ``w -= x.T @ d``.  BLAS is column-major: its ``w`` is our ``w.T``."""
    from scipy.linalg.blas import sgemm, sger

    if len(x) == 1:
        return [lambda: sger(-1.0, d[0], x[0], a=w.T, overwrite_a=1)]
    from xpmlp.backend.blas import add_product, numpys_product

    gradient, product = np.empty_like(w), numpys_product("float32")

    def by_two() -> None:
        np.matmul(x.T, d, out=gradient)
        np.subtract(w, gradient, out=w)

    ways = [by_two, lambda: sgemm(-1.0, d.T, x.T, beta=1.0, c=w.T, trans_b=1, overwrite_c=1)]
    return ways if product is None else [*ways, lambda: add_product(product, w, x, d, -1.0)]
