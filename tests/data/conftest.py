"""Small IDX files, and an image set made of them in place of a published one."""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xpmlp.data.image_sets import IMAGE_SETS, IdxFile, ImageSet

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """``array`` in the IDX format, written from the format's description with nothing of the reader's."""
    code = CODES[array.dtype.str[1:]]
    header = bytes([0, 0, code, array.ndim]) + b"".join(struct.pack(">I", n) for n in array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


class TinySet:
    """An image set of 30 + 10 images of 28 x 28, and the bytes of its four files."""

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        self.images = rng.integers(0, 256, (40, 28, 28), dtype=np.uint8)
        self.labels = np.arange(40, dtype=np.uint8) % 10
        arrays = {
            "train-images-idx3-ubyte": self.images[:30],
            "train-labels-idx1-ubyte": self.labels[:30],
            "t10k-images-idx3-ubyte": self.images[30:],
            "t10k-labels-idx1-ubyte": self.labels[30:],
        }
        self.content = {name: idx_bytes(array) for name, array in arrays.items()}

    def image_set(self, *mirrors: str) -> ImageSet:
        files = (
            IdxFile(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in self.content.items()
        )
        return ImageSet("mnist", "tiny", *files, mirrors)

    def write(self, folder: Path, *, zipped: bool = True) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.content.items():
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
        return folder


@pytest.fixture(scope="session")
def tiny() -> TinySet:
    return TinySet()


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: TinySet) -> dict[str, Path]:
    """``mnist`` is the tiny set, without mirrors; every folder that is looked at is a temporary, empty one."""
    folders = {name: tmp_path / name for name in ("root", "variable", "debian", "cache")}
    for folder in folders.values():
        folder.mkdir()
    monkeypatch.setenv("XPMLP_DATA_DIR", str(folders["variable"]))
    monkeypatch.setattr("xpmlp.data.locate.DEBIAN_FOLDER", folders["debian"])
    monkeypatch.setattr("pooch.os_cache", lambda project: folders["cache"])
    monkeypatch.setitem(IMAGE_SETS, "mnist", tiny.image_set())
    return folders


@pytest.fixture
def write_csv(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "mine.csv"
        path.write_bytes(text.encode())
        return path

    return write
