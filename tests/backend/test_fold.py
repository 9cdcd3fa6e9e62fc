"""`Backend.fold`: its preparation and conclusion do not depend on the number of steps per call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.helpers import assert_close, assert_lives_on
from xpmlp.backend import Backend, Fold

Arrays = tuple[Any, ...]

# prepared: twice the batch; the state adds it up; concluded: the batch and the state before it
FOLD = Fold(
    lambda batches, constants: (2 * batches[0],),
    lambda state, batch, constants: (state + batch[0], (state + 0,)),
    lambda batches, outputs, constants: (batches[0] + constants, outputs[0]),
)


@pytest.mark.parametrize("outputs", [1, 4, 1_000_000])
@pytest.mark.parametrize("ahead", [1, 2, 3, 24])
def test_any_number_of_steps_at_once(
    backend: Backend, ahead: int, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xpmlp.backend.base.OUTPUTS", outputs)
    batches = (backend.asarray([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]], backend.dtype),)
    state = backend.parameters(np.asarray([0.5, 0.25]))
    constants = backend.asarray([100.0, 200.0], backend.dtype)
    state, (concluded, before) = backend.fold(FOLD, state, batches, constants, ahead)
    assert_lives_on(state, backend)
    assert_close(state, [12.5, 120.25], 1e-6, backend)
    assert_close(concluded, [[101, 210], [102, 220], [103, 230]], 1e-6, backend)
    assert_close(before, [[0.5, 0.25], [2.5, 20.25], [6.5, 60.25]], 1e-6, backend)
