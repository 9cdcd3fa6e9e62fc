"""Arrays with shapes and no numbers: what is done to a `Symbol` is written down as an `Instruction`.

What they do not know they refuse, and so do all functions here, with a `NotTraceableError`: a step is traced as a whole
or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from xpmlp.backend.compiled.instructions import IN_PLACE, Buffer, Instruction, NotTraceableError, Operand, Shape


class Recorder:
    """The instructions of a step that is being traced, in arithmetic of ``dtype``."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.instructions: list[Instruction] = []
        self.converted: list[Buffer] = []

    def add(self, name: str, out: Symbol, *operands: Operand, sizes: Shape | None = None, **more: Any) -> Symbol:
        """Write an instruction down; returns ``out``.

        Parameters
        ----------
        name : str
        out : Symbol
        *operands : Operand
        sizes : tuple of int, optional
            The shape that the kernel goes through; that of ``out`` if not given.
        **more
            The other fields of an `Instruction`.
        """
        target = out.as_matrix()
        runs, rows, columns = (1, 1, 1, *(out.shape if sizes is None else sizes))[-3:]
        for operand in operands:
            if operand.buffer is out.buffer and (name not in IN_PLACE or operand != target):
                raise NotTraceableError("writing over what is still to be read")
            if operand.column not in (0, 1):
                raise NotTraceableError("a matrix that is read column by column")
            repeated = [not one.column for one in operands]
            if columns > 1 and not operand.column and (name not in IN_PLACE or len(operands) < 2 or all(repeated)):
                raise NotTraceableError("a number that is repeated along a row")
        self.instructions.append(Instruction(name, (runs, rows, columns), target, operands, **more))
        return out

    def fresh(self, shape: Shape) -> Symbol:
        """A new array."""
        return Symbol(self, Buffer(int(np.prod(shape, dtype=int))), shape)


class Symbol(NDArrayOperatorsMixin):
    """An array of the step: a shape, and where its numbers will be.

    Parameters
    ----------
    recorder : Recorder
    buffer : Buffer
    shape : tuple of int
        Of three axes at most: ([[runs,] rows,] columns).
    strides : tuple of int, optional
        In numbers; row-major if not given.
    kind : "real", "index" or "truth"
        Row numbers can only be taken by, truths (kept as 0.0 and 1.0) only be made reals.
    """

    def __init__(
        self, recorder: Recorder, buffer: Buffer, shape: Shape, strides: Shape | None = None, kind: str = "real"
    ) -> None:
        if len(shape) > 3:
            raise NotTraceableError(f"an array of {len(shape)} axes")
        self.recorder, self.buffer, self.shape, self.kind = recorder, buffer, tuple(shape), kind
        self.strides = _row_major(self.shape) if strides is None else strides

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> Any:
        """Of reals; others are not to be computed with."""
        return self.recorder.dtype

    @property
    def mT(self) -> Symbol:  # noqa: N802
        """The transposed matrices, on the same memory."""
        if self.ndim < 2:
            raise NotTraceableError("only matrices are transposed")
        *runs, rows, columns = self.shape
        *run, row, column = self.strides
        return Symbol(self.recorder, self.buffer, (*runs, columns, rows), (*run, column, row), self.kind)

    @property
    def T(self) -> Symbol:  # noqa: N802
        """The transpose of one matrix."""
        if self.ndim != 2:
            raise NotTraceableError("the transpose of what is not one matrix")
        return self.mT

    def __getitem__(self, key: Any) -> Symbol:
        if key != (Ellipsis, None):
            raise NotTraceableError("a part of an array")
        return Symbol(self.recorder, self.buffer, (*self.shape, 1), (*self.strides, 0), self.kind)

    def astype(self, dtype: Any, copy: bool = True) -> Symbol:
        """Truths as reals, once: they are kept as such, and the reals may be written over."""
        if self.kind != "truth" or dtype != self.recorder.dtype or self.buffer in self.recorder.converted:
            raise NotTraceableError("a conversion")
        self.recorder.converted.append(self.buffer)
        return Symbol(self.recorder, self.buffer, self.shape, self.strides)

    def _read(self, *_: Any, **__: Any) -> Any:
        raise NotTraceableError("a read of what is not computed yet")

    __array__ = __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = _read

    def as_operand(self, shape: Shape) -> Operand:
        """It as matrices that are broadcast to a shape, of as many axes as it has or more."""
        if self.kind != "real":
            raise NotTraceableError(f"arithmetic with an array of kind {self.kind}")
        missing = len(shape) - self.ndim
        if missing < 0:
            raise NotTraceableError("an array of more axes than the result")
        strides = [0] * (3 - len(shape) + missing)
        for own, wanted, stride in zip(self.shape, shape[missing:], self.strides, strict=True):
            if own not in (1, wanted):
                raise NotTraceableError(f"{self.shape} is not broadcast to {shape}")
            strides.append(stride if own == wanted and own != 1 else 0)
        run, row, column = strides
        return Operand(self.buffer, run, row, column)

    def as_matrix(self) -> Operand:
        """It in its own shape."""
        return self.as_operand(self.shape)

    def is_contiguous(self) -> bool:
        """Whether it lies row by row, without gaps."""
        return self.strides == _row_major(self.shape)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Symbol:
        if method != "__call__" or options or (out is not None and len(out) != 1):
            raise NotTraceableError(f"{ufunc.__name__}.{method}")
        return _applied(self.recorder, ufunc, inputs, None if out is None else out[0])

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function not in _FUNCTIONS:
            raise NotTraceableError(function.__name__)
        return _FUNCTIONS[function](*args, **kwargs)


