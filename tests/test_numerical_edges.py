"""Extreme data and settings: each has one outcome, the same on every backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.helpers import Case, cases
from xpmlp import Result, predict, train
from xpmlp.backend import Backend
from xpmlp.config import BackendConfig, Config, DataConfig, ModelConfig, OutputConfig, TrainConfig, load_config
from xpmlp.data import Part
from xpmlp.errors import BackendError, ConfigError, DataError, DivergenceError
from xpmlp.nn import Widths, losses, mlp
from xpmlp.training import Status
from xpmlp.training.inference import Inference
from xpmlp.training.step import Network

Train = Callable[..., Result]
X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.arange(40) % 2
X_AT_17 = np.arange(X.size).reshape(X.shape) == 17  # row 6, column 3


@pytest.fixture(
    params=[Case("numpy", "cpu", "float32"), Case("strict", "device1", "float32"), Case("torch", "cpu", "float32")],
    ids=str,
)
def train_on(request: pytest.FixtureRequest, get_backend: Callable[..., Backend], tmp_path: Path) -> Train:
    """A function (features, targets, options by section) -> result, of a training from an npz file on a backend."""
    case = request.param
    get_backend(*case)  # or skip

    def run(features: Any, targets: Any, **options: dict[str, Any]) -> Result:
        path = tmp_path / "mine.npz"
        np.savez(path, features=features, target=targets)
        config = Config(
            backend=BackendConfig(name=case.name, device=case.device, dtype=case.dtype, threads=1),
            data=DataConfig(name="npz", path=path, **options.get("data", {})),
            model=ModelConfig(**{"hidden_layer_sizes": [8]} | options.get("model", {})),
            train=TrainConfig(**{"epochs": 2, "batch_size": 8} | options.get("train", {})),
            output=OutputConfig(plots=False),
        )
        return train(config, tmp_path / "run")

    return run


def assert_usual(result: Result) -> None:
    """Assert that it ended, with finite figures, and weights that predict."""
    assert result.run.status is Status.FINISHED
    assert np.isfinite(result.history.train_loss).all()
    assert np.isfinite(result.history.batch_losses).all()
    assert result.run_dir is not None
    assert np.isfinite(predict(result.run_dir, X[:3])[1]).all()


ORDINARY: dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any], dict[str, Any]]] = {
    "large features": (X * 1e30, Y, {}),
    "small features": (X * 1e-200, Y, {}),
    "denormal features": (X * 5e-324, Y, {"data": {"standardize": False}}),
    "a constant column": (X * [1, 0, 1] + [0, 7, 0], Y, {}),
    "a large constant column": (np.where([True, False, False], 1e30, X), Y, {}),
    "nothing but constants": (np.full_like(X, 1e30), Y, {}),
    "float16": (X.astype(np.float16), Y, {}),
    "float16, not standardised": (X.astype(np.float16), Y, {"data": {"standardize": False}}),
    "float16 near its end": (np.clip(X * 3e4, -65504, 65504).astype(np.float16), Y, {}),
    "four examples": (X[:4], Y[:4], {"data": {"test_fraction": 0.0}}),
    "a batch larger than the data": (X, Y, {"train": {"batch_size": 10**6}}),
    "a batch size beyond all integers": (X, Y, {"train": {"batch_size": 10**30}}),
    "segments beyond all integers": (X, Y, {"train": {"segment_steps": 10**30}}),
    "negative labels": (X, np.where(Y, -7, 12), {}),
    "labels at the ends of int64": (X, np.where(Y, -(2**63), 2**63 - 1), {}),
    "labels that are names": (X, np.where(Y, "=yes", "no"), {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ORDINARY)
def test_it_trains_as_usual(train_on: Train, name: str) -> None:
    features, targets, options = ORDINARY[name]
    result = train_on(features, targets, **options)
    assert_usual(result)
    assert result.run_dir is not None
    labels = predict(result.run_dir, X[:3])[2]
    assert labels.tolist() == np.unique(targets).tolist()


@pytest.mark.parametrize(
    ("features", "targets", "options", "says"),
    [
        (X, Y * 0, {}, "all targets are 0; a classifier needs two classes or more"),
        (X[:1], Y[:1], {}, "a classifier needs two classes or more"),
        (X[:2], Y[:2], {"data": {"test_fraction": 0.0}}, r"class 0 has too few examples \(1\)"),
        (X[:, :0], Y, {}, "has no feature columns"),
        (np.where(X_AT_17, np.nan, X), Y, {}, r"row 6, column 3 is missing \(NaN\)"),
        (np.where(X_AT_17, np.inf, X), Y, {}, "row 6, column 3 is infinite"),
        (np.where(X_AT_17, -np.inf, X).astype(np.float16), Y, {}, "row 6, column 3 is infinite"),
        (X, np.where(np.arange(40) == 5, np.nan, Y), {}, "target of row 6 is missing"),
        (X * 1e300, Y, {}, "too large to standardise"),
        (X, Y, {"data": {"validation_size": 10**30}}, r"^data\.validation_size gives a validation part of 10"),
    ],
)
def test_it_is_refused(
    tmp_path: Path, features: npt.NDArray[Any], targets: npt.NDArray[Any], options: dict[str, Any], says: str
) -> None:
    """Before anything is on a device, so on no backend in particular."""
    path = tmp_path / "mine.npz"
    np.savez(path, features=features, target=targets)
    config = Config(data=DataConfig(name="npz", path=path, **options.get("data", {})))
    with pytest.raises(DataError, match=says):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("features", "options"),
    [
        (X * 1e30, {"data": {"standardize": False}}),
        (X * 1e300, {"data": {"standardize": False}}),  # infinite as float32: torch let NumPy's warning through
        (X, {"train": {"learning_rate": 1e30}}),
        (X, {"train": {"learning_rate": 1e300}}),  # on torch it was a RuntimeError
        (X, {"train": {"learning_rate": 1e30, "optimizer": "adam"}}),
        (X, {"train": {"weight_decay": 1e30}}),
        (X, {"model": {"init": "normal", "init_scale": 1e300}}),
    ],
)
def test_it_diverges_and_says_so(
    train_on: Train, tmp_path: Path, features: npt.NDArray[Any], options: dict[str, Any]
) -> None:
    with pytest.raises(DivergenceError, match="stopped being finite in epoch 1"):
        train_on(features, Y, **options)
    assert (tmp_path / "run" / "weights.safetensors").exists()


def test_a_learning_rate_of_zero_changes_nothing(train_on: Train) -> None:
    result = train_on(X, Y, train={"learning_rate": 0.0, "epochs": 3})
    assert_usual(result)
    assert len(set(result.history.validation_loss.tolist())) == 1


@pytest.mark.slow(reason="a training of 30,000 examples on each backend")
def test_ten_thousand_classes(train_on: Train, tmp_path: Path) -> None:
    """Balanced, and so hardly learnt in an epoch: the loss begins, and stays near, the logarithm of their number."""
    classes = 10_000
    features = np.random.default_rng(1).normal(size=(3 * classes, 2)).astype(np.float32)
    options = {"epochs": 1, "batch_size": 1000}
    result = train_on(features, np.arange(3 * classes) % classes, train=options, model={"hidden_layer_sizes": [4]})
    assert result.history.train_loss == pytest.approx([np.log(classes)], rel=0.01)
    assert predict(tmp_path / "run", features[:3])[1].shape == (3, classes)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("hidden_layer_sizes = [2147483648]", "an integer of at least 1 and less than 2147483648"),
        (f"hidden_layer_sizes = [{10**30}]", "an integer of at least 1 and less than 2147483648"),
    ],
)
def test_layers_that_no_library_can_count(tmp_path: Path, setting: str, says: str) -> None:
    path = tmp_path / "net.toml"
    path.write_text(f'[data]\nname = "digits"\n[model]\n{setting}\n')
    with pytest.raises(ConfigError, match=says):
        load_config(path)


@pytest.mark.parametrize("backend", cases("strict", "jax", dtype="float32"), indirect=True)
def test_more_examples_than_an_index_can_count(backend: Backend) -> None:
    """One more than int32 counts; of views that repeat one element, so that nothing is allocated."""
    assert backend.index_dtype_name == "int32"
    examples = 2**31
    features = np.broadcast_to(np.zeros((1, 1), np.uint8), (examples, 1))
    part = Part(features, np.broadcast_to(np.zeros(1, np.int64), (examples,)))
    inference = Inference(Network(mlp((2,), ()), Widths(1), losses["cross_entropy"]), backend)
    with pytest.raises(BackendError, match=r"counts examples with int32, so up to 2,147,483,647.*2,147,483,648"):
        inference.to_device(part)
