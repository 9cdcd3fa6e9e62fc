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


def _add_product(recorder: Recorder, weights: Symbol, activation: Symbol, delta: Symbol, scale: Any) -> Symbol:
    return product(recorder, activation.mT, delta, weights, _number(scale, weights))


def _add_sum(recorder: Recorder, biases: Symbol, delta: Symbol, scale: Any) -> Symbol:
    if biases.shape != (*delta.shape[:-2], 1, delta.shape[-1]) or not biases.is_contiguous():
        raise NotTraceableError("biases of another shape")
    factor = _number(scale, biases)
    return recorder.add("sum", biases, delta.as_matrix(), sizes=delta.shape, factor=factor, added=True)


def _number(scale: Any, array: Symbol) -> Operand:
    """A number, or one for each run of an array."""
    if isinstance(scale, Symbol) and (scale.ndim == 1 or scale.shape[-2:] not in ((), (1, 1))):
        raise NotTraceableError("a factor that is not one number for each run")
    return operand_of(scale, (*(1, 1, 1, *array.shape)[-3:-2], 1, 1))


_OPS: dict[str, Callable[..., Symbol]] = {
    "affine": _affine,
    "sigmoid": _sigmoid,
    "sigmoid_backward": _sigmoid_backward,
    "softmax": _softmax,
    "multiply_transposed": _multiply_transposed,
    "product_of_factors": _product_of_factors,
    "add_product": _add_product,
    "add_sum": _add_sum,
}
"""Those of the operations that a step has; the others are called before and after it."""
