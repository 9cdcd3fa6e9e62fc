"""Running ``xpmlp`` in the tests' process, and run folders for its commands to work on."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import typer.main

import xpmlp as library
from tests.digits import digits_config
from xpmlp.backend.numpy import NumpyBackend
from xpmlp.cli import main


class Outcome(NamedTuple):
    """Result of a command: its exit status and what it printed."""

    status: int
    out: str
    err: str

    def assert_refused(self, *parts: str, status: int = 2) -> None:
        """Assert that it ended with one sentence, which has these parts, and nothing else."""
        __tracebackhide__ = True
        assert self.status == status, self
        assert self.out == ""
        assert self.err.startswith("error: ")
        assert self.err.count("\n") == 1
        assert self.err.endswith("\n")
        for part in parts:
            assert part in self.err


Run = Callable[..., Outcome]

TABLE = "a,b,kind\n" + "".join(f"{i % 7},{i * 3 % 5},{'cat' if i % 2 else 'dog'}\n" for i in range(60))
CONFIG = """[data]
name = "csv"
path = "d.csv"
target = "kind"
[model]
hidden_layer_sizes = [4]
[train]
epochs = 1
[output]
plots = false
"""


def write_inputs(folder: Path, config: str = CONFIG) -> None:
    """Write a table, ``d.csv``, and the config of a short training on it, ``c.toml``."""
    (folder / "d.csv").write_text(TABLE, encoding="utf-8")
    (folder / "c.toml").write_text(config, encoding="utf-8")


@pytest.fixture(scope="session", autouse=True)
def options_are_read_once() -> Iterator[None]:
    """Typer reads the options of all commands anew whenever the program runs, which here is hundreds of times."""
    with pytest.MonkeyPatch.context() as patch:
        once = functools.cache(typer.main.get_params_from_function)
        patch.setattr("typer.main.get_params_from_function", once)
        yield


@pytest.fixture
def xpmlp(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A function (*arguments) -> outcome that runs the program, as where it has been used before."""
    monkeypatch.setattr(NumpyBackend, "compiles_first", lambda _: False)

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["xpmlp", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on the digits; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    library.train(digits_config({"train.epochs": 5}), folder)
    return folder


@pytest.fixture(scope="session")
def iris_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flowers of three kinds, by name, in a CSV file whose columns are named."""
    from sklearn.datasets import load_iris

    data = load_iris()
    lines = ["sepal length,sepal width,petal length,petal width,kind"]
    for row, target in zip(data.data, data.target, strict=True):
        lines.append(",".join([*map(str, row), str(data.target_names[target])]))
    path = tmp_path_factory.mktemp("iris") / "iris.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def iris_run(tmp_path_factory: pytest.TempPathFactory, iris_csv: Path) -> Path:
    """The folder of a run on ``iris_csv``; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "iris"
    changes = {"data.name": "csv", "data.path": str(iris_csv), "data.target": "kind", "train.epochs": 60}
    library.train(digits_config(changes), folder)
    return folder


@pytest.fixture(scope="session")
def digits_features() -> object:
    """The digits' features, (1797, 64) uint8."""
    from sklearn.datasets import load_digits

    return load_digits().data.astype(np.uint8)
