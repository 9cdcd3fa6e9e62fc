"""Ways to get a compiled step, for the tests of compiled steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.helpers import cases

STEPS = 3

needs_numba = "Numba is not installed: nothing is compiled"
on_numpy = pytest.mark.parametrize("backend", cases("numpy"), indirect=True)
in_float64 = pytest.mark.parametrize("backend", cases("numpy", dtype="float64"), indirect=True)


def compiled(
    backend: Any, step: Any, state: Any, batches: tuple[Any, ...], constants: Any = None, threads: int = 1
) -> Any:
    """The fold by a compiled program, by ``threads`` threads if its sizes are worth them; fails where there is none."""
    backend._scans.always = True
    try:
        found = backend._scans.scan(step, state, batches, constants, threads)
    finally:
        backend._scans.always = False
    assert found is not None, "it was not compiled"
    return found


def is_left_to_python(backend: Any, step: Any, state: Any, batches: tuple[Any, ...], constants: Any = None) -> bool:
    """Whether a step is not compiled; with nothing done then."""
    before = [leaf.copy() for leaf in state]
    left = backend._scans.scan(step, state, batches, constants) is None
    if left:
        for leaf, old in zip(state, before, strict=True):
            np.testing.assert_array_equal(leaf, old)
    return left


def applied(backend: Any, function: Callable[..., Any], *operands: npt.ArrayLike) -> npt.NDArray[Any]:
    """One step that applies a function to arrays, which come in as its batch."""
    batches = tuple(backend.parameters(np.asarray(operand)[None]) for operand in operands)
    _, (result,) = compiled(backend, lambda state, batch, _: (state, (function(*batch),)), (), batches)
    return np.asarray(result[0])
