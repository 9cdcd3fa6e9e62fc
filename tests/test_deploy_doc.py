"""docs/deploy.md: its Python runs, and gives the results of `xpmlp.predict`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import xpmlp
from tests.digits import CODED, digits_config
from xpmlp.export.run import export_run
from xpmlp.export.zones import FIRST, LAST

TEXT = (Path(__file__).parents[1] / "docs" / "deploy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)

pytest.importorskip("onnx", reason="needs onnx, of the extra onnx")
pytest.importorskip("onnxruntime", reason="needs onnxruntime")


@pytest.fixture
def wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> xpmlp.training.Prediction:
    """The predictions for ``new.csv`` of a network that is in ``titanic.onnx``, both in the working folder."""
    monkeypatch.chdir(tmp_path)
    n = 90
    rows = pl.DataFrame(
        {
            "age": [None if one % 7 == 0 else float(one % 50) for one in range(n)],
            "sex": [("female", " male ", None)[one % 3] for one in range(n)],
            "class": [f"{one % 3 + 1:03d}" for one in range(n)],
            "survived": [("yes", "no")[one % 3 > 0] for one in range(n)],
        }
    )
    rows.write_csv("titanic.csv")
    rows.drop("survived").head(20).write_csv("new.csv")
    settings = {"data.name": "table", "data.path": "titanic.csv", "data.target": "survived", "backend.fused": False}
    xpmlp.train(digits_config({**settings, **CODED, "data.types": {"class": "category"}}), "run")
    export_run(Path("run"), "onnx", out=Path("titanic.onnx"))
    return xpmlp.predict("run", rows.drop("survived").head(20))


def run_block(number: int) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "app"}
    exec(BLOCKS[number], names)
    return names


def test_the_years_of_a_zones_clock_changes() -> None:
    assert f"a zone's clock changes from {FIRST.year} to {LAST.year}" in TEXT


def test_ten_lines_of_onnxruntime(wanted: Any) -> None:
    assert len(BLOCKS[0].splitlines()) <= 11
    names = run_block(0)
    assert names["labels"].tolist() == wanted.decided.tolist()
    np.testing.assert_allclose(names["probabilities"], wanted.outputs, rtol=1e-5)


def test_the_handler_of_fastapi(wanted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fastapi = pytest.importorskip("fastapi", reason="needs FastAPI")
    names = run_block(1)
    monkeypatch.setitem(sys.modules, "app", type(sys)("app"))
    rows = pl.read_csv("new.csv", schema_overrides={"class": pl.String}).to_dicts()
    found = names["predict"]([{name: cell for name, cell in row.items() if cell is not None} for row in rows])
    assert [one["label"] for one in found] == wanted.decided.tolist()
    probabilities = [list(one["probabilities"].values()) for one in found]
    np.testing.assert_allclose(probabilities, wanted.outputs, rtol=1e-5)
    assert list(found[0]["probabilities"]) == wanted.names.tolist()
    with pytest.raises(fastapi.HTTPException) as refused:
        names["predict"]([{"age": "old"}])
    assert refused.value.status_code == 422
    assert "/predict" in names["app"].openapi()["paths"]
