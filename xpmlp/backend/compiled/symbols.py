"""Arrays with shapes but no numbers: operations on a `Symbol` are recorded as `Instruction` objects.

Unknown operations raise a `NotTraceableError`: a step is traced as a whole or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.mixins import NDArrayOperatorsMixin

from xpmlp.backend.compiled.axes import matrices
from xpmlp.backend.compiled.instructions import Buffer, Instruction, NotTraceableError, Operand, Shape, Sizes

LARGEST_CONSTANT = 1_000_000
"""Maximum bytes of an array, neither state nor batch, that a step may compute with; the data are larger."""

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""NumPy's functions for symbols: ufuncs as (recorder, *inputs), others with NumPy's signature.

The modules that define them enter them here.
"""


class Recorder:
    """Instructions of a step that is being traced, in arithmetic of ``dtype``.

    Parameters
    ----------
    dtype : dtype
    numbers : iterator of int
        Indices of further arguments, ``captured``: small arrays that the step finds or makes itself.
    """

    def __init__(self, dtype: Any, numbers: Iterator[int]) -> None:
        self.dtype, self._numbers = np.dtype(dtype), numbers
        self.instructions: list[Instruction] = []
        self.captured: list[Any] = []
        self._converted: dict[Buffer, int] = {}
        self._wide: dict[Buffer, Buffer] = {}

    def fresh(self, shape: Shape, kind: str = "real") -> Symbol:
        """Return a new array."""
        return self.whole(Buffer(math.prod(shape), dtype=np.int64 if kind == "index" else None), shape, kind)

    def whole(self, buffer: Buffer, shape: Shape, kind: str = "real") -> Symbol:
        """Return the whole content of a buffer, row by row."""
        return Symbol(self, buffer, buffer.layout.reshape(shape), kind)

    def number(self, value: float, shape: Shape = ()) -> Symbol:
        """Return an array of one number, which takes no memory."""
        return Symbol(self, None, np.broadcast_to(np.int8(0), shape), value=value)

    def add(self, name: str, out: Symbol, *operands: Operand, sizes: Shape | None = None, **more: Any) -> Symbol:
        """Record an instruction that is not elementwise; returns ``out``.

        Parameters
        ----------
        name : str
        out : Symbol
            Of three axes at most.
        *operands : Operand
        sizes : tuple of int, optional
            The shape that the kernel goes through; that of ``out`` if not given.
        **more
            The other fields of an `Instruction`.
        """
        runs, rows, columns = (1, 1, 1, *(out.shape if sizes is None else sizes))[-3:]
        if any(operand.buffer is out.buffer for operand in operands):
            raise NotTraceableError("an operation that overwrites its own operand")
        self.instructions.append(Instruction(name, (runs, rows, columns), out.as_matrix(), operands, **more))
        return out

    def elementwise(self, name: str, out: Symbol, *inputs: Symbol) -> Symbol:
        """Record an elementwise computation, with inputs broadcast to ``out``; returns ``out``."""
        if out.buffer is None or out.kind == "index" or not out.is_writable():
            raise NotTraceableError("writing to an array that repeats numbers")
        arrays = out.seen_as("real"), *inputs
        parts = list(matrices(out.shape, [one.operand_in(out.shape) for one in arrays]))
        (*_, columns), (target, *operands) = parts[0]
        if columns > 1 and target.column != 1:
            raise NotTraceableError("writing to an array with gaps in its rows")
        if name == "copy" and columns > 1 and operands[0].column != 1:
            name = "spread"
        for index, operand in enumerate(operands):
            overlaps = operand.buffer is out.buffer and any(all_[1 + index] != all_[0] for _, all_ in parts)
            repeats = columns > 1 and index == 0 and not any(one.column for one in operands)
            if overlaps or (name != "spread" and columns > 1 and (repeats or operand.column not in (0, 1))):
                copied = self.elementwise("copy", self.fresh(out.shape), inputs[index])
                return self.elementwise(name, out, *inputs[:index], copied, *inputs[index + 1 :])
        self._add_parts(name, parts)
        return out

    def of_indices(self, name: str, *inputs: Symbol, out: Symbol | None = None) -> Symbol:
        """Record an operation on integers, broadcast to each other, that makes reals, truths or integers."""
        inputs = tuple(map(self.wide, inputs))
        if out is None:
            kind = {"index_real": "real", "index_equal": "truth"}.get(name, "index")
            out = self.fresh(np.broadcast_shapes(*(one.shape for one in inputs)), kind)
        pairs = [
            (Operand(one.buffer, offset=one.offset), one.broadcast_to(out.shape).strides) for one in (out, *inputs)
        ]
        self._add_parts(name, matrices(out.shape, pairs))
        return out

    def _add_parts(self, name: str, parts: Iterable[tuple[Sizes, list[Operand]]]) -> None:
        for sizes, (target, *operands) in parts:
            self.instructions.append(Instruction(name, sizes, target, tuple(operands)))

    def symbol(self, value: Any) -> Symbol:
        """Convert a symbol, a number or a small array to a symbol; arrays from outside the arguments are captured."""
        if isinstance(value, Symbol):
            return value
        if isinstance(value, (int, float, np.floating, np.integer)):
            return self.number(float(value))
        if not isinstance(value, np.ndarray) or value.nbytes > LARGEST_CONSTANT:
            raise NotTraceableError(f"arithmetic with {type(value).__name__} that is no argument")
        kind = {"f": "real", "i": "index", "b": "truth"}.get(value.dtype.kind)
        if kind is None or (kind == "real" and value.dtype != self.dtype):
            raise NotTraceableError(f"arithmetic with an array of {value.dtype}")
        kept = np.array(value, np.int64 if kind == "index" else self.dtype, order="C", ndmin=1)
        self.captured.append(kept)
        return self.whole(Buffer(kept.size, next(self._numbers), kept.dtype), value.shape, kind)

    def real_of(self, truth: Symbol) -> Symbol:
        """Return truths as reals that may be overwritten: on the same memory the first time, then as copies."""
        if truth.buffer in self._converted:
            return self.elementwise("copy", self.fresh(truth.shape), self.numbers_of(truth))
        if truth.buffer is not None:
            self._converted[truth.buffer] = len(self.instructions)
        return truth.seen_as("real")

    def numbers_of(self, truth: Symbol) -> Symbol:
        """Return truths as numbers that are only read."""
        since = self._converted.get(truth.buffer, len(self.instructions)) if truth.buffer else 0
        if truth.buffer and any(line.out.buffer is truth.buffer for line in self.instructions[since:]):
            raise NotTraceableError("a truth that was written over")
        return truth.seen_as("real")

    def wide(self, indices: Symbol) -> Symbol:
        """Return integers as int64, the type that kernels read; an argument is converted once."""
        given = indices.buffer
        if given is None:
            return self.symbol(np.full((), indices.value, np.int64)).broadcast_to(indices.shape)
        if given.dtype != np.int64 and given not in self._wide:
            self._wide[given] = Buffer(given.size, dtype=np.int64, layout=given.layout)
            narrow, wide = (self.whole(one, (given.size,), "index") for one in (given, self._wide[given]))
            self.add("index_widen", wide, narrow.as_matrix())
        return Symbol(self, self._wide.get(given, given), indices.layout, "index")


