"""IDX files, gzipped or not."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.fuzzing.mutations import cut_or_extended, damaged, number

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def make(random: Random, shape: tuple[int, ...] | None = None) -> bytes:
    """A file with an array of this shape, or of any, and perhaps something wrong with it."""
    shape = shape or tuple(random.randint(1, 6) for _ in range(random.randint(1, 4)))
    code = random.choice(list(DTYPES))
    dtype = np.dtype(DTYPES[code])
    elements = random.randbytes(int(np.prod(shape)) * dtype.itemsize)
    sizes = list(shape)
    match random.randrange(8):
        case 0:
            sizes[random.randrange(len(sizes))] = number(random) % 2**32
        case 1:
            sizes.insert(random.randrange(len(sizes) + 1), random.choice((1, 1, 2, 0)))
        case 2:
            code = random.randrange(256)
        case 3:
            elements = cut_or_extended(elements, random)
    content = bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + elements
    if random.random() < 0.3:
        content = damaged(content, random)
    return zipped(content, random) if random.random() < 0.5 else content


def zipped(content: bytes, random: Random) -> bytes:
    """``content`` gzipped in one or two members, and perhaps something wrong with them."""
    cut = random.choice((len(content), random.randrange(len(content) + 1)))
    level = random.choice((0, 1, 9))
    result = gzip.compress(content[:cut], level, mtime=0) + gzip.compress(content[cut:], level, mtime=0)
    match random.randrange(8):
        case 0:
            return damaged(result, random)
        case 1:
            return cut_or_extended(result, random)
        case 2:  # a bomb: a mebibyte of nothing in a kilobyte
            return result + gzip.compress(bytes(2**20), mtime=0)
    return result


def independent(content: bytes) -> npt.NDArray[Any]:
    """The array in a file, by NumPy from the format's description."""
    if content[:2] == b"\x1f\x8b":
        content = gzip.GzipFile(fileobj=io.BytesIO(content)).read()
    rank = content[3]
    shape = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
    return np.frombuffer(content[4 + 4 * rank :], DTYPES[content[2]]).reshape(shape)


def read(path: Path) -> npt.NDArray[Any]:
    """The program's reading."""
    from xpmlp.data import read_idx

    return read_idx(path)
