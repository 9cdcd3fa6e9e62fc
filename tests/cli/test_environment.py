"""Commands in separate processes, started as by a notebook, a service, a pipe or an old terminal."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CONFIG, Outcome, write_inputs

pytestmark = pytest.mark.slow  # each starts processes

ROOT = Path(__file__).parents[2]
WINDOWS = os.name == "nt"
POSIX_SHELL = pytest.mark.skipif(WINDOWS, reason="the shell of Windows cannot close a stream or name /dev/full")
PLOTS = ("--set", "output.plots=true")
GRID = ("--set", "grid.learning_rate=[0.1, 0.2]", "--set", "grid.workers=1")
RESULTS = {"batch_losses.npy", "config.toml", "epochs.csv", "run.json", "weights.safetensors"}
CURVES = {"loss.png", "loss.svg", "epochs.png"}

Shell = Callable[..., Outcome]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A function (*arguments, redirection, python, **environment) -> outcome, in a folder with a small ``c.toml``."""
    write_inputs(tmp_path, CONFIG.replace("epochs = 1", "epochs = 2"))

    def run(*arguments: object, redirection: str = "", stdout: int = subprocess.PIPE, **variables: str) -> Outcome:
        command: Any = [sys.executable, "-m", "xpmlp", *map(str, arguments)]
        if redirection:
            command = ["sh", "-c", f"{shlex.join(command)} {redirection}"]
        base = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        base |= {"PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "1"}
        done = subprocess.run(command, cwd=tmp_path, env=base | variables, stdout=stdout, stderr=subprocess.PIPE)
        out, err = ((text or b"").decode(errors="replace") for text in (done.stdout, done.stderr))
        return Outcome(done.returncode, out, err)

    return run


def results(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file() and path.name != ".lock"}


@pytest.mark.parametrize("name", ["module://matplotlib_inline.backend_inline", "nonsense"])
def test_curves_are_drawn_whatever_backend_matplotlib_is_to_use(shell: Shell, tmp_path: Path, name: str) -> None:
    assert shell("train", "c.toml", "-q", *PLOTS, MPLBACKEND=name) == (0, "", "")
    assert results(tmp_path / "runs" / "c") == RESULTS | CURVES


def test_a_training_ends_whole_without_curves_where_matplotlib_cannot_be_imported(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "rc").write_bytes(b"\xff")
    outcome = shell("train", "c.toml", *PLOTS, MATPLOTLIBRC=str(tmp_path / "rc"))
    assert outcome.status == 0
    assert "matplotlib, which draws the figures, cannot be imported" in outcome.out
    assert "its curves are" not in outcome.out
    assert results(tmp_path / "runs" / "c") == RESULTS


@pytest.mark.parametrize(("encoding", "more"), [("ascii", ()), ("gbk", GRID)])
def test_a_character_that_the_output_cannot_hold_is_replaced(
    shell: Shell, tmp_path: Path, encoding: str, more: tuple[str, ...]
) -> None:
    (tmp_path / "c.toml").write_text(CONFIG.replace('"kind"', '"b"').replace('"d.csv"', '"n.csv"'), encoding="utf-8")
    (tmp_path / "n.csv").write_text("a,b\n" + "".join(f"{n % 7},{n % 5}.5\n" for n in range(60)), encoding="utf-8")
    outcome = shell("train", "c.toml", *more, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert outcome.status == 0, outcome
    assert "R?" in outcome.out


@POSIX_SHELL
@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&- >&- 2>&-", "1< /dev/null"])
def test_closed_streams_end_nothing(shell: Shell, tmp_path: Path, streams: str) -> None:
    assert shell("train", "c.toml", redirection=streams).status == 0
    assert results(tmp_path / "runs" / "c") == RESULTS
    assert shell("evaluate", "runs/c", redirection=streams).status == 0
    assert shell("train", "missing.toml", redirection=streams).status == 2


@POSIX_SHELL
def test_what_a_process_prints_never_lands_in_a_file_of_its_own(shell: Shell, tmp_path: Path) -> None:
    """With a stream closed, the next file to be opened would have its number."""
    code = (
        "import os, sys; sys.argv = ['xpmlp', '--version']\n"
        "from xpmlp.cli import main\n"
        "try: main()\n"
        "finally: print(os.open('here', os.O_CREAT | os.O_WRONLY) > 2, file=open('said', 'w'))"
    )
    command = shlex.join([sys.executable, "-c", code])
    subprocess.run(["sh", "-c", f"{command} <&- >&- 2>&-"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (tmp_path / "said").read_text(encoding="utf-8") == "True\n"


@pytest.mark.parametrize("arguments", [("train", "c.toml"), ("train", "c.toml", *GRID), ("config", "schema")])
def test_a_reader_that_goes_away_ends_nothing(shell: Shell, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    outcome = shell(*arguments, stdout=write)
    os.close(write)
    assert outcome == (0, "", "")
    if "train" in arguments:
        assert results(tmp_path / "runs" / "c") >= RESULTS - {"weights.safetensors"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_output_that_cannot_be_kept_is_said_once_all_else_is_done(shell: Shell, tmp_path: Path) -> None:
    outcome = shell("train", "c.toml", redirection="> /dev/full")
    outcome.assert_refused("the output could not be written (No space left on device)", status=1)
    assert results(tmp_path / "runs" / "c") == RESULTS
    assert shell("train", "c.toml", "-q", "--overwrite", redirection="> /dev/full").status == 0


@pytest.mark.parametrize(("name", "value"), [("COLUMNS", "0"), ("COLUMNS", "1"), ("TERMINAL_WIDTH", "abc")])
def test_help_is_readable_whatever_width_the_environment_names(shell: Shell, name: str, value: str) -> None:
    outcome = shell("train", "--help", **{name: value})
    assert outcome.status == 0
    assert "--overwrite" in outcome.out


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONWARNINGS": "error"},
        {"PYTHONWARNINGS": "error::EncodingWarning", "PYTHONWARNDEFAULTENCODING": "1"},
        {"PYTHONDEVMODE": "1"},
        {"PYTHONOPTIMIZE": "2"},
        {"TZ": "Nowhere/Land", "LANG": "xx", "LC_ALL": "C"},
    ],
    ids=str,
)
def test_the_interpreter_may_be_as_strict_as_it_can(shell: Shell, tmp_path: Path, environment: dict[str, str]) -> None:
    outcome = shell("train", "c.toml", "-q", *PLOTS, **environment)
    assert outcome == (0, "", "")
    assert results(tmp_path / "runs" / "c") == RESULTS | CURVES


@pytest.mark.skipif(WINDOWS, reason="Windows keeps a folder that a process is in")
@pytest.mark.parametrize("arguments", [["{}/c.toml"], ["{}/c.toml", "--set", "data.path=d.csv"]], ids=["run", "data"])
def test_a_current_folder_that_was_removed_is_said(shell: Shell, tmp_path: Path, arguments: list[str]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = shlex.join([sys.executable, "-m", "xpmlp", "train", *(text.format(tmp_path) for text in arguments)])
    script = f"cd {shlex.quote(str(gone))} && rmdir {shlex.quote(str(gone))} && {command}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
    outcome = Outcome(done.returncode, done.stdout, done.stderr)
    outcome.assert_refused("The current folder has been removed: change to one that exists.")


@POSIX_SHELL
def test_a_name_that_the_locale_cannot_hold_is_one_sentence(shell: Shell) -> None:
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    outcome = shell("train", "c.toml", "--set", r'output.folder="donn\u00e9es"', **locale)
    outcome.assert_refused("PYTHONUTF8=1", "ascii")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nothing can be made, as /proc")
def test_no_home_and_no_name_are_needed(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import pwd\ndef gone(*_): raise KeyError('uid not found')\npwd.getpwuid = pwd.getpwnam = gone\n"
    )
    outcome = shell("train", "c.toml", "-q", *PLOTS, HOME="/proc", PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert outcome.status == 0, outcome
    assert results(tmp_path / "runs" / "c") == RESULTS | CURVES
    assert shell("data", "list", HOME="/proc", PYTHONPATH=f"{ROOT}:{tmp_path}").status == 0
