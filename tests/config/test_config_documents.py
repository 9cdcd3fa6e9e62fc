"""Documents generated from the models, the files in configs/, and the cost of an import."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from xpmlp.config import Config, DataConfig, json_schema, load_config, markdown

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.toml"))


def run(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout


def test_the_reference_is_up_to_date() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == markdown(), "run: python -m xpmlp.config > docs/configuration.md"


def test_the_module_writes_the_reference() -> None:
    assert run("-m", "xpmlp.config") == markdown()


def test_the_reference_has_a_row_for_every_key() -> None:
    text = markdown()
    for section, table in Config(data=DataConfig(name="digits")).model_dump().items():
        part = text.split(f"## `[{section}]`")[1].split("\n## ")[0]
        rows = [line.split(" | ") for line in part.splitlines() if line.startswith("| `")]
        assert [row[0] for row in rows] == [f"| `{key}`" for key in table]
        assert all(len(row) == 4 for row in rows)
    assert '| `epochs` | `"auto"`, or an integer of at least 1 | `10` |' in text
    (required,) = (line for line in text.splitlines() if "| **required** |" in line)
    assert required.startswith('| `name` | `"mnist"`, ')


def test_the_example_in_the_reference_is_a_whole_file(tmp_path: Path) -> None:
    example = markdown().split("```toml\n")[1].split("```")[0]
    path = tmp_path / "example.toml"
    path.write_text(example, encoding="utf-8")
    assert load_config(path).data.name == "digits"


def nulls(schema: Any) -> int:
    if isinstance(schema, dict):
        return sum(map(nulls, schema.values()))
    return sum(map(nulls, schema)) if isinstance(schema, list) else int(schema is None or schema == "null")


def test_the_schema_describes_files() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == {"extends", "backend", "data", "model", "train", "grid", "output"}
    marker = schema["$defs"]["DataConfig"]["properties"]["missing"].pop("default")
    assert "null" in marker  # a text
    assert nulls(schema) == 0  # TOML has none
    definitions = schema["$defs"]
    assert all(section["additionalProperties"] is False for section in [schema, *definitions.values()])
    keep = definitions["OutputConfig"]["properties"]["keep"]
    assert (keep["type"], keep["minimum"], keep["default"]) == ("integer", 1, 2)
    patience = definitions["TrainConfig"]["properties"]["patience"]
    assert patience["anyOf"] == [{"type": "integer", "minimum": 1}, {"type": "string", "const": "none"}]


def test_the_schema_requires_data_unless_the_file_extends_another() -> None:
    schema = json_schema()
    assert "required" not in schema
    assert all("required" not in section for section in schema["$defs"].values())
    assert schema["if"] == {"not": {"required": ["extends"]}}
    assert schema["then"] == {"required": ["data"], "properties": {"data": {"required": ["name"]}}}


def test_which_configs_there_are() -> None:
    names = ["diabetes", "fashion-mnist", "grid", "mnist", "mnist-cupy", "mnist-sgd", "quickstart", "synth"]
    assert sorted(path.stem for path in CONFIGS) == sorted([*names, "table", "table-values"])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configs_load(path: Path) -> None:
    assert load_config(path).name == path.stem
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_mnist_is_the_courseworks_network() -> None:
    config = load_config(ROOT / "configs" / "mnist.toml")
    assert (config.model.hidden_layer_sizes, config.model.activation) == ([300], "sigmoid")
    train = config.train
    assert (train.epochs, train.batch_size, train.learning_rate, train.optimizer) == (5, 32, 0.01, "sgd")
    sgd = load_config(ROOT / "configs" / "mnist-sgd.toml")
    assert (sgd.train.epochs, sgd.train.batch_size, sgd.train.learning_rate) == (5, 1, 0.03)
    assert (sgd.data.split, sgd.model) == ("test", config.model)


def test_mnist_cupy_differs_by_its_backend_alone() -> None:
    path = ROOT / "configs" / "mnist-cupy.toml"
    assert set(tomllib.loads(path.read_text(encoding="utf-8"))) == {"extends", "backend"}
    plain, cupy = load_config(ROOT / "configs" / "mnist.toml"), load_config(path)
    assert cupy.model_copy(update={"backend": plain.backend}) == plain
    assert (cupy.backend.name, cupy.backend.device) == ("cupy", "cuda:0")


def test_an_import_is_light() -> None:
    modules = run("-c", "import sys, xpmlp.config; print(*sys.modules)").split()
    assert "pydantic" in modules
    assert not {"numpy", "scipy", "sklearn", "matplotlib", "torch", "jax", "cupy", "polars", "pooch"} & set(modules)
