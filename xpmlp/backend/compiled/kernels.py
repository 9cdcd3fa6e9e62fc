"""The kernels that go through matrices, and the loop over steps that calls all kernels: compiled when first used.

Matrices come as addresses with strides, so that one compiled loop runs every program.  Numba keeps it beside this file,
or in the user's cache.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
from numba import njit

from xpmlp.backend.blas import address
from xpmlp.backend.compiled.elementwise import copy, exponentials, multiply, one_by_one
from xpmlp.backend.compiled.intrinsics import call, prefetch, row_of, ticks, to
from xpmlp.backend.compiled.layout import (
    ADDED,
    BLOCK,
    COLUMN,
    COLUMNS,
    COPY,
    DOT,
    FACTOR,
    INNER,
    KERNEL,
    OFFSET,
    OUT,
    PRODUCT,
    ROW,
    ROWS,
    RUN,
    RUNS,
    SLOT,
    SOFTMAX,
    SUM,
    TAKE,
    WIDTH,
    A,
    B,
)
from xpmlp.backend.compiled.meeting import NUMBERS, is_faultless, meet, report_fault

AHEAD, CACHE_LINE = 4, 64
"""How many rows of the data are fetched before they are read, since they lie anywhere; bytes of a line of the cache."""

PIECE_ROWS, PIECE_TERMS, PIECE_COLUMNS = 32, 256, 64
"""Of a product that is carried out piece by piece: what one takes stays in the core's caches.  Rows are a multiple."""

_ROW_MAJOR, _NO, _TRANSPOSED = np.int32(101), np.int32(111), np.int32(112)


@njit
def _subtract_largest(length: int, x: Any, y: Any) -> None:
    """``y = x - max(x)``, (length,) each."""
    largest = x[0]
    for j in range(1, length):
        largest = x[j] if x[j] > largest else largest
    for j in range(length):
        y[j] = x[j] - largest


@njit(error_model="numpy")
def _divide_by_sum(length: int, y: Any) -> None:
    """``y /= sum(y)``, (length,)."""
    total = to(0.0, y[0])
    for j in range(length):
        total += y[j]
    for j in range(length):
        y[j] /= total


@njit
def _add_row(length: int, factor: Any, x: Any, y: Any) -> None:
    """``y += factor * x``, (length,) each."""
    for j in range(length):
        y[j] += factor * x[j]


@njit
def _scale(length: int, factor: Any, x: Any, y: Any) -> None:
    """``y = factor * x`` of bytes, (length,) each."""
    for j in range(length):
        y[j] = factor * to(x[j], factor)


@njit(fastmath={"reassoc"})
def _dot(length: int, x: Any, z: Any) -> Any:
    """The scalar product of two vectors, (length,) each, summed in any order, as BLAS does: many sums side by side."""
    total = to(0.0, x[0])
    for j in range(length):
        total += x[j] * z[j]
    return total


@njit
def _add_multiple(length: int, factor: Any, number: Any, x: Any, y: Any) -> None:
    """``y += factor * (number * x)``, (length,) each, in BLAS's order: with a large factor the other may overflow."""
    for j in range(length):
        y[j] += factor * (number * x[j])


@njit
def _place(line: Any, at: int, step: int, run: int, addresses: Any, strides: Any, size: int) -> Any:
    """The address of the result, of an operand or of the factor: where its slot begins in this step, and its matrix."""
    slot = line[at + SLOT]
    return addresses[slot] + step * strides[slot] + line[at + OFFSET] + run * line[at + RUN] * size


@njit
def _gemm(
    line: Any,
    rows: int,
    columns: int,
    inner: int,
    factor: Any,
    a: int,
    b: int,
    out: int,
    added: int,
    gemm: int,
    integer: Any,
    like: Any,
) -> None:
    """A product by BLAS, or a piece of it; a column stride of 0 says that a matrix lies transposed."""
    call(
        gemm,
        (
            _ROW_MAJOR,
            _NO if line[A + COLUMN] else _TRANSPOSED,
            _NO if line[B + COLUMN] else _TRANSPOSED,
            to(rows, integer),
            to(columns, integer),
            to(inner, integer),
            factor,
            a,
            to(line[A + ROW], integer),
            b,
            to(line[B + ROW], integer),
            to(added, like),
            out,
            to(line[OUT + ROW], integer),
        ),
    )


