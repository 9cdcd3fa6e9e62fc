"""Checkpoints on disk: complete or absent, verified byte by byte, the latest ones kept, losses appended."""

from __future__ import annotations

import errno
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from xpmlp.errors import RunFolderError
from xpmlp.storage import Checkpoint, CheckpointWriter, Damaged, newest_checkpoint, read_sealed, write_sealed

TENSORS: dict[str, Any] = {
    "weights": np.arange(6, dtype=np.float32).reshape(2, 3),
    "step": np.array(7.0),
    "view": np.arange(8.0)[::2],
    "none": np.empty((0, 3)),
}
LOSSES = [np.linspace(1, 0.1, 7).astype(np.float32), np.array([0.3], np.float32), np.zeros(0, np.float32)]


def quiet(text: str) -> None:
    raise AssertionError(text)


def write(writer: CheckpointWriter, pieces: int) -> Path:
    """A checkpoint of one run after so many of the pieces of its losses."""
    said = {"steps": pieces, "rate": 0.1 + 0.2}
    return writer.write(pieces, said, TENSORS, [LOSSES[:1] * pieces])


def test_what_is_sealed_returns_bit_for_bit(tmp_path: Path) -> None:
    said = {"text": "Köder", "rate": 0.1 + 0.2, "list": [None, True, 1]}
    write_sealed(tmp_path / "file", said, TENSORS)
    description, tensors = read_sealed(tmp_path / "file")
    assert description == said
    assert set(tensors) == set(TENSORS)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, TENSORS[name], strict=True)


@pytest.mark.slow
def test_every_changed_or_missing_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_sealed(path, {"a": 1}, TENSORS)
    content = path.read_bytes()
    for index in range(len(content)):
        path.write_bytes(content[:index] + bytes([content[index] ^ 0x10]) + content[index + 1 :])
        with pytest.raises(Damaged):
            read_sealed(path)
        path.write_bytes(content[:index])
        with pytest.raises(Damaged):
            read_sealed(path)


