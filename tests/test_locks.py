"""Locks between processes, also on file systems without locks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.refusing import REFUSALS, refuse, without_locks
from xpmlp import _notices
from xpmlp._locks import InUseError, exclusive

pytestmark = pytest.mark.skipif(os.name == "nt", reason="every file system of Windows has locks")

HOLDER = """
import sys
from pathlib import Path
import pytest
from tests.refusing import without_locks
from xpmlp._locks import exclusive

without_locks(pytest.MonkeyPatch(), sys.argv[2])
with exclusive(Path(sys.argv[1]), 0):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of a folder on a file system without locks."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / ".lock"), "ENOLCK"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_holder_keeps_others_out_and_goes_with_its_process(
    tmp_path: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch, "ENOLCK")
    with pytest.raises(InUseError, match=r"delete .*\.lock\.held"), exclusive(tmp_path / ".lock", 0):
        pass
    holder.kill()
    holder.wait()
    with exclusive(tmp_path / ".lock", 5):
        assert (tmp_path / ".lock.held").exists()
    assert not (tmp_path / ".lock.held").exists()


@pytest.mark.parametrize("error", REFUSALS)
def test_a_file_is_the_lock_where_the_file_system_has_none(
    tmp_path: Path, error: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_notices, "_shown", set())
    without_locks(monkeypatch, error)
    with exclusive(tmp_path / ".lock", 0):
        assert (tmp_path / ".lock.held").exists()
    assert caplog.messages == []


def test_where_there_can_be_no_lock_at_all_it_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_notices, "_shown", set())
    opened = os.open

    def no_exclusive_files(path: str, flags: int, *arguments: object, **options: object) -> int:
        if flags & os.O_EXCL and str(path).endswith(".held"):
            refuse("EINVAL")()
        return opened(path, flags, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", no_exclusive_files)
    without_locks(monkeypatch, "ENOTSUP")
    for _ in range(2):
        with exclusive(tmp_path / ".lock", 0):
            pass
    (message,) = caplog.messages
    assert "has no locks" in message


def test_other_errors_are_the_systems(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError), exclusive(tmp_path / "file" / ".lock", 0):
        pass
