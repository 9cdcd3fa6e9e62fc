"""NumPy's elementwise functions, comparisons and choices, for symbols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from xpmlp.backend.compiled.instructions import NotTraceableError
from xpmlp.backend.compiled.symbols import FUNCTIONS, Recorder, Symbol

LARGEST_POWER = 8
"""Largest integer power that is expanded into products."""

_OF_TWO, _OF_ONE = ("add", "subtract", "multiply", "divide", "maximum"), ("absolute", "sign", "sqrt", "exp", "expm1")
KERNELS = {name: getattr(np, name) for name in (*_OF_TWO, *_OF_ONE, "negative", "log", "log1p", "sin", "cos", "tanh")}
"""NumPy's elementwise functions, by the name of the equivalent kernel."""


def _by_kernel(name: str, recorder: Recorder, *inputs: Any, out: Any = None) -> Symbol:
    """Record the kernel of a name, writing to a new array or to ``out``."""
    symbols = [recorder.symbol(one) for one in inputs]
    if out is not None and (not isinstance(out, Symbol) or out.kind != "real"):
        raise NotTraceableError("writing to an array that is no real one of the step")
    if any(one.kind == "index" for one in symbols):
        return _of_indices(name, recorder, symbols, out)
    target = recorder.fresh(np.broadcast_shapes(*(one.shape for one in symbols))) if out is None else out
    return recorder.elementwise(name, target, *symbols)


def _of_indices(name: str, recorder: Recorder, symbols: Sequence[Symbol], out: Any) -> Symbol:
    """Record a sum of integers; a number may also be subtracted."""
    first, second = (*symbols, symbols[0])[:2]
    if name == "subtract" and second.buffer is None:
        name, second = "add", -second
    whole = all(one.kind == "index" or (one.buffer is None and one.value.is_integer()) for one in symbols)
    if name != "add" or out is not None or not whole:
        raise NotTraceableError(f"{name} of whole numbers, or of them and reals")
    return recorder.of_indices("index_add", first, second)


def _negative(recorder: Recorder, x: Symbol, out: Any = None) -> Symbol:
    """Record a negation; a single number needs no instruction."""
    if out is None and isinstance(x, Symbol) and x.buffer is None:
        return recorder.number(-x.value, x.shape)
    return _by_kernel("negative", recorder, x, out=out)


def _compare(name: str, recorder: Recorder, x: Any, z: Any, out: Any = None) -> Symbol:
    """Record a comparison; integers are compared with reals as reals."""
    x, z = recorder.symbol(x), recorder.symbol(z)
    if out is not None:
        raise NotTraceableError("writing truths to an array")
    if x.kind == z.kind == "index":
        if name != "equal":
            raise NotTraceableError("an order of whole numbers")
        return recorder.of_indices("index_equal", x, z)
    x, z = (one.astype(recorder.dtype) if one.kind == "index" else one for one in (x, z))
    truth = recorder.fresh(np.broadcast_shapes(x.shape, z.shape), "truth")
    return recorder.elementwise(name, truth, x, z)


def _greater_or_equal(x: Any, z: Any) -> Symbol:
    greater: Any = np.greater(x, z)
    equal: Any = np.equal(x, z)
    result: Symbol = greater.recorder.elementwise("add", greater, greater.seen_as("real"), equal.seen_as("real"))
    return result


def _power(x: Any, power: Any) -> Any:
    """Expand integer powers into products, and a power of 0.5 into the square root."""
    if isinstance(power, float) and power == 0.5:
        return np.sqrt(x)
    if not isinstance(power, (int, float)) or power != int(power) or not 1 <= abs(power) <= LARGEST_POWER:
        raise NotTraceableError(f"a power that is not a whole number up to {LARGEST_POWER}")
    result = x
    for digit in f"{abs(int(power)):b}"[1:]:
        result = result * result * x if digit == "1" else result * result
    return 1.0 / result if power < 0 else np.positive(x) if result is x else result


def _where(condition: Any, x: Any, y: Any) -> Symbol:
    """Choose ``x`` where the condition is true, written over a copy of ``y``."""
    recorder: Recorder = next(one.recorder for one in (condition, x, y) if isinstance(one, Symbol))
    truth, x, y = (recorder.symbol(one) for one in (condition, x, y))
    if truth.kind != "truth" or x.kind != "real" or y.kind != "real":
        raise NotTraceableError("a choice by what is no truth, or between what are no reals")
    out = recorder.fresh(np.broadcast_shapes(truth.shape, x.shape, y.shape))
    recorder.elementwise("copy", out, y)
    return recorder.elementwise("select", out, recorder.numbers_of(truth), x)


def _filled(value: float, array: Symbol, dtype: Any = None, **_: Any) -> Symbol:
    """Return an array of one number in the shape of another array."""
    if dtype not in (None, array.recorder.dtype) or array.kind != "real":
        raise NotTraceableError("an array of one number that is not real")
    return array.recorder.number(value, array.shape)


def _derived(function: Callable[..., Symbol]) -> Callable[..., Symbol]:
    """Make a ufunc for symbols from a function of other ufuncs."""

    def ufunc(recorder: Recorder, *inputs: Any, out: Any = None) -> Symbol:
        result = function(*inputs)
        copied: Symbol = result if out is None else np.positive(result, out=out)  # type: ignore[assignment]
        return copied

    return ufunc


_DERIVED: dict[Any, Callable[..., Any]] = {
    np.minimum: lambda x, z: -np.maximum(-x, -z),
    np.less: lambda x, z: np.greater(z, x),
    np.greater_equal: _greater_or_equal,
    np.less_equal: lambda x, z: _greater_or_equal(z, x),
    np.square: lambda x: x * x,
    np.reciprocal: lambda x: 1.0 / x,
    np.power: _power,
}

FUNCTIONS.update({ufunc: partial(_by_kernel, name) for name, ufunc in {**KERNELS, "copy": np.positive}.items()})
FUNCTIONS.update({ufunc: _derived(function) for ufunc, function in _DERIVED.items()})
FUNCTIONS.update({getattr(np, name): partial(_compare, name) for name in ("greater", "equal")})
FUNCTIONS.update({np.negative: _negative, np.where: _where})
FUNCTIONS.update({np.zeros_like: partial(_filled, 0.0), np.ones_like: partial(_filled, 1.0)})
