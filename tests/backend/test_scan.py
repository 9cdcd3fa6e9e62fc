"""The fold on every backend: equal to a plain Python loop, for any tree of state."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tests.helpers import assert_close, assert_lives_on, tolerance
from xpmlp.backend import Backend

STEPS = 5


class State(NamedTuple):
    matrices: list[Any]
    total: Any
    nothing: None = None


class Constants(NamedTuple):
    table: Any
    factor: float


def step(state: State, batch: tuple[Any, Any], constants: Constants) -> tuple[State, tuple[Any, Any]]:
    """Not commutative, so that the order of the batches shows; it overwrites its state, as training does."""
    scale, shift = batch
    first, second = state.matrices
    first *= scale
    first += shift
    second = second @ constants.table + first
    total = state.total + constants.factor
    return State([first, second], total), (first[0, 0] + total, second)


RNG = np.random.default_rng(2)
MATRICES = [RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))]
TABLE = 0.5 * RNG.normal(size=(3, 3))
SCALES, SHIFTS = RNG.normal(size=STEPS), RNG.normal(size=(STEPS, 3))


def by_hand() -> tuple[Any, Any, float, list[float], list[Any]]:
    first, second, total, numbers, matrices = *MATRICES, 1.0, [], []
    for scale, shift in zip(SCALES, SHIFTS, strict=True):
        first = scale * first + shift
        second = second @ TABLE + first
        total += 0.25
        numbers.append(first[0, 0] + total)
        matrices.append(second)
    return first, second, total, numbers, matrices


def test_scan_is_a_loop(backend: Backend) -> None:
    first, second, total, numbers, matrices = by_hand()
    accuracy = tolerance(backend, 2e-6, 1e-13)
    state, outputs = scan(backend)
    assert isinstance(state, State)
    assert state.nothing is None
    assert_close(state.matrices[0], first, accuracy, backend)
    assert_close(state.matrices[1], second, accuracy, backend)
    assert_close(state.total, total, accuracy, backend)
    assert isinstance(outputs, tuple)
    assert_close(outputs[0], numbers, accuracy, backend)
    assert_close(outputs[1], matrices, accuracy, backend)


def test_two_segments_are_one(backend: Backend) -> None:
    whole, outputs = scan(backend)
    batches = on(backend)
    state, first = backend.scan(step, start(backend), tuple(b[:2, ...] for b in batches), constants(backend))
    state, second = backend.scan(step, state, tuple(b[2:, ...] for b in batches), constants(backend))
    for part, rest, all_of_it in zip(first, second, outputs, strict=True):
        assert_close(backend.xp.concat([part, rest]), backend.to_numpy(all_of_it), 0, backend)
    for actual, wanted in zip(state.matrices, whole.matrices, strict=True):
        assert_close(actual, backend.to_numpy(wanted), 0, backend)


def test_outputs_are_kept_when_the_state_moves_on(backend: Backend) -> None:
    # where arrays are mutable the step changes the same total again and again
    def add_in_place(total: Any, batch: tuple[Any], _: None) -> tuple[Any, tuple[Any]]:
        total += batch[0]
        return total, (total + 0,)

    batches = (backend.parameters(np.ones((STEPS, 2))),)
    total, (series,) = backend.scan(add_in_place, backend.parameters(np.zeros(2)), batches, None)
    assert_close(total, [STEPS, STEPS], 0, backend)
    assert_close(series, np.repeat(np.arange(1, STEPS + 1)[:, None], 2, axis=1), 0, backend)


def test_batches_are_left_alone(backend: Backend) -> None:
    batches = on(backend)
    backend.scan(step, start(backend), batches, constants(backend))
    for batch, expected in zip(batches, (SCALES, SHIFTS), strict=True):
        assert_close(batch, expected, tolerance(backend, 1e-7, 0), backend)


def test_integers_stay_integers(backend: Backend) -> None:
    rows = backend.asarray(np.arange(6).reshape(3, 2), backend.index_dtype)
    (state,), (series,) = backend.scan(
        lambda state, batch, table: ((state[0] + backend.xp.take(table, batch[0], axis=0),), (batch[0],)),
        (backend.parameters(np.zeros(2)),),
        (rows,),
        backend.parameters(np.arange(6) ** 2),
    )
    assert_close(state, [0 + 4 + 16, 1 + 9 + 25], 0, backend)
    assert_lives_on(series, backend)
    assert series.dtype == backend.index_dtype
    assert backend.to_numpy(series).tolist() == [[0, 1], [2, 3], [4, 5]]


def start(backend: Backend) -> State:
    return State(backend.parameters(MATRICES), backend.parameters(np.asarray(1.0)))


def on(backend: Backend) -> tuple[Any, Any]:
    return backend.asarray(SCALES, backend.dtype), backend.asarray(SHIFTS, backend.dtype)


def constants(backend: Backend) -> Constants:
    return Constants(backend.asarray(TABLE, backend.dtype), 0.25)


def scan(backend: Backend) -> tuple[State, tuple[Any, ...]]:
    return backend.scan(step, start(backend), on(backend), constants(backend))
