"""NumPy: arrays in the host's memory, with updates in place by BLAS."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from xpmlp._notices import notice_once
from xpmlp._optional import Library, NotInstalledError
from xpmlp._tree import iterate, map_leaves
from xpmlp._typing import Array
from xpmlp.backend.base import Backend
from xpmlp.backend.fold import Prefetch, Step
from xpmlp.backend.working_memory import WorkingMemory
from xpmlp.errors import BackendError
from xpmlp.nn import Ops
from xpmlp.nn.ops import rows_below_each_other

if TYPE_CHECKING:
    from xpmlp.backend.compiled import CompiledSteps

NUMBA = Library("numba", "Numba", "'xpmlp[numba]'")


class NumpyBackend(Backend):
    """NumPy on the CPU."""

    name = "numpy"
    _scans: CompiledSteps | None = None

    def _start(self, device: str | None) -> None:
        if device not in (None, "cpu"):
            raise BackendError(
                f"backend numpy has no device {device!r}: NumPy runs on 'cpu' only; "
                "use backend cupy, torch or jax for a GPU."
            )
        from array_api_compat import numpy as xp

        self.xp, self.device, self.device_name, self.version = xp, "cpu", "cpu", np.__version__
        self._session = threading.local()  # each thread's own

    def devices(self) -> list[str]:
        """Return the host as the only device."""
        return ["cpu"]

    def _fused_ops(self) -> Ops:
        from xpmlp.backend.blas import with_blas

        number = np.dtype(self.dtype_name).type
        ops = with_blas(super()._fused_ops(), self.dtype_name)._replace(
            gather=_gather,
            sigmoid=partial(_sigmoid, number(0.5)),
            sigmoid_backward=partial(_sigmoid_backward, number(1)),
            softmax=partial(_by_row, _exponentials),
            log_softmax=partial(_by_row, _logarithms),
            multiply_transposed=_multiply_transposed,
            product_of_factors=_product_of_factors,
            sum_over_batch=partial(np.add.reduce, axis=-2, keepdims=True),
            add_rows=_add_rows,
        )
        return self._compiling(ops)

    def _compiling(self, ops: Ops) -> Ops:
        """Return ``ops`` whose steps are compiled, if Numba is installed and works; the version then names Numba."""
        from xpmlp.backend.blas import numpys_product

        product = numpys_product(self.dtype_name)
        if product is None:
            return ops
        try:
            with NUMBA.needed_by("compiling them"):
                import numba

                from xpmlp.backend.compiled import CompiledSteps
                from xpmlp.backend.compiled.masks import mask

                if numba.config.DISABLE_JIT:
                    return ops
                scans = CompiledSteps(self.dtype_name, product)
        except NotInstalledError:
            return ops
        except BackendError as error:
            notice_once("numba", f"steps run as they are written, which takes longer: {error}")
            return ops
        self._scans, self.prefetch = scans, COMPILED
        self.version += f"+numba{numba.__version__}"
        return scans.traced(ops._replace(mask=mask))

    def copy(self, tree: Any) -> Any:
        """Copy every array of a tree, keeping its layout in memory."""
        return map_leaves(np.array, tree)

    def scan(self, step: Step, state: Any, batches: Any, constants: Any) -> tuple[Any, tuple[Array, ...]]:
        """Fold ``step`` over ``batches``, compiled if Numba is installed and the step can be traced."""
        if self._scans is None:
            return super().scan(step, state, batches, constants)
        scans, memory = getattr(self._session, "scans", self._scans), getattr(self._session, "memory", None)
        done = scans and scans.scan(step, state, batches, constants, self.threads_in_use(), memory)
        return done or super().scan(step, state, self._scans.materialized(batches), constants)

    def _unstacked(self, batches: Any) -> Iterator[Any]:
        """Iterate over NumPy arrays directly, in a tenth of the time."""
        return iterate(batches, iter)

    def _stacked(self, series: Sequence[Array]) -> Array:
        """Stack without the view of each array that NumPy's function makes."""
        if not series[0].ndim:
            return np.array(series)
        return np.concatenate(series).reshape(len(series), *series[0].shape)

    def compiles_first(self) -> bool:
        """Check whether Numba is used and no compiled loop is cached yet."""
        return self._scans is not None and not self._scans.is_kept()

    @contextlib.contextmanager
    def session(self, batch_size: int, predicted: int | None = None) -> Iterator[None]:
        """Limit threads to the configured number, or to the cores, prepare the compiled loop, and keep its memory.

        If it is not cached and few examples are ``predicted``, steps run as they are written.
        """
        from xpmlp.backend.blas import threads_for

        before, few = vars(self._session).copy(), predicted is not None and predicted < WORTH_COMPILING
        with threads_for(batch_size, self.threads) as most, np.errstate(all="ignore"):
            self._session.memory = before.get("memory") or WorkingMemory()
            self._session.scans = None if few and self.compiles_first() else self._scans
            self._session.threads = most if self._session.scans is None else self._session.scans.prepare(most)
            try:
                yield
            finally:
                vars(self._session).clear()
                vars(self._session).update(before)

    def threads_in_use(self) -> int:
        """Return the maximum number of threads; the sizes of a computation decide how many take part."""
        from xpmlp.backend.blas import THREADS

        return getattr(self._session, "threads", None) or self.threads or THREADS.number


