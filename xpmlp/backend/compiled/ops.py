"""The operations of a step, `xpmlp.nn.Ops`, for symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xpmlp.backend.compiled.instructions import NotTraceableError, Operand
from xpmlp.backend.compiled.symbols import Recorder, Symbol, operand_of, product
from xpmlp.nn import Ops


def traced_ops(ops: Ops) -> Ops:
    """``ops`` that write instructions down when they are given symbols, and else do what they did."""

    def either(name: str) -> Callable[..., Any]:
        eager, traced = getattr(ops, name), _OPS.get(name)

        def operation(first: Any, *others: Any) -> Any:
            if type(first) is not Symbol:
                return eager(first, *others)
            if traced is None:
                raise NotTraceableError(name)
            return traced(first.recorder, first, *others)

        return operation

    return Ops(ops.xp, *map(either, Ops._fields[1:]))


def _affine(recorder: Recorder, x: Symbol, weights: Symbol, biases: Symbol) -> Symbol:
    out = product(recorder, x, weights)
    return recorder.add("add", out, out.as_matrix(), biases.as_operand(out.shape))


def _sigmoid(recorder: Recorder, x: Symbol) -> Symbol:
    return recorder.add("sigmoid", x, x.as_matrix())


def _sigmoid_backward(recorder: Recorder, upstream: Symbol, activation: Symbol) -> Symbol:
    return recorder.add("sigmoid_backward", upstream, upstream.as_matrix(), activation.as_operand(upstream.shape))


def _softmax(recorder: Recorder, logits: Symbol) -> Symbol:
    return recorder.add("softmax", recorder.fresh(logits.shape), logits.as_matrix())


def _multiply_transposed(recorder: Recorder, delta: Symbol, weights: Symbol) -> Symbol:
    return product(recorder, delta, weights.mT)


def _product_of_factors(recorder: Recorder, activation: Symbol, delta: Symbol) -> Symbol:
    return product(recorder, activation.mT, delta)


def _subtract_product(recorder: Recorder, weights: Symbol, activation: Symbol, delta: Symbol, rate: Any) -> Symbol:
    return product(recorder, activation.mT, delta, weights, _negative(rate, weights))


def _subtract_sum(recorder: Recorder, biases: Symbol, delta: Symbol, rate: Any) -> Symbol:
    if biases.shape != (*delta.shape[:-2], 1, delta.shape[-1]) or not biases.is_contiguous():
        raise NotTraceableError("biases of another shape")
    factor = _negative(rate, biases)
    return recorder.add("sum", biases, delta.as_matrix(), sizes=delta.shape, factor=factor, added=True)


def _negative(rate: Any, array: Symbol) -> Operand:
    """``-rate``, a number or one for each run of an array."""
    if isinstance(rate, Symbol) and (rate.ndim not in (0, 3) or rate.shape[1:] not in ((), (1, 1))):
        raise NotTraceableError("a rate that is not one number for each run")
    return operand_of(-rate, (*(1, 1, 1, *array.shape)[-3:-2], 1, 1))


_OPS: dict[str, Callable[..., Symbol]] = {
    "affine": _affine,
    "sigmoid": _sigmoid,
    "sigmoid_backward": _sigmoid_backward,
    "softmax": _softmax,
    "multiply_transposed": _multiply_transposed,
    "product_of_factors": _product_of_factors,
    "subtract_product": _subtract_product,
    "subtract_sum": _subtract_sum,
}
"""Those of the operations that a step has; the others are called before and after it."""
