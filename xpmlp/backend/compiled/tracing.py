"""Tracing of a training step: called once with symbols, it computes nothing and becomes a list of instructions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from xpmlp._tree import leaves, map_leaves, values
from xpmlp.backend.compiled.instructions import Buffer, NotTraceableError, Operand, Trace
from xpmlp.backend.compiled.lazy_gather import LazyGather
from xpmlp.backend.compiled.shapes import copied, reshape
from xpmlp.backend.compiled.symbols import LARGEST_CONSTANT, Recorder, Symbol

_INTEGERS = frozenset((np.dtype(np.int32), np.dtype(np.int64)))


def trace(step: Callable[..., Any], state: Any, batch: Any, constants: Any, dtype: Any) -> Trace:
    """Trace a step.

    Parameters
    ----------
    step : (state, batch, constants) -> (state, outputs)
    state, batch, constants : trees of arrays
        The step's arguments, of ``dtype`` or integer row numbers.  Numbers among the constants become part of the
        trace.  The arguments of the trace are the arrays of the state, `batch_arguments`, and `constant_arguments`.
    dtype : dtype

    Raises
    ------
    NotTraceableError
        If the step uses an operation that instructions cannot express.  The step's own errors pass through unchanged.
    """
    count = itertools.count()
    recorder = Recorder(dtype, count)

    def argument(array: Any) -> Symbol:
        if isinstance(array, LazyGather):
            return _gathered(recorder, count, array)
        return _argument(recorder, next(count), array)

    def constant(leaf: Any) -> Any:
        if isinstance(leaf, (int, float)):
            return leaf
        return argument(leaf) if is_argument(leaf, dtype) else _Hidden()

    state, batch, constants = map_leaves(argument, state), map_leaves(argument, batch), map_leaves(constant, constants)
    names, own = [name for name, _ in leaves(state)], [symbol for _, symbol in leaves(state)]
    after, outputs = step(state, batch, constants)
    changed = list(leaves(after))
    if [name for name, _ in changed] != names:
        raise NotTraceableError("a state of another structure")
    put_out = list[Symbol]()
    for output in outputs:  # before a part of the state is written over
        put_out.append(_output(recorder, output, [one.buffer for one in put_out]))
    news = [_new_value(recorder, leaf, place) for (_, leaf), place in zip(changed, own, strict=True)]
    for new, place in zip(news, own, strict=True):
        if new is not None:
            recorder.elementwise("copy", place, new)
    numbers = iter(range(len(own)))
    structure = map_leaves(lambda _: next(numbers), after)
    shapes = [one.shape for one in put_out]
    return Trace(
        recorder.instructions, [one.buffer for one in put_out if one.buffer], shapes, structure, recorder.captured
    )


class _Hidden(NDArrayOperatorsMixin):
    """Placeholder for a constant array that is no argument: reading it raises, so that no value enters the trace."""

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise NotTraceableError("a read of an array among the constants that is large, or of another type")

    __array__ = __array_ufunc__ = __array_function__ = __getitem__ = __len__ = __iter__ = __bool__ = __float__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()


def batch_arguments(batch: Any) -> list[Any]:
    """Return the arrays of a batch; a lazy gather gives the data and the row numbers of each step."""
    arguments = []
    for series in values(batch):
        if isinstance(series, LazyGather):
            arguments += [series.features[None], series.rows.reshape(series.shape[0], -1)]
        else:
            arguments.append(series)
    return arguments


def constant_arguments(constants: Any, dtype: Any) -> list[Any]:
    """Return the arrays among the constants that are arguments of a trace."""
    return [leaf for leaf in values(constants) if is_argument(leaf, dtype)]


def is_argument(leaf: Any, dtype: Any) -> bool:
    """Check whether a leaf of the constants is an argument of a trace, in arithmetic of ``dtype``."""
    known = isinstance(leaf, np.ndarray) and (leaf.dtype == dtype or leaf.dtype in _INTEGERS)
    return known and leaf.nbytes <= LARGEST_CONSTANT and leaf.flags.carray


def _argument(recorder: Recorder, index: int, array: Any) -> Symbol:
    if not isinstance(array, np.ndarray) or not array.flags.c_contiguous:
        raise NotTraceableError("an argument that is not a row-major array")
    kinds = {recorder.dtype: "real", np.dtype(np.int32): "index", np.dtype(np.int64): "index"}
    if array.dtype not in kinds:
        raise NotTraceableError(f"an argument of {array.dtype}")
    return recorder.whole(Buffer(array.size, index, array.dtype), array.shape, kinds[array.dtype])


def _gathered(recorder: Recorder, count: Iterator[int], array: LazyGather) -> Symbol:
    """Record the gathering of a batch's rows from the data."""
    features, width = array.features, array.shape[-1]
    data = Buffer(features.size, next(count), features.dtype)
    rows = Buffer(len(array.rows), next(count), array.rows.dtype)
    taken = recorder.fresh((len(array.rows), width))
    name, scale = ("take_bytes", array.scale) if features.dtype == np.uint8 else ("take", 1.0)
    numbers, factor = Operand(rows, 0, 0, 1), Operand(None, value=scale)
    recorder.add(name, taken, Operand(data, 0, width, 1), numbers, inner=len(features), factor=factor)
    if scale != array.scale:
        recorder.elementwise("multiply", taken, taken, recorder.symbol(array.scale))
    return reshape(taken, array.shape)


def _new_value(recorder: Recorder, leaf: Any, place: Symbol) -> Symbol | None:
    """Return the new value of a part of the state, to be copied into its memory; ``None`` if it is there already.

    A value in an argument's memory is copied, since that may be another part of the state.
    """
    if not isinstance(leaf, Symbol) or leaf.shape != place.shape or leaf.kind != "real" or place.kind != "real":
        raise NotTraceableError("a state of other shapes or types")
    if leaf.buffer is place.buffer and leaf.is_whole():
        return None
    return copied(leaf) if leaf.buffer and leaf.buffer.argument is not None else leaf


def _output(recorder: Recorder, output: Any, others: list[Any]) -> Symbol:
    """Return an output in a buffer of its own, copied if necessary."""
    if not isinstance(output, Symbol) or output.kind != "real":
        raise NotTraceableError("an output that is not a real array")
    is_own = output.buffer and output.buffer.argument is None and output.is_whole() and output.buffer not in others
    return output if is_own else copied(output)
