"""Division of an epoch into segments of steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy.typing as npt


class Segment(NamedTuple):
    """Part of an epoch, or of the examples to evaluate, for one fold: ``steps`` batches of ``batch`` examples.

    Attributes
    ----------
    start : int
        The position of its first example in the epoch's order.
    steps, batch : int
    """

    start: int
    steps: int
    batch: int

    @property
    def examples(self) -> int:
        """The number of examples visited."""
        return self.steps * self.batch

    @property
    def end(self) -> int:
        """The position after its last example."""
        return self.start + self.examples

    def cut(self, order: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return its part of an epoch's order (n,) as batches (steps, batch)."""
        return order[self.start : self.end].reshape(self.steps, self.batch)


def segments(examples: int, batch_size: int, longest: int | None = None, *, done: int = 0) -> list[Segment]:
    """Cut an epoch into segments: full batches first, then the shorter tail as a segment of its own.

    All segments of full batches but the last have ``longest`` steps, so that an epoch has at most three shapes, the
    same in every epoch: this bounds the number of compilations.

    Parameters
    ----------
    examples, batch_size : int
    longest : int, optional
        Maximum number of steps in a segment; no bound if not given.
    done : int
        Number of examples already visited in this epoch: only the rest is divided.
    """
    full = (examples - done) // batch_size
    length = longest or max(full, 1)
    result = [
        Segment(done + first * batch_size, min(length, full - first), batch_size) for first in range(0, full, length)
    ]
    tail = examples - done - full * batch_size
    if tail:
        result.append(Segment(examples - tail, 1, tail))
    return result
