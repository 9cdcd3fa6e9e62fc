"""Category codes: given, split, trained on, saved and used for predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpmlp
from tests.training.interrupted import Listener
from xpmlp.config import BackendConfig, Config, DataConfig, ModelConfig, OutputConfig, TrainConfig
from xpmlp.data import load
from xpmlp.errors import DataError

LAYERS = [
    {"kind": "beside", "layers": [{"kind": "categories", "width": 4, "one_hot_up_to": 3}, {"kind": "scaling"}]},
    {"kind": "dense", "units": 16},
    {"kind": "activation", "name": "relu"},
]

X = np.random.default_rng(0).normal(size=(600, 2)).astype(np.float32)
CODES = np.random.default_rng(1).integers(2, [8, 4, 14], size=(600, 3))
Y = (CODES[:, 0] * 3 + CODES[:, 2] + 2 * (X[:, 0] > 0)) % 3
"""The class depends on the first and the last column of categories, and on a number."""


def config_of(backend: BackendConfig | None = None, layers: Any = LAYERS, **data: Any) -> Config:
    return Config(
        backend=backend or BackendConfig(fused=False),
        data=DataConfig(**{"name": "arrays", **data}),
        model=ModelConfig(layers=layers),
        train=TrainConfig(epochs=30, batch_size=16, optimizer="adam", learning_rate=0.02),
        output=OutputConfig(plots=False),
    )


def given(**more: Any) -> Any:
    split = slice(0, 500), slice(500, 600)
    parts = [(X[rows], Y[rows], CODES[rows]) for rows in split]
    (x, y, codes), held_out = parts
    return xpmlp.from_arrays(x, y, **{"codes": codes, "validation": held_out, **more})


def backends() -> list[Any]:
    return [
        BackendConfig(),
        BackendConfig(fused=False),
        BackendConfig(name="torch", device="cpu"),
        BackendConfig(name="jax", device="cpu"),
    ]


def test_units_of_hidden_layers_alone_learn_from_them() -> None:
    result = xpmlp.train(config_of(layers=[]), data=given())
    assert result.run.epochs[-1].validation_value > 0.95


@pytest.mark.parametrize("backend", backends(), ids=["numpy", "numpy-plain", "torch", "jax"])
def test_an_embedding_learns_from_them(backend: BackendConfig) -> None:
    if backend.name != "numpy":
        pytest.importorskip(backend.name, reason="the array library is not installed")
    result = xpmlp.train(config_of(backend), data=given())
    assert result.run.epochs[-1].validation_value > 0.95
    plain = xpmlp.train(config_of(layers=LAYERS[1:]), data=given())
    assert plain.run.epochs[-1].validation_value < 0.7, "without the codes it cannot be learned"


def test_columns_are_counted_in_the_training_part_and_others_become_unknown() -> None:
    dataset = given()
    assert dataset.code_counts == (8, 4, 14)
    one = np.asarray(CODES[500:])
    strange = np.where(one == one.max(), 2**40, one)
    unknown = np.where(one == one.max(), 0, one)
    scores = [
        xpmlp.train(config_of(), data=given(validation=(X[500:], Y[500:], codes))).run.epochs[-1].validation_loss
        for codes in (strange, unknown)
    ]
    assert scores[0] == scores[1]


def test_from_a_file_to_a_prediction(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", features=X, target=Y, codes=CODES)
    dataset = load("npz", path=tmp_path / "d.npz")
    assert dataset.test is not None
    for part in (dataset.train, dataset.test):
        raw = part.features * dataset.preprocessing.std + dataset.preprocessing.mean
        rows = [int(np.abs(X - one).sum(axis=1).argmin()) for one in raw]
        np.testing.assert_array_equal(part.codes, CODES[rows])
        np.testing.assert_array_equal(part.targets, Y[rows])
    config = config_of(name="npz", path=tmp_path / "d.npz", split="three-way")
    result = xpmlp.train(config, tmp_path / "run")
    assert result.run.test is not None
    assert xpmlp.evaluate(tmp_path / "run", "test").score.value == pytest.approx(result.run.test.value)
    prediction = xpmlp.predict(tmp_path / "run", X, codes=CODES)
    assert (prediction.decided == Y).mean() > 0.9
    np.savez(tmp_path / "new.npz", features=X, codes=CODES)
    (tmp_path / "NEW.NPZ").write_bytes((tmp_path / "new.npz").read_bytes())
    from xpmlp.training.prediction import predict_file

    for name in ("new.npz", "NEW.NPZ"):
        again = predict_file(tmp_path / "run", tmp_path / name, tmp_path / "out.csv")
        np.testing.assert_array_equal(again.outputs, prediction.outputs)
    np.save(tmp_path / "new.npy", X)
    for features in ({}, {"codes": CODES[:, :2]}):
        with pytest.raises(DataError, match=r"codes"):
            xpmlp.predict(tmp_path / "run", X, **features)
    with pytest.raises(DataError, match="takes codes of 3 columns of categories: give them in an npz file"):
        predict_file(tmp_path / "run", tmp_path / "new.npy", tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (CODES[:500] - 3, "have a negative number in row"),
        (CODES[:500] * 1.0, "are of type float64: give whole numbers, stored as integers"),
        (CODES[:499], r"have the shape \(499, 3\); \(n, columns\) is needed, with 500 examples"),
        (CODES[:500, :0], r"have the shape \(500, 0\)"),
        (CODES[:500] + 2**40, "number the categories from 2 on"),
    ],
)
def test_codes_that_are_none(codes: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        given(codes=codes)


def test_every_part_needs_them() -> None:
    with pytest.raises(DataError, match="validation needs codes of 3 columns, as the training part has them"):
        given(validation=(X[500:], Y[500:]))


@pytest.mark.slow
def test_a_network_that_does_not_take_them_is_noted() -> None:
    for layers, notes in ((LAYERS, 0), (LAYERS[1:], 1), ([], 0)):
        listener = Listener()
        xpmlp.train(config_of(layers=layers), data=given(), reporter=listener)
        assert sum("has no layer that takes them" in note for note in listener.notes) == notes
