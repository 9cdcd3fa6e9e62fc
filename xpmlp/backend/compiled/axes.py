"""Arrays of any number of axes as matrices of runs, the only form that kernels take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xpmlp.backend.compiled.instructions import Operand, Shape, Sizes


def matrices(shape: Shape, operands: Sequence[tuple[Operand, Shape]]) -> Iterator[tuple[Sizes, list[Operand]]]:
    """Split an elementwise computation into ones on three axes; yields ((runs, rows, columns), operands) of each.

    Axes are joined if all operands allow it.  If more than three remain, there is one computation for each index of the
    first.

    Parameters
    ----------
    shape : tuple of int
    operands : sequence of (Operand, strides)
        Strides in elements, one for each axis of ``shape``; 0 repeats an element.
    """
    axes = [(size, *(strides[axis] if size > 1 else 0 for _, strides in operands)) for axis, size in enumerate(shape)]
    if len(axes) > 1 and axes[-1][0] == 1 and max(axes[-2][1:]) == 1:
        axes.pop()  # a contiguous column is treated as one row
    if len(axes) > 3:
        axes = _joined([axis for axis in axes[:-1] if axis[0] > 1] + axes[-1:], 3 if axes[0][0] > 1 else 2)
    yield from _unrolled(axes, [operand for operand, _ in operands])


def _joined(axes: list[Shape], wanted: int) -> list[Shape]:
    """Join neighbouring axes where the strides allow it, from the last on, until at most ``wanted`` remain."""
    axis = len(axes) - 2
    while axis >= 0 and len(axes) > wanted:
        (size, *strides), (inner, *within) = axes[axis], axes[axis + 1]
        if all(stride == inner * step for stride, step in zip(strides, within, strict=True)):
            axes[axis : axis + 2] = [(size * inner, *within)]
        axis -= 1
    return axes


def _unrolled(axes: Sequence[Shape], operands: Sequence[Operand]) -> Iterator[tuple[Sizes, list[Operand]]]:
    if len(axes) > 3:
        for index in range(axes[0][0]):
            moved = [
                operand._replace(offset=operand.offset + index * stride)
                for operand, stride in zip(operands, axes[0][1:], strict=True)
            ]
            yield from _unrolled(axes[1:], moved)
        return
    sizes, *strides = zip(*([(1,) + (0,) * len(operands)] * (3 - len(axes)) + list(axes)), strict=True)
    yield (
        sizes,
        [
            operand._replace(run=run, row=row, column=column)
            for operand, (run, row, column) in zip(operands, strides, strict=True)
        ],
    )