class Filled(NDArrayOperatorsMixin):
    """An array of one number, to be read by elementwise functions only: it has a shape and takes no memory."""

    def __init__(self, recorder: Recorder, shape: Shape, value: float) -> None:
        self.recorder, self.shape, self.value = recorder, shape, value

    __array_ufunc__ = Symbol.__array_ufunc__


def _applied(recorder: Recorder, ufunc: Any, inputs: tuple[Any, ...], target: Any) -> Symbol:
    """What one of NumPy's functions of arrays gives, in ``target`` if that is not ``None``."""
    if target is None and ufunc in _OF_MATRICES:
        return _OF_MATRICES[ufunc](recorder, *inputs)
    name = _ELEMENTWISE.get(ufunc)
    if name is None:
        raise NotTraceableError(ufunc.__name__)
    shape = np.broadcast_shapes(*(one.shape for one in inputs if isinstance(one, (Symbol, Filled))))
    if target is None:
        target = recorder.fresh(shape)
    if not isinstance(target, Symbol) or target.shape != shape or not target.is_contiguous() or target.kind != "real":
        raise NotTraceableError("writing elsewhere")
    recorder.add(name, target, *(operand_of(one, shape) for one in inputs))
    return Symbol(recorder, target.buffer, shape, kind="truth") if ufunc is np.greater else target


def product(recorder: Recorder, a: Any, b: Any, out: Symbol | None = None, factor: Operand | None = None) -> Symbol:
    """``a @ b``, or ``out + factor * a @ b`` in the place of ``out``.

    Parameters
    ----------
    recorder : Recorder
    a : ([runs,] rows, inner)
    b : ([runs,] inner, columns)
        Row-major, or the transpose of what is.
    out : ([runs,] rows, columns), optional
        Row-major, and neither ``a`` nor ``b``.
    factor : Operand, optional
        One number, or one for each run; 1 if not given.
    """
    if not (isinstance(a, Symbol) and isinstance(b, Symbol) and a.ndim == b.ndim >= 2 and a.shape[-1] == b.shape[-2]):
        raise NotTraceableError("a product that is not one of matrices")
    shape = (*a.shape[:-1], b.shape[-1])
    result = recorder.fresh(shape) if out is None else out
    if a.shape[:-2] != b.shape[:-2] or result.shape != shape or not result.is_contiguous():
        raise NotTraceableError("a product of other shapes")
    more: dict[str, Any] = {
        "inner": a.shape[-1],
        "factor": factor or Operand(None, value=1.0),
        "added": out is not None,
    }
    return recorder.add("product", result, _factor(a), _factor(b), **more)


