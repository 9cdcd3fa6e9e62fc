"""What a session sets while steps run, and puts back afterwards, whatever happens in it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from tests.helpers import Case, cases
from xpmlp.backend import Backend, resolve


def blas_threads() -> set[int]:
    """The threads of every BLAS that is loaded: NumPy's wheel and SciPy's bring one each."""
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@contextlib.contextmanager
def failing_session(backend: Backend) -> Iterator[None]:
    """A session in which something goes wrong at the end."""
    with contextlib.suppress(ZeroDivisionError), backend.session(batch_size=1):
        yield
        raise ZeroDivisionError


@pytest.mark.parametrize(("threads", "expected"), [(None, {1}), (2, {2})])
def test_numpy_caps_every_blas(threads: int | None, expected: set[int]) -> None:
    backend = resolve("numpy", threads=threads).backend
    with resolve("numpy", threads=3).backend.session(batch_size=1):
        with failing_session(backend):
            assert blas_threads() == expected
        assert blas_threads() == {3}


@pytest.mark.parametrize("case", [case.values[0] for case in cases()], ids=str)
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


def test_jax_multiplies_in_full_precision(get_backend: Callable[..., Backend]) -> None:
    backend = get_backend("jax")
    import jax

    before = jax.config.jax_default_matmul_precision
    with backend.session(batch_size=1):
        assert jax.config.jax_default_matmul_precision == "highest"
    assert jax.config.jax_default_matmul_precision == before
