"""Fixtures for every test: the array libraries, one case for each device and dtype."""

from __future__ import annotations

import os

# tests run side by side, and threads of several processes that share the cores wait for each other; read when BLAS or
# PyTorch is loaded, here and in the processes that tests start
os.environ.setdefault("OMP_NUM_THREADS", "1")

import functools
import gc
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest

from tests.helpers import Case, cases, find_backend
from tests.required import PROPERTY, RequiredBackends, skip
from xpmlp.backend import Backend
from xpmlp.errors import BackendError

# no test is about time, and an example that imports a library takes longer than the others
hypothesis.settings.register_profile("xpmlp", deadline=None)
hypothesis.settings.register_profile("quick", parent=hypothesis.settings.get_profile("xpmlp"), max_examples=15)
hypothesis.settings.load_profile("xpmlp")


def pytest_configure(config: pytest.Config) -> None:
    if "not slow" in config.option.markexpr:
        hypothesis.settings.load_profile("quick")  # a hundred examples are for the whole suite
    gc.disable()  # while thousands of tests are collected, none of which ends before the session
    config.pluginmanager.register(RequiredBackends(), "required-backends")


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Side by side, each process compiles NumPy's steps for one type, and finds the other's where they are kept.

    Only after a change of them: they are read otherwise.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and importlib.util.find_spec("numba") is not None:
        dtype = ("float32", "float64")[int(worker.removeprefix("gw")) % 2]
        with find_backend("numpy", None, dtype, True).session(batch_size=1):
            pass


@pytest.fixture(scope="session", autouse=True)
def nothing_waits_for_the_disk() -> Iterator[None]:
    """No test looks at what a crash of the machine leaves: to flush a file costs only that it is open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(scope="session", autouse=True)
def digits_are_read_once() -> Iterator[None]:
    """Hundreds of tests train on them, and nobody writes to them."""
    try:
        from sklearn import datasets
    except Exception:  # some tests hide what it looks for
        yield
        return
    read = datasets.load_digits

    @functools.cache
    def read_once(**options: Any) -> Any:
        if options:
            return read(**options)
        bunch = read()
        bunch.data.flags.writeable = bunch.target.flags.writeable = False
        return bunch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load_digits", read_once)
        yield


@pytest.fixture
def get_backend(request: pytest.FixtureRequest) -> Callable[..., Backend]:
    """A function (name, device, dtype, fused) -> backend; where there is none it skips or fails the test."""

    def get(name: str, device: str | None = None, dtype: str = "float32", *, fused: bool = True) -> Backend:
        request.node.user_properties.append((PROPERTY, name))
        try:
            return find_backend(name, device, dtype, fused)
        except BackendError as error:
            skip(name, str(error), may_be_missing=device is not None and device != "cpu")
            raise

    return get


@pytest.fixture(params=cases())
def backend(request: pytest.FixtureRequest, get_backend: Callable[..., Backend]) -> Iterator[Backend]:
    """Each backend on each of its devices and dtypes, within its session.

    Choose among the cases with ``@pytest.mark.parametrize("backend", cases(dtype="float64"), indirect=True)``.
    """
    case: Case = request.param
    found = get_backend(case.name, case.device, case.dtype)
    with found.session(batch_size=8):
        yield found


@pytest.fixture
def xp(backend: Backend) -> Any:
    """The array library of ``backend``."""
    return backend.xp


@pytest.fixture
def device(backend: Backend) -> Any:
    """The device of ``backend``, as its library names it."""
    return backend.device
