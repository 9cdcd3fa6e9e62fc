"""Fixtures for all tests: the array libraries, a case for each device and dtype."""

from __future__ import annotations

import os

# tests run side by side, and threads of several processes that share the cores wait for each other; read when BLAS or
# PyTorch is loaded, here and in the processes that tests start
os.environ.setdefault("OMP_NUM_THREADS", "1")

import functools
import gc
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest

from tests.helpers import Case, cases, find_backend
from tests.required import PROPERTY, RequiredBackends, skip
from xpmlp.backend import Backend
from xpmlp.errors import BackendError

QUICKLY = ("tests/estimator/", "tests/grid/", "tests/nn/", "tests/optim/", "tests/training/")
UNOPTIMISED = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}

# no test is about time, and an example that imports a library takes longer than the others
hypothesis.settings.register_profile("xpmlp", deadline=None)
hypothesis.settings.register_profile("quick", parent=hypothesis.settings.get_profile("xpmlp"), max_examples=15)
hypothesis.settings.load_profile("xpmlp")


def pytest_configure(config: pytest.Config) -> None:
    keep_what_jax_compiles(config)
    if "not slow" in config.option.markexpr:
        hypothesis.settings.load_profile("quick")  # a hundred examples are for the whole suite
    gc.disable()  # while thousands of tests are collected, none of which ends before the session
    config.pluginmanager.register(RequiredBackends(), "required-backends")


def keep_what_jax_compiles(config: pytest.Config) -> None:
    """Have the session's processes, side by side or started by tests, compile the same program of JAX's once."""
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return  # of the process that has started this one
    folder = tempfile.TemporaryDirectory(prefix="xpmlp-tests-jax-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


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


class QuickJit:
    """A function that JAX compiles quickly; within another one it is a part of that, for which JAX takes no options."""

    def __init__(self, jax: Any, jit: Callable[..., Any], function: Callable[..., Any], **options: Any) -> None:
        self._jax, self._part = jax, jit(function, **options)
        self._whole = jit(function, compiler_options=UNOPTIMISED, **options)

    def __call__(self, *arguments: Any) -> Any:
        leaves = self._jax.tree_util.tree_leaves(arguments)
        is_part = any(isinstance(leaf, self._jax.core.Tracer) for leaf in leaves)
        return (self._part if is_part else self._whole)(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


@pytest.fixture(autouse=True)
def jax_compiles_quickly(request: pytest.FixtureRequest) -> Iterator[None]:
    """In the rooms of `QUICKLY`, JAX's folds are compiled in a quarter of the time, and run slower.

    Their tests are about our own algebra.  Those of parity and of JAX itself, commands in processes of their own and
    tests marked ``optimised``, of bits, are compiled as ever.
    """
    jax = sys.modules.get("jax")
    if (
        not hasattr(jax, "jit")
        or not request.node.nodeid.startswith(QUICKLY)
        or request.node.get_closest_marker("optimised")
    ):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "jit", functools.partial(QuickJit, jax, jax.jit))
        yield


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
