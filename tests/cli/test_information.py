"""Informative commands: help, version, backends, data sets, configs."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import xpmlp as library
from tests.cli.conftest import Run
from tests.digits import QUICKSTART
from xpmlp.config import json_schema, load_config


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], ["train", "evaluate", "predict", "backends", "config", "data", "configs/quickstart.toml"]),
        (["train"], ["CONFIG", "--set", "--backend", "--device", "--out", "--overwrite", "--quiet", "Ctrl-C"]),
        (["evaluate"], ["RUN_DIR", "--split", "--backend", "--device"]),
        (["predict"], ["RUN_DIR", "INPUT", "--output", "--backend", "--device"]),
        (["page"], ["RUN_DIR", "--split", "--out", "--data", "--rows", "--run", "--quiet"]),
        (["compare"], ["RUN_DIR...", "--split", "--out", "--allow-code", "--quiet"]),
        (["verify"], ["CONFIG", "--backends", "--steps", "--dtype", "--reference", "--set", "--out", "verify.json"]),
        (["backends"], ["array libraries"]),
        (["config"], ["schema", "show"]),
        (["config", "schema"], ["JSON schema"]),
        (["config", "show"], ["CONFIG", "--set"]),
        (["data"], ["list", "fetch"]),
        (["data", "list"], ["data sets"]),
        (["data", "fetch"], ["NAME"]),
    ],
    ids=lambda value: " ".join(value) or "xpmlp",
)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(xpmlp: Run, command: list[str], words: list[str], option: str) -> None:
    outcome = xpmlp(*command, option)
    assert (outcome.status, outcome.err) == (0, "")
    for word in words:
        assert word in outcome.out


def test_circular_garbage_is_not_looked_for_at_exit() -> None:
    code = (
        "import atexit, gc, sys; atexit.register(lambda: print(gc.get_freeze_count() > 1000)); "
        "sys.argv = ['xpmlp', '--version']; from xpmlp.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"xpmlp {library.__version__}\nTrue\n"


def test_version(xpmlp: Run) -> None:
    assert xpmlp("--version") == (0, f"xpmlp {library.__version__}\n", "")


def test_backends(xpmlp: Run) -> None:
    outcome = xpmlp("backends")
    assert (outcome.status, outcome.err) == (0, "")
    header, *rows = [line.split() for line in outcome.out.splitlines()]
    assert header == ["backend", "version", "float64", "devices"]
    assert [row[0] for row in rows] == ["numpy", "cupy", "torch", "jax"]
    table = {row[0]: row[1:] for row in rows}
    assert table["numpy"][1:] == ["yes", "cpu"]
    for version, float64, *devices in table.values():
        assert devices
        if float64 == "-":
            assert devices[:2] == ["not", "usable:"]
        else:
            assert float64 in ("yes", "no")
            assert version[0].isdigit()


def test_backends_says_what_is_not_installed(xpmlp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = ("cupy", "torch", "jax")
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)
    outcome = xpmlp("backends")
    assert outcome.status == 0
    assert outcome.out.count("not usable: not installed\n") == len(packages)


def test_data_list(xpmlp: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPMLP_DATA_DIR", str(tmp_path))
    outcome = xpmlp("data", "list")
    assert (outcome.status, outcome.err) == (0, "")
    header, *rows = outcome.out.splitlines()
    assert header.split()[:2] == ["data", "set"]
    assert [row.split()[0] for row in rows] == ["mnist", "fashion-mnist", "synth", "digits", "csv", "npz", "table"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "parts"),
    [("digits", ["needs no download", "mnist"]), ("mnits", ["no data set 'mnits'", "did you mean 'mnist'"])],
)
def test_data_fetch_refuses(xpmlp: Run, name: str, parts: list[str]) -> None:
    xpmlp("data", "fetch", name).assert_refused(*parts)


def test_config_schema(xpmlp: Run) -> None:
    outcome = xpmlp("config", "schema")
    assert (outcome.status, outcome.err) == (0, "")
    assert json.loads(outcome.out) == json_schema()


def test_config_show(xpmlp: Run, tmp_path: Path) -> None:
    outcome = xpmlp("config", "show", QUICKSTART, "--set", "train.epochs=3", "--backend", "strict", "--device", "cpu")
    assert (outcome.status, outcome.err) == (0, "")
    shown = tomllib.loads(outcome.out)
    assert shown["train"]["epochs"] == 3
    assert (shown["backend"]["name"], shown["backend"]["device"]) == ("strict", "cpu")
    (tmp_path / "shown.toml").write_text(outcome.out)
    changes = {"train.epochs": 3, "backend.name": "strict", "backend.device": "cpu"}
    assert load_config(tmp_path / "shown.toml") == load_config(QUICKSTART, changes)


def test_config_show_refuses(xpmlp: Run) -> None:
    xpmlp("config", "show", "missing.toml").assert_refused("missing.toml")
