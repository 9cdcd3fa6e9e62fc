"""Programs run by several threads: the same numbers, and no thread left waiting, even if one of them fails."""

from __future__ import annotations

import math
import platform
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backend.compiled_steps import compiled, in_float64, needs_numba
from tests.helpers import relative_difference
from xpmlp.backend import blas, resolve
from xpmlp.backend.base import Backend as Plain

pytest.importorskip("numba", reason=needs_numba)


from xpmlp.backend.compiled import contention, division, loop
from xpmlp.backend.compiled.instructions import Buffer, Instruction, Operand
from xpmlp.backend.compiled.loop import FIGURES

FEATURES, UNITS = 300, 200
"""Large enough for the weights' products to be divided, and not all that is small beside them."""


def layer_step(state: Any, batch: Any, _: Any) -> Any:
    """Do as most steps do: products either way, an update, a sum, rows that are taken, elementwise functions."""
    weights, biases = state
    x, rows, table = batch
    z = np.tanh(x @ weights + biases)
    delta = (z - np.take(table, rows, axis=-2)) * (1.0 - z * z)
    back = delta @ weights.mT
    return (weights - 0.01 * (x.mT @ delta), biases - 0.01 * np.sum(delta, axis=-2, keepdims=True)), (z + 0.0, back)


def layer(rng: np.random.Generator, batch: int, steps: int = 3) -> tuple[Any, Any]:
    state = rng.normal(scale=0.1, size=(FEATURES, UNITS)), rng.normal(size=(1, UNITS))
    x, table = rng.normal(size=(steps, batch, FEATURES)), rng.normal(size=(steps, 7, UNITS))
    return state, (x, rng.integers(0, 7, size=(steps, batch)), table)


def copied(arrays: Any) -> Any:
    return tuple(array.copy() for array in arrays)


@in_float64
@pytest.mark.parametrize("threads", [2, 3, 4])
@pytest.mark.parametrize("batch", [1, 4, 31, 32, 300])
def test_several_threads_compute_what_one_does(
    batch: int, threads: int, backend: Any, rng: np.random.Generator
) -> None:
    state, batches = layer(rng, batch)
    expected = Plain.scan(backend, layer_step, copied(state), batches, None)
    first, second = (compiled(backend, layer_step, copied(state), batches, threads=threads) for _ in range(2))
    for one, again, wanted in zip(_flat(first), _flat(second), _flat(expected), strict=True):
        assert relative_difference(one, wanted) < 1e-12
        np.testing.assert_array_equal(one, again)  # the same division, the same bits


class Mixed(contention.Contention):
    """Carries spans of all lengths out, alone and with helpers that may come late, or are dismissed at once."""

    rng = np.random.default_rng(0)

    def next_span(self, step: int, steps: int) -> contention.Span:
        pace = np.zeros(FIGURES, np.int64)
        kind = self.rng.integers(4)
        if kind == 0:  # waits for the helpers, then dismisses them after a step
            pace[loop.ALLOWANCE], pace[loop.WAIT] = -(10**15), loop.NEVER
        elif kind == 1:
            pace[loop.ALLOWANCE] = loop.NEVER
        last = min(steps, step + 1 + int(self.rng.integers(9)))
        return contention.Span(step, last, self._helpers if kind < 3 else 0, pace, 0.0)

    def learn(self, span: contention.Span, reached: int) -> None:
        pass


def elementwise_step(state: Any, batch: Any, _: Any) -> Any:
    """A step of a single instruction, of whose barrier a leader can be a step ahead."""
    return (np.tanh(state[0] * batch[0]),), ()


