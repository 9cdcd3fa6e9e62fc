"""Code named in a config by ``module:object``: no command imports it without ``--allow-code``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import xpmlp as library
from tests.cli.conftest import TABLE, Run
from xpmlp.backend import backends
from xpmlp.config import Config, DataConfig, ModelConfig, OutputConfig, TrainConfig, json_schema, load_config
from xpmlp.data.csv_file import CSV
from xpmlp.data.formats import formats
from xpmlp.errors import ConfigError
from xpmlp.grid import train_grid
from xpmlp.grid.block import train_one
from xpmlp.grid.plan import blocks_of, members_of
from xpmlp.training import Reporter

MODULE = """
from pathlib import Path
from xpmlp.backend import BackendRecord
from xpmlp.data.csv_file import CSV

with Path(__file__).with_suffix(".ran").open("a") as marks:
    marks.write("x")


def load():
    from xpmlp.backend.numpy import NumpyBackend

    return NumpyBackend


TABLE = CSV._replace(sentence="A table.", extensions=(".table",))
BACKEND = BackendRecord("NumPy by another name.", load)
"""

CONFIG = """[data]
name = "code_outside:TABLE"
path = "d.csv"
target = "kind"
[model]
hidden_layer_sizes = [4]
[train]
epochs = 1
[output]
plots = false
"""

REFUSAL = ('data.name = "code_outside:TABLE" is code from outside', "--allow-code")


@pytest.fixture
def forget() -> Iterator[Callable[[], None]]:
    """Forget what was imported, as a new process would have."""

    def forget() -> None:
        sys.modules.pop("code_outside", None)
        for table in (formats, backends):
            table._given.clear()
            table._outside.clear()

    forget()
    yield forget
    forget()


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget: Callable[[], None]) -> Path:
    """The file that the module ``code_outside``, in the working directory, makes when it is imported."""
    (tmp_path / "code_outside.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "d.csv").write_text(TABLE, encoding="utf-8")
    (tmp_path / "c.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "new.table").write_text(TABLE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path / "code_outside.ran"


def slow(*command: str) -> Any:
    """A command that starts processes of its own, each of which imports the package."""
    return pytest.param([*command], marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "command",
    [
        ["train", "c.toml"],
        slow("train", "c.toml", "--set", "grid.runs=2"),
        ["verify", "c.toml", "--backends", "numpy", "--steps", "2"],
        slow("bench", "c.toml", "--backends", "numpy", "--seconds", "0.1"),
    ],
    ids=["train", "grid", "verify", "bench"],
)
def test_a_config_that_names_code_needs_the_flag(xpmlp: Run, ran: Path, command: list[str]) -> None:
    xpmlp(*command).assert_refused(*REFUSAL)
    assert not ran.exists()
    assert not Path("runs").exists()
    outcome = xpmlp(*command, "--allow-code")
    assert outcome.status == 0, outcome
    assert ran.exists()


@pytest.mark.parametrize(
    "command",
    [
        ["resume", "runs/c", "--set", "train.epochs=2"],
        ["train", "c.toml", "--resume", "--set", "train.epochs=2"],
        ["evaluate", "runs/c"],
        ["predict", "runs/c", "new.table", "--output", "out.csv"],
    ],
    ids=["resume", "train --resume", "evaluate", "predict"],
)
def test_a_run_that_names_code_needs_the_flag(
    xpmlp: Run, ran: Path, forget: Callable[[], None], command: list[str]
) -> None:
    assert xpmlp("train", "c.toml", "--allow-code").status == 0
    assert 'name = "code_outside:TABLE"' in Path("runs/c/config.toml").read_text(encoding="utf-8")
    ran.unlink()
    forget()
    xpmlp(*command).assert_refused(*REFUSAL)
    assert not ran.exists()
    outcome = xpmlp(*command, "--allow-code")
    assert outcome.status == 0, outcome
    assert ran.exists()


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (["train", "c.toml", "--backend", "code_outside:BACKEND"], "backend.name"),
        (["verify", "c.toml", "--backends", "numpy,code_outside:BACKEND:cpu", "--steps", "2"], "backend.name"),
        pytest.param(
            ["bench", "c.toml", "--backends", "code_outside:BACKEND", "--seconds", "0.1"],
            "backend.name",
            marks=pytest.mark.slow,  # starts processes
        ),
        (["report", "--quick", "--backend", "code_outside:BACKEND", "--only", "table1"], "--backend"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_backend_from_outside_needs_the_flag(xpmlp: Run, ran: Path, command: list[str], key: str) -> None:
    Path("c.toml").write_text(CONFIG.replace("code_outside:TABLE", "csv"), encoding="utf-8")
    xpmlp(*command).assert_refused(f'{key} = "code_outside:BACKEND" is code from outside', "--allow-code")
    assert not ran.exists()
    if command[0] != "report":
        outcome = xpmlp(*command, "--allow-code")
        assert outcome.status == 0, outcome
        assert ran.exists()


def test_a_run_on_a_backend_from_outside_says_so(xpmlp: Run, ran: Path) -> None:
    assert xpmlp("train", "c.toml", "--backend", "code_outside:BACKEND", "--allow-code").status == 0
    facts = json.loads(Path("runs/c/run.json").read_text(encoding="utf-8"))
    assert facts["backend"]["name"] == "code_outside:BACKEND"
    outcome = xpmlp("evaluate", "runs/c", "--backend", "numpy", "--allow-code")
    assert "numpy on cpu" in outcome.out


@pytest.mark.slow  # starts processes
def test_worker_processes_import_what_was_allowed(xpmlp: Run, ran: Path) -> None:
    options = ("--set", "grid.runs=2", "--set", "grid.workers=2", "--allow-code")
    assert xpmlp("train", "c.toml", *options).status == 0
    assert len(ran.read_text(encoding="utf-8")) == 3


def test_a_worker_imports_nothing_that_was_not_allowed(ran: Path) -> None:
    (block,) = blocks_of(members_of(load_config("c.toml")), 1)
    with pytest.raises(ConfigError, match=r'^data\.name = "code_outside:TABLE" is code from outside'):
        train_one(block, None, Reporter(), lambda: False)
    assert not ran.exists()


def test_looking_at_a_config_imports_nothing(xpmlp: Run, ran: Path) -> None:
    outcome = xpmlp("config", "show", "c.toml")
    assert outcome.status == 0
    assert 'name = "code_outside:TABLE"' in outcome.out
    outcome = xpmlp("config", "show", "c.toml", "--backend", "code_outside:BACKEND", "--set", "model.activation=a.b:c")
    assert 'activation = "a.b:c"' in outcome.out
    schema = json_schema()["$defs"]["DataConfig"]["properties"]["name"]
    assert schema["anyOf"][0]["enum"] == list(formats)
    assert "anyOf" in schema
    assert not ran.exists()


@pytest.mark.parametrize(
    "name", ["code_outside:", "code outside:TABLE", "code_outside:TABLE:x", "./code_outside:TABLE"]
)
def test_what_is_no_name_is_refused_with_the_form_of_one(xpmlp: Run, ran: Path, name: str) -> None:
    outcome = xpmlp("train", "c.toml", "--set", f"data.name='{name}'", "--allow-code")
    outcome.assert_refused("data.name = ", 'or "module:object", the name of one of your own.')
    assert not ran.exists()


def test_a_mistake_in_the_code_is_a_sentence(xpmlp: Run, ran: Path) -> None:
    Path("code_outside.py").write_text("TABLE = 3", encoding="utf-8")
    outcome = xpmlp("train", "c.toml", "--allow-code")
    outcome.assert_refused('data.name = "code_outside:TABLE" is of type int; a record of Format is needed.')


def config_of(data: Any, **output: Any) -> Config:
    return Config(
        data=data,
        model=ModelConfig(hidden_layer_sizes=[4]),
        train=TrainConfig(epochs=1),
        output=OutputConfig(plots=False, **output),
    )


LIKE_CSV = CSV._replace(sentence="Importable.")


def test_a_record_from_python_is_saved_by_its_name(ran: Path, tmp_path: Path) -> None:
    config = config_of(DataConfig(name=LIKE_CSV, path=tmp_path / "d.csv", target="kind"))
    assert config.data.name == f"{__name__}:LIKE_CSV"
    library.train(config, "run")
    assert library.evaluate("run").examples > 0
    formats._given.clear()
    formats._outside.clear()
    with pytest.raises(ConfigError, match=r"LIKE_CSV.*allow_code=True"):
        library.evaluate("run")
    with pytest.raises(ConfigError, match=r"LIKE_CSV.*allow_code=True"):
        library.predict("run", [[1.0, 2.0]])
    assert library.evaluate("run", allow_code=True).examples > 0


def test_a_record_without_a_name_is_refused_before_a_run_is_saved(ran: Path, tmp_path: Path) -> None:
    config = config_of(DataConfig(name=CSV._replace(sentence="Local."), path=tmp_path / "d.csv", target="kind"))
    library.train(config)
    with pytest.raises(ConfigError, match=r"^data\.name is the object '\w+' of this program, which no file") as error:
        library.train(config, "run")
    assert "\n" not in str(error.value)
    assert not Path("run").exists()
    grid = config.model_copy(update={"grid": config.grid.model_copy(update={"runs": 2, "workers": 2})})
    with pytest.raises(ConfigError, match=r"^data\.name is the object"):
        train_grid(grid)
    with pytest.raises(ConfigError, match=r"^data\.name is the object"):
        train_grid(grid, "run")


def test_verify_knows_no_activation_from_outside(xpmlp: Run, ran: Path) -> None:
    Path("code_outside.py").write_text("from xpmlp.nn import activations\nTANH = activations['tanh']._replace()")
    Path("c.toml").write_text('[data]\nname = "digits"\n[model]\nactivation = "code_outside:TANH"', encoding="utf-8")
    outcome = xpmlp("verify", "c.toml", "--backends", "numpy", "--steps", "2", "--allow-code")
    outcome.assert_refused('model.activation = "code_outside:TANH" is not in the reference')
