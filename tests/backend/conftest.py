"""Fixtures for the tests of the backends: a machine with GPUs for CuPy, real or simulated."""

from __future__ import annotations

import array_api_compat.numpy
import numpy as np
import pytest

from tests.backend.cupy_stand_in import Recorder, Recording, put_in_place, stand_in


@pytest.fixture
def devices() -> int:
    """GPUs of the stand-in."""
    return 2


@pytest.fixture
def recording(devices: int, monkeypatch: pytest.MonkeyPatch) -> Recording:
    """Put the stand-in in CuPy's place."""
    made = Recording(set(), set())
    xp = Recorder(array_api_compat.numpy, "array_api_compat.cupy", *made)
    put_in_place(Recorder(stand_in(devices), "cupy", *made), xp, monkeypatch)
    monkeypatch.setattr("xpmlp.optim.moments.array_namespace", lambda _: xp)
    return made


@pytest.fixture
def rng() -> np.random.Generator:
    """The same numbers for each test, whichever others run."""
    return np.random.default_rng(3)
