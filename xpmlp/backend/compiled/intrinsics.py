"""What compiled code needs and Numba has not: numbers at an address, C functions at one, and casts of constants."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic


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
    """The numbers from an address on, as an array."""
    return carray(pointer(address, like), length)


@intrinsic
def to(context: Any, number: Any, like: Any) -> Any:
    """(number, like) -> the number in the type of ``like``: a literal is a double, and would make one of its loop."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.cast(builder, arguments[0], number, like)

    return like(number, like), generate


@intrinsic
def two_to(context: Any, exponent: Any) -> Any:
    """(exponent, a whole real within the range of its type) -> 2 to it, by its bits."""
    integer, bias, mantissa = {32: (ir.IntType(32), 127, 23), 64: (ir.IntType(64), 1023, 52)}[exponent.bitwidth]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        biased = builder.add(builder.fptosi(arguments[0], integer), integer(bias))
        return builder.bitcast(builder.shl(biased, integer(mantissa)), context.get_value_type(signature.return_type))

    return exponent(exponent), generate
