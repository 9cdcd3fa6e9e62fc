"""The benchmark beside RealMLP-TD: the side of xpmlp, on a small table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import realmlp


@pytest.mark.parametrize("target", ["kind", "price"])
def test_one_network_of_the_published_recipe_is_trained(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=90)
    columns = {"x": x, "town": rng.choice(["a", "b", "c"], 90)}
    pl.DataFrame(columns | {"kind": np.where(x > 0, "cat", "dog"), "price": x**2}).select(
        "x", "town", target
    ).write_parquet(tmp_path / "pets.parquet")
    about = {"pets": {"target": target, "task": "regression" if target == "price" else "binary"}}
    (tmp_path / "tables.json").write_text(json.dumps(about))
    np.savez(tmp_path / "splits.npz", **{"pets.1": np.arange(20)})
    encoded, y = realmlp.training_part(tmp_path, "pets")
    assert (encoded.numbers.shape, encoded.codes.shape, y.shape) == ((70, 1), (70, 1), (70,))
    network = realmlp.with_xpmlp(encoded, y, threads=1, epochs=2)().network
    kinds = [layer["kind"] for layer in realmlp.layers_of("mish" if target == "price" else "selu")]
    assert [layer.kind for layer in network.layers.members][: len(kinds)] == kinds
    assert realmlp.main(["--one", "xpmlp", "pets", "--data", str(tmp_path), "--epochs", "1"]) == 0
    assert float(capsys.readouterr().out) > 0
