"""Where the result, the operands and the factor of an instruction lie: compiled."""

from __future__ import annotations

from typing import Any

from numba import njit

from xpmlp.backend.compiled.layout import OFFSET, RUN, SLOT


@njit
def place_of(line: Any, at: int, step: int, run: int, addresses: Any, strides: Any, size: int) -> Any:
    """The address of the result, of an operand or of the factor: where its slot begins in this step, and its matrix.

    Parameters
    ----------
    line : (WIDTH,) of int64
        The instruction, as `layout` has it.
    at : int
        Which of its operands: ``OUT``, ``A``, ``B`` or ``FACTOR``.
    step, run : int
    addresses, strides : (slots,) of int64
        See `xpmlp.backend.compiled.loop.execute`, as ``size``.
    size : int
    """
    slot = line[at + SLOT]
    return addresses[slot] + step * strides[slot] + line[at + OFFSET] + run * line[at + RUN] * size
