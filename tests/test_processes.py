"""Worker processes: started from any script, and omitted if the system cannot start any."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.synchronize
import multiprocessing.util
import os
import subprocess
import sys
import threading
from operator import add
from pathlib import Path
from typing import Any

import pytest
import sklearn.model_selection  # noqa: F401  (joblib looks for semaphores once, when it is imported)

from tests.grid.small import grid_config, write_data
from tests.refusing import refuse
from xpmlp import _notices
from xpmlp._processes import RemoteCall, can_start_processes, obstacle_to_processes, starting_processes
from xpmlp.bench import bench
from xpmlp.errors import BackendError, XpmlpError
from xpmlp.grid import train_grid

ROOT = Path(__file__).parents[1]

GRID = """
import sys
import xpmlp

print("begun")
result = xpmlp.train_grid(xpmlp.load_config("grid.toml"))
print("runs", len(result.runs))
"""

BENCH = """
import xpmlp
from xpmlp.bench import bench

print("begun")
(measured,) = bench(xpmlp.load_config("grid.toml"), ["numpy"], seconds=0.01)
print("runs", 2 if measured.pace is not None else measured.problem)
"""

PROCESS = """
from operator import add
from xpmlp._processes import RemoteCall

print("begun")
print("runs", RemoteCall(add, 1, 1).result())
"""

slow = pytest.mark.slow
SCRIPTS = [
    pytest.param(PROCESS, id="process"),
    pytest.param(GRID, id="grid", marks=slow),
    pytest.param(BENCH, id="bench", marks=slow),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a config of a grid over two processes."""
    data = write_data(tmp_path / "data.npz")
    (tmp_path / "grid.toml").write_text(grid_config(data, learning_rate=[0.5, 0.1], workers=2).to_toml())
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("how", ["file", "standard input", "option", "module"])
def test_a_script_needs_no_main_guard_and_no_file(folder: Path, script: str, how: str) -> None:
    """And none of its lines runs twice."""
    (folder / "script.py").write_text(script)
    command = {"file": ["script.py"], "standard input": ["-"], "option": ["-c", script], "module": ["-m", "script"]}
    done = subprocess.run(
        [sys.executable, *command[how]],
        input=script,
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])},
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "begun\nruns 2\n", "")


def test_the_callers_main_module_is_put_back() -> None:
    """Also where two threads start processes, and where others use what is in it meanwhile."""
    main = sys.modules["__main__"]

    def start_and_look() -> None:
        for _ in range(50):
            with starting_processes():
                assert vars(sys.modules["__main__"]).keys() >= vars(main).keys()

    threads = [threading.Thread(target=start_and_look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sys.modules["__main__"] is main


def no_semaphores(patch: pytest.MonkeyPatch, error: str) -> None:
    patch.setattr(multiprocessing.synchronize._multiprocessing, "SemLock", refuse(error))  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("error", ["ENOSYS", "ENOENT", "EACCES", "EPERM", "ENOSPC"])
def test_without_semaphores_a_grid_is_trained_in_one_process(
    folder: Path, error: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_notices, "_shown", set())
    no_semaphores(monkeypatch, error)
    config = grid_config(folder / "data.npz", learning_rate=[0.5, 0.1], workers=2)
    for _ in range(2):
        assert len(train_grid(config).runs) == 2
    (message,) = caplog.messages
    assert message.startswith("one block after another, in this process: this system has no semaphores")


def test_processes_alone_need_no_semaphores(monkeypatch: pytest.MonkeyPatch) -> None:
    no_semaphores(monkeypatch, "ENOSYS")
    assert obstacle_to_processes() is None
    with contextlib.closing(RemoteCall(add, 1, 2)) as call:
        assert call.result() == 3


def test_a_daemonic_process_starts_no_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As the workers of Celery and of `multiprocessing.Pool` are."""
    monkeypatch.setattr(_notices, "_shown", set())
    config = grid_config(folder / "data.npz", learning_rate=[0.5, 0.1], workers=2)
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    assert not can_start_processes("one part after another")
    assert len(train_grid(config).runs) == 2
    assert caplog.messages == ["one part after another, in this process: a daemonic process may not start others"]
    with pytest.raises(BackendError, match="a daemonic process may not start others"):
        bench(config, ["numpy"])


def test_a_system_that_starts_no_more_processes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: Any) -> int:
        return refuse("EAGAIN")()

    monkeypatch.setattr(multiprocessing.util, "spawnv_passfds", refused)
    with pytest.raises(XpmlpError, match="starts no more processes"):
        RemoteCall(add, 1, 2)
    with pytest.raises(XpmlpError, match="starts no more processes"):
        train_grid(grid_config(folder / "data.npz", learning_rate=[0.5, 0.1], workers=2))
