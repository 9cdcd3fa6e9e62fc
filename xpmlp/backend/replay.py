"""Recorded steps of a fold, replayed on a GPU: the use of CUDA graphs.

A small step on a GPU is bound by the host, which launches its kernels one by one and takes some microseconds for each.
A recording of many steps is launched as one.  It refers to arrays by address, so it has arrays of its own: a fold's
inputs are copied into them, and its results are copied back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from xpmlp._tree import leaves, map_leaves, values
from xpmlp._typing import Array, Namespace
from xpmlp.backend.fold import Step

STEPS = 20
"""Number of steps in a recording: enough that launching it and copying batches into it costs next to nothing."""

WORTH = 3
"""A recording is made if a fold's past and remaining steps are together at least this many times its length, and at
least twice its length remain: making it takes as long as its steps do one after another.
"""

OWNED_BYTES = 1_000_000
"""Maximum bytes of constants copied into a recording; larger ones, such as the data set, have to stay the same."""

Record = Callable[[Callable[[], None]], Callable[[], None]]
"""(body) -> launch: record the GPU work of a function without doing it; ``launch`` does it."""


class Scanning(Protocol):
    """The part of a backend that recordings need; see `xpmlp.backend.base.Backend`."""

    xp: Namespace

    def copy(self, tree: Any) -> Any:
        """Copy every array of a tree, on the same device."""

    def scan(self, step: Step, state: Any, batches: Any, constants: Any) -> tuple[Any, tuple[Array, ...]]:
        """Fold a step over batches."""


class Recording:
    """Recorded steps of a fold, over arrays of its own.

    Parameters
    ----------
    backend : Scanning
    record : Record
    step : Step
    state : tree of arrays
    batches : tree of (steps, ...)
        One entry for each step to record.
    outputs : tuple of (steps, ...)
        The steps' outputs.
    constants : tree of arrays and numbers
        The four are examples: only the numbers and large arrays of the constants have to be the same in each use.

    Attributes
    ----------
    steps : int
    launch : () -> None
        The function returned by ``record``.
    """

    def __init__(
        self,
        backend: Scanning,
        record: Record,
        step: Step,
        state: Any,
        batches: Any,
        outputs: tuple[Array, ...],
        constants: Any,
    ) -> None:
        self.steps = _steps(batches)
        self._backend = backend
        self._state, self._batches, self._outputs = map(backend.copy, (state, batches, outputs))
        self._constants = map_leaves(lambda leaf: backend.copy(leaf) if _is_small(leaf) else leaf, constants)

        def body() -> None:
            after, results = backend.scan(step, self._state, self._batches, self._constants)
            _write(self._state, after)
            _write(self._outputs, results)

        self.launch = record(body)

    def fits(self, state: Any, batches: Any, constants: Any) -> bool:
        """Check whether arguments fit: arrays of the same shapes but for the number of steps, and the same constants.

        Constants are the same if their numbers and large arrays are.
        """
        return (
            all(own.shape[1:] == other.shape[1:] for own, other in _pairs(self._batches, batches))
            and all(_alike(own, other) for own, other in _pairs(self._state, state))
            and all(_replaceable(own, other) for own, other in _pairs(self._constants, constants))
        )

    def begin(self, state: Any, constants: Any) -> None:
        """Load a state and constants that fit, for the following replays."""
        _write(self._state, state)
        _write(self._constants, constants)

    def replay(self, batches: Any) -> tuple[Array, ...]:
        """Go through as many batches as it has steps, (steps, ...) each; returns the steps' outputs, (steps, ...)."""
        _write(self._batches, batches)
        self.launch()
        outputs: tuple[Array, ...] = self._backend.copy(self._outputs)
        return outputs

    def end(self) -> Any:
        """Return the final state, in fresh arrays."""
        return self._backend.copy(self._state)


def _steps(batches: Any) -> int:
    """Return the length of the batches' first axis."""
    return int(values(batches)[0].shape[0])


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "nbytes")