@pytest.mark.slow
@in_float64
@pytest.mark.parametrize("threads", [2, pytest.param(3, marks=pytest.mark.slow(reason="threads that take turns"))])
@pytest.mark.parametrize("step", [layer_step, elementwise_step])
def test_the_bits_do_not_depend_on_who_carries_the_parts_out(
    step: Any, threads: int, backend: Any, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, batches = layer(rng, 32, steps=60)
    if step is elementwise_step:
        state, batches = (np.ones((400, 400)),), (np.full((60, 400, 400), 0.999),)
    expected = compiled(backend, step, copied(state), batches, threads=threads)
    scans = type(backend._scans)(backend.dtype_name, backend._scans._product)
    monkeypatch.setattr("xpmlp.backend.compiled.scan.Contention", Mixed)
    for _ in range(5):
        found = scans.scan(step, copied(state), batches, None, threads)
        for one, wanted in zip(_flat(found), _flat(expected), strict=True):
            np.testing.assert_array_equal(one, wanted)


@in_float64
@pytest.mark.parametrize("unpacked", [5_000, 200_000])
@pytest.mark.parametrize("threads", [1, 2])
def test_products_in_pieces(
    threads: int, unpacked: int, backend: Any, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend._scans, "_product", backend._scans._product._replace(unpacked=unpacked))
    for batch in (3, 70):
        state, batches = layer(rng, batch)
        expected = Plain.scan(backend, layer_step, copied(state), batches, None)
        found = compiled(backend, layer_step, copied(state), batches, threads=threads)
        for one, wanted in zip(_flat(found), _flat(expected), strict=True):
            assert relative_difference(one, wanted) < 1e-12


@pytest.mark.parametrize(
    ("architecture", "interface", "expected"),
    [("SkylakeX", "openblas", 1_000_000), ("Zen", "openblas", 0), (None, "mkl", 0)],
)
def test_pieces_are_for_kernels_that_are_there(
    architecture: str | None, interface: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = SimpleNamespace(filepath="here", internal_api=interface)
    if architecture is not None:
        library.architecture = architecture
    monkeypatch.setattr(blas, "_controllers", lambda: [library])
    assert blas._unpacked("here") == expected


def _flat(result: Any) -> Iterator[Any]:
    for arrays in result:
        yield from arrays


sizes = st.integers(1, 70)
DOWN_ROWS, ALONG_ROWS = ["sum", "add_rows"], ["dot", "total", "largest"]
KERNELS = [*DOWN_ROWS, *ALONG_ROWS, "product", "softmax", "take", "take_bytes", "copy", "add", "sigmoid_backward"]


@given(st.sampled_from(KERNELS), st.tuples(st.integers(1, 5), sizes, sizes), st.integers(1, 9), st.booleans())
def test_every_number_is_the_share_of_one_thread(
    name: str, sizes: tuple[int, int, int], threads: int, added: bool
) -> None:
    runs, rows, columns = sizes
    operand = Operand(Buffer(runs * rows * columns), rows * columns, columns, 1)
    numbers = {"sum": (runs, 1, columns), "add_rows": (runs, 3, columns)}
    shape = numbers.get(name, (runs, rows, 1 if name in ALONG_ROWS else columns))
    out = Operand(Buffer(math.prod(shape)), math.prod(shape[1:]), 0 if name == "sum" else shape[2], 1)
    instruction = Instruction(name, sizes, out, (operand, operand), inner=3, added=added)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(division, "LEAST_WORK", 0)
        shares = division.divided(instruction, threads)
    assert len(shares) == threads
    times = np.zeros(math.prod(shape), int)
    for share in shares:
        if share.sizes[0]:
            assert share.sizes[1] == rows or name not in DOWN_ROWS
            assert share.sizes[2] == columns or name not in ALONG_ROWS
        for run in range(share.sizes[0]):
            for row in range(shape[1] if name in DOWN_ROWS else share.sizes[1]):
                begin = share.out.offset + run * share.out.run + row * share.out.row
                times[begin : begin + (1 if name in ALONG_ROWS else share.sizes[2])] += 1
    assert set(times) == {1}


def test_small_steps_have_one_thread_and_large_ones_no_more_than_pay() -> None:
    matrix = Operand(Buffer(1))

    def product(rows: int) -> list[Instruction]:
        return [Instruction("product", (1, rows, 300), matrix, (matrix, matrix), inner=784)]

    assert [division.threads_for(product(rows), 8) for rows in (1, 4, 8, 32, 1024)] == [1, 1, 2, 5, 8]
    assert division.threads_for([], 8) == 1
    assert division.threads_for([*product(8), *[Instruction("add", (1, 1, 1), matrix, (matrix, matrix))] * 99], 8) == 1


@in_float64
@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_out_of_range_is_an_error_of_all(threads: int, backend: Any, rng: np.random.Generator) -> None:
    state, (x, rows, table) = layer(rng, 32)
    for step, place in ((0, 0), (1, 31)):
        wrong = rows.copy()
        wrong[step, place] = 7
        with pytest.raises(IndexError, match="row index out of range"):
            compiled(backend, layer_step, copied(state), (x, wrong, table), threads=threads)
    compiled(backend, layer_step, copied(state), (x, rows, table), threads=threads)  # and goes on


@in_float64
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="programs may not read the clock there")
def test_the_time_of_each_instruction_is_kept_if_it_is_asked_for(backend: Any, rng: np.random.Generator) -> None:
    state, batches = layer(rng, 32)
    backend._scans.spent = {}
    try:
        compiled(backend, layer_step, copied(state), batches, threads=2)
        spent = backend._scans.spent
    finally:
        backend._scans.spent = None
    assert {"product, 32x300x200", "take, 32x200", "sum, 32x200"} <= spent.keys()
    assert min(spent.values()) >= 0.0


@in_float64
def test_leaders_at_the_same_time_compute_what_each_does_alone(backend: Any, rng: np.random.Generator) -> None:
    starts = [layer(rng, 32, steps=20) for _ in range(4)]
    expected = [compiled(backend, layer_step, copied(state), batches, threads=2) for state, batches in starts]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda one: backend._scans.scan(layer_step, copied(one[0]), one[1], None, 2), starts)
        for one, wanted in zip(found, expected, strict=True):
            for actual, expectation in zip(_flat(one), _flat(wanted), strict=True):
                np.testing.assert_array_equal(actual, expectation)


