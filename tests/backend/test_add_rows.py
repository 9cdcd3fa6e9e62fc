"""Sums of rows by their codes on every backend: equal to those of a loop, and bitwise repeatable."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers import assert_close, call, tolerance
from xpmlp.backend import Backend


@pytest.mark.parametrize("runs", [(), (1,), (3,)], ids=str)
@pytest.mark.parametrize(("codes", "batch"), [(1, 5), (7, 1), (7, 300), (500, 40)], ids=str)
def test_sums_of_rows(runs: tuple[int, ...], codes: int, batch: int, backend: Backend) -> None:
    rng = np.random.default_rng([codes, batch])
    table, rows = rng.normal(size=(*runs, codes, 3)), rng.normal(size=(*runs, batch, 3))
    numbers = rng.integers(0, codes, (*runs, batch)).astype(np.int32)
    expected = np.zeros_like(table)
    for place in np.ndindex(numbers.shape):
        expected[(*place[:-1], numbers[place])] += rows[place]
    arguments = (*backend.parameters([table]), backend.asarray(numbers), *backend.parameters([rows]))
    found = [call(backend, backend.ops.add_rows, *arguments) for _ in range(2)]
    assert_close(found[0], expected, tolerance(backend, 1e-6, 1e-14), backend)
    np.testing.assert_array_equal(*map(backend.to_numpy, found))
    np.testing.assert_array_equal(backend.to_numpy(arguments[0]), table.astype(backend.dtype_name))
