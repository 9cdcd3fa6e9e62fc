"""Whole compiled programs: the operations of a step run in its order, on reused memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.backend.compiled_steps import STEPS, applied, compiled, in_float64, needs_numba
from tests.helpers import relative_difference
from xpmlp.backend import resolve
from xpmlp.backend.base import Backend as Plain

pytest.importorskip("numba", reason=needs_numba)

from xpmlp.backend.compiled import division

SHAPES_OF_PROGRAMS = [(4, 4), (3, 4, 4), (40, 40), (2, 40, 40)]
"""Alone and stacked; so large that elementwise instructions go on together, block by block."""

OPERATIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "add": (2, lambda x, y: x + y),
    "subtract in place": (2, lambda x, y: x.__isub__(y)),
    "multiply by a number": (1, lambda x: 0.5 * x),
    "halve in place": (1, lambda x: x.__imul__(0.5)),
    "bound": (1, lambda x: np.tanh(x)),
    "bound in place": (1, lambda x: np.tanh(x, out=x)),
    "product": (2, lambda x, y: x @ y),
    "product with the transpose": (2, lambda x, y: x @ y.mT),
    "product of the transpose": (2, lambda x, y: x.mT @ y),
    "sum": (2, lambda x, y: x - np.sum(y, axis=-2, keepdims=True)),
    "a scalar": (2, lambda x, y: x + np.sum(np.sum(y, axis=-2, keepdims=True).mT, axis=-2, keepdims=True)),
    "positive": (1, lambda x: np.maximum(x, np.zeros_like(x))),
}

operations = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=25
)


def step_of(lines: Sequence[tuple[str, int, int]], put_out: int) -> Callable[..., Any]:
    """A step that carries operations out, each on two of the arrays that there are so far."""

    def step(state: Any, batch: Any, _: Any) -> Any:
        arrays = [*state, *batch]
        for name, first, second in lines:
            count, function = OPERATIONS[name]
            operands = [arrays[number % len(arrays)] for number in (first, second)][:count]
            arrays.append(function(*operands))
        # fresh ones: two parts of the state may not be one array
        return tuple(0.1 * np.tanh(array) for array in arrays[-2:]), (arrays[-1] + 0, arrays[put_out % len(arrays)] + 0)

    return step


@settings(max_examples=200)
@given(
    operations,
    st.integers(0, 99),
    st.sampled_from(SHAPES_OF_PROGRAMS),
    st.sampled_from(["float32", "float64"]),
    st.integers(1, 3),
)
@pytest.mark.slow
def test_any_program_is_what_its_step_says(
    lines: list[tuple[str, int, int]], put_out: int, shape: tuple[int, ...], dtype: str, threads: int
) -> None:
    backend: Any = resolve("numpy", dtype=dtype).backend
    rng = np.random.default_rng(len(lines))
    state = tuple(rng.normal(scale=0.3, size=(2, *shape)).astype(dtype))
    batches = tuple(rng.normal(scale=0.3, size=(2, STEPS, *shape)).astype(dtype))
    step = step_of(lines, put_out)

    def as_written(kind: str) -> list[Any]:
        arrays = (tuple(array.astype(kind) for array in series) for series in (state, batches))
        after, outputs = Plain.scan(backend, step, *arrays, None)
        return [*after, *outputs]

    expected = as_written(dtype)
    # what is left of numbers that are taken off each other may be their rounding alone, which nothing can be held to
    assume(
        all(
            relative_difference(*pair) < 1e-3 for pair in zip(as_written("float32"), as_written("float64"), strict=True)
        )
    )
    with pytest.MonkeyPatch.context() as patch:  # so that all is divided
        patch.setattr(division, "LEAST_WORK", 0)
        patch.setattr(division, "LEAST_STEP", 1)
        patch.setattr(division, "LEAST_TERMS", 1)
        actual = compiled(backend, step, state, batches, threads=threads)
    for one, other in zip((*actual[0], *actual[1]), expected, strict=True):
        assert one.shape == other.shape
        assert relative_difference(one, other) < (1e-2 if dtype == "float32" else 1e-9)


@in_float64
@pytest.mark.parametrize("shape", [(2, 3, 1100), (3, 1100), (1, 1100)], ids=str)
def test_long_rows_that_are_broadcast_are_not_taken_together(
    shape: tuple[int, ...], backend: Any, rng: np.random.Generator
) -> None:
    def step(x: Any, row: Any, number: Any) -> Any:
        y = (x + row) * row
        y -= row
        y *= 0.5
        y /= number
        return y

    x, row, number = (rng.uniform(1, 2, size=one) for one in (shape, (*shape[:-2], 1, 1100), (1, 1)))
    np.testing.assert_allclose(applied(backend, step, x, row, number), ((x + row) * row - row) * 0.5 / number)


@in_float64
def test_the_state_is_written_over_and_given_back(backend: Any) -> None:
    state = {"one": np.ones((2, 2)), "two": np.zeros((1, 2))}

    def step(state: Any, batch: Any, _: Any) -> Any:
        one, two = state
        one *= batch[0]
        return [one, two + 1.0], (one,)

    after, (outputs,) = compiled(backend, step, [state["one"], state["two"]], (np.full((STEPS, 2, 2), 2.0),))
    assert after[0] is state["one"]
    assert after[1] is state["two"]
    np.testing.assert_array_equal(after[0], np.full((2, 2), 2.0**STEPS))
    np.testing.assert_array_equal(after[1], [[STEPS, STEPS]])
    np.testing.assert_array_equal(outputs[:, 0, 0], 2.0 ** np.arange(1, STEPS + 1))


@in_float64
def test_an_output_is_kept_before_its_place_is_written_over(backend: Any) -> None:
    def step(state: Any, batch: Any, _: Any) -> Any:
        return (state[0] + batch[0],), (state[0],)

    _, (before,) = compiled(backend, step, (np.zeros(2),), (np.ones((STEPS, 2)),))
    np.testing.assert_array_equal(before[:, 0], [0.0, 1.0, 2.0])
