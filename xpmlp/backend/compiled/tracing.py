"""A training step traced: called once with symbols, it computes nothing and becomes a list of instructions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from xpmlp._tree import leaves, map_leaves
from xpmlp.backend.compiled.gathered import Gathered
from xpmlp.backend.compiled.instructions import Buffer, NotTraceableError, Operand, Trace
from xpmlp.backend.compiled.symbols import Recorder, Symbol

LARGEST_CONSTANT = 1_000_000
"""Bytes of an array among the constants that a step may compute with; larger ones, the data, it does not."""


def trace(step: Callable[..., Any], state: Any, batch: Any, constants: Any, dtype: Any) -> Trace:
    """Trace a step.

    Parameters
    ----------
    step : (state, batch, constants) -> (state, outputs)
    state, batch, constants : trees of arrays
        As the step is given them, of ``dtype`` or of row numbers.  Numbers among the constants become part of the
        trace.  The arguments of the trace are the arrays of the state, `batch_arguments`, and `constant_arguments`.
    dtype : dtype

    Raises
    ------
    NotTraceableError
        If it does what instructions cannot express.
    """
    recorder, count = Recorder(dtype), itertools.count()

    def argument(array: Any) -> Symbol:
        if isinstance(array, Gathered):
            return _gathered(recorder, count, array)
        return _argument(recorder, next(count), array)

    def constant(leaf: Any) -> Any:
        if isinstance(leaf, (int, float)):
            return leaf
        return argument(leaf) if _is_argument(leaf, dtype) else _Hidden()

    state, batch, constants = map_leaves(argument, state), map_leaves(argument, batch), map_leaves(constant, constants)
    names, own = [name for name, _ in leaves(state)], [symbol for _, symbol in leaves(state)]
    try:
        after, outputs = step(state, batch, constants)
    except Exception as error:  # of what a symbol has not; a fault of the step shows when it runs as it is written
        raise NotTraceableError(str(error)) from error
    changed = list(leaves(after))
    if [name for name, _ in changed] != names or not all(isinstance(leaf, Symbol) for _, leaf in changed):
        raise NotTraceableError("a state of another structure")
    put_out = [_output(recorder, output) for output in outputs]  # before a part of the state is written over
    if len({id(output.buffer) for output in put_out}) < len(put_out):
        raise NotTraceableError("an output twice")
    for (_, leaf), place in zip(changed, own, strict=True):
        _write_back(recorder, leaf, place)
    numbers = iter(range(len(own)))
    structure = map_leaves(lambda _: next(numbers), after)
    return Trace(recorder.instructions, [one.buffer for one in put_out], [one.shape for one in put_out], structure)


class _Hidden:
    """An array among the constants that is no argument: what is read of it once must not become part of a trace."""


def batch_arguments(batch: Any) -> list[Any]:
    """The arrays of a batch: of rows that are to be gathered the data, and the numbers of the rows for each step."""
    arguments = []
    for _, series in leaves(batch):
        if isinstance(series, Gathered):
            arguments += [series.features[None], series.rows.reshape(series.shape[0], -1)]
        else:
            arguments.append(series)
    return arguments


def constant_arguments(constants: Any, dtype: Any) -> dict[str, Any]:
    """The arrays among the constants that are arguments of a trace, by name."""
    return {name: leaf for name, leaf in leaves(constants) if _is_argument(leaf, dtype)}


def _is_argument(leaf: Any, dtype: Any) -> bool:
    return (
        isinstance(leaf, np.ndarray) and leaf.dtype == dtype and leaf.nbytes <= LARGEST_CONSTANT and leaf.flags.carray
    )


def _argument(recorder: Recorder, index: int, array: Any) -> Symbol:
    if not isinstance(array, np.ndarray) or not array.flags.c_contiguous:
        raise NotTraceableError("an argument that is not a row-major array")
    kinds = {np.dtype(recorder.dtype): "real", np.dtype(np.int64): "index"}
    if array.dtype not in kinds:
        raise NotTraceableError(f"an argument of {array.dtype}")
    return Symbol(recorder, Buffer(array.size, index, array.dtype), array.shape, kind=kinds[array.dtype])


def _gathered(recorder: Recorder, count: Iterator[int], array: Gathered) -> Symbol:
    """The rows of the data that a batch consists of, taken in the step."""
    features, width = array.features, array.shape[-1]
    data = Buffer(features.size, next(count), features.dtype)
    rows = Buffer(len(array.rows), next(count), array.rows.dtype)
    taken = recorder.fresh((len(array.rows), width))
    name, scale = ("take_bytes", array.scale) if features.dtype == np.uint8 else ("take", 1.0)
    numbers, factor = Operand(rows, 0, 0, 1), Operand(None, value=scale)
    recorder.add(name, taken, Operand(data, 0, width, 1), numbers, inner=len(features), factor=factor)
    if scale != array.scale:
        recorder.add("multiply", taken, taken.as_matrix(), Operand(None, value=array.scale))
    return Symbol(recorder, taken.buffer, array.shape)


def _write_back(recorder: Recorder, leaf: Symbol, place: Symbol) -> None:
    """A new value of a part of the state into that part's memory, where it is not there already."""
    if leaf.shape != place.shape or leaf.kind != "real" or place.kind != "real":
        raise NotTraceableError("a state of other shapes")
    if leaf.buffer is place.buffer and leaf.is_contiguous():
        return
    if leaf.buffer.argument is not None:
        raise NotTraceableError("a part of the state that takes another's place")
    recorder.add("copy", place, leaf.as_matrix())


def _output(recorder: Recorder, output: Any) -> Symbol:
    """An output in a buffer of its own."""
    if not isinstance(output, Symbol) or output.kind != "real":
        raise NotTraceableError("an output that is not a real array")
    if output.buffer.argument is None and output.is_contiguous():
        return output
    copied = recorder.fresh(output.shape)
    return recorder.add("copy", copied, output.as_matrix())
