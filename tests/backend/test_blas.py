"""Updates in place by NumPy's own BLAS: found, correct, and replaced if it is missing."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from tests.helpers import relative_difference
from xpmlp.backend import blas, resolve
from xpmlp.nn import pure_ops

LARGE = 200, 130, 60
"""Inputs, outputs and examples of an update that is not a small one."""


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def factors(dtype: str) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(1)
    n_in, n_out, batch = LARGE
    assert n_in * n_out * batch > blas.SMALL
    return tuple(rng.normal(size=shape).astype(dtype) for shape in ((n_in, n_out), (batch, n_in), (batch, n_out)))


def updated(dtype: str, weights: Any, activation: Any, delta: Any) -> Any:
    import array_api_compat.numpy as xp

    return blas.with_blas(pure_ops(xp), dtype).add_product(weights, activation, delta, np.full((1, 1), -0.5, dtype))


def test_the_product_of_numpys_wheels_is_found(dtype: str) -> None:
    resolve("numpy")  # with SciPy's BLAS loaded, too
    own = any("numpy.libs" in path or ".dylibs" in path for path in blas._numpys_libraries())
    product = blas.numpys_product(dtype)
    assert (product is not None and product.address != 0) or not own  # another NumPy may have none by these names


@pytest.mark.parametrize("way", ["found", "not found"])
def test_a_large_update(way: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "not found":
        monkeypatch.setattr(blas, "numpys_product", lambda _: None)
    weights, activation, delta = factors(dtype)
    expected = weights.astype(float) - 0.5 * activation.astype(float).T @ delta
    accuracy = 1e-5 if dtype == "float32" else 1e-14
    read_only = activation.copy()
    read_only.flags.writeable = False
    for one, other in (
        (activation, delta),
        (np.asfortranarray(activation), np.repeat(delta, 2, axis=1)[:, ::2]),
        (read_only, delta),
    ):
        target = weights.copy()
        assert updated(dtype, target, one, other) is target
        assert relative_difference(target, expected) <= accuracy
    for layout in (np.asfortranarray(weights), np.repeat(weights, 2, axis=1)[:, ::2]):
        assert updated(dtype, layout, activation, delta) is layout
        assert relative_difference(layout, expected) <= accuracy


def test_factors_that_do_not_fit_are_refused_before_blas_reads_them(dtype: str) -> None:
    weights, activation, delta = factors(dtype)
    for wrong in ((activation[:-1], delta), (activation[:, :-1], delta), (activation, delta[:, :-1])):
        with pytest.raises(ValueError, match=r"no factors|shapes|mismatch"):
            updated(dtype, weights, *wrong)


def test_a_name_that_means_something_else_is_not_used(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a library whose sizes are of another type."""

    def other(*_: Any) -> None:
        return None

    library = type(
        "Library", (), {"cblas_sgemm": ctypes.CFUNCTYPE(None)(other), "cblas_dgemm": ctypes.CFUNCTYPE(None)(other)}
    )
    monkeypatch.setattr(blas, "_numpys_libraries", lambda: ["one"])
    monkeypatch.setattr(ctypes, "CDLL", lambda path: library)
    assert blas.numpys_product.__wrapped__(dtype) is None
    monkeypatch.setattr(blas, "_numpys_libraries", list)
    assert blas.numpys_product.__wrapped__(dtype) is None
