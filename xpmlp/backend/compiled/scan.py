"""`Backend.scan` by compiled programs, for traceable steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from xpmlp._notices import notice_once
from xpmlp._processes import lock_over_forks
from xpmlp._tree import map_leaves, values
from xpmlp._typing import Array
from xpmlp.backend.blas import THREADS, Product, address
from xpmlp.backend.compiled import compilation
from xpmlp.backend.compiled.contention import Always, Contention, Span
from xpmlp.backend.compiled.instructions import NestedScanError, NotTraceableError, Shape
from xpmlp.backend.compiled.layout import Gemm, Slots
from xpmlp.backend.compiled.lazy_gather import LazyGather, lazily, materialized
from xpmlp.backend.compiled.loop import FAULTY
from xpmlp.backend.compiled.ops import traced_ops
from xpmlp.backend.compiled.program import ALIGNMENT, Program, assemble
from xpmlp.backend.compiled.symbols import Symbol
from xpmlp.backend.compiled.team import TEAM, yield_address
from xpmlp.backend.compiled.tracing import batch_arguments, constant_arguments, is_argument, trace
from xpmlp.backend.working_memory import WorkingMemory
from xpmlp.nn import Ops

Step = Callable[..., Any]

_LOCK = lock_over_forks()
"""Guards the programs of all `CompiledSteps`."""

MOST = 100
"""Maximum number of programs kept for a step: one for each number of threads and shape of its arguments."""


class Arguments(NamedTuple):
    """Arguments of a step, for many steps together."""

    state: Any
    batches: Any
    constants: Any


class _Ready(NamedTuple):
    """A program with its captured arrays, the shapes of its outputs, the structure of its state, and its contention."""

    program: Program
    shapes: list[Shape]
    structure: Any
    captured: list[Any]
    contention: Contention


class CompiledSteps:
    """Compiled steps of a backend: their programs, by step and by the shapes and numbers of its arguments.

    Parameters
    ----------
    dtype : dtype
    product : Product
        BLAS's product.

    Attributes
    ----------
    always : bool
        Whether all helpers are called for every step, whatever they save: for tests, and to measure instructions.
    spent : dict of str to float, optional
        If set, accumulates the seconds of each instruction, by its name.
    """

    def __init__(self, dtype: Any, product: Product) -> None:
        self._dtype, self._product = np.dtype(dtype), product
        self._programs: WeakKeyDictionary[Step, dict[Any, _Ready | None]] = WeakKeyDictionary()
        self._contention: dict[int, Contention] = {}
        self.always = False
        self.spent: dict[str, float] | None = None

    def traced(self, ops: Ops) -> Ops:
        """Return operations for compiled steps; outside them they behave as ``ops`` do."""
        return traced_ops(ops._replace(gather=lazily(ops.gather)))

    def materialized(self, batches: Any) -> Any:
        """Materialize the lazily gathered rows in the batches of a step that runs uncompiled."""
        return map_leaves(materialized, batches)

    def is_kept(self) -> bool:
        """Check whether the loop was compiled before on this machine and is kept on disk."""
        return compilation.is_kept(self._dtype.type)

    def prepare(self, threads: int) -> int:
        """Compile the loop, which takes seconds the first time on a machine, and start threads.

        Returns
        -------
        threads : int
            Number of threads, the calling one included: fewer than requested if the system allows no more.
        """
        compilation.compiled(self._product.integer, self._dtype.type)
        return TEAM.ready(threads) if threads > 1 else 1

    def scan(
        self,
        step: Step,
        state: Any,
        batches: Any,
        constants: Any,
        threads: int = 1,
        working_memory: WorkingMemory | None = None,
    ) -> tuple[Any, tuple[Array, ...]] | None:
        """Fold as `Backend.scan` does, with at most ``threads``; ``None``, with nothing done, for an untraceable step.

        The number of threads depends on the step's sizes, not on the number of steps.  Successive calls may share
        ``working_memory``.
        """
        arrays: list[Any] = []
        series: list[Any] = []
        kind = _described(state, arrays, _kind_of_array), _described(batches, series, _kind_of_series)
        if any(isinstance(leaf, Symbol) for leaf in (*arrays, *series)):
            raise NestedScanError("a fold within a step")
        lengths = {one.shape[0] for one in series}
        if len(lengths) != 1 or 0 in lengths or not all(map(_is_usable, arrays)):
            return None
        (steps,) = lengths
        fixed = constant_arguments(constants, self._dtype)
        if threads > TEAM.size:
            threads = TEAM.ready(threads)
        arguments = Arguments(state, map_leaves(_row_by_row, batches), constants)
        taken = batch_arguments(arguments.batches)
        key = threads, *kind, _described(constants, [], partial(_kind_of_constant, self._dtype))
        working_memory = working_memory or WorkingMemory()
        ready = self._ready(step, arguments, key, len(arrays) + len(taken) + len(fixed), working_memory)
        if ready is None:
            return None
        outputs = tuple(np.empty((steps, *shape), self._dtype) for shape in ready.shapes)
        with working_memory.of(ready.program.memory + ALIGNMENT) as memory:
            start = address(memory)
            addresses = [
                *map(address, (*arrays, *taken, *fixed, *ready.captured, *outputs)),
                start + -start % ALIGNMENT,
                address(ready.program.pool),
            ]
            goes_on = (array.strides[0] if len(array) > 1 else 0 for array in taken)
            alike = [0] * (len(fixed) + len(ready.captured))
            strides = [*[0] * len(arrays), *goes_on, *alike, *(array.strides[0] for array in outputs), 0, 0]
            places = np.asarray((addresses, strides), np.int64)
            slots = Slots(address(places), address(places[1]), self._dtype.itemsize, self._dtype.type(0))
            self._carry_out(ready, slots, steps, kept=(arrays, taken, fixed, outputs, memory, places, ready))
        arrays += taken
        return map_leaves(lambda index: arrays[index], ready.structure), outputs

    def _carry_out(self, ready: _Ready, slots: Slots, steps: int, kept: Any) -> None:
        """Carry out a program with as many workers as pay at present.

        The arrays in ``kept`` stay alive as long as any worker does, whatever ends the others.

        Raises
        ------
        IndexError
            If a row index was out of range.
        """
        execute = compilation.compiled(self._product.integer, self._dtype.type)
        program, product = ready.program, self._product
        gemm = Gemm(product.address, product.unpacked, product.integer(0))
        spent = np.zeros(0 if self.spent is None else program.code.shape[1], np.int64)
        contention = Always(len(program.code) - 1) if self.always else ready.contention
        step, begin = 0, time.perf_counter()
        while step < steps:
            span = contention.next_span(step, steps)

            def work(worker: int, helpers: int, barrier: int, span: Span = span, _: Any = kept) -> int:
                stretch, ticks = (span.first, span.last), spent[:0] if worker else spent
                company = worker, helpers, barrier, yield_address()
                return int(execute(program.code, tuple(slots), tuple(gemm), *stretch, *company, span.pace, ticks))

            with THREADS.held_to_one():
                reached = TEAM.carry_out(work, span.helpers)
            if reached == FAULTY:
                raise IndexError("row index out of range")
            contention.learn(span, reached)
            step = reached
        if self.spent is not None:
            seconds = (time.perf_counter() - begin) / (spent.sum() or 1) * spent
            for name, instructions_seconds in zip(program.names, seconds.tolist(), strict=True):
                if instructions_seconds:
                    self.spent[name] = self.spent.get(name, 0.0) + instructions_seconds

    def _ready(
        self, step: Step, arguments: Arguments, key: Any, count: int, working_memory: WorkingMemory
    ) -> _Ready | None:
        """Return the step's program for the ``count`` argument arrays described by ``key``, tracing it if it is new."""
        with _LOCK:
            known = self._programs.setdefault(step, {})
            if key in known:
                return known[key]
        working_memory.free()  # since tracing allocates, too
        ready = self._made(step, arguments, count, threads=key[0])
        with _LOCK:
            if len(known) >= MOST:
                known.clear()
            known[key] = ready
        return ready

    def _made(self, step: Step, arguments: Arguments, count: int, threads: int) -> _Ready | None:
        state, batches, constants = arguments
        first = map_leaves(lambda series: series.first() if isinstance(series, LazyGather) else series[0, ...], batches)
        try:
            traced = trace(step, state, first, constants, self._dtype)
        except NestedScanError:  # the inner fold's steps are compiled
            return None
        except NotTraceableError as error:
            if any(series.shape[0] > 1 for series in values(batches)):  # compiling would not speed up a single step
                notice_once("not compiled", f"steps run as they are written, which takes longer, because of {error}.")
            return None
        if any(0 in shape for shape in traced.shapes) or any(0 in line.sizes for line in traced.instructions):
            return None  # nothing to compute, and kernels read a first number
        program = assemble(traced, count + len(traced.captured), self._dtype, threads)
        name = hash(program.code.tobytes())  # the same for identical steps of another training
        with _LOCK:
            if len(self._contention) >= MOST:
                self._contention.clear()
            contention = self._contention.setdefault(name, Contention(len(program.code) - 1))
        return _Ready(program, traced.shapes, traced.structure, traced.captured, contention)


