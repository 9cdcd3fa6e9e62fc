"""The same config twice, on the same backend and device: the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from tests.training.small import small_dataset, small_problem, train_runs, weights_of
from xpmlp.backend import Backend, residence_of, resolve
from xpmlp.data import Dataset, Part
from xpmlp.training.run import RunSettings

pytestmark = pytest.mark.optimised


@pytest.fixture(autouse=True)
def compiled_anew(backend: Backend) -> Iterator[None]:
    """JAX compiles each training by itself, and finds nothing where the tests keep its programs."""
    if backend.name != "jax":
        yield
        return
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    for enabled in (False, True):
        jax.config.update("jax_enable_compilation_cache", enabled)
        compilation_cache.reset_cache()
        if not enabled:
            yield


ONE_RUN = [RunSettings(0, 0.01, 0.0, 0.9)]
STACK = [RunSettings(seed, 0.01 / (seed + 1), 0.001, 0.9) for seed in range(3)]


def dataset() -> Dataset:
    """Wide enough for the libraries to use their blocked and threaded products."""
    rng = np.random.default_rng(8)
    features = rng.integers(0, 17, size=(300, 100), dtype=np.uint8)
    targets = rng.integers(0, 3, size=300)
    return replace(
        small_dataset(), train=Part(features[:250], targets[:250]), validation=Part(features[250:], targets[250:])
    )


def bits(backend: Backend, optimizer: str, runs: list[RunSettings]) -> list[npt.NDArray[np.uint8]]:
    """All losses and weights of a training from scratch, on a backend that has compiled nothing yet."""
    name, device = residence_of(backend.asarray([0.0], backend.dtype))
    fresh = resolve(name, device, backend.dtype_name).backend
    problem = small_problem(fresh, dataset(), hidden=(64, 32), optimizer=optimizer, batch_size=32)
    ended = train_runs(problem, *runs)
    arrays = [array for run in ended for array in (run.losses, *weights_of(problem, run))]
    assert all(np.isfinite(array).all() for array in arrays)
    return [np.ascontiguousarray(array).view(np.uint8) for array in arrays]


@pytest.mark.parametrize(
    ("runs", "optimizer"),
    [pytest.param(ONE_RUN, "sgd", id="one run"), pytest.param(STACK, "adam", id="3 runs", marks=pytest.mark.slow)],
)
def test_two_trainings_are_bitwise_equal(backend: Backend, runs: list[RunSettings], optimizer: str) -> None:
    once, again = (bits(backend, optimizer, runs) for _ in range(2))
    for one, other in zip(once, again, strict=True):
        np.testing.assert_array_equal(one, other)