@njit
def _product(
    line: Any,
    step: int,
    run: int,
    addresses: Any,
    strides: Any,
    gemm: int,
    unpacked: int,
    integer: Any,
    size: int,
    like: Any,
) -> None:
    """A product by BLAS, in pieces where it has kernels for small ones; that of two vectors row by row."""
    rows, columns, inner = line[ROWS], line[COLUMNS], line[INNER]
    out = _place(line, OUT, step, run, addresses, strides, size)
    a = _place(line, A, step, run, addresses, strides, size)
    b = _place(line, B, step, run, addresses, strides, size)
    factor = row_of(_place(line, FACTOR, step, run, addresses, strides, size), 1, like)[0]
    if inner == 1:
        z, stride = row_of(b, columns, like), line[A + ROW] if line[A + COLUMN] else 1
        for i in range(rows):
            x = row_of(a + i * stride * size, 1, like)
            y = row_of(out + i * line[OUT + ROW] * size, columns, like)
            if line[ADDED]:
                _add_multiple(columns, factor, x[0], z, y)
            else:
                multiply(columns, z, x, y, False, 1, 0)
        return
    if not unpacked or rows * columns * inner <= unpacked or not line[B + COLUMN]:
        _gemm(line, rows, columns, inner, factor, a, b, out, line[ADDED], gemm, integer, like)
        return
    a_row, a_column = (line[A + ROW], 1) if line[A + COLUMN] else (1, line[A + ROW])
    terms = min(inner, PIECE_TERMS)
    height = max(PIECE_ROWS, unpacked // (terms * PIECE_COLUMNS) // PIECE_ROWS * PIECE_ROWS)
    for i in range(0, rows, height):
        for k in range(0, inner, terms):
            for j in range(0, columns, PIECE_COLUMNS):
                _gemm(
                    line,
                    min(height, rows - i),
                    min(PIECE_COLUMNS, columns - j),
                    min(terms, inner - k),
                    factor,
                    a + (i * a_row + k * a_column) * size,
                    b + (k * line[B + ROW] + j) * size,
                    out + (i * line[OUT + ROW] + j) * size,
                    line[ADDED] if k == 0 else 1,
                    gemm,
                    integer,
                    like,
                )


@njit(error_model="numpy")
def _rows(line: Any, step: int, run: int, addresses: Any, strides: Any, size: int, like: Any) -> bool:
    """An instruction that goes through a matrix row by row; false where one is to be taken that is not there."""
    kernel, rows, columns = line[KERNEL], line[ROWS], line[COLUMNS]
    out = _place(line, OUT, step, run, addresses, strides, size)
    a = _place(line, A, step, run, addresses, strides, size)
    b = _place(line, B, step, run, addresses, strides, size)
    if kernel == SUM:
        factor = row_of(_place(line, FACTOR, step, run, addresses, strides, size), 1, like)
        y, begin = row_of(out, columns, like), 0
        if not line[ADDED]:
            multiply(columns, row_of(a, columns, like), factor, y, False, 1, 0)
            begin = 1
        for i in range(begin, rows):
            _add_row(columns, factor[0], row_of(a + i * line[A + ROW] * size, columns, like), y)
    elif kernel == DOT:
        row_of(out, 1, like)[0] = _dot(columns, row_of(a, columns, like), row_of(b, columns, like))
    elif kernel == SOFTMAX:
        y = row_of(out, rows * columns, like)
        for i in range(rows):
            x = row_of(a + i * line[A + ROW] * size, columns, like)
            _subtract_largest(columns, x, row_of(out + i * columns * size, columns, like))
        exponentials(rows * columns, y, y, True)  # of all rows at once: those of a network are short
        for i in range(rows):
            _divide_by_sum(columns, row_of(out + i * columns * size, columns, like))
    else:
        numbers, width = row_of(b, rows, rows), line[A + ROW]
        each = size if kernel == TAKE else 1
        scale = row_of(_place(line, FACTOR, step, run, addresses, strides, size), 1, like)[0]
        for i in range(rows):
            if not 0 <= numbers[i] < line[INNER]:
                return False
            if i + AHEAD < rows:
                for place in range(0, width * each, CACHE_LINE):
                    prefetch(a + numbers[i + AHEAD] * width * each + place)
            y = row_of(out + i * line[OUT + ROW] * size, columns, like)
            if kernel == TAKE:
                copy(columns, row_of(a + numbers[i] * width * size, columns, like), y, False)
            else:
                _scale(columns, scale, row_of(a + numbers[i] * width, columns, np.uint8(0)), y)
    return True


@njit
def _elements(
    line: Any, step: int, run: int, first: int, length: int, addresses: Any, strides: Any, size: int, like: Any
) -> None:
    """An elementwise instruction, or of each row the numbers from the first on."""
    out = _place(line, OUT, step, run, addresses, strides, size) + first * size
    a = _place(line, A, step, run, addresses, strides, size) + first * line[A + COLUMN] * size
    b = _place(line, B, step, run, addresses, strides, size) + first * line[B + COLUMN] * size
    for i in range(line[ROWS]):
        x = row_of(a + i * line[A + ROW] * size, length, like)
        z = row_of(b + i * line[B + ROW] * size, length, like)
        y = row_of(out + i * line[OUT + ROW] * size, length, like)
        one_by_one(line[KERNEL], length, x, line[A + COLUMN], z, line[B + COLUMN], y, a == out)


def execute(
    code: Any,
    addresses: Any,
    strides: Any,
    steps: int,
    gemm: int,
    unpacked: int,
    integer: Any,
    size: int,
    like: Any,
    threads: int,
    meeting: int,
    way: int,
    spent: Any,
) -> bool:
    """Carry one thread's share of a program out, step by step.

    Parameters
    ----------
    code : (instructions, WIDTH) of int64
    addresses, strides : (slots,) of int64
        Where the arguments, the outputs, the memory and the pool begin, and by how many bytes each goes on in a step.
    steps : int
    gemm : int
        The address of BLAS's product of row-major matrices.
    unpacked : int
        See `xpmlp.backend.blas.Product`.
    integer, like : numbers
        Of the types of its sizes and of its matrices.
    size : int
        Bytes of a number.
    threads : int
        That carry the program out together.  They wait for each other after every instruction.
    meeting : int
        Where they do: the address of a meeting, new.
    way : int
        See `meet`.
    spent : (instructions,) of int64
        To each the ticks are added that it took, with the wait for the others; none are, where it is empty.

    Returns
    -------
    done : bool
        False where a row was to be taken that is not there, by any thread; what was computed is of no use then.
    """
    expected = 0
    for step in range(steps):
        index = 0
        while index < len(code):
            line, together, start = code[index], 1, ticks() if len(spent) else 0
            if line[KERNEL] >= COPY:
                together, length = max(line[INNER], 1), line[COLUMNS]
                if together > 1:
                    length = BLOCK
                for first in range(0, line[COLUMNS] if line[RUNS] else 0, length):
                    count = min(length, line[COLUMNS] - first)
                    for member in range(index, index + together):
                        for run in range(line[RUNS]):
                            _elements(code[member], step, run, first, count, addresses, strides, size, like)
            else:
                for run in range(line[RUNS]):
                    if line[KERNEL] == PRODUCT:
                        _product(line, step, run, addresses, strides, gemm, unpacked, integer, size, like)
                    elif not _rows(line, step, run, addresses, strides, size, like):
                        report_fault(meeting)
            if threads > 1:
                expected += threads
                if not meet(meeting, expected, way):
                    return False
            if len(spent):
                spent[index] += ticks() - start
            index += together
    return bool(is_faultless(meeting))


_one_at_a_time = threading.Lock()
if hasattr(os, "register_at_fork"):  # the child has none of the threads, and so nobody to release it
    os.register_at_fork(
        before=_one_at_a_time.acquire, after_in_parent=_one_at_a_time.release, after_in_child=_one_at_a_time.release
    )


def compiled(integer: type, real: type) -> Any:
    """`execute`, compiled for sizes and numbers of these types of NumPy's; threads that ask meanwhile wait."""
    with _one_at_a_time:
        return _compiled(integer, real)


@functools.cache
def _compiled(integer: type, real: type) -> Any:
    nothing: tuple[Any, ...] = np.empty((0, WIDTH), np.int64), *np.empty((2, 0), np.int64)
    meeting = np.zeros(NUMBERS, np.int64)
    arguments = (*nothing, 0, 0, 0, integer(0), 0, real(0), 1, address(meeting), 0, np.empty(0, np.int64))
    kept, alone = _ways(_name(real))
    with contextlib.suppress(Exception):  # there is no place to keep it, or what was kept there is damaged
        found = kept()
        found(*arguments)
        return found
    found = alone()
    found(*arguments)
    return found


def is_kept(real: type) -> bool:
    """Whether what `compiled` gives for numbers of this type of NumPy's is on disk, compiled before."""
    name = _name(real)
    with contextlib.suppress(RuntimeError):  # Numba finds no place that it could keep anything in
        folder = njit(cache=True)(_named(name)).stats.cache_path
        return any(Path(folder).glob(f"*.{name}-*.nbi"))
    return False


def _name(real: type) -> str:
    return f"execute_{real.__name__}_{_digest()}"


def _ways(name: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """To compile `execute`: kept on disk, or in this process alone.

    It has a name for each type: Numba numbers the files of one function, and two processes that begin to keep it for
    different types at once would give both the same number.
    """
    function = _named(name)
    options = {"nogil": True, "error_model": "numpy"}
    return lambda: njit(cache=True, **options)(function), lambda: njit(**options)(function)


def _named(name: str) -> FunctionType:
    function = FunctionType(execute.__code__, execute.__globals__, name)
    function.__qualname__, function.__module__ = name, execute.__module__
    return function


@functools.cache
def _digest() -> str:
    """Of all that is compiled: Numba itself looks at the file of `execute` alone to see whether it has changed."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
