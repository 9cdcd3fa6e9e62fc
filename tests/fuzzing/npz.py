"""npy and npz files: arbitrary headers, members of every kind, archives with a damaged directory."""

from __future__ import annotations

import io
import struct
import zipfile
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.fuzzing.mutations import INTERESTING, cut_or_extended, damaged, number

DESCRIPTIONS = ("<f4", "<f8", ">f8", "|u1", "<i8", "<f2", "|b1", "<U3", "|S2")
STRANGE = ("|O", "<U2147483647", "|V8", "<M8[s]", "<c16", [("a", "<f8")], "", "f8,f8", "<f16", 7, None, "|V0", "<U0")

FIELDS = (
    (b"PK\1\2", ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (42, 4))),
    (b"PK\3\4", ((6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2))),
)
"""(offset, size) of the fields of a member's entry in the archive's directory, and of its own header."""


def npy(random: Random, shape: tuple[int, ...], descriptions: tuple[str, ...] = DESCRIPTIONS) -> bytes:
    """The bytes of an npy file with numbers of this shape, and perhaps something wrong with it."""
    description: Any = random.choice(descriptions)
    dtype = np.dtype(description)
    if dtype.kind in "US":
        array = np.array([random.choice(("a", "b", "=1")) for _ in range(int(np.prod(shape)))], dtype).reshape(shape)
    else:
        array = np.array([random.randrange(7) for _ in range(int(np.prod(shape)))]).astype(dtype).reshape(shape)
    content = array.tobytes()
    sizes: Any = list(shape)
    order: Any = random.random() < 0.1
    match random.randrange(20):
        case 0:
            sizes[random.randrange(len(sizes))] = number(random)
        case 1:
            sizes.insert(random.randrange(len(sizes) + 1), random.choice((1, 0, 2, -1, True, 1.5)))
        case 2:
            description = random.choice(STRANGE)
        case 3:
            content = cut_or_extended(content, random)
        case 4:
            order = random.choice((0, 1, None, "yes"))
    header: Any = {"descr": description, "fortran_order": order, "shape": tuple(sizes)}
    match random.randrange(24):
        case 0:
            header.pop(random.choice(list(header)))
        case 1:
            header = random.choice(([], 7, "shape", "(" * 200, "9" * 5000, "__import__('os')"))
    text = repr(header).encode() + b" " * random.randrange(64) + b"\n"
    version = random.choice((b"\1\0",) * 12 + (b"\2\0",) * 4 + (b"\3\0", b"\7\0"))
    length = len(text) if random.random() < 0.95 else random.choice(INTERESTING) % 2**16
    result = b"\x93NUMPY" + version + struct.pack("<H" if version == b"\1\0" else "<I", length) + text + content
    return damaged(result, random) if random.random() < 0.1 else result


def npz(random: Random, shape: tuple[int, ...]) -> bytes:
    """The bytes of an npz file with ``features`` of this shape and ``target``, perhaps with something wrong."""
    n = shape[0] if random.random() < 0.95 else random.randrange(5)
    members = {"features.npy": npy(random, shape), "target.npy": npy(random, (n,), ("<i8", "<U3", "|b1", "<f4"))}
    match random.randrange(20):
        case 0:
            members[random.choice(("../features.npy", "/etc/x.npy", "features", ".npy", "é.npy"))] = b"\x93NUMPY"
        case 1:
            members.pop(random.choice(list(members)))
        case 2:
            members["features.npy"] = random.randbytes(20)
        case 3:  # a bomb: zeros that hardly need a byte
            members["features.npy"] += bytes(2**20)
    buffer = io.BytesIO()
    methods = (zipfile.ZIP_STORED,) * 9 + (zipfile.ZIP_DEFLATED,) * 9 + (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    method = random.choice(methods)
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    content = buffer.getvalue()
    match random.randrange(16):
        case 0:
            return damaged(content, random)
        case 1:
            return cut_or_extended(content, random)
        case 2:
            return _with_another_field(content, random)
    return content


def _with_another_field(content: bytes, random: Random) -> bytes:
    """The archive with one field of a member's entry in its directory, or of its own header, set to something."""
    signature, fields = random.choice(FIELDS)
    places = [index for index in range(len(content)) if content[index : index + 4] == signature]
    if not places:
        return content
    offset, size = random.choice(fields)
    start = random.choice(places) + offset
    value = (random.choice(INTERESTING) % 256**size).to_bytes(size, "little")
    return content[:start] + value + content[start + size :]


def independent_npy(content: bytes) -> npt.NDArray[Any]:
    """The array in an npy file, by NumPy itself."""
    loaded: npt.NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return loaded


def independent_npz(content: bytes, name: str) -> npt.NDArray[Any]:
    """An array, or the only one, of an npz file, by NumPy itself."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        loaded: npt.NDArray[Any] = archive[archive.files[0] if len(archive.files) == 1 else name]
        return loaded
