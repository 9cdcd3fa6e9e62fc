"""`Backend.scan` by compiled programs, for the steps that can be traced."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Array
from xpmlp.backend.blas import Product, address
from xpmlp.backend.compiled import kernels
from xpmlp.backend.compiled.instructions import NotTraceableError, Shape
from xpmlp.backend.compiled.program import ALIGNMENT, Program, assemble
from xpmlp.backend.compiled.tracing import constant_arguments, trace

logger = logging.getLogger(__name__)

Step = Callable[..., Any]

MOST = 100
"""Programs of one step that are kept: a learning rate that changes with each epoch makes a new one each time."""


class _Ready(NamedTuple):
    """A program with what its outputs and its state look like."""

    program: Program
    shapes: list[Shape]
    structure: Any


class Scans:
    """The programs of a backend, by step and by the shapes and numbers that it is given.

    Parameters
    ----------
    dtype : dtype
    product : Product
        BLAS's.
    """

    def __init__(self, dtype: Any, product: Product) -> None:
        self._dtype, self._product = np.dtype(dtype), product
        self._programs: WeakKeyDictionary[Step, dict[Any, _Ready | None]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def compile(self) -> None:
        """Compile the loop, or read it where it is kept: the first time on a machine that takes some seconds."""
        kernels.compiled(self._product.integer, self._dtype.type)

    def scan(
        self, step: Step, state: Any, batches: tuple[Array, ...], constants: Any
    ) -> tuple[Any, tuple[Array, ...]] | None:
        """As `Backend.scan`; ``None``, with nothing done, for a step that cannot be traced."""
        named = list(leaves(state))
        lengths = {series.shape[0] for series in batches}
        if len(lengths) != 1 or 0 in lengths or not all(_is_usable(array) for _, array in named):
            return None
        (steps,) = lengths
        batches = tuple(series if series.flags.carray else np.array(series, order="C") for series in batches)
        arrays = [*(array for _, array in named), *batches]
        fixed = constant_arguments(constants, self._dtype)
        ready = self._ready(step, state, batches, constants, named, fixed)
        if ready is None:
            return None
        outputs = tuple(np.empty((steps, *shape), self._dtype) for shape in ready.shapes)
        memory = np.empty(ready.program.memory + ALIGNMENT, np.uint8)
        start = address(memory)
        addresses = [
            *map(address, (*arrays, *fixed.values(), *outputs)),
            start + -start % ALIGNMENT,
            address(ready.program.pool),
        ]
        strides = [*[0] * len(named), *(array.strides[0] for array in batches), *[0] * len(fixed)]
        strides += [*(array.strides[0] for array in outputs), 0, 0]
        done = kernels.compiled(self._product.integer, self._dtype.type)(
            ready.program.code,
            np.asarray(addresses, np.int64),
            np.asarray(strides, np.int64),
            steps,
            self._product.address,
            self._product.integer(0),
            self._dtype.itemsize,
            self._dtype.type(0),
        )
        if not done:
            raise IndexError("a row that is not there")
        return map_leaves(lambda index: arrays[index], ready.structure), outputs

    def _ready(
        self,
        step: Step,
        state: Any,
        batches: tuple[Array, ...],
        constants: Any,
        named: list[tuple[str, Array]],
        fixed: dict[str, Array],
    ) -> _Ready | None:
        """The step's program for these arguments, traced where it is new."""
        key = (
            _kinds(state),
            _kinds(constants),
            tuple((array.shape, array.dtype) for _, array in named),
            tuple((array.shape[1:], array.dtype) for array in batches),
            tuple((name, array.shape) for name, array in fixed.items()),
        )
        with self._lock:
            known = self._programs.setdefault(step, {})
            if key in known:
                return known[key]
        ready = self._made(step, state, batches, constants, len(named) + len(batches) + len(fixed))
        with self._lock:
            if len(known) >= MOST:
                known.clear()
            known[key] = ready
        return ready

    def _made(
        self, step: Step, state: Any, batches: tuple[Array, ...], constants: Any, arguments: int
    ) -> _Ready | None:
        first = tuple(series[0, ...] for series in batches)
        try:
            traced = trace(step, state, first, constants, self._dtype)
        except NotTraceableError as error:
            logger.debug("steps are not compiled, because of %s", error)
            return None
        if any(0 in shape for shape in traced.shapes) or any(0 in line.sizes for line in traced.instructions):
            return None  # there is nothing to compute, and kernels begin with a first number
        return _Ready(assemble(traced, arguments, self._dtype), traced.shapes, traced.structure)


def _is_usable(array: Any) -> bool:
    """Whether a part of the state can be computed in: row-major, aligned and writable, and not empty."""
    return isinstance(array, np.ndarray) and array.flags.carray and array.size > 0


def _kinds(tree: Any) -> Any:
    """A tree with the types of its containers, its numbers as they are, and nothing of its arrays."""
    if isinstance(tree, (list, tuple)):
        return type(tree), *map(_kinds, tree)
    return (type(tree), repr(tree)) if isinstance(tree, (int, float)) else type(tree)
