"""Checkpoints: sealed safetensors files, with valid seals more often than valid contents."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.fuzzing.network import VALID, independent, taken_apart, with_a_change
from xpmlp.errors import RunFolderError

LOSSES = np.arange(5.0)
"""The losses in the journal beside every checkpoint."""


def make(random: Random) -> bytes:
    """A checkpoint as the program writes it, and perhaps something wrong with it."""
    content = with_a_change(_valid(random.randrange(VALID)), random, "xpmlp")
    return _sealed_again(content) if random.random() < 0.8 else content


@cache
def _valid(seed: int) -> bytes:
    from xpmlp.storage import CheckpointWriter

    random = Random(seed)
    tensors = {
        f"parameters.{index}": np.arange(random.randint(1, 20), dtype=random.choice(("f4", "f8", "i8")))
        for index in range(random.randint(1, 4))
    }
    description = {"step": 5, "epoch": 1, "config": {"train": {"epochs": 3}}, "runs": [{"seed": 0, "best": None}]}
    folder = Path(tempfile.mkdtemp())
    try:
        return CheckpointWriter(folder, 1, 1).write(5, description, tensors, [[LOSSES]]).read_bytes()
    finally:
        shutil.rmtree(folder)


def _sealed_again(content: bytes) -> bytes:
    """The file with the checksum that belongs to it, where it is whole enough to have one."""
    try:
        header, data = taken_apart(content)
        arrays = independent(content)
        text = header["__metadata__"]["xpmlp"]
        digest = hashlib.sha256(text.encode())
        for name in sorted(arrays):
            digest.update(json.dumps([name, arrays[name].dtype.str, arrays[name].shape]).encode())
            digest.update(arrays[name].tobytes())
        header["__metadata__"]["sha256"] = digest.hexdigest()
    except (LookupError, TypeError, ValueError, AttributeError):
        return content
    return _file(header, data)


def _file(header: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def read(path: Path) -> Any:
    """The program's reading of the file as the newest checkpoint of a folder; what it tells about it is raised."""
    from xpmlp.storage import newest_checkpoint

    folder = path.parent / "checkpoints"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(path, folder / "step-000000000005.safetensors")
    (folder / "losses-0.f64").write_bytes(LOSSES.astype("<f8").tobytes())
    told: list[str] = []
    try:
        return newest_checkpoint(folder, told.append)
    except RunFolderError as error:
        raise RunFolderError(*told) from error


def check(path: Path, content: bytes, read: Any) -> None:
    """Compare with an independent reading."""
    arrays = independent(content)
    assert set(arrays) == set(read.tensors)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read.tensors[name], array)
    assert str(read.description) == str(json.loads(taken_apart(content)[0]["__metadata__"]["xpmlp"]))
    for losses in read.losses:
        np.testing.assert_array_equal(losses, LOSSES[: len(losses)])
