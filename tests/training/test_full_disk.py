"""A full disk: a small file system in memory."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import xpmlp
from tests.digits import digits_config
from xpmlp.errors import RunFolderError

SIZE, FREE = 10_000_000, 140_000
"""Of the disk, in bytes, and what is free of it beside a file that fills it up."""

MOUNT = 'mount -t tmpfs -o size="$2" disk "$1" && echo mounted && read -r end'
"""Mounts a disk where none but its own process sees it, until its input ends; the disk ends with the process."""

NAMESPACES = [["--mount"], ["--mount", "--user", "--map-root-user"]]
"""Who may mount: root, and on most Linux systems any user in a namespace of their own."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of ``SIZE`` bytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    for namespace in NAMESPACES if shutil.which("unshare") else []:
        command = ["unshare", *namespace, "sh", "-c", MOUNT, "sh", str(folder), str(SIZE)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            if process.stdout.readline() == "mounted\n":
                yield Path(f"/proc/{process.pid}/root{folder}")
                return
    pytest.skip(
        "this system lets neither root nor a user in a namespace of their own mount a disk, and only a mounted one "
        "fills up for real; the errors of a full disk are raised in test_run_folder_refusals.py and test_files.py"
    )


def test_what_was_written_stays_and_the_training_goes_on_when_there_is_room(disk: Path, tmp_path: Path) -> None:
    config = digits_config(
        {"train.segment_steps": 5, "output.checkpoint_every": "10 steps", "model.hidden_layer_sizes": [64]}
    )
    folder, ballast = disk / "run", disk / "ballast"
    ballast.write_bytes(bytes(SIZE - FREE))
    with pytest.raises(RunFolderError) as error:
        xpmlp.train(config, folder)
    assert f"cannot be written: {os.strerror(errno.ENOSPC)}" in str(error.value)
    assert len(list((folder / "checkpoints").glob("step-*"))) >= 1
    ballast.unlink()
    xpmlp.train(config, folder, resume=True)
    xpmlp.train(config, tmp_path / "whole")
    for name in ("epochs.csv", "batch_losses.npy", "weights.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