class Symbol(NDArrayOperatorsMixin):
    """An array of the step: its shape and the place of its future numbers.

    Parameters
    ----------
    recorder : Recorder
    buffer : Buffer or None
        ``None`` for an array of one number, which takes no memory.
    layout : array of int8
        View of the buffer's ``layout``, one byte for each element, whose positions are those of the elements.
    kind : "real", "index" or "truth"
        Integers can be added, compared and used as row indices; truths are stored as 0.0 and 1.0.
    value : float
        The number, if there is no buffer.
    """

    device = "cpu"

    def __init__(
        self,
        recorder: Recorder,
        buffer: Buffer | None,
        layout: npt.NDArray[np.int8],
        kind: str = "real",
        value: float = 0.0,
    ) -> None:
        self.recorder, self.buffer, self.layout, self.kind, self.value = recorder, buffer, layout, kind, value
        self.shape, self.strides, self.ndim, self.size = layout.shape, layout.strides, layout.ndim, layout.size

    def seen(self, layout: npt.NDArray[np.int8]) -> Symbol:
        """Return another array on the same memory."""
        return Symbol(self.recorder, self.buffer, layout, self.kind, self.value)

    def seen_as(self, kind: str) -> Symbol:
        """Return the same memory as numbers of another kind."""
        return Symbol(self.recorder, self.buffer, self.layout, kind, self.value)

    @property
    def offset(self) -> int:
        """Position of the first element in the buffer."""
        return 0 if self.buffer is None else self.layout.ctypes.data - self.buffer.layout.ctypes.data

    @property
    def dtype(self) -> Any:
        """The dtype in NumPy."""
        if self.kind == "truth":
            return np.dtype(bool)
        return self.recorder.dtype if self.kind == "real" or not self.buffer else np.dtype(self.buffer.dtype)

    @property
    def mT(self) -> Symbol:  # noqa: N802
        """The transposed matrices, on the same memory."""
        return self.seen(self.layout.mT)

    @property
    def T(self) -> Symbol:  # noqa: N802
        """The array with its axes in reverse order, on the same memory."""
        return self.seen(self.layout.T)

    def __getitem__(self, key: Any) -> Symbol:
        parts = key if isinstance(key, tuple) else (key,)
        if not all(one is None or one is Ellipsis or type(one) in (int, slice) for one in parts):
            raise NotTraceableError("an index that is neither a number nor a slice")
        layout = self.layout[parts if Ellipsis in parts else (*parts, ...)]
        if min(layout.strides, default=0) < 0:
            raise NotTraceableError("a slice that goes backwards")
        return self.seen(layout)

    def astype(self, dtype: Any, copy: bool = True) -> Symbol:
        """Convert to another dtype; truths and integers become reals."""
        if self.kind == "index" and np.dtype(dtype).kind == "i":
            return self
        if dtype == self.dtype:
            return self.recorder.elementwise("copy", self.recorder.fresh(self.shape), self) if copy else self
        if dtype != self.recorder.dtype:
            raise NotTraceableError(f"a conversion from {self.dtype} to {np.dtype(dtype)}")
        if self.kind == "truth":
            return self.recorder.real_of(self)
        return self.recorder.of_indices("index_real", self)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise NotTraceableError("a read of numbers that are not computed yet")

    __array__ = __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = __setitem__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotTraceableError(f"the attribute {name} of an array")

    def broadcast_to(self, shape: Shape) -> Symbol:
        """Broadcast to a shape, on the same memory.

        Raises
        ------
        ValueError
            If the shapes do not fit together.
        """
        try:
            return self.seen(np.broadcast_to(self.layout, shape))
        except ValueError:
            raise ValueError(f"an array of shape {self.shape} cannot be broadcast to shape {tuple(shape)}") from None

    def operand_in(self, shape: Shape) -> tuple[Operand, Shape]:
        """Return it as an operand broadcast to a shape, with its strides, for `matrices`."""
        if self.kind != "real":
            raise NotTraceableError(f"arithmetic with an array of {self.dtype}")
        return Operand(self.buffer, value=self.value, offset=self.offset), self.broadcast_to(shape).strides

    def as_matrix(self) -> Operand:
        """Return it as an operand of matrices of runs; it has three axes at most."""
        run, row, column = [0] * (3 - self.ndim) + [
            stride if size > 1 else 0 for size, stride in zip(self.shape, self.strides, strict=True)
        ]
        return Operand(self.buffer, run, row, column, self.value, offset=self.offset)

    def is_contiguous(self) -> bool:
        """Check whether it is row-major without gaps."""
        return self.buffer is not None and self.layout.flags.c_contiguous

    def is_whole(self) -> bool:
        """Check whether it covers its whole buffer, row by row."""
        return self.is_contiguous() and self.buffer is not None and self.buffer.size == self.size

    def is_writable(self) -> bool:
        """Check whether each of its elements has its own place."""
        return all(stride or size == 1 for size, stride in zip(self.shape, self.strides, strict=True))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Symbol:
        if method != "__call__" or options not in ({}, {"axis": -1}) or ufunc not in FUNCTIONS:
            raise NotTraceableError(ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}")
        result: Symbol = FUNCTIONS[ufunc](self.recorder, *inputs, out=None if out is None else out[0])
        return result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function not in FUNCTIONS:
            raise NotTraceableError(function.__name__)
        return FUNCTIONS[function](*args, **kwargs)
