"""``to_onnx`` of the four estimators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from xpmlp import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor
from xpmlp.errors import XpmlpError

pytest.importorskip("onnx", reason="needs onnx, of the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
LABELS: dict[str, Any] = {
    "strings": np.asarray(["a", "b", "c"])[(X[:, 0] > 0) * 1 + (X[:, 1] > 0)],
    "two": X[:, 0] > 0,
    "objects": np.asarray(["no", "yes"], dtype=object)[(X[:, 0] > 0) * 1],
    "numbers": np.asarray([7, 3])[(X[:, 0] > 0) * 1],
    "several": (X[:, :2] > 0).astype(int),
}


def computed(path: Path, columns: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return dict(zip([one.name for one in session.get_outputs()], session.run(None, columns), strict=True))


@pytest.mark.parametrize("kind", LABELS)
def test_a_classifier(kind: str, tmp_path: Path) -> None:
    model = MLPClassifier((8,), activation="mish", max_iter=20, random_state=0).fit(X, LABELS[kind])
    model.to_onnx(tmp_path / "model.onnx")
    found = computed(tmp_path / "model.onnx", {"features": X})
    assert found["label"].tolist() == model.predict(X).tolist()
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(X), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_a_regressor(loss: str, tmp_path: Path) -> None:
    y = np.abs(X[:, :2]) if loss == "squared_error" else np.abs(X[:, 0])
    model = MLPRegressor(loss, (8,), max_iter=20, random_state=0).fit(X, y)
    model.to_onnx(tmp_path / "model.onnx")
    found = computed(tmp_path / "model.onnx", {"features": X})["prediction"]
    np.testing.assert_allclose(found, model.predict(X).reshape(len(X), -1), rtol=1e-5, atol=1e-6)


def table(rows: int = 120) -> dict[str, list[Any]]:
    return {
        "size": [None if one % 9 == 0 else float(X[one % 120, 0]) for one in range(rows)],
        "town": [("Ulm", "Bonn", "", "Kiel")[one % 4] for one in range(rows)],
    }


def inputs() -> dict[str, npt.NDArray[Any]]:
    given = table()
    return {
        "size": np.asarray([[np.nan if one is None else one] for one in given["size"]]),
        "town": np.asarray([[one] for one in given["town"]], dtype=object),
    }


QUICK = {"train.epochs": 2, "backend.fused": False}


@pytest.mark.slow
@pytest.mark.parametrize("members", [1, 2])
def test_a_classifier_of_tables_by_its_recipe_with_folds(members: int, tmp_path: Path) -> None:
    model = TabularClassifier(random_state=0, members=members, settings=QUICK, threshold={"cat": 3})
    model.fit(table(), np.where(np.nan_to_num(X[:, 0]) > 0, "cat", "dog"))
    assert model.network_.network.root.repeats > members  # the folds of the recipe vote
    model.to_onnx(tmp_path / "model.onnx")
    found = computed(tmp_path / "model.onnx", inputs())
    assert found["label"].tolist() == model.predict(table()).tolist()
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(table()), rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_a_regressor_of_tables(tmp_path: Path) -> None:
    model = TabularRegressor(random_state=0, settings=QUICK).fit(table(), 1e6 + 1e4 * X[:, 0])
    model.to_onnx(tmp_path / "model.onnx")
    found = computed(tmp_path / "model.onnx", inputs())["prediction"]
    np.testing.assert_allclose(found[:, 0], model.predict(table()), rtol=1e-5)


def test_a_single_class(tmp_path: Path) -> None:
    model = MLPClassifier((4,), max_iter=1, random_state=0).fit(np.nan_to_num(X), np.full(len(X), 7))
    model.coefs_[-1][:], model.intercepts_[-1][:] = 0, 5  # the logit of class 1, if there were one
    model.to_onnx(tmp_path / "model.onnx")
    found = computed(tmp_path / "model.onnx", {"features": np.nan_to_num(X)})
    assert found["label"].tolist() == model.predict(np.nan_to_num(X)).tolist() == [7] * len(X)
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(np.nan_to_num(X)), rtol=1e-5)


def test_names_and_classes_are_in_the_file(tmp_path: Path) -> None:
    import onnx
    import pandas as pd

    frame = pd.DataFrame(X, columns=["wide", "high", "deep"])
    MLPClassifier((4,), max_iter=1, random_state=0).fit(frame, LABELS["numbers"]).to_onnx(tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    assert "wide, high, deep" in model.graph.input[0].doc_string
    assert json.loads({one.key: one.value for one in model.metadata_props}["classes"]) == [3, 7]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    model = MLPClassifier((4,), max_iter=1, random_state=0)
    with pytest.raises(ValueError, match="not fitted"):
        model.to_onnx(tmp_path / "model.onnx")
    days = np.asarray(["2020-01-01", "2020-01-02"], dtype="datetime64[D]")[(X[:, 0] > 0) * 1]
    with pytest.raises(ValueError, match="have no equal in ONNX"):
        model.fit(X, days).to_onnx(tmp_path / "model.onnx")
    large = np.asarray([4, 2**63 + 9], dtype=np.uint64)[(X[:, 0] > 0) * 1]
    with pytest.raises(XpmlpError, match=r"the label 9223372036854775817 is above 2\*\*63 - 1, .*: train with"):
        model.fit(X, large).to_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
