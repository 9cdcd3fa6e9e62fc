"""A training step with what can be done for many steps at once, and how far ahead of its steps that is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from xpmlp._typing import Array

Step = Callable[[Any, Any, Any], tuple[Any, tuple[Array, ...]]]
"""(state, batch, constants) -> (state, outputs): one step of a fold."""

GPU_AHEAD_BYTES = 128_000_000
"""Bytes of batches that are prepared ahead on a GPU: enough that preparing them costs next to no launches."""


class Fold(NamedTuple):
    """A step with what can be done for many steps at once, before and after it.

    Attributes
    ----------
    prepare : (batches, constants) -> prepared
        From a tuple to a tree of arrays with a common first axis, one entry a step; does to each step what it would do
        to it alone.
    step : Step
        Gets one step of what is prepared.
    conclude : (batches, outputs, constants) -> results
        Makes of the outputs of many steps, and of their batches as they were before `prepare`, what is kept of them:
        tuples of arrays with the same first axis.
    steps_per_call : int
        How many steps of a training one of this fold takes: its batches have one more axis, after the first, if
        that is more than one.
    """

    prepare: Callable[[tuple[Array, ...], Any], Any]
    step: Step
    conclude: Callable[[tuple[Array, ...], tuple[Array, ...], Any], tuple[Array, ...]]
    steps_per_call: int = 1


class Prefetch(NamedTuple):
    """The preparation of batches ahead of their steps.

    Attributes
    ----------
    bytes : int
        The memory that they should take: on a CPU what its cache holds beside the weights.
    rows_in_step : bool
        Whether a step takes its rows from the data itself, so that its features are not prepared ahead of it.
    most_delayed : int
        Up to which batch size it pays to delay the first layer's updates; see `xpmlp.training.delayed`.
    """

    bytes: int = 400_000
    rows_in_step: bool = False
    most_delayed: int = 25
