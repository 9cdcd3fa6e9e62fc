"""Operations that compiled code needs and Numba lacks: addresses, C functions, casts of constants, shared numbers."""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from xpmlp.backend.compiled import layout
from xpmlp.backend.compiled.layout import Slots


@intrinsic
def pointer(context: Any, address: Any, like: Any) -> Any:
    """(address, like) -> pointer to numbers of the type of ``like``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(like)(address, like), generate


@intrinsic
def call(context: Any, function: Any, arguments: Any) -> Any:
    """(address, tuple) -> none: call a C function that returns nothing."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        unpacked = cgutils.unpack_tuple(builder, values[1])
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in unpacked])
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), unpacked)
        return context.get_dummy_value()

    return types.none(function, arguments), generate


@njit
def row_of(address: int, length: int, like: Any) -> Any:
    """Return the numbers from an address on, as an array."""
    return carray(pointer(address, like), length)


@njit
def operand_address(line: Any, at: int, step: int, run: int, slots: Slots) -> Any:
    """Return the address of an instruction's result, operand or factor in a step and run.

    Parameters
    ----------
    line : (WIDTH,) of int64
        The instruction, in the form of `layout`.
    at : int
        Which of its operands: ``OUT``, ``A``, ``B`` or ``FACTOR``.
    step, run : int
    slots : Slots
    """
    slot = line[at + layout.SLOT]
    begin, stride = row_of(slots.addresses + 8 * slot, 1, slot)[0], row_of(slots.strides + 8 * slot, 1, slot)[0]
    return begin + step * stride + line[at + layout.OFFSET] + run * line[at + layout.RUN] * slots.size


@intrinsic
def to(context: Any, number: Any, like: Any) -> Any:
    """(number, like) -> the number in the type of ``like``: a literal, a double, would turn its loop into doubles."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.cast(builder, arguments[0], number, like)

    return like(number, like), generate


@intrinsic
def two_to(context: Any, exponent: Any) -> Any:
    """(exponent, a whole real within the range of its type) -> 2 to that power, built from its bits."""
    integer, bias, mantissa = {32: (ir.IntType(32), 127, 23), 64: (ir.IntType(64), 1023, 52)}[exponent.bitwidth]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        biased = builder.add(builder.fptosi(arguments[0], integer), integer(bias))
        return builder.bitcast(builder.shl(biased, integer(mantissa)), context.get_value_type(signature.return_type))

    return exponent(exponent), generate


_LEAST_MANTISSA, _ONE, _MANTISSA = 0x3FE6A09E00000000, 0x3FF0000000000000, 0x000FFFFFFFFFFFFF
"""The bits of sqrt(1/2) and of 1 as float64, and those of a mantissa."""


@intrinsic
def exponent_of(context: Any, x: Any) -> Any:
    """(x, a positive normal float64) -> ``k`` of ``x = 2^k m``, with ``m`` from sqrt(1/2) to sqrt(2), as float64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole, narrow = ir.IntType(64), ir.IntType(32)
        bits = builder.add(builder.bitcast(arguments[0], whole), whole(_ONE - _LEAST_MANTISSA))
        biased = builder.trunc(builder.lshr(bits, whole(52)), narrow)  # processors convert 32 bits side by side
        return builder.sitofp(builder.sub(biased, narrow(1023)), ir.DoubleType())

    return types.float64(types.float64), generate


@intrinsic
def mantissa_of(context: Any, x: Any) -> Any:
    """(x, a positive normal float64) -> ``m``, see `exponent_of`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = ir.IntType(64)
        bits = builder.add(builder.bitcast(arguments[0], whole), whole(_ONE - _LEAST_MANTISSA))
        return builder.bitcast(
            builder.add(builder.and_(bits, whole(_MANTISSA)), whole(_LEAST_MANTISSA)), ir.DoubleType()
        )

    return types.float64(types.float64), generate


@intrinsic
def prefetch(context: Any, address: Any) -> Any:
    """(address) -> none: prefetch the cache line at an address that is read soon."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        flag, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        builder.call(function, [builder.inttoptr(arguments[0], byte), flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.none(types.int64), generate


_PAUSES: dict[str, tuple[str, list[ir.Type]]] = {
    "x86_64": ("llvm.x86.sse2.pause", []),
    "amd64": ("llvm.x86.sse2.pause", []),
    "aarch64": ("llvm.aarch64.hint", [ir.IntType(32)]),
    "arm64": ("llvm.aarch64.hint", [ir.IntType(32)]),
}
"""Pause instruction for a waiting thread, by the kind of processor, with the types of its arguments."""


@intrinsic
def pause(context: Any) -> Any:
    """() -> none: let the other thread of this core go first, while this one polls a number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if platform.machine().lower() in _PAUSES:
            name, kinds = _PAUSES[platform.machine().lower()]
            function = builder.module.declare_intrinsic(name, (), ir.FunctionType(ir.VoidType(), kinds))
            builder.call(function, [kind(1) for kind in kinds])
        return context.get_dummy_value()

    return types.none(), generate


@intrinsic
def add_atomically(context: Any, address: Any, number: Any) -> Any:
    """(address, int64) -> the previous int64: add to a number that other threads add to as well."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", place, arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def read_atomically(context: Any, address: Any) -> Any:
    """(address) -> the current int64; all earlier writes of its writer are visible."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(types.int64), generate


@intrinsic
def write_atomically(context: Any, address: Any, number: Any) -> Any:
    """(address, int64) -> none: write a number after all earlier writes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        builder.store_atomic(arguments[1], place, "release", 8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), generate


@intrinsic
def yield_core(context: Any, function: Any) -> Any:
    """(address of the system's function for it, or 0) -> none: let another thread have this core."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        with builder.if_then(cgutils.is_not_null(builder, arguments[0])):
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [])
        return context.get_dummy_value()

    return types.none(types.int64), generate


@intrinsic
def ticks(context: Any) -> Any:
    """() -> int64 of the processor's clock, which runs at a constant pace; always 0 if a program may not read it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [])
        machine = platform.machine().lower()
        if machine in ("x86_64", "amd64"):
            return builder.call(builder.module.declare_intrinsic("llvm.readcyclecounter", (), kind), [])
        if machine in ("aarch64", "arm64"):
            return builder.asm(kind, "mrs $0, cntvct_el0", "=r", [], True)
        return ir.IntType(64)(0)

    return types.int64(), generate
