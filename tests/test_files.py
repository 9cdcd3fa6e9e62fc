"""Files written completely or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.refusing import REFUSALS, without_chmod, without_flush, without_folder_flush, without_move
from xpmlp import _notices
from xpmlp._files import check_writable, move, replacing, write_bytes, write_text


@pytest.fixture
def umask() -> Iterator[int]:
    """A mask that is neither the usual one nor what a temporary file gets."""
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_is_seen_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path  # a move within a file system is one step
        assert temporary.suffix == ".csv"  # libraries choose the format by it
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["numbers.csv"]


@pytest.mark.parametrize("error", [ValueError("half way"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
@pytest.mark.parametrize("old", [None, "old"], ids=["new file", "old file"])
def test_a_block_that_fails_changes_nothing(tmp_path: Path, error: BaseException, old: str | None) -> None:
    path = tmp_path / "numbers.csv"
    if old is not None:
        path.write_text(old)

    def write() -> None:
        with replacing(path) as temporary:
            temporary.write_text("ne")
            raise error

    with pytest.raises(type(error)):
        write()
    assert names(tmp_path) == ([] if old is None else ["numbers.csv"])
    assert old is None or path.read_text() == old


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)  # where a file system that writes late says so
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["numbers.csv"]


def test_the_content_is_on_the_disk_before_its_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, events = tmp_path / "numbers.csv", []
    flush, replace = os.fsync, Path.replace

    def recorded_flush(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        events.append(f"flush {kind}")
        flush(descriptor)

    def recorded_replace(source: Path, target: Path) -> Path:
        events.append("move")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_flush)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    write_bytes(path, b"new")
    assert events == ["flush file", "move", "flush folder"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file mode masks")
def test_permissions_are_those_of_any_new_file(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "weights.safetensors"
    write_bytes(path, b"1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    assert os.umask(umask) == umask  # the mask itself is as it was


def test_text_is_utf_8_with_its_own_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    write_text(path, "größe\nλ\r\n")
    assert path.read_bytes() == "größe\nλ\r\n".encode()


def test_a_folder_that_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_bytes(tmp_path / "nowhere" / "weights", b"1")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["y" * 251 + ".csv", "字" * 83 + ".csv", "y" * 4 + "." + "z" * 250], ids=["ascii", "wide", "ending"]
)
def test_a_name_as_long_as_the_file_system_takes(tmp_path: Path, name: str) -> None:
    write_bytes(tmp_path / name, b"1")
    assert names(tmp_path) == [name]
    with pytest.raises(OSError, match=os.strerror(errno.ENAMETOOLONG)):
        write_bytes(tmp_path / f"{name}yyy", b"1")
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("error", REFUSALS)
def test_a_mode_is_nothing_to_change(
    tmp_path: Path, umask: int, error: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    without_chmod(monkeypatch, error)
    write_bytes(tmp_path / "weights", b"1")
    assert stat.S_IMODE((tmp_path / "weights").stat().st_mode) == 0o666 & ~umask
    assert caplog.messages == []


@pytest.mark.parametrize("without", [without_flush, without_folder_flush])
@pytest.mark.parametrize("error", [*REFUSALS, "EBADF", "EACCES"])
def test_where_nothing_can_be_flushed_it_is_left_out_and_said_once(
    tmp_path: Path,
    without: Callable[..., None],
    error: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(_notices, "_shown", set())
    without(monkeypatch, error)
    for content in (b"1", b"2"):
        write_bytes(tmp_path / "weights", content)
    assert (tmp_path / "weights").read_bytes() == b"2"
    assert names(tmp_path) == ["weights"]
    (message,) = caplog.messages
    assert "cannot flush" in message
    assert os.strerror(getattr(errno, error)) in message


def test_a_folder_that_may_be_written_to_but_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refuse(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)  # permissions do not bind root
    write_bytes(tmp_path / "weights", b"1")
    assert names(tmp_path) == ["weights"]


@pytest.mark.parametrize("error", [*REFUSALS, "EXDEV", "EBUSY"])
def test_where_nothing_can_be_moved_files_are_written_in_place(
    tmp_path: Path, error: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_notices, "_shown", set())
    without_move(monkeypatch, error)
    for content in (b"1", b"2"):
        write_bytes(tmp_path / "weights", content)
    assert (tmp_path / "weights").read_bytes() == b"2"
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / "file").write_bytes(b"3")
    move(tmp_path / "partial", tmp_path / "whole")
    assert (tmp_path / "whole" / "file").read_bytes() == b"3"
    assert names(tmp_path) == ["weights", "whole"]
    (message,) = caplog.messages
    assert "incomplete after a crash" in message


@pytest.mark.parametrize("error", ["EACCES", "EIO", "ENOSPC"])
def test_other_errors_of_a_move_are_the_systems(tmp_path: Path, error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").write_bytes(b"old")
    without_move(monkeypatch, error)
    with pytest.raises(OSError, match=os.strerror(getattr(errno, error))):
        write_bytes(tmp_path / "weights", b"new")
    assert (tmp_path / "weights").read_bytes() == b"old"
    assert names(tmp_path) == ["weights"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes with names")
def test_a_device_or_a_pipe_is_never_replaced(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link, Path("/dev/null")):
        for write in (check_writable, lambda path: write_text(path, "x")):
            with pytest.raises(OSError, match="no file"):
                write(path)
    assert sorted(tmp_path.iterdir()) == [link, pipe]
