"""A disk that is really full: a small one in memory, which only root can make."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import xpmlp
from tests.digits import digits_config
from xpmlp.errors import RunFolderError

Resize = Callable[[str], None]


def mount(*arguments: object) -> bool:
    """Whether a call of ``mount`` succeeds."""
    return subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Resize]]:
    """A disk of 200 kB, and a function that gives it another size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None or not mount("-t", "tmpfs", "-o", "size=200k", "tmpfs", folder):
        pytest.skip(
            "a disk that fills up for real has to be mounted, which root alone may do and this user may not; the "
            "errors of a full disk are tested for every user in test_run_folder_refusals.py and test_files.py"
        )

    def resize(size: str) -> None:
        assert mount("-o", f"remount,size={size}", folder)

    yield folder, resize
    subprocess.run(["umount", str(folder)], check=True)


def test_what_was_written_stays_and_the_training_goes_on_when_there_is_room(
    disk: tuple[Path, Resize], tmp_path: Path
) -> None:
    config = digits_config(
        {"train.segment_steps": 5, "output.checkpoint_every": "10 steps", "model.hidden_layer_sizes": [64]}
    )
    folder, resize = disk
    (folder / "ballast").write_bytes(bytes(60_000))
    with pytest.raises(RunFolderError) as error:
        xpmlp.train(config, folder / "run")
    assert f"cannot be written: {os.strerror(errno.ENOSPC)}" in str(error.value)
    assert len(list((folder / "run" / "checkpoints").glob("step-*"))) >= 1
    resize("10m")
    xpmlp.train(config, folder / "run", resume=True)
    xpmlp.train(config, tmp_path / "whole")
    for name in ("epochs.csv", "batch_losses.npy", "weights.safetensors"):
        assert (folder / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