WORTH_COMPILING = 50_000
"""Number of examples to predict for which compiling the loop first takes less time than not compiling it."""

COMPILED = Prefetch(bytes=16_000_000, rows_in_step=True, most_delayed=3)
"""Preparation for compiled steps: more than the cache holds, but few calls.

With batches of more than three examples, steps take less time one by one, since their weights stay in the cores'
caches.
"""

BLOCK = 128
"""Number of rows that several elementwise passes process while in the core's cache."""


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(first, first + BLOCK) for first in range(0, rows, BLOCK))


def _gather(features: Array, rows: Array, dtype: Any, scale: float) -> Array:
    if features.dtype == dtype and scale == 1.0:
        return features.take(rows, axis=0)
    result = np.empty((rows.shape[0], features.shape[1]), dtype)
    for block in _blocks(rows.shape[0]):
        np.copyto(result[block], features.take(rows[block], axis=0))
        if scale != 1.0:
            result[block] *= scale
    return result


def _sigmoid(half: Any, x: Array) -> Array:
    """Compute the sigmoid's definition in place, with constants that NumPy need not convert."""
    if x.ndim > 1 and x.shape[-2] > BLOCK:
        for block in _blocks(x.shape[-2]):
            _sigmoid(half, x[..., block, :])
        return x
    np.multiply(x, half, x)
    np.tanh(x, x)
    np.multiply(x, half, x)
    return np.add(x, half, x)


def _sigmoid_backward(one: Any, upstream: Array, activation: Array) -> Array:
    if upstream.ndim > 1 and upstream.shape[-2] > BLOCK:
        for block in _blocks(upstream.shape[-2]):
            _sigmoid_backward(one, upstream[..., block, :], activation[..., block, :])
        return upstream
    slope = one - activation
    slope *= activation
    upstream *= slope
    return upstream


FEW_CLASSES, MANY_ROWS = 64, 64
"""Rows shorter than the first, and at least as many as the second: NumPy's reductions cost more than their sums."""


def _by_row(function: Callable[[Array, int], Array], logits: Array) -> Array:
    """Apply a function by ufuncs alone to each row; over columns, if the rows are many and short."""
    if logits.ndim > 1 and logits.shape[-1] < FEW_CLASSES and logits.shape[-2] >= MANY_ROWS:
        return np.ascontiguousarray(function(logits.mT.copy(), -2).mT)
    return function(logits, -1)


def _exponentials(logits: Array, axis: int) -> Array:
    logits = logits - np.maximum.reduce(logits, axis=axis, keepdims=True)
    np.exp(logits, logits)
    logits /= np.add.reduce(logits, axis=axis, keepdims=True)
    return logits


def _logarithms(logits: Array, axis: int) -> Array:
    logits = logits - np.maximum.reduce(logits, axis=axis, keepdims=True)
    logits -= np.log(np.add.reduce(np.exp(logits), axis=axis, keepdims=True))
    return logits


def _multiply_transposed(delta: Array, weights: Array) -> Array:
    """Multiply by the transposed weights, without the dispatch of a function for an attribute."""
    return delta @ weights.mT


def _product_of_factors(activation: Array, delta: Array) -> Array:
    return activation.mT @ delta


def _add_rows(table: Array, codes: Array, rows: Array) -> Array:
    """Add rows in the order of the batch, as the definition does, number by number: NumPy's fastest way."""
    joined, numbers = rows_below_each_other(np, table, codes)
    result, width = np.zeros(joined.size, rows.dtype), table.shape[-1]
    np.add.at(result, (numbers.astype(np.intp)[:, None] * width + np.arange(width)).ravel(), rows.ravel())
    return result.reshape(table.shape)
