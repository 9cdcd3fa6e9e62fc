"""Paths given to commands: in the home folder, too long, forbidden, not text, of Windows."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CONFIG, Run, write_inputs
from tests.refusing import WITHOUT
from xpmlp import _notices, load_config, train
from xpmlp.cli import main

LONG = "x" * 300


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a table, a config and a run of it; the home folder is in it."""
    folder = tmp_path / "here"
    (folder / "home").mkdir(parents=True)
    write_inputs(folder)
    monkeypatch.chdir(folder)
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(folder / "home"))
    return folder


def succeed(xpmlp: Run, *arguments: object) -> str:
    outcome = xpmlp(*arguments)
    assert (outcome.status, outcome.err) == (0, ""), outcome
    return outcome.out


def test_the_home_folder_everywhere(here: Path, xpmlp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell expands a tilde at the beginning of a word only, and none in a config or a container's environment."""
    write_inputs(here / "home")
    (here / "home" / "base.toml").write_text(CONFIG.replace("d.csv", "~/d.csv") + 'folder = "~/runs"\n')
    (here / "e.toml").write_text('extends = "~/base.toml"\n')
    succeed(xpmlp, "train", "~/c.toml", "-q", "--out", "~/x")
    succeed(xpmlp, "resume", "~/x")
    succeed(xpmlp, "evaluate", "~/x")
    succeed(xpmlp, "predict", "~/x", "~/d.csv", "--output=~/p.csv")
    succeed(xpmlp, "config", "show", "e.toml", "--set", "data.path=~/d.csv")
    succeed(xpmlp, "train", "e.toml", "-q")
    (here / "home" / "data" / "mnist").mkdir(parents=True)
    (here / "home" / "data" / "mnist" / "train-images-idx3-ubyte").touch()
    monkeypatch.setenv("XPMLP_DATA_DIR", "~/data")
    assert str(here / "home" / "data") in succeed(xpmlp, "data", "list")
    assert {"x", "runs", "p.csv"} <= {path.name for path in (here / "home").iterdir()}
    assert {path.name for path in here.iterdir()} == {"home", "c.toml", "d.csv", "e.toml"}


@pytest.mark.slow
def test_the_home_folder_of_commands_that_take_longer(here: Path, xpmlp: Run) -> None:
    write_inputs(here / "home")
    succeed(xpmlp, "bench", "~/c.toml", "--backends", "numpy", "--seconds", "0.01", "--out=~/b.json")
    succeed(xpmlp, "verify", "~/c.toml", "--backends", "numpy", "--steps", "1", "--dtype", "float64", "--out=~/v")
    succeed(xpmlp, "report", "--quick", "--only", "table1", "--out=~/p")
    assert {"b.json", "v", "p"} <= {path.name for path in (here / "home").iterdir()}
    assert {path.name for path in here.iterdir()} == {"home", "c.toml", "d.csv"}


COMMANDS: list[list[Any]] = [
    ["train", "c.toml", "--set", "data.path={}.csv"],
    ["train", "c.toml", "--set", "data.name=npz", "--set", "data.path={}.npz"],
    ["train", "{}.toml"],
    ["train", "c.toml", "--out", "{}"],
    ["train", "c.toml", "--set", "output.folder={}"],
    ["train", "c.toml", "--set", "grid.runs=2", "--out", "{}"],
    ["train", "c.toml", "--resume", "--out", "{}"],
    ["train", "m.toml", "--set", "data.root={}"],
    ["config", "show", "{}"],
    ["resume", "{}"],
    ["evaluate", "{}"],
    ["evaluate", "{}", "--run", "best"],
    ["predict", "{}", "d.csv", "-o", "p.csv"],
    ["predict", "r", "{}.csv", "-o", "p.csv"],
    ["predict", "r", "{}.npz", "-o", "p.csv"],
    ["predict", "r", "{}.npy", "-o", "p.csv"],
    ["predict", "r", "{}.idx.gz", "-o", "p.csv"],
    ["predict", "r", "d.csv", "-o", "{}.csv"],
    ["predict", "r", "d.csv", "-o", "{}.npy"],
    ["report", "--quick", "--out", "{}"],
    ["bench", "c.toml", "--backends", "numpy", "--seconds", "0.01", "--out", "{}"],
    ["verify", "c.toml", "--backends", "numpy", "--steps", "1", "--dtype", "float64", "-q", "--out", "{}"],
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the config."""
    folder = tmp_path_factory.mktemp("trained")
    write_inputs(folder)
    train(load_config(folder / "c.toml"), folder / "r")
    return folder / "r"


@pytest.fixture
def run(here: Path, trained: Path) -> Path:
    (here / "m.toml").write_text('[data]\nname = "mnist"\n')
    shutil.copytree(trained, here / "r")
    return here / "r"


def filled(command: list[str], name: str) -> list[str]:
    return [argument.replace("{}", name) for argument in command]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_names_that_are_too_long(run: Path, xpmlp: Run, command: list[str]) -> None:
    xpmlp(*filled(command, LONG)).assert_refused(os.strerror(errno.ENAMETOOLONG))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_links_that_lead_to_themselves(run: Path, xpmlp: Run, command: list[str]) -> None:
    for ending in ("", ".csv", ".npz", ".npy", ".idx.gz", ".toml"):
        (run.parent / f"loop{ending}").symlink_to(f"loop{ending}")
    if command[0] == "predict" and command[-1] in ("{}.csv", "{}.npy"):
        succeed(xpmlp, *filled(command, "loop"))  # the link is replaced
    else:
        xpmlp(*filled(command, "loop/x" if "{}" in command else "loop")).assert_refused("loop")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_below_a_file(run: Path, xpmlp: Run, command: list[str]) -> None:
    xpmlp(*filled(command, "c.toml/x")).assert_refused("c.toml")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_folders_that_may_not_be_entered(
    run: Path, xpmlp: Run, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.parent / "private").mkdir()
    for module, name in ((os, "stat"), (os, "lstat"), (os, "open"), (os, "mkdir"), (os, "listdir"), (os, "scandir")):
        monkeypatch.setattr(module, name, guarded(getattr(module, name)))  # permissions do not bind root
    xpmlp(*filled(command, "private/x")).assert_refused("private")


def guarded(function: Any) -> Any:
    def call(path: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(path, str | os.PathLike) and "private" in Path(path).parent.parts:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return function(path, *arguments, **options)

    return call


@pytest.mark.parametrize(
    "command",
    [
        ["predict", "r", "d.csv", "-o", "locked/p.csv"],
        ["bench", "c.toml", "--backends", "numpy", "--out", "locked/b.json"],
        ["verify", "c.toml", "--backends", "numpy", "--out", "locked/new/v"],
        ["train", "c.toml", "--out", "locked"],
    ],
    ids=lambda command: command[0],
)
def test_a_folder_that_may_not_be_written_to_is_refused_before_anything_is_computed(
    run: Path, xpmlp: Run, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    locked = run.parent / "locked"
    locked.mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked" and access(path, mode))

    def compute(*arguments: Any, **options: Any) -> Any:
        raise AssertionError

    for name in ("xpmlp.training.prediction._predicted", "xpmlp.cli.bench.bench", "xpmlp.cli.verify.verify"):
        monkeypatch.setattr(name, compute)
    xpmlp(*command).assert_refused("locked", "cannot be written")
    assert not list(locked.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes any bytes for a file's name")
def test_a_folder_whose_name_is_no_text(here: Path, xpmlp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    name = os.fsdecode(b"donn\xe9es")
    folder = here / name
    folder.mkdir()
    write_inputs(folder)
    monkeypatch.chdir(folder)
    (folder / f"{name}.toml").write_text(CONFIG.replace("plots = false", "plots = true"))
    for config, out in (("c.toml", "r"), (f"{name}.toml", name)):
        assert r"donn\udce9es" in succeed(xpmlp, "train", config, "--out", out) or out == "r"
        succeed(xpmlp, "resume", out, "--set", "train.epochs=2")
        succeed(xpmlp, "evaluate", out)
        succeed(xpmlp, "predict", out, "d.csv", "-o", f"{name}.csv")
    assert (folder / name / "loss.svg").exists()
    (folder / f"{name}.csv").write_bytes((folder / "d.csv").read_bytes())
    succeed(xpmlp, "predict", "r", f"{name}.csv", "-o", "p.npy")
    assert f"file://{here}/donn%E9es/d.csv" in succeed(xpmlp, "config", "show", "c.toml")
    succeed(xpmlp, "train", "c.toml", "--set", "grid.runs=2", "--set", "grid.workers=1", "--out", f"{name}2")
    succeed(xpmlp, "resume", f"{name}2", "--set", "train.epochs=2")
    succeed(xpmlp, "evaluate", f"{name}2", "--run", "best")


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        (r"C:\new\table.csv", [r'C:\new\table.csv" has a control character', "single quotes"]),
        (r"data\table.csv", ["has a control character", "single quotes"]),
        (r"C:\Users\me\d.csv", ["not valid TOML", "single quotes"]),
        (r"C:\me\d.csv", ["not valid TOML", "single quotes"]),
    ],
)
@pytest.mark.parametrize("key", ["data.path", "output.folder", "extends", "--set"])
def test_windows_paths_in_double_quotes(here: Path, xpmlp: Run, key: str, written: str, parts: list[str]) -> None:
    options: list[str] = []
    if key == "--set":
        options = ["--set", f'data.path="{written}"']
        parts = [part.replace("not valid", "not a valid") for part in parts]
    elif key == "extends":
        (here / "c.toml").write_text(f'extends = "{written}"\n')
    else:
        name = key.partition(".")[2]
        before = {"data.path": 'path = "d.csv"', "output.folder": "plots = false"}[key]
        (here / "c.toml").write_text(CONFIG.replace(before, f'{name} = "{written}"'))
    xpmlp("train", "c.toml", *options).assert_refused(*parts)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_with_a_control_character_is_read_where_there_is_one(here: Path, xpmlp: Run) -> None:
    (here / "a\tb.csv").write_bytes((here / "d.csv").read_bytes())
    (here / "c.toml").write_text(CONFIG.replace("d.csv", r"a\tb.csv"))
    succeed(xpmlp, "train", "c.toml", "-q")


@pytest.mark.skipif(os.name == "nt", reason="names of these lengths are for file systems of Unix")
@pytest.mark.parametrize("name", ["y" * 251, "ü" * 125], ids=["ascii", "two bytes each"])
def test_names_as_long_as_the_file_system_takes(here: Path, xpmlp: Run, name: str) -> None:
    (here / f"{name[:-1]}.toml").write_text(CONFIG)
    succeed(xpmlp, "train", f"{name[:-1]}.toml", "-q")
    run = f"runs/{name[:-1]}"
    succeed(xpmlp, "train", "c.toml", "-q", "--out", f"{name}.run" if name.isascii() else name)
    succeed(xpmlp, "resume", run)
    succeed(xpmlp, "predict", run, "d.csv", "-o", f"{name}.csv")
    succeed(xpmlp, "predict", run, "d.csv", "-o", f"{name}.npy")


@pytest.mark.slow
@pytest.mark.parametrize("error", ["EPERM", "ENOTSUP", "ENOSYS"])
def test_a_file_system_that_lacks_everything_that_can_be_done_without(
    here: Path, xpmlp: Run, error: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_notices, "_shown", set())
    for without in WITHOUT:
        without(monkeypatch, error)
    for options in ((), ("--set", "grid.runs=2", "--set", "grid.workers=1")):
        succeed(xpmlp, "train", "c.toml", "-q", "--out", "r", "--overwrite", *options)
        succeed(xpmlp, "resume", "r", "--set", "train.epochs=2")
    succeed(xpmlp, "predict", "r", "d.csv", "-o", "p.csv", "--run", "best")
    assert sorted(message.partition("cannot")[2].split()[0] for message in caplog.messages) == ["flush", "move"]


def test_errors_of_the_system_that_nothing_foresaw(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, too: a library may touch any file."""

    def fails(**options: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "some/file\x1b")

    monkeypatch.setattr("xpmlp.cli.app.app", fails)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: some/file\\u001b: {os.strerror(errno.EMFILE)}.\n"
