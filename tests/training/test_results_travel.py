"""Results, data sets, configs and backends can be pickled and copied, and stay on their device."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import xpmlp
from tests.helpers import cases
from xpmlp import Result
from xpmlp.backend import Backend, registry, residence_of
from xpmlp.config import BackendConfig, Config, DataConfig, ModelConfig, TrainConfig
from xpmlp.errors import BackendError

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.arange(60) % 2
COPIES = [lambda one: pickle.loads(pickle.dumps(one)), copy.deepcopy, copy.copy]


def trained(backend: Backend) -> Result:
    config = Config(
        backend=BackendConfig(name=backend.name, dtype=backend.dtype_name),
        data=DataConfig(name="arrays"),
        model=ModelConfig(hidden_layer_sizes=[4]),
        train=TrainConfig(epochs=1),
    )
    return xpmlp.train(config, data=xpmlp.from_arrays(X, Y, validation=(X, Y)))


def assert_same(one: Result, other: Result) -> None:
    for pair, copied in zip(one.parameters, other.parameters, strict=True):
        for array, its_copy in zip(pair, copied, strict=True):
            assert residence_of(array) == residence_of(its_copy)
            assert array.dtype == its_copy.dtype
            np.testing.assert_array_equal(one.backend.to_numpy(array), other.backend.to_numpy(its_copy))
    assert other.run.parameters is not None
    assert other.parameters[0][0] is other.run.parameters[0].weights
    assert (one.run.epochs, one.run_dir, repr(one.backend)) == (other.run.epochs, other.run_dir, repr(other.backend))
    np.testing.assert_array_equal(one.history.batch_losses, other.history.batch_losses)


ON_CPU = [case for case in cases("numpy", "torch", "jax", "strict", dtype="float64") if case.values[0].device == "cpu"]


@pytest.mark.parametrize("backend", ON_CPU, indirect=True)
def test_a_result_and_its_backend(backend: Backend) -> None:
    result = trained(backend)
    for copied in COPIES:
        assert_same(result, copied(result))
        assert repr(copied(result.backend)) == repr(result.backend)
    assert copy.deepcopy(result.backend) is result.backend  # what it has compiled is not compiled anew


def test_what_a_training_is_given() -> None:
    config, data = Config(data=DataConfig(name="arrays")), xpmlp.from_arrays(X, Y)
    for copied in COPIES:
        assert copied(config) == config
        np.testing.assert_array_equal(copied(data).train.features, data.train.features)


def test_on_a_machine_without_the_library(get_backend: Callable[..., Backend], monkeypatch: pytest.MonkeyPatch) -> None:
    result = trained(get_backend("strict"))
    pickled = pickle.dumps(result)
    resolve = registry.resolve

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "strict":
            raise BackendError("backend strict needs array-api-strict.")
        return resolve(name, *arguments, **options)

    monkeypatch.setattr(registry, "resolve", without)
    with pytest.warns(UserWarning, match=r"needs array-api-strict\. The backend is NumPy now\."):
        there = pickle.loads(pickled)
    assert there.backend.name == "numpy"
    for (weights, _), (ours, _) in zip(there.parameters, result.parameters, strict=True):
        np.testing.assert_array_equal(weights, result.backend.to_numpy(ours))
