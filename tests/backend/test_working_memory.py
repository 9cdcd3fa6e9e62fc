"""Working memory of compiled steps: kept within a session, and only then."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from xpmlp.backend import Backend
from xpmlp.backend.working_memory import WorkingMemory


def test_a_later_call_gets_the_same_memory_if_it_is_large_enough() -> None:
    memory = WorkingMemory()
    with memory.of(100) as first:
        pass
    with memory.of(60) as second:
        assert second is first
    with memory.of(200) as third:
        assert third is not first
        assert third.size >= 200
    with memory.of(100) as fourth:
        assert fourth is third


def test_memory_is_freed_before_more_is_allocated() -> None:
    memory = WorkingMemory()
    with memory.of(100) as first:
        old = weakref.ref(first)
    del first
    assert old() is not None
    with memory.of(200):
        assert old() is None


def test_memory_that_is_kept_can_be_freed() -> None:
    memory = WorkingMemory()
    with memory.of(100) as first:
        old = weakref.ref(first)
    del first
    memory.free()
    assert old() is None


def test_a_call_within_another_gets_memory_of_its_own() -> None:
    memory = WorkingMemory()
    with memory.of(100) as outer, memory.of(100) as inner:
        assert inner is not outer


def test_memory_is_not_used_again_after_an_error() -> None:
    memory = WorkingMemory()
    with pytest.raises(KeyboardInterrupt), memory.of(100) as first:
        raise KeyboardInterrupt
    with memory.of(100) as second:
        assert second is not first


def test_a_session_keeps_the_memory_and_frees_it_at_its_end(
    get_backend: Callable[..., Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba")
    backend = get_backend("numpy")
    lent: list[Any] = []
    of = WorkingMemory.of

    def recorded(self: WorkingMemory, size: int) -> Any:
        lent.append(weakref.ref(self))
        return of(self, size)

    monkeypatch.setattr(WorkingMemory, "of", recorded)
    dtype = np.dtype(backend.dtype_name)

    def step(state: Any, batch: Any, constants: Any) -> Any:
        return state, (batch + constants,)

    def fold() -> None:
        state, batches = [np.zeros(1, dtype)], np.ones((2, 3), dtype)
        backend.scan(step, state, batches, np.ones(3, dtype))

    with backend.session(10):
        fold()
        with backend.session(10):
            fold()
        fold()
        assert len({id(memory()) for memory in lent}) == 1
    assert len(lent) == 3
    assert lent[0]() is None
    fold()  # without a session
    assert lent[-1]() is None
