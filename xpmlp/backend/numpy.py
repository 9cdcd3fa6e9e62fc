"""NumPy: arrays in the host's memory, with SciPy's BLAS for the weight update."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from xpmlp._typing import Array
from xpmlp.backend.base import Backend
from xpmlp.errors import BackendError
from xpmlp.nn import Ops


class NumpyBackend(Backend):
    """NumPy on the CPU."""

    name = "numpy"

    def _start(self, device: str | None) -> None:
        if device not in (None, "cpu"):
            raise BackendError(
                f"backend numpy has no device {device!r}: NumPy runs on 'cpu' only; "
                "use backend cupy, torch or jax for a GPU."
            )
        from array_api_compat import numpy as xp

        self.xp, self.device, self.device_name, self.version = xp, "cpu", "cpu", np.__version__

    def devices(self) -> list[str]:
        """The host alone."""
        return ["cpu"]

    def _fused_ops(self) -> Ops:
        return (
            super()
            ._fused_ops()
            ._replace(
                softmax=_softmax,
                subtract_product=_in_place_update(self.dtype_name),
                subtract_sum=_subtract_sum,
            )
        )

    @contextlib.contextmanager
    def session(self, batch_size: int) -> Iterator[None]:
        """Limit BLAS to the configured threads, one by default.

        NumPy's and SciPy's wheels bring an OpenBLAS each, whose thread pools fight when both run threaded; for the
        layers and batches of an MLP one thread is also the fastest, or near it.
        """
        # the limits hold only for libraries that are loaded already
        import scipy.linalg.blas  # noqa: F401
        from threadpoolctl import threadpool_limits

        with threadpool_limits(self.threads or 1), np.errstate(over="ignore", invalid="ignore"):
            yield


def _in_place_update(dtype_name: str) -> Any:
    """``weights -= activation.T @ delta`` as one BLAS call without a temporary for the product.

    BLAS is column-major: a C-ordered ``weights`` is to it the transpose, so that what it computes is
    ``weights.T -= delta.T @ activation``.  For a batch of one that is an outer product (ger), where NumPy's matmul
    takes a slow path.
    """
    from scipy.linalg import blas

    gemm, ger = (blas.sgemm, blas.sger) if dtype_name == "float32" else (blas.dgemm, blas.dger)
    dtype = np.dtype(dtype_name)

    def subtract_product(weights: Array, activation: Array, delta: Array) -> Array:
        if weights.ndim == 3:
            for run in range(weights.shape[0]):
                subtract_product(weights[run], activation[run], delta[run])
        elif not weights.flags.c_contiguous or weights.dtype != dtype:
            weights -= activation.T @ delta  # BLAS would update a copy, and the update would be lost
        elif delta.shape[0] == 1:
            ger(-1.0, delta[0], activation[0], a=weights.T, overwrite_a=1)
        else:
            gemm(-1.0, delta.T, activation.T, beta=1.0, c=weights.T, trans_b=1, overwrite_c=1)
        return weights

    return subtract_product


def _softmax(logits: Array) -> Array:
    """The pure definition by ufuncs alone: for small batches NumPy's reducing functions cost more than the sums."""
    probabilities = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
    np.exp(probabilities, out=probabilities)
    probabilities /= np.add.reduce(probabilities, axis=-1, keepdims=True)
    return probabilities


def _subtract_sum(biases: Array, delta: Array) -> Array:
    biases -= delta if delta.shape[-2] == 1 else np.add.reduce(delta, axis=-2, keepdims=True)
    return biases
