"""The operations of a step, `xpmlp.nn.Ops`, for symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xpmlp.backend.compiled import arithmetic  # noqa: F401  # enters its functions
from xpmlp.backend.compiled.indexing import add_rows
from xpmlp.backend.compiled.instructions import Operand
from xpmlp.backend.compiled.matrix_products import product
from xpmlp.backend.compiled.reductions import row_wise
from xpmlp.backend.compiled.shapes import reshape
from xpmlp.backend.compiled.symbols import Recorder, Symbol
from xpmlp.nn import Ops, pure_ops


def traced_ops(ops: Ops) -> Ops:
    """Return ``ops`` that record instructions when given symbols, and behave as before otherwise.

    Operations without an instruction of their own record their definitions.
    """
    definitions = pure_ops(ops.xp)

    def either(name: str) -> Callable[..., Any]:
        eager, traced, definition = getattr(ops, name), _OPS.get(name), getattr(definitions, name)

        def operation(*inputs: Any) -> Any:
            recorder = next((one.recorder for one in inputs if type(one) is Symbol), None)
            if recorder is None:
                return eager(*inputs)
            if traced is None:
                return definition(*inputs)
            return traced(recorder, *map(recorder.symbol, inputs))

        return operation

    return Ops(ops.xp, *map(either, Ops._fields[1:]))


def _affine(recorder: Recorder, x: Symbol, weights: Symbol, biases: Symbol) -> Symbol:
    out = product(recorder, x, weights)
    return recorder.elementwise("add", out, out, biases)


def _softmax(recorder: Recorder, logits: Symbol) -> Symbol:
    rows = row_wise(logits)
    return reshape(recorder.add("softmax", recorder.fresh(rows.shape), rows.as_matrix()), logits.shape)


def _add_product(recorder: Recorder, weights: Symbol, activation: Symbol, delta: Symbol, scale: Symbol) -> Symbol:
    factor = _number(scale, weights)
    if factor is None or weights.ndim > 3:
        return recorder.elementwise("add", weights, weights, scale * product(recorder, activation.mT, delta))
    return product(recorder, activation.mT, delta, weights, factor, added=True)


def _add_sum(recorder: Recorder, biases: Symbol, delta: Symbol, scale: Symbol) -> Symbol:
    factor, delta = _number(scale, biases), row_wise(delta)
    if factor is None or biases.shape != (*delta.shape[:-2], 1, delta.shape[-1]) or not biases.is_contiguous():
        return recorder.elementwise("add", biases, biases, scale * np.sum(delta, axis=-2, keepdims=True))
    return recorder.add("sum", biases, delta.as_matrix(), sizes=delta.shape, factor=factor, added=True)


def _number(scale: Symbol, array: Symbol) -> Operand | None:
    """Return the operand for a factor of one number, or of one for each run of an array; ``None`` for others."""
    runs = (1, *array.shape)[-3]
    if scale.shape not in ((), (1,) * scale.ndim, (runs, 1, 1)):
        return None
    return Operand(scale.buffer, scale.strides[0] if scale.size > 1 else 0, value=scale.value, offset=scale.offset)


_OPS: dict[str, Callable[..., Symbol]] = {
    "affine": _affine,
    "sigmoid": lambda recorder, x: recorder.elementwise("sigmoid", x, x),
    "sigmoid_backward": lambda recorder, upstream, y: recorder.elementwise("sigmoid_backward", upstream, upstream, y),
    "softmax": _softmax,
    "multiply_transposed": lambda recorder, delta, weights: product(recorder, delta, weights.mT),
    "product_of_factors": lambda recorder, x, delta: product(recorder, x.mT, delta),
    "add_product": _add_product,
    "add_sum": _add_sum,
    "add_rows": add_rows,
}
"""Operations that have instructions of their own."""
