"""Settings made by a session while steps run, and restored afterwards, even after errors."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from tests.helpers import CASES, Case
from xpmlp.backend import Backend, resolve

TF32 = [("cpu", False, False), ("cpu", True, False), ("gpu", False, False), ("gpu", True, True)]


def blas_threads() -> dict[str, int]:
    """The threads of NumPy's BLAS and of SciPy's: the wheels bring one each."""
    return {
        Path(library["filepath"]).parent.name: library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas"
    }


@contextlib.contextmanager
def failing_session(backend: Backend) -> Iterator[None]:
    """A session in which something goes wrong at the end."""
    with contextlib.suppress(ZeroDivisionError), backend.session(batch_size=1):
        yield
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("threads", "batch_size", "expected"),
    [(None, 1, 1), (None, 31, 1), (None, 32, 2), (None, 1000, 4), (3, 1, 1), (3, 1000, 3)],
)
def test_numpy_gives_threads_to_one_blas_alone(threads: int | None, batch_size: int, expected: int) -> None:
    """Two with threads of their own would fight for the cores."""
    backend = resolve("numpy", threads=threads).backend
    with threadpool_limits(4, user_api="blas"):  # as on a machine of four cores
        before = blas_threads()
        assert set(before) == {"numpy.libs", "scipy.libs"}
        with contextlib.suppress(ZeroDivisionError), backend.session(batch_size):
            assert blas_threads() == {"numpy.libs": expected, "scipy.libs": 1}
            assert backend.threads_in_use() == (threads or 4)  # at most, whatever the batches
            raise ZeroDivisionError
        assert blas_threads() == before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_overflow_is_infinite_and_no_warning(case: Case, get_backend: Callable[..., Backend]) -> None:
    # the training loop looks for what is not finite; it may not be stopped by a warning before
    backend = get_backend(case.name, case.device, case.dtype)
    with warnings.catch_warnings(), backend.session(batch_size=1):
        warnings.simplefilter("error")
        huge = backend.parameters(np.asarray([1e38, -1e38]))
        for _ in range(4):
            huge = huge * huge
        assert backend.to_numpy(huge).tolist() == [np.inf, np.inf]
        assert np.isnan(backend.to_numpy(huge - huge)).all()


def test_torch_puts_back_what_it_sets(get_backend: Callable[..., Backend]) -> None:
    get_backend("torch")
    import torch

    backend = resolve("torch", threads=1).backend
    before = torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.is_grad_enabled()
    torch.set_num_threads(2)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.enable_grad(), failing_session(backend):
            assert torch.get_num_threads() == 1
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.is_grad_enabled()
        assert torch.get_num_threads() == 2
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.is_grad_enabled()) == before


def test_torch_tensors_carry_no_gradient(get_backend: Callable[..., Backend]) -> None:
    backend = get_backend("torch")
    with backend.session(batch_size=1):
        weights = backend.parameters(np.ones((2, 2)))
        assert not (weights @ weights).requires_grad


@pytest.mark.parametrize(("device", "tf32", "expected"), TF32)
def test_torch_multiplies_in_tf32_only_if_asked_as_if_on(
    device: str, tf32: bool, expected: bool, get_backend: Callable[..., Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    get_backend("torch")
    import torch

    backend = resolve("torch", tf32=tf32).backend
    monkeypatch.setattr(backend, "device", torch.device("cuda:0" if device == "gpu" else device))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    before = torch.get_float32_matmul_precision()
    with backend.session(batch_size=1):
        assert torch.get_float32_matmul_precision() == ("high" if expected else "highest")
    assert torch.get_float32_matmul_precision() == before


def test_torch_gives_a_gpus_memory_back_as_if_on_one(
    get_backend: Callable[..., Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    get_backend("torch")
    import torch

    backend, given_back = resolve("torch").backend, []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: given_back.append(True))
    with failing_session(backend):
        pass
    assert not given_back
    monkeypatch.setattr(backend, "device", torch.device("cuda:0"))
    with failing_session(backend):
        assert not given_back
    assert given_back == [True]


@pytest.mark.parametrize(("device", "tf32", "expected"), TF32)
def test_jax_multiplies_in_tf32_only_if_asked_as_if_on(
    device: str, tf32: bool, expected: bool, get_backend: Callable[..., Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    get_backend("jax")
    import jax

    backend = resolve("jax", tf32=tf32).backend
    monkeypatch.setattr(jax, "default_device", lambda device: contextlib.nullcontext())
    monkeypatch.setattr(backend, "device", SimpleNamespace(platform=device))
    before = jax.config.jax_default_matmul_precision
    with failing_session(backend):
        assert jax.config.jax_default_matmul_precision == ("tensorfloat32" if expected else "highest")
    assert jax.config.jax_default_matmul_precision == before


def test_jax_makes_arrays_on_its_device(get_backend: Callable[..., Backend]) -> None:
    backend = get_backend("jax")
    import jax

    with backend.session(batch_size=1):
        assert jax.config.jax_default_device == backend.device
    assert jax.config.jax_default_device is None
