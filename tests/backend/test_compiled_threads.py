"""Programs that several threads carry out: the same numbers, no thread left waiting, whatever happens to one."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
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

import numba

from xpmlp.backend.compiled import barrier, contention, division, team
from xpmlp.backend.compiled.instructions import Buffer, Instruction, Operand
from xpmlp.backend.compiled.loop import FIGURES
from xpmlp.backend.compiled.team import Team

FEATURES, UNITS = 300, 200
"""Large enough for the weights' products to be divided, and not all that is small beside them."""


def layer_step(state: Any, batch: Any, _: Any) -> Any:
    """What most steps consist of: products either way, an update, a sum, rows that are taken, elementwise functions."""
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
            pace[contention.ALLOWANCE], pace[contention.WAIT] = -(10**15), contention.NEVER
        elif kind == 1:
            pace[contention.ALLOWANCE] = contention.NEVER
        last = min(steps, step + 1 + int(self.rng.integers(9)))
        return contention.Span(step, last, self._helpers if kind < 3 else 0, pace, 0.0)

    def learn(self, span: contention.Span, reached: int) -> None:
        pass


def elementwise_step(state: Any, batch: Any, _: Any) -> Any:
    """A step of a single instruction, of whose barrier a leader can be a step ahead."""
    return (np.tanh(state[0] * batch[0]),), ()


@in_float64
@pytest.mark.parametrize("threads", [2, 3])
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
KERNELS = ["product", "sum", "dot", "softmax", "take", "take_bytes", "copy", "add", "sigmoid_backward"]


@given(st.sampled_from(KERNELS), st.tuples(st.integers(1, 5), sizes, sizes), st.integers(1, 9), st.booleans())
def test_every_number_is_the_share_of_one_thread(
    name: str, sizes: tuple[int, int, int], threads: int, added: bool
) -> None:
    runs, rows, columns = sizes
    out = Operand(Buffer(runs * rows * columns), rows * columns, columns, 1)
    operand = Operand(Buffer(runs * rows * columns), rows * columns, columns, 1)
    if name in ("sum", "dot"):
        out = out._replace(run=columns, row=0)
    instruction = Instruction(name, sizes, out, (operand, operand), inner=3, added=added)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(division, "LEAST_SHARE", 0)
        shares = division.divided(instruction, threads)
    assert len(shares) == threads
    if name == "dot":
        assert [share.sizes[0] for share in shares] == [runs, *[0] * (threads - 1)]
        return
    times = np.zeros(runs * rows * columns, int)
    for share in shares:
        for run in range(share.sizes[0]):
            for row in range(1 if name == "sum" else share.sizes[1]):
                begin = share.out.offset + run * share.out.run + row * share.out.row
                times[begin : begin + share.sizes[2]] += 1
    assert set(times[: runs * columns if name == "sum" else None]) == {1}


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


@numba.njit(nogil=True)
def _lead(at: int, helpers: int, yield_address: int) -> bool:
    """As `execute` does, for one step, to which the leader waits for its helpers."""
    barrier.await_presence(at, helpers, -1, yield_address)
    if not barrier.are_present(at, helpers):
        return False
    barrier.let_join(at, 0)
    return barrier.barrier_wait(at, helpers + 1, yield_address)


@numba.njit(nogil=True)
def _help(at: int, helpers: int, yield_address: int) -> int:
    """Returns the step that it was told to join at, or `NOT_NEEDED`; -2 if a worker failed."""
    told = barrier.await_joining(at, yield_address)
    if told >= 0 and not barrier.barrier_wait(at, helpers + 1, yield_address):
        return -2
    return told


def _works(number: int, helpers: int, at: int) -> int:
    """A program of one instruction, which all workers carry out; 1 if they did."""
    if number:
        return int(_help(at, helpers, team.yield_address()) == 0)
    return int(_lead(at, helpers, team.yield_address()))


def test_all_workers_wait_for_each_other() -> None:
    assert Team().carry_out(_works, 2) == 1
    assert Team().carry_out(_works, 0) == 1


@pytest.mark.parametrize("who", [0, 1, 2])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nobody_waits_for_a_worker_that_failed(who: int, error: type[BaseException]) -> None:
    def work(number: int, helpers: int, at: int) -> int:
        if number == who:
            raise error
        return _works(number, helpers, at)

    workers = Team()
    with pytest.raises(error):
        workers.carry_out(work, 2)
    assert workers.carry_out(_works, 2) == 1