def _is_usable(array: Any) -> bool:
    """Check whether an array of the state can be used in place: row-major, aligned, writable and not empty."""
    return isinstance(array, np.ndarray) and array.flags.carray and array.size > 0


def _row_by_row(series: Any) -> Any:
    """Return a series of batches in a form that a program can read."""
    return series if isinstance(series, LazyGather) or series.flags.carray else np.array(series, order="C")


def _described(tree: Any, arrays: list[Any], kind_of: Callable[[Any], Any]) -> Any:
    """Describe a tree by its container types, numbers and kinds of arrays, and append the arrays to ``arrays``.

    Folds can be as short as an epoch of a small data set, so each tree is traversed only once.
    """
    if isinstance(tree, (list, tuple)):
        return type(tree), *[_described(item, arrays, kind_of) for item in tree]
    if tree is None or isinstance(tree, (int, float)):
        return type(tree), repr(tree)
    arrays.append(tree)
    return kind_of(tree)


def _kind_of_array(array: Any) -> Any:
    return array.shape, array.dtype


def _kind_of_series(series: Any) -> Any:
    """Describe a series as far as the program depends on it."""
    if isinstance(series, LazyGather):
        return series.shape[1:], series.features.shape, series.features.dtype, repr(series.scale)
    return series.shape[1:], series.dtype


def _kind_of_constant(dtype: Any, leaf: Any) -> Any:
    return _kind_of_array(leaf) if is_argument(leaf, dtype) else type(leaf)
