"""Arrays moved to the device by a training are freed when its session ends, so that the memory can be released."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import xpmlp
from xpmlp.backend.strict import StrictBackend
from xpmlp.config import BackendConfig, Config, DataConfig, TrainConfig


def test_only_the_result_outlives_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[weakref.ref[Any]] = []
    alive: list[list[tuple[int, ...]]] = []
    asarray, session = StrictBackend.asarray, StrictBackend.session

    def watched_asarray(self: StrictBackend, host: Any, dtype: Any = None) -> Any:
        array = asarray(self, host, dtype)
        moved.append(weakref.ref(array))
        return array

    @contextlib.contextmanager
    def watched_session(self: StrictBackend, batch_size: int) -> Iterator[None]:
        with session(self, batch_size):
            yield
            alive.append([array.shape for reference in moved if (array := reference()) is not None])

    monkeypatch.setattr(StrictBackend, "asarray", watched_asarray)
    monkeypatch.setattr(StrictBackend, "session", watched_session)
    config = Config(
        backend=BackendConfig(name="strict", device="device1"),
        data=DataConfig(name="digits"),
        train=TrainConfig(epochs=1, batch_size=500, patience=1),
    )
    result = xpmlp.train(config)
    assert len(moved) > 10
    assert alive == [[]]
    weights, _ = result.parameters[0]
    assert np.isfinite(result.backend.to_numpy(weights)).all()