def _factor(matrix: Symbol) -> Operand:
    """Matrices of a product, as they lie in memory."""
    rows, columns = matrix.shape[-2:]
    run = (0, *matrix.strides)[-3]
    if matrix.kind != "real" or matrix.strides[-2:] not in ((columns, 1), (1, rows)):
        raise NotTraceableError("a product of matrices with gaps")
    if matrix.strides[-2:] == (columns, 1):
        return Operand(matrix.buffer, run, columns, 1)
    return Operand(matrix.buffer, run, rows, 1, transposed=True)


def operand_of(value: Any, shape: Shape) -> Operand:
    """A symbol, broadcast to a shape, or a number.  Raises `NotTraceableError` for anything else."""
    if isinstance(value, Symbol):
        return value.as_operand(shape)
    if isinstance(value, Filled):
        return Operand(None, value=value.value)
    if isinstance(value, (int, float)):
        return Operand(None, value=float(value))
    raise NotTraceableError(f"arithmetic with {type(value).__name__}")


def _row_major(shape: Shape) -> Shape:
    return tuple(int(np.prod(shape[axis + 1 :], dtype=int)) for axis in range(len(shape)))


_ELEMENTWISE: dict[Any, str] = {
    np.add: "add",
    np.subtract: "subtract",
    np.multiply: "multiply",
    np.divide: "divide",
    np.maximum: "maximum",
    np.greater: "greater",
    np.negative: "negative",
    np.exp: "exp",
    np.expm1: "expm1",
    np.sqrt: "sqrt",
    np.tanh: "tanh",
}
"""NumPy's functions, with the kernel that does the same."""


def _sum(array: Symbol, axis: int | None = None, keepdims: bool = False, dtype: Any = None) -> Symbol:
    if array.ndim < 2 or axis != -2 or not keepdims or dtype is not None:
        raise NotTraceableError("a sum that is not one over a batch")
    *runs, _, columns = array.shape
    return array.recorder.add("sum", array.recorder.fresh((*runs, 1, columns)), array.as_matrix(), sizes=array.shape)


def _take(array: Symbol, indices: Symbol, axis: int) -> Symbol:
    if array.ndim < 2 or axis != -2 or not isinstance(indices, Symbol) or indices.ndim != 1:
        raise NotTraceableError("taking what is not rows")
    if indices.kind != "index" or (indices.strides != (1,) and indices.shape != (1,)):
        raise NotTraceableError("taking by what is not numbers of rows")
    *runs, rows, columns = array.shape
    numbers = Operand(indices.buffer, 0, 0, 1)
    out = array.recorder.fresh((*runs, *indices.shape, columns))
    return array.recorder.add("take", out, array.as_matrix(), numbers, inner=rows)


def _broadcast_to(array: Symbol, shape: Shape) -> Symbol:
    """On the same memory, with strides of 0."""
    missing = len(shape) - array.ndim
    if missing < 0 or array.shape != tuple(shape)[missing:]:
        raise NotTraceableError("a broadcast that is not one over runs")
    return Symbol(array.recorder, array.buffer, tuple(shape), (*[0] * missing, *array.strides), array.kind)


def _dot(recorder: Recorder, a: Any, b: Any) -> Symbol:
    if not (isinstance(a, Symbol) and isinstance(b, Symbol) and a.ndim == 1 and a.shape == b.shape):
        raise NotTraceableError("a scalar product that is not one of two vectors")
    return recorder.add("dot", recorder.fresh(()), a.as_matrix(), b.as_matrix(), sizes=a.shape)


_OF_MATRICES: dict[Any, Callable[..., Symbol]] = {np.matmul: product, np.vecdot: _dot}
"""NumPy's functions that take their arguments as a whole."""


def _reshape(array: Symbol, shape: Shape) -> Symbol:
    if shape != (-1,) or not array.is_contiguous():
        raise NotTraceableError("a reshape that is not one to a vector")
    return Symbol(array.recorder, array.buffer, (array.buffer.size,), kind=array.kind)


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: _sum,
    np.take: _take,
    np.broadcast_to: _broadcast_to,
    np.reshape: _reshape,
    np.zeros_like: lambda array, **_: Filled(array.recorder, array.shape, 0.0),
    np.ones_like: lambda array, **_: Filled(array.recorder, array.shape, 1.0),
}
"""Functions of NumPy that are not ufuncs."""