@pytest.mark.parametrize("text", ["[]", "null", "[" * 100_000, "{"])
def test_a_description_of_another_kind(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xpmlp.storage.sealed._checksum", lambda *_: "right")
    (tmp_path / "file").write_bytes(save({"w": np.zeros(3)}, metadata={"xpmlp": text, "sha256": "right"}))
    with pytest.raises(Damaged):
        read_sealed(tmp_path / "file")


def test_the_last_ones_are_kept(tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path, runs=1, keep=3)
    for pieces in range(1, 8):
        write(writer, pieces)
        files = sorted(path.name for path in tmp_path.glob("step-*"))
        assert files == [f"step-{n:012d}.safetensors" for n in range(max(1, pieces - 2), pieces + 1)]


def test_the_newest_is_read_with_all_losses_before_it(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path, quiet) is None
    writer = CheckpointWriter(tmp_path, runs=2, keep=2)
    pieces: list[Any] = [[], []]
    for step, piece in enumerate(LOSSES):
        pieces[0].append(piece)
        writer.write(step, {"steps": step}, TENSORS, pieces)
    found = newest_checkpoint(tmp_path, quiet)
    assert found is not None
    assert found.description["steps"] == 2
    np.testing.assert_array_equal(found.losses[0].astype(np.float32), np.concatenate(LOSSES), strict=True)
    assert found.losses[1].size == 0


def test_steps_count_and_no_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the computer's clock nor the files' times decide which one is the newest."""
    monkeypatch.setattr(time, "time", lambda: pytest.fail("the clock was read"))
    writer = CheckpointWriter(tmp_path, runs=1, keep=2)
    older, newer = write(writer, 1), write(writer, 2)
    os.utime(older, (2e9, 2e9))
    os.utime(newer, (0, 0))
    found = newest_checkpoint(tmp_path, quiet)
    assert found is not None
    assert found.path == newer


@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
def test_a_damaged_newest_one_is_told_of_and_the_one_before_used(tmp_path: Path, damage: bytes | None) -> None:
    writer = CheckpointWriter(tmp_path, runs=1, keep=2)
    before, newest = write(writer, 1), write(writer, 2)
    newest.write_bytes(newest.read_bytes()[:-1] if damage is None else damage)
    told: list[str] = []
    found = newest_checkpoint(tmp_path, told.append)
    assert found is not None
    assert (found.path, len(found.losses[0])) == (before, 7)
    (sentence,) = told
    assert sentence.startswith(f"the checkpoint {newest.name} is damaged (")

    resumed = CheckpointWriter(tmp_path, 1, 2, found)
    last = resumed.write(3, {}, TENSORS, [[found.losses[0], *LOSSES[:1] * 2]])
    assert sorted(tmp_path.glob("step-*")) == [before, last], "the damaged one is gone when a good one is there"
    found = newest_checkpoint(tmp_path, quiet)
    assert found is not None
    assert len(found.losses[0]) == 21


def test_damaged_losses(tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path, runs=1, keep=2)
    before, _ = write(writer, 1), write(writer, 2)
    journal = tmp_path / "losses-0.f64"
    content = bytearray(journal.read_bytes())
    content[-1] ^= 1
    journal.write_bytes(content)
    told: list[str] = []
    found = newest_checkpoint(tmp_path, told.append)
    assert found is not None
    assert found.path == before, "its part of the losses is whole"
    assert "does not hold its 14 losses" in told[0]
    journal.unlink()
    with pytest.raises(RunFolderError, match="every checkpoint"):
        newest_checkpoint(tmp_path, told.append)


def test_what_a_killed_process_has_left_is_written_over(tmp_path: Path) -> None:
    """It had appended to the losses, but its checkpoint was not there yet."""
    writer = CheckpointWriter(tmp_path, runs=1, keep=2)
    write(writer, 1)
    with (tmp_path / "losses-0.f64").open("ab") as file:
        file.write(b"half a number and more")
    found = newest_checkpoint(tmp_path, quiet)
    assert found is not None
    CheckpointWriter(tmp_path, 1, 2, found).write(2, {}, TENSORS, [[found.losses[0], LOSSES[1]]])
    again = newest_checkpoint(tmp_path, quiet)
    assert again is not None
    np.testing.assert_array_equal(again.losses[0].astype(np.float32), np.concatenate(LOSSES[:2]))
    assert (tmp_path / "losses-0.f64").stat().st_size == 8 * 8


@pytest.mark.parametrize("full_at", [0, 1])
def test_a_full_disk_leaves_the_checkpoints_before(
    tmp_path: Path, full_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = CheckpointWriter(tmp_path, runs=1, keep=1)
    write(writer, 1)
    flushed = iter(range(9))

    def full(descriptor: int) -> None:
        if next(flushed) == full_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            write(writer, 2)
    assert [path.name for path in tmp_path.glob(".*")] == [], "no debris"
    found = newest_checkpoint(tmp_path, quiet)
    assert found is not None
    assert found.description["steps"] == 1
    write(writer, 2)
    found = newest_checkpoint(tmp_path, quiet)
    assert isinstance(found, Checkpoint)
    assert len(found.losses[0]) == 14, "each loss once, also after the failure"


@pytest.mark.parametrize(
    "change",
    [
        {"format": "xpmlp checkpoint 9"},
        {"losses": None},
        {"losses": [3]},
        {"losses": [[-1, ""]]},
        {"losses": [[1e300, ""]]},
        {"losses": [["1", ""]]},
        {"losses": [[10**15, ""]]},
    ],
    ids=json.dumps,
)
def test_a_sound_file_that_says_nonsense(tmp_path: Path, change: dict[str, Any]) -> None:
    path = write(CheckpointWriter(tmp_path, runs=1, keep=1), 1)
    description, tensors = read_sealed(path)
    write_sealed(path, description | change, tensors)
    with pytest.raises(RunFolderError, match="every checkpoint"):
        newest_checkpoint(tmp_path, lambda text: None)


@pytest.mark.parametrize("written", ["xpmlp checkpoint 1", "xpmlp checkpoint 2"])
def test_one_of_an_earlier_version_is_not_called_damaged(tmp_path: Path, written: str) -> None:
    path = write(CheckpointWriter(tmp_path, runs=1, keep=1), 1)
    description, tensors = read_sealed(path)
    write_sealed(path, description | {"format": written}, tensors)
    says = f"{path} was written by an earlier version of xpmlp: train again with --overwrite."
    with pytest.raises(RunFolderError, match=f"^{re.escape(says)}$"):
        newest_checkpoint(tmp_path, quiet)
