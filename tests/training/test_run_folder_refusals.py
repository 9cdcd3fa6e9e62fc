"""Unusable folders: one sentence, nothing lost, nothing half-written."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

import xpmlp
from tests.digits import STEPS, digits_config
from xpmlp.errors import BackendError, ConfigError, DataError, RunFolderError


def refused(folder: Path, *parts: str, **options: Any) -> None:
    """Assert that training into this folder is refused in one sentence that has these parts."""
    with pytest.raises(RunFolderError) as error:
        xpmlp.train(digits_config(options.pop("config", None)), folder, **options)
    message = str(error.value)
    assert error.value.exit_status == 2
    assert len(message.splitlines()) == 1
    for part in parts:
        assert part in message


def contents(folder: Path) -> dict[str, bytes]:
    """All files in a folder and below it but the lock."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    refused(tmp_path, str(tmp_path), "not empty", "--overwrite")
    assert contents(tmp_path) == {"notes.txt": b"mine"}


@pytest.mark.slow
def test_overwriting_replaces_a_run_and_nothing_else(tmp_path: Path) -> None:
    xpmlp.train(digits_config({"output.plots": True}), tmp_path)
    before = contents(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    xpmlp.train(digits_config({"train.seed": 1}), tmp_path, overwrite=True)
    after = contents(tmp_path)
    assert set(after) == set(before) - {"loss.png", "loss.svg", "epochs.png"} | {"notes.txt"}
    assert all(after[name] != before[name] for name in set(after) - {"notes.txt"})
    assert after["notes.txt"] == b"mine"


@pytest.mark.parametrize("how", ["overwrite", "resume"])
def test_exports_and_events_of_an_earlier_training_are_removed(how: str, tmp_path: Path) -> None:
    xpmlp.train(digits_config({}), tmp_path)
    before = set(contents(tmp_path))
    made = ["model.onnx", "model.safetensors", "model.py"]
    made += [f"tensorboard/{run}events.out.tfevents.1.here" for run in ("", "run-0/")]
    others = {"other.onnx": b"mine", "tensorboard/notes.txt": b"mine"}
    (tmp_path / "tensorboard" / "run-0").mkdir(parents=True)
    for name in (*made, *others):
        (tmp_path / name).write_bytes(b"mine")
    xpmlp.train(digits_config({"train.epochs": 3}), tmp_path, **{how: True})
    after = contents(tmp_path)
    assert others.items() <= after.items()
    assert not {*made} & {*after}
    assert {name for name in before if not name.startswith("checkpoints")} <= {*after}


def test_code_without_an_export_is_left(tmp_path: Path) -> None:
    xpmlp.train(digits_config({"train.epochs": 1}), tmp_path)
    (tmp_path / "model.py").write_text("mine")
    xpmlp.train(digits_config({"train.epochs": 1}), tmp_path, overwrite=True)
    assert (tmp_path / "model.py").read_text() == "mine"


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    assert xpmlp.train(digits_config(), tmp_path).run_dir == tmp_path


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    refused(tmp_path / "file", "is a file, not a folder", "--out")
    refused(tmp_path / "file" / "run", "cannot be made", os.strerror(errno.ENOTDIR))
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    refused(tmp_path / ("x" * 300), "cannot be used", os.strerror(errno.ENAMETOOLONG))


def test_no_permission_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # permissions do not bind root
    refused(tmp_path, "cannot be written to", "--out")


def test_no_permission_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(self: Path) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", deny)
        refused(tmp_path, "cannot be used", os.strerror(errno.EACCES))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that was written."""
    folder = tmp_path_factory.mktemp("whole")
    xpmlp.train(digits_config({"output.plots": True}), folder)
    return contents(folder)


WRITES = (
    "config.toml",
    "checkpoints/losses-0.f64",
    f"checkpoints/step-{2 * STEPS:012d}.safetensors",
    *("config.toml", "weights.safetensors", "epochs.csv", "batch_losses.npy", "run.json"),
    *("loss.png", "loss.svg", "epochs.png"),
)
"""The files of a short training in the order in which they are written; the config again at the end."""

TIMED = {WRITES[2], "run.json"}
"""Files that say how long it took."""


@pytest.mark.slow
@pytest.mark.parametrize("full_at", range(len(WRITES) + 1))
def test_a_full_disk_at_each_write_and_then_room_again(
    full_at: int, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files are whole, nothing that was written is lost, and the training can go on."""
    writes = 0

    def full(descriptor: int) -> None:
        nonlocal writes
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return  # a folder's entry is flushed, too
        if writes == full_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        writes += 1

    changes, folder = {"output.plots": True}, tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        if full_at == len(WRITES):
            xpmlp.train(digits_config(changes), folder)
        else:
            refused(folder, "cannot be written", os.strerror(errno.ENOSPC), config=changes)
    written = contents(folder)
    assert set(WRITES[:full_at]) <= set(written) <= set(WRITES[: full_at + 1])
    for name in set(WRITES[:full_at]) - TIMED:
        assert written[name] == whole[name]

    xpmlp.train(digits_config(changes), folder, resume=True)
    resumed = contents(folder)
    assert set(resumed) == set(whole)
    for name in set(whole) - TIMED:
        assert resumed[name] == whole[name]


def test_missing_data_leave_no_folder(tmp_path: Path) -> None:
    config = digits_config({"data.name": "csv", "data.path": str(tmp_path / "no.csv"), "data.split": "validation"})
    with pytest.raises(DataError):
        xpmlp.train(config, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"model.threshold": 0.5},
        {"train.best_by": "rmse"},
        {"train.class_weight": {"77": 2.0}},
        {"grid.runs": 2, "model.threshold": 0.5},
        {"grid.runs": 2, "train.best_by": "rmse"},
        {"grid.runs": 2, "grid.scheduler": "nowhere"},
    ],
)
def test_settings_that_do_not_fit_the_data_leave_the_run_to_overwrite(tmp_path: Path, changes: dict[str, Any]) -> None:
    if "grid.scheduler" in changes:
        pytest.importorskip("distributed")
    xpmlp.train(digits_config({"train.epochs": 1}), tmp_path)
    before, config = contents(tmp_path), digits_config(changes)
    train = xpmlp.train_grid if config.grid.is_grid else xpmlp.train
    with pytest.raises((ConfigError, BackendError), match=max(changes)):
        train(config, tmp_path, overwrite=True)
    assert contents(tmp_path) == before