def test_products_are_held_to_one_thread_for_a_while() -> None:
    def now() -> list[int]:
        return [library.num_threads for library in blas._controllers()]

    threads, before = blas.Threads(), now()
    with threads.held_to_one():
        assert set(now()) == {1}
        with threads.held_to_one():
            pass
        assert set(now()) == {1}  # somebody still holds them
        assert [threads.number] == before
        threads.set(3)
        assert set(now()) == {1}
        assert threads.number == 3
    assert set(now()) == {3}
    threads.set(*before)
    assert now() == before


@in_float64
def test_each_thread_has_a_session_of_its_own(backend: Any) -> None:
    ours, theirs = threading.Barrier(2, timeout=60), threading.Barrier(2, timeout=60)

    def other() -> int:
        with backend.session(64):
            ours.wait()
            theirs.wait()  # meanwhile the first session ends
            return int(backend.threads_in_use())

    outside = backend.threads_in_use()
    with ThreadPoolExecutor(1) as pool:
        with backend.session(64):
            inside = backend.threads_in_use()
            found = pool.submit(other)
            ours.wait()
        theirs.wait()
        assert found.result() == inside
    assert backend.threads_in_use() == outside


def test_a_training_with_other_threads_is_the_same_to_rounding(rng: np.random.Generator) -> None:
    state, batches = layer(rng, 64)
    state, batches = tuple(map(np.float32, state)), (np.float32(batches[0]), batches[1], np.float32(batches[2]))
    results = []
    for threads in (1, 2):
        backend = resolve("numpy", threads=threads).backend
        with backend.session(64):
            assert backend.threads_in_use() == threads
            results.append(backend.scan(layer_step, copied(state), batches, None))
    for one, other in zip(_flat(results[0]), _flat(results[1]), strict=True):
        assert relative_difference(one, other) < 1e-4
