"""Settings made and restored by a session on CuPy, on a stand-in that needs no GPU."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests.backend.cupy_stand_in import Device, Recording, Stream
from tests.training.small import small_problem, train_runs
from xpmlp.backend import resolve
from xpmlp.errors import BackendError

DEFAULT, TF32, PEDANTIC = 1, 7, 2


def stand_in() -> Any:
    return sys.modules["cupy"]


def compute_type() -> int:
    return int(stand_in()._core._routines_linalg.get_compute_type(np.float32))


def test_sessions_of_two_threads_restore_the_type_that_the_first_one_found(recording: Recording) -> None:
    backends = [resolve("cupy", tf32=tf32).backend for tf32 in (True, False)]
    entered, left, before = threading.Event(), threading.Event(), compute_type()

    def other() -> None:
        with backends[1].session(batch_size=1):
            entered.set()
            left.wait()

    with ThreadPoolExecutor() as threads:
        with backends[0].session(batch_size=1):
            ended = threads.submit(other)
            entered.wait()
        left.set()
        ended.result()
    assert compute_type() == before


@pytest.mark.parametrize(
    ("tf32", "capability", "expected"),
    [(False, "90", DEFAULT), (True, "90", TF32), (True, "80", TF32), (True, "75", DEFAULT)],
)
def test_stand_in_multiplies_in_tf32_only_if_asked_and_able(
    tf32: bool, capability: str, expected: int, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Device, "compute_capability", capability)
    # what a user may have set, or CUPY_TF32
    stand_in()._core._routines_linalg.set_compute_type(np.float32, PEDANTIC if tf32 else TF32)
    before = compute_type()
    with contextlib.suppress(ZeroDivisionError), resolve("cupy", tf32=tf32).backend.session(batch_size=1):
        assert compute_type() == expected
        raise ZeroDivisionError
    assert compute_type() == before


def test_stand_in_steps_run_on_a_stream_of_their_own(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = resolve("cupy", None, "float64").backend
    seen = set()
    scan = type(backend).scan

    def watched(*arguments: Any) -> Any:
        seen.add(Stream.current)
        return scan(*arguments)

    monkeypatch.setattr(type(backend), "scan", watched)
    train_runs(small_problem(backend))
    (stream,) = seen
    assert isinstance(stream, Stream)
    assert stream.synchronized, "what it has made may be used on another stream"
    assert Stream.current is None


def test_stand_in_gives_its_memory_back(recording: Recording) -> None:
    backend = resolve("cupy").backend
    pool = stand_in().get_default_memory_pool()
    with contextlib.suppress(ZeroDivisionError), backend.session(batch_size=1):
        assert pool.given_back == 0
        raise ZeroDivisionError
    assert pool.given_back == 1


def test_stand_in_counts_what_cupy_holds_in_reserve_as_free(recording: Recording) -> None:
    assert resolve("cupy").backend.memory.free() == 100 + 10


def test_a_fused_operation_that_differs_on_this_gpu_is_refused(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inexact(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: 1.01 * function(*arguments)

    monkeypatch.setattr(sys.modules["cupy"]._wrapped, "fuse", inexact)
    with pytest.raises(BackendError, match=r"fused sigmoid is not .* on this GPU: set backend\.fused = false\.$"):
        resolve("cupy")
    assert resolve("cupy", fused=False).backend.ops.sigmoid is not None