def test_helpers_that_are_not_needed_are_dismissed() -> None:
    told = []

    def work(number: int, helpers: int, at: int) -> int:
        if number == 0:
            return 7
        told.append(_help(at, helpers, team.yield_address()))
        return 0

    workers = Team()
    assert workers.carry_out(work, 2) == 7
    wait(workers._helping)
    assert told == [barrier.NOT_NEEDED] * 2


def test_a_helper_that_is_put_aside_takes_part_in_all_steps_that_the_leader_waits_for() -> None:
    """In a program of one instruction its dismissal may be there before it has joined, or from the step after."""
    lines, at = team._shared_numbers()
    barrier.let_join(at, 3)
    assert not barrier.are_dismissed(at, 4)
    barrier.dismiss(at, 5)
    assert barrier.await_joining(at, team.yield_address()) == 3
    assert [barrier.are_dismissed(at, step) for step in (4, 5, 6)] == [False, True, True]
    assert lines.any()


def test_a_leader_whose_helpers_are_kept_from_running_works_alone() -> None:
    """Called again and again, it neither waits for them nor piles up work for them."""
    workers, is_over, calls = Team(), threading.Event(), []

    def work(number: int, helpers: int, at: int) -> int:
        if number:
            is_over.wait()
        else:
            calls.append(helpers)
        return number

    for _ in range(9):
        assert workers.carry_out(work, 2) == 0
    assert calls == [2, 2, *[0] * 7]
    is_over.set()
    wait(workers._helping)
    assert workers.carry_out(_works, 2) == 1


def test_a_leader_whose_pool_takes_no_more_work_works_alone() -> None:
    """As while the interpreter exits, when a program saves its last predictions."""
    workers = Team()
    workers.ready(2)
    assert workers._pool is not None
    workers._pool.shutdown()
    assert workers.carry_out(lambda number, helpers, at: 7, 1) == 7


def test_a_second_leader_works_alone() -> None:
    workers, seen = Team(), []

    def outer(number: int, helpers: int, at: int) -> int:
        def inner(_: int, helpers: int, at: int) -> int:
            seen.append(helpers)
            return 0

        if number == 0:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(workers.carry_out, inner, 1).result()
        return _works(number, helpers, at)

    assert workers.carry_out(outer, 1) == 1
    assert seen == [0]


def test_a_fault_is_known_to_all() -> None:
    def work(number: int, helpers: int, at: int) -> int:
        if number == 1:
            barrier.report_fault(at)
        return int(_works(number, helpers, at) and barrier.is_faultless(at))

    assert Team().carry_out(work, 2) == 0


def test_threads_are_kept_and_more_are_added() -> None:
    workers, seen = Team(), set()

    def work(number: int, helpers: int, at: int) -> int:
        seen.add(threading.get_ident())
        return _works(number, helpers, at)

    for _ in range(3):
        assert workers.carry_out(work, 2) == 1
        wait(workers._helping)
    assert len(seen) == 3
    assert workers.ready(5) == 5
    assert workers.ready(2) == 2
    workers.carry_out(work, 2)
    assert workers._size == 5


def test_fewer_threads_where_the_system_has_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = Team()
    assert threads.ready(2) == 2

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert threads.ready(4) == 2
    assert Team().ready(4) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_process_has_threads_of_its_own() -> None:
    code = (
        "import os\n"
        "from tests.backend.test_compiled_threads import _works\n"
        "from xpmlp.backend.compiled.team import TEAM\n"
        "assert TEAM.carry_out(_works, 2)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if TEAM.carry_out(_works, 2) else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=Path(__file__).parents[2], check=True, timeout=100)


def test_the_way_to_give_way_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    assert team.yield_address() != 0
    with monkeypatch.context() as patch:
        patch.setattr(ctypes, "CDLL", lambda name: object())
        assert team.yield_address.__wrapped__() == 0

    def work(number: int, helpers: int, at: int) -> int:
        return int(_help(at, helpers, 0) == 0 if number else _lead(at, helpers, 0))

    assert Team().carry_out(work, 1) == 1  # without one they only look


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
