"""array-api-strict at its strictest: the newest version of the standard, without anything optional."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.training.small import small_problem, train_runs
from xpmlp.backend import Backend
from xpmlp.training import Run, Status


@pytest.fixture
def strict(get_backend: Callable[..., Backend]) -> Iterator[Backend]:
    backend = get_backend("strict", "device1")
    with backend.session(batch_size=1):
        yield backend


def test_the_standard_is_the_newest_that_it_knows(strict: Backend) -> None:
    from array_api_strict._flags import supported_versions

    assert strict.xp.__array_api_version__ == supported_versions[-1]


OPTIONAL = {
    "boolean indexing": lambda xp, x: x[x > 0],
    "unique_values": lambda xp, x: xp.unique_values(x),
    "nonzero": lambda xp, x: xp.nonzero(x),
    "repeat": lambda xp, x: xp.repeat(x, xp.ones(2, dtype=xp.int32, device=x.device)),
    "linalg": lambda xp, x: xp.linalg.matmul(x, x),
    "fft": lambda xp, x: xp.fft.fft(x),
}


@pytest.mark.parametrize("use", OPTIONAL.values(), ids=OPTIONAL)
def test_what_is_optional_is_off(strict: Backend, use: Callable[..., Any]) -> None:
    x = strict.asarray([1.0, -1.0], strict.dtype)
    with pytest.raises((RuntimeError, AttributeError), match="disabled"):
        use(strict.xp, x)


def test_it_is_as_it_was_afterwards(get_backend: Callable[..., Backend]) -> None:
    backend = get_backend("strict")
    before = backend.xp.get_array_api_strict_flags()
    assert before["boolean_indexing"]
    with backend.session(batch_size=1), backend.session(batch_size=1):
        assert backend.xp.get_array_api_strict_flags()["enabled_extensions"] == ()
    assert backend.xp.get_array_api_strict_flags() == before


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam"])
def test_a_whole_training_needs_no_more(strict: Backend, optimizer: str) -> None:
    problem = small_problem(strict, optimizer=optimizer, learning_rate=0.01, patience=1, evaluate_train=True)
    run: Run
    (run,) = train_runs(problem)
    assert run.status is Status.FINISHED
    with strict.session(batch_size=1):
        predictions = problem.inference.predict(run.parameters or [], problem.dataset.train.features)
    assert np.isfinite(predictions).all()