def _is_small(leaf: Any) -> bool:
    return _is_array(leaf) and leaf.nbytes <= OWNED_BYTES


def _pairs(own: Any, others: Any) -> Iterator[tuple[Any, Any]]:
    """Pair the leaves of two trees by name, with ``None`` for a missing one."""
    by_name, by_name_too = dict(leaves(own)), dict(leaves(others))
    return ((by_name.get(name), by_name_too.get(name)) for name in by_name | by_name_too)


def _alike(own: Any, other: Any) -> bool:
    return _is_array(own) and _is_array(other) and (own.shape, own.dtype) == (other.shape, other.dtype)


def _replaceable(own: Any, other: Any) -> bool:
    if own is other:
        return True
    if _is_array(own) or _is_array(other):
        return _is_small(own) and _alike(own, other)
    return bool(own == other)


def _write(targets: Any, sources: Any) -> None:
    for target, value in zip(values(targets), values(sources), strict=True):
        if target is not value and _is_array(target):
            target[...] = value


class Recordings:
    """Recordings of a thread's session: for each fold the last one of many steps, and of single steps.

    Threads that share a backend have separate recordings, since each would write to the other's.

    Parameters
    ----------
    backend : Scanning
    record : Record
    """

    def __init__(self, backend: Scanning, record: Record) -> None:
        self._backend, self._record = backend, record
        self._thread = threading.local()

    @property
    def made(self) -> dict[tuple[Step, int], Recording]:
        """The recordings of the calling thread, by step and number of steps."""
        found: dict[tuple[Step, int], Recording] = self._thread.__dict__.setdefault("made", {})
        return found

    @property
    def _seen(self) -> dict[tuple[Step, int], int]:
        """Number of steps that the calling thread has gone through, by step and length of a recording."""
        found: dict[tuple[Step, int], int] = self._thread.__dict__.setdefault("seen", {})
        return found

    def clear(self) -> None:
        """Forget the calling thread's recordings, with their arrays."""
        self.made.clear()
        self._seen.clear()

    def scan(
        self, step: Step, state: Any, batches: Any, constants: Any, length: int, left: int
    ) -> tuple[Any, tuple[Array, ...]]:
        """Fold as the backend's `scan` does, replaying ``length`` steps at a time and the remaining ones one by one.

        Parameters
        ----------
        step, state, batches, constants
            As in `Backend.scan`.
        length : int
            At least 1.
        left : int
            Remaining steps of the fold, those of ``batches`` included.

        Returns
        -------
        state : tree of arrays
        outputs : tuple of (steps, ...)
        """
        total, parts, first = _steps(batches), [], 0

        def cut(count: int) -> Any:
            return map_leaves(lambda series: series[first : first + count, ...], batches)

        for size in sorted({length, 1}, reverse=True):
            if total - first < size:
                continue
            recording = self.made.get((step, size))
            if recording is None or not recording.fits(state, batches, constants):
                ahead = left - first
                if ahead < 2 * size or self._seen.get((step, size), 0) + ahead < WORTH * size:
                    continue
                self.made.pop((step, size), None)  # with the arrays that it holds
                # without a recording first, to compile the kernels, which cannot be done while recording
                state, outputs = self._backend.scan(step, state, cut(size), constants)
                recording = Recording(self._backend, self._record, step, state, cut(size), outputs, constants)
                self.made[step, size] = recording
                parts.append(outputs)
                first += size
            recording.begin(state, constants)
            while total - first >= size:
                parts.append(recording.replay(cut(size)))
                first += size
            state = recording.end()
        if first < total:
            state, outputs = self._backend.scan(step, state, cut(total - first), constants)
            parts.append(outputs)
        for size, steps in ((length, total), (1, total % length)):
            self._seen[step, size] = self._seen.get((step, size), 0) + steps
        return state, tuple(self._backend.xp.concat(series) for series in zip(*parts, strict=True))
