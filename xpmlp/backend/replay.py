"""Steps of a fold recorded once on a GPU, and replayed: what a CUDA graph is for.

A small step on a GPU is bound by the host, which launches its kernels one by one and takes some microseconds for each.
A recording of many steps is launched as one.  It knows arrays by their addresses, so that it works on its own: what
a fold brings is copied into them, and what it is to have is copied back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Array

if TYPE_CHECKING:
    from xpmlp.backend.base import Backend, Step

STEPS = 20
"""Steps in a recording: enough that launching it and copying batches into it costs next to nothing."""

WORTH = 3
"""How many times as many steps as a recording has must be ahead before it is made, which takes about as long as so
many steps would without it."""

KEPT = 4
"""Recordings that a session keeps: of a training's steps, of those left over, and where runs have left a stack."""

OWNED_BYTES = 1_000_000
"""Constants up to this size are copied into a recording's own; larger ones, the data set, have to stay the same."""

Record = Callable[[Callable[[], None]], Callable[[], None]]
"""(body) -> launch: record what a function asks of the GPU, without doing it; ``launch`` does it."""


class Recording:
    """Some steps of a fold, over arrays of its own.

    Parameters
    ----------
    backend : Backend
    record : Record
    step : Step
    state : tree of arrays
    batches : tuple of (steps, ...)
        Of as many steps as are to be recorded.
    outputs : tuple of (steps, ...)
        As the steps give them.
    constants : tree of arrays and numbers
        The four are examples: only the numbers and large arrays of the constants have to be the same in each use.
    """

    def __init__(
        self,
        backend: Backend,
        record: Record,
        step: Step,
        state: Any,
        batches: tuple[Array, ...],
        outputs: tuple[Array, ...],
        constants: Any,
    ) -> None:
        self._backend = backend
        self._state, self._batches, self._outputs = map(backend.copy, (state, batches, outputs))
        self._constants = map_leaves(lambda leaf: backend.copy(leaf) if _is_small(leaf) else leaf, constants)

        def body() -> None:
            after, results = backend.scan(step, self._state, self._batches, self._constants)
            _write(self._state, after)
            _write(self._outputs, results)

        self._launch = record(body)

    def fits(self, state: Any, constants: Any) -> bool:
        """Whether it can take them: arrays of the same shapes, the same numbers and the same large arrays."""
        return all(_alike(own, other) for own, other in _pairs(self._state, state)) and all(
            _replaceable(own, other) for own, other in _pairs(self._constants, constants)
        )

    def begin(self, state: Any, constants: Any) -> None:
        """Take them for the replays that follow."""
        _write(self._state, state)
        _write(self._constants, constants)

    def replay(self, batches: tuple[Array, ...]) -> tuple[Array, ...]:
        """Train on these batches: the steps' outputs."""
        _write(self._batches, batches)
        self._launch()
        outputs: tuple[Array, ...] = self._backend.copy(self._outputs)
        return outputs

    def end(self) -> Any:
        """What the state has become."""
        return self._backend.copy(self._state)


def _values(tree: Any) -> list[Any]:
    return [leaf for _, leaf in leaves(tree)]


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "nbytes")


def _is_small(leaf: Any) -> bool:
    return _is_array(leaf) and leaf.nbytes <= OWNED_BYTES


def _pairs(own: Any, others: Any) -> Iterator[tuple[Any, Any]]:
    """The leaves of the first tree, each with the second's of the same name; ``None`` where it has none."""
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


def _write(targets: Any, values: Any) -> None:
    for target, value in zip(_values(targets), _values(values), strict=True):
        if target is not value and _is_array(target):
            target[...] = value


class Recordings:
    """The recordings of a backend's session, made where so many steps are ahead that it pays.

    Parameters
    ----------
    backend : Backend
    record : Record
    """

    def __init__(self, backend: Backend, record: Record) -> None:
        self._backend, self._record = backend, record
        self._made: dict[Any, Recording] = {}

    def clear(self) -> None:
        """Forget them, with the arrays that they hold."""
        self._made.clear()

    def scan(
        self, step: Step, state: Any, batches: tuple[Array, ...], constants: Any, length: int, ahead: int
    ) -> tuple[Any, tuple[Array, ...]]:
        """As the backend's own `scan`, replaying ``length`` steps at a time, and those left over one by one.

        Parameters
        ----------
        step, state, batches, constants
            As in `Backend.scan`.
        length : int
        ahead : int
            Steps that the fold has ahead, those of ``batches`` included.
        """
        total, parts, first = batches[0].shape[0], [], 0

        def cut(count: int) -> tuple[Array, ...]:
            return tuple(series[first : first + count, ...] for series in batches)

        for size in sorted({length, 1}, reverse=True):
            if total - first < size:
                continue
            key = step, size, tuple(series.shape[1:] for series in batches)
            recording = self._made.get(key)
            if recording is None or not recording.fits(state, constants):
                if ahead - first < WORTH * size:
                    continue
                self._made.pop(key, None)  # with the arrays that it holds
                # one after another at first: what has to be compiled is compiled then, which no recording can do
                state, outputs = self._backend.scan(step, state, cut(size), constants)
                recording = Recording(self._backend, self._record, step, state, cut(size), outputs, constants)
                self._keep(key, recording)
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
        return state, tuple(self._backend.xp.concat(series) for series in zip(*parts, strict=True))

    def _keep(self, key: Any, recording: Recording) -> None:
        self._made[key] = recording
        while len(self._made) > KEPT:
            self._made.pop(next(iter(self._made)))
