"""Common parts of numerical tests: the cases, the project's measure of difference, and an assertion with it."""

from __future__ import annotations

import functools
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import array_api_compat
import numpy as np
import numpy.typing as npt
import pytest

from xpmlp.backend import Backend, resolve

MEBIBYTE = 2**20


class Case(NamedTuple):
    """A backend on one device with one dtype; ``None`` is the library's default device."""

    name: str
    device: str | None
    dtype: str

    def __str__(self) -> str:
        return "-".join(filter(None, self))


CASES = [
    *(Case("numpy", "cpu", dtype) for dtype in ("float32", "float64")),
    *(Case("strict", device, dtype) for device in ("cpu", "device1") for dtype in ("float32", "float64")),
    Case("strict", "no_float64", "float32"),
    *(Case("torch", device, dtype) for device in ("cpu", "cuda:0") for dtype in ("float32", "float64")),
    Case("torch", "mps", "float32"),
    *(Case("jax", device, dtype) for device in ("cpu", "gpu:0") for dtype in ("float32", "float64")),
    *(Case("cupy", None, dtype) for dtype in ("float32", "float64")),
]

SLOW = (Case("strict", "cpu", "float64"), Case("strict", "device1", "float32"))
"""Cases whose device and type are each tested in the other two of array-api-strict, too."""


def cases(*names: str, dtype: str | None = None) -> list[Any]:
    """Some of the cases, as parameters of the fixture ``backend``: of the libraries ``names`` (all), of one dtype."""
    chosen = [case for case in CASES if (not names or case.name in names) and dtype in (None, case.dtype)]
    return [pytest.param(case, id=str(case), marks=pytest.mark.slow if case in SLOW else ()) for case in chosen]


def other_devices_slow(cases: list[Any]) -> list[Any]:
    """Cases, those of array-api-strict's further devices among the slow tests: they repeat what its CPU computes."""
    return [
        pytest.param(*case.values, marks=pytest.mark.slow, id=case.id)
        if not case.marks and case.values[0].name == "strict" and case.values[0].device != "cpu"
        else case
        for case in cases
    ]


EAGER = ("numpy", "strict", "torch", "cupy")
"""The libraries that run one operation after another, on arrays that can be overwritten: JAX does neither."""


def eager(dtype: str | None = None) -> pytest.MarkDecorator:
    """A mark for tests on these libraries alone: of what is overwritten, or of what JAX would take long to compile."""
    return pytest.mark.parametrize("backend", cases(*EAGER, dtype=dtype), indirect=True)


@functools.cache
def find_backend(name: str, device: str | None, dtype: str, fused: bool) -> Backend:
    """One backend for all tests that ask for it, so that what JAX has compiled is compiled once."""
    return resolve(name, device, dtype, fused=fused).backend


def relative_difference(actual: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """``max|actual - expected| / max|expected|``; the numerator alone where ``expected`` is all zero."""
    difference = np.max(np.abs(np.asarray(actual, dtype=np.float64) - expected))
    return float(difference / (np.max(np.abs(expected)) or 1.0))


def assert_close(actual: Any, expected: npt.ArrayLike, tolerance: float, backend: Backend) -> None:
    """Assert that an array has the backend's library, device and dtype, and the shape and values of ``expected``."""
    __tracebackhide__ = True
    assert_lives_on(actual, backend)
    assert actual.dtype == backend.dtype
    host, wanted = backend.to_numpy(actual), np.asarray(expected, dtype=np.float64)
    assert host.shape == wanted.shape
    difference = relative_difference(host, wanted)
    # written so that a NaN fails
    assert difference <= tolerance, f"relative difference {difference:.2g} > {tolerance:.2g}\n{host}\n{wanted}"


def assert_lives_on(actual: Any, backend: Backend) -> None:
    """Assert that an array is of the backend's library and on its device."""
    __tracebackhide__ = True
    assert array_api_compat.array_namespace(actual) is backend.xp
    assert array_api_compat.device(actual) == backend.device


def tolerance(backend: Backend, float32: float, float64: float) -> float:
    """The tolerance of the backend's dtype."""
    return float32 if backend.dtype_name == "float32" else float64


def call(backend: Backend, function: Callable[..., Any], *arguments: Any) -> Any:
    """``function(*arguments)``; on JAX compiled as a whole, as training does it, since that is quicker to test, too."""
    if backend.name == "jax":
        return _jit(function)(*arguments)
    return function(*arguments)


@functools.cache
def _jit(function: Callable[..., Any]) -> Callable[..., Any]:
    import jax

    return jax.jit(function)


def huge_npy() -> bytes:
    """A file of an array that promises more than any memory, and holds nothing."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@contextmanager
def at_most(allocated: int) -> Iterator[None]:
    """Assert that so many bytes are enough."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < allocated
    finally:
        tracemalloc.stop()
