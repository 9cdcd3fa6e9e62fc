"""Folds: a training step with work done for many steps at once, and how far ahead of its steps that is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from xpmlp._typing import Array

Step = Callable[[Any, Any, Any], tuple[Any, tuple[Array, ...]]]
"""(state, batch, constants) -> (state, outputs): one step of a fold."""

GPU_AHEAD_BYTES = 128_000_000
"""Bytes of batches prepared ahead on a GPU: enough that preparing them costs next to no launches."""


class Fold(NamedTuple):
    """A step, with work done for many steps at once before and after it.

    Attributes
    ----------
    prepare : (batches, constants) -> prepared
        From a tuple to a tree of arrays with a common first axis, one entry a step; each step's result is the same as
        if prepared alone.
    step : Step
        Takes one step's entry of the prepared arrays.
    conclude : (batches, outputs, constants) -> results
        Computes the results to keep from the outputs of many steps and from their batches before `prepare`: tuples of
        arrays with the same first axis.
    steps_per_call : int
        Number of training steps in one step of this fold; if more than one, its batches have one more axis, after the
        first.
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
        Target memory of the prepared batches: on a CPU, the space in its cache beside the weights.
    rows_in_step : bool
        Whether a step gathers its rows from the data itself, so that features are not prepared ahead.
    most_delayed : int
        Largest batch size at which delaying the first layer's updates pays; see `xpmlp.training.delayed`.
    """

    bytes: int = 400_000
    rows_in_step: bool = False
    most_delayed: int = 25
