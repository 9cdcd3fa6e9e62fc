"""Named columns are matched by name in validation, evaluation and prediction, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import xpmlp
from xpmlp.config import Config, DataConfig, ModelConfig, OutputConfig, TrainConfig
from xpmlp.errors import ConfigError, DataError
from xpmlp.storage import load_network
from xpmlp.training import predict_file

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"small": RNG.normal(size=60), "large": 50 + 20 * RNG.normal(size=60)})
KIND = np.where(FRAME["small"] > 0, "up", "down")
SWAPPED = FRAME[["large", "small"]]


def config(**data: Any) -> Config:
    return Config(
        data=DataConfig(**({"name": "arrays"} | data)),
        model=ModelConfig(hidden_layer_sizes=[4]),
        train=TrainConfig(epochs=2),
        output=OutputConfig(plots=False),
    )


def structured(frame: pd.DataFrame) -> Any:
    return np.rec.fromarrays([frame[name] for name in frame], names=list(frame))


@pytest.fixture(scope="module")
def csv_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on a CSV file with the columns ``small``, ``large`` and ``kind``; not to be changed."""
    folder = tmp_path_factory.mktemp("columns")
    FRAME.assign(kind=KIND).to_csv(folder / "d.csv", index=False)
    xpmlp.train(config(name="csv", path=folder / "d.csv", target="kind"), folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def unnamed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on an array."""
    folder = tmp_path_factory.mktemp("unnamed") / "run"
    xpmlp.train(config(), folder, data=xpmlp.from_arrays(FRAME.to_numpy(), KIND, scale=0.02))
    return folder


MAKE: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame.assign(note="x"),
    "polars": lambda frame: pl.DataFrame({name: frame[name].to_numpy() for name in frame} | {"note": ["x"] * 60}),
    "structured": structured,
}


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_prediction_matches_names(csv_run: Path, make: Callable[[pd.DataFrame], Any]) -> None:
    wanted = xpmlp.predict(csv_run, FRAME.to_numpy())
    for frame in (FRAME, SWAPPED):
        np.testing.assert_array_equal(xpmlp.predict(csv_run, make(frame)).outputs, wanted.outputs)


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_prediction_refuses_other_names(csv_run: Path, make: Callable[[pd.DataFrame], Any]) -> None:
    renamed = make(FRAME.rename(columns={"small": "smal"}))
    with pytest.raises(DataError, match=r"^features: lacks 'small', which .* did you mean 'smal'"):
        xpmlp.predict(csv_run, renamed)


def test_a_frame_without_names_goes_by_position(csv_run: Path) -> None:
    wanted = xpmlp.predict(csv_run, FRAME).outputs
    np.testing.assert_array_equal(xpmlp.predict(csv_run, pd.DataFrame(FRAME.to_numpy())).outputs, wanted)


def test_a_network_without_names_goes_by_position(unnamed_run: Path) -> None:
    assert load_network(unnamed_run / "weights.safetensors").feature_names is None
    wanted = xpmlp.predict(unnamed_run, FRAME.to_numpy()).outputs
    for frame in (FRAME, FRAME.set_axis(["any", "name"], axis=1), structured(FRAME)):
        np.testing.assert_array_equal(xpmlp.predict(unnamed_run, frame).outputs, wanted)
    counted = FRAME.set_axis([0, 1], axis=1)[[1, 0]]
    np.testing.assert_array_equal(xpmlp.predict(unnamed_run, counted).outputs, wanted)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_prediction_files_with_fields(csv_run: Path, tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"x{suffix}"
    (np.save if suffix == ".npy" else np.savez)(source, structured(SWAPPED))
    found = predict_file(csv_run, source, tmp_path / "out.npy")
    np.testing.assert_array_equal(found.outputs, xpmlp.predict(csv_run, FRAME).outputs)


def test_names_of_a_frame_are_saved(tmp_path: Path) -> None:
    xpmlp.train(config(), tmp_path, data=xpmlp.from_arrays(FRAME, KIND, scale=0.02))
    assert load_network(tmp_path / "weights.safetensors").feature_names == ("small", "large")
    wanted = xpmlp.predict(tmp_path, FRAME).outputs
    np.testing.assert_array_equal(xpmlp.predict(tmp_path, SWAPPED).outputs, wanted)
    SWAPPED.to_csv(tmp_path / "x.csv", index=False)
    found = predict_file(tmp_path, tmp_path / "x.csv", tmp_path / "out.csv")
    np.testing.assert_array_equal(found.outputs, wanted)


def test_names_in_an_npz_file_are_saved(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", features=structured(FRAME), target=KIND.astype(str))
    xpmlp.train(config(name="npz", path=tmp_path / "d.npz"), tmp_path / "run")
    wanted = xpmlp.predict(tmp_path / "run", FRAME).outputs
    np.testing.assert_array_equal(xpmlp.predict(tmp_path / "run", SWAPPED).outputs, wanted)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_parts_match_the_training_part(part: str) -> None:
    dataset = xpmlp.from_arrays(FRAME, KIND, **{part: (SWAPPED.assign(note="x"), KIND)})
    np.testing.assert_array_equal(getattr(dataset, part).features, dataset.train.features)
    with pytest.raises(DataError, match=f"^{part} x: lacks 'small'.*did you mean 'smalls'"):
        xpmlp.from_arrays(FRAME, KIND, **{part: (SWAPPED.rename(columns={"small": "smalls"}), KIND)})


def test_columns_of_values_match_too() -> None:
    dataset = xpmlp.from_arrays(FRAME, FRAME, validation=(FRAME, SWAPPED), values=True)
    assert dataset.target_names == ("small", "large")
    assert dataset.validation is not None
    np.testing.assert_array_equal(dataset.validation.targets, dataset.train.targets)
    with pytest.raises(DataError, match=r"^y: lacks 'large'"):
        xpmlp.from_arrays(FRAME, FRAME, validation=(FRAME, FRAME[["small"]]), values=True)
    assert xpmlp.from_arrays(FRAME, FRAME.to_numpy(), values=True).target_names == ("y1", "y2")


def rewritten(folder: Path, frame: pd.DataFrame) -> dict[str, str]:
    """Overrides by which a table is read in place of the run's own."""
    frame.to_csv(folder / "other.csv", index=False)
    return {"data.path": str(folder / "other.csv")}


def test_evaluation_matches_names(csv_run: Path, tmp_path: Path) -> None:
    wanted = xpmlp.evaluate(csv_run)
    other = SWAPPED.assign(kind=KIND, note="x")[["note", "kind", "large", "small"]]
    assert xpmlp.evaluate(csv_run, overrides=rewritten(tmp_path, other))[:4] == wanted[:4]
    with pytest.raises(DataError, match=r"other.csv: lacks 'small'.*did you mean 'smal'"):
        xpmlp.evaluate(csv_run, overrides=rewritten(tmp_path, other.rename(columns={"small": "smal"})))


def test_evaluation_keeps_the_networks_preprocessing_and_classes(csv_run: Path, tmp_path: Path) -> None:
    """On other data, whose means and classes are not those of the training."""
    labels = xpmlp.predict(csv_run, FRAME + 1).decided
    overrides = rewritten(tmp_path, (FRAME + 1).assign(kind=labels)) | {"data.test_fraction": 0.5}
    assert xpmlp.evaluate(csv_run, "test", overrides=overrides).score.value == 1.0
    other = (FRAME + 1).assign(kind=np.where(np.arange(60) % 2, "up", "aside"))
    with pytest.raises(DataError, match="has the label 'aside', which no training example had"):
        xpmlp.evaluate(csv_run, overrides=rewritten(tmp_path, other))


@pytest.mark.parametrize("key", ["model.activation", "train.epochs", "output.plots", "data"])
def test_a_trained_network_is_not_changed_by_overrides(csv_run: Path, key: str) -> None:
    with pytest.raises(ConfigError):
        xpmlp.evaluate(csv_run, overrides={key: "tanh"})
