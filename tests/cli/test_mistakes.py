"""Mistakes in commands: one sentence, exit status 2, no traceback, no folder."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pooch
import pytest
import requests

from tests.cli.conftest import Run
from tests.digits import QUICKSTART
from xpmlp.data import locate


@pytest.fixture(autouse=True)
def nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Run in an empty folder, and find it empty afterwards."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    yield
    assert list(here.iterdir()) == []


def test_no_such_config(xpmlp: Run) -> None:
    xpmlp("train", "missing.toml").assert_refused("missing.toml")


def test_config_is_no_toml(xpmlp: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("[data\n")
    xpmlp("train", tmp_path / "broken.toml").assert_refused("broken.toml", "line 1")


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("train.epoch=1", ["train.epoch", "did you mean", "epochs"]),
        ("train.epochs=0", ["train.epochs = 0", "at least 1"]),
        ("train.epochs=many", ["train.epochs", "many", "integer"]),
        ("train.learning_rate=nan", ["train.learning_rate", "nan"]),
        ("model.activation=sigmoidal", ["model.activation", "sigmoidal", '"sigmoid"']),
        ("trian.epochs=1", ["trian", "did you mean"]),
        ("train.epochs", ["train.epochs", "no '='"]),
        ("data.path=x.csv", ["data.path", "csv"]),
    ],
)
def test_bad_overrides(xpmlp: Run, override: str, parts: list[str]) -> None:
    xpmlp("train", QUICKSTART, "--set", override).assert_refused("--set", *parts)


def test_all_mistakes_at_once(xpmlp: Run, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text('[data]\nname = "digit"\n[train]\nepoch = 3\nbatch_size = 0\n')
    outcome = xpmlp("train", tmp_path / "wrong.toml")
    assert outcome.status == 2
    assert "Traceback" not in outcome.err
    for part in ("data.name", "digits", "train.epoch", "epochs", "train.batch_size = 0"):
        assert part in outcome.err


def test_unknown_backend(xpmlp: Run) -> None:
    xpmlp("train", QUICKSTART, "--backend", "numpie").assert_refused("backend.name", "numpie", '"numpy"')


@pytest.mark.parametrize(
    ("backend", "module", "extra"),
    [
        ("torch", "torch", "xpmlp[torch]"),
        ("jax", "jax", "xpmlp[jax]"),
        ("cupy", "cupy", "xpmlp[cuda13]"),
        ("strict", "array_api_strict", "array-api-strict"),
    ],
)
def test_library_that_is_not_installed(
    xpmlp: Run, monkeypatch: pytest.MonkeyPatch, backend: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    outcome = xpmlp("train", QUICKSTART, "--backend", backend)
    outcome.assert_refused(f"backend {backend} needs", "pip install", extra)


@pytest.mark.parametrize(
    ("backend", "device", "parts"),
    [
        ("numpy", "cuda:0", ["backend numpy has no device 'cuda:0'", "cpu"]),
        ("strict", "device7", ["backend strict has no device 'device7'", "device1"]),
    ],
)
def test_device_that_is_not_there(xpmlp: Run, backend: str, device: str, parts: list[str]) -> None:
    xpmlp("train", QUICKSTART, "--backend", backend, "--device", device).assert_refused(*parts)


@pytest.mark.parametrize(("backend", "device"), [("torch", "cuda:99"), ("torch", "tpu"), ("jax", "gpu:99")])
def test_device_that_a_library_does_not_have(xpmlp: Run, backend: str, device: str) -> None:
    pytest.importorskip(backend, reason=f"needs {backend}")
    outcome = xpmlp("train", QUICKSTART, "--backend", backend, "--device", device)
    outcome.assert_refused(f"backend {backend} has no device {device!r}", "it has cpu")


def test_dtype_that_a_device_does_not_have(xpmlp: Run) -> None:
    options = ("--backend", "strict", "--device", "no_float64", "--set", "backend.dtype=float64")
    xpmlp("train", QUICKSTART, *options).assert_refused("float64", 'set backend.dtype to "float32"')


def test_data_that_are_not_here_and_no_network(xpmlp: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(self: object, *arguments: object, **options: object) -> None:
        raise OSError("there is no network")

    monkeypatch.setattr(requests.Session, "send", offline)
    monkeypatch.setattr(locate, "DEBIAN_FOLDER", tmp_path / "no debian")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache")
    monkeypatch.delenv("XPMLP_DATA_DIR", raising=False)
    outcome = xpmlp("train", QUICKSTART.parent / "mnist.toml")
    outcome.assert_refused("XPMLP_DATA_DIR", "train-images-idx3-ubyte", "configs/quickstart.toml")


def test_folder_in_use(xpmlp: Run, tmp_path: Path) -> None:
    outcome = xpmlp("train", QUICKSTART, "--out", tmp_path)
    outcome.assert_refused(f"the run folder {tmp_path} is not empty", "--out", "--overwrite")


def test_folder_below_a_file(xpmlp: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = xpmlp("train", QUICKSTART, "--out", tmp_path / "file" / "run", "--set", "train.epochs=1", "--quiet")
    outcome.assert_refused("cannot be made", os.strerror(errno.ENOTDIR))


@pytest.mark.parametrize(
    "arguments", [["trian"], ["train"], ["train", "x.toml", "--epochs", "1"], ["evaluate", ".", "--split", "tests"]]
)
def test_usage(xpmlp: Run, arguments: list[str]) -> None:
    outcome = xpmlp(*arguments)
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.startswith("Usage: ")
    assert "Traceback" not in outcome.err


ESCAPE = "\x1b[31m[red]<b>\x07"


@pytest.mark.slow
def test_no_name_sends_the_terminal_commands(xpmlp: Run, tmp_path: Path) -> None:
    """Not of a folder, a file, a column, or a value; nor is one taken for rich's markup."""
    folder = tmp_path / f"run{ESCAPE}"
    for options in ((), ("--set", "grid.runs=2")):
        config = QUICKSTART, "--set", "train.epochs=1", "--set", "output.plots=false", *options
        outcome = xpmlp("train", *config, "--out", folder, "--overwrite")
        assert outcome.status == 0, outcome
        assert "run\\u001b[31m[red]<b>\\u0007" in outcome.out
        assert "\x1b" not in outcome.out + outcome.err
        xpmlp("train", *config, "--out", folder).assert_refused("run\\u001b[31m[red]<b>\\u0007")
    path = tmp_path / f"table{ESCAPE}.csv"
    path.write_text(f"x,target\n{ESCAPE},1\n")
    xpmlp("train", QUICKSTART, "--set", "data.name=csv", "--set", f"data.path={path}").assert_refused(
        "table\\u001b[31m[red]<b>\\u0007.csv", "'\\x1b[31m[red]<b>\\x07', which is not a number"
    )
    xpmlp("config", "show", tmp_path / f"net{ESCAPE}.toml").assert_refused("net\\u001b[31m")
