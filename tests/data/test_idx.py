"""The IDX reader: it returns what was written, and refuses any disagreement with the header."""

from __future__ import annotations

import functools
import gzip
import hashlib
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.data.conftest import CODES, idx_bytes
from xpmlp.data import read_idx
from xpmlp.data.idx import read_idx_and_hash
from xpmlp.errors import DataError

ARRAYS = st.sampled_from(sorted(CODES)).flatmap(
    lambda code: hnp.arrays(np.dtype(code), hnp.array_shapes(min_dims=1, max_dims=4, max_side=5))
)
SMALL = idx_bytes(np.arange(24, dtype="u1").reshape(2, 3, 4))


def read_bytes(content: bytes, **options: int) -> np.ndarray[Any, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.idx"
        path.write_bytes(content)
        return read_idx(path, **options)


@given(ARRAYS, st.booleans())
def test_what_was_written_is_read(array: np.ndarray[Any, Any], zipped: bool) -> None:
    content = idx_bytes(array)
    got = read_bytes(gzip.compress(content) if zipped else content)
    assert got.dtype == array.dtype
    assert got.dtype.isnative
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, array)


@given(st.binary(max_size=80), st.booleans())
@example(b"", False)
@example(b"\x1f\x8b", False)
@example(b"\0\0\x08\x01" + b"\xff" * 4, True)
def test_no_bytes_do_worse_than_a_data_error(content: bytes, zipped: bool) -> None:
    try:
        read_bytes(gzip.compress(content) if zipped else content)
    except DataError:
        return
    assert content[:2] == b"\0\0"


@given(st.integers(0, 15), st.integers(0, 255))
def test_a_changed_header_is_refused_or_says_the_same(position: int, value: int) -> None:
    changed = SMALL[:position] + bytes([value]) + SMALL[position + 1 :]
    try:
        got = read_bytes(changed)
    except DataError:
        return
    # int8 in the place of uint8 is the one change that leaves as many bytes to read
    assert changed == SMALL or (position == 2 and got.dtype == np.int8)


@given(st.data())
def test_a_changed_gzip_never_gives_other_numbers(data: st.DataObject) -> None:
    zipped = gzip.compress(SMALL, mtime=0)
    position = data.draw(st.integers(2, len(zipped) - 1))
    changed = zipped[:position] + bytes([data.draw(st.integers(0, 255))]) + zipped[position + 1 :]
    try:
        got = read_bytes(changed)
    except DataError:
        return
    np.testing.assert_array_equal(got.ravel(), np.arange(24))


gzipped = functools.partial(gzip.compress, mtime=0)
"""The same bytes at any time, so that the cases have the same names in every process."""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not an IDX file"),
        (b"PK\x03\x04 something else", "not an IDX file"),
        (b"\0\0\x0a\x01\0\0\0\x01\0", "type code 0x0A"),
        (b"\0\0\x08\0", "0 dimensions"),
        (b"\0\0\x08\x09" + b"\0\0\0\x01" * 9 + b"\0", "9 dimensions"),
        (b"\0\0\x08\x03\0\0\0\x01", "within its header"),
        (b"\0\0\x08\x02\0\0\0\0\0\0\0\x05", "holds nothing"),
        (SMALL[:-1], "more than the file can hold"),
        (SMALL + b"\0", "goes on after the 40 bytes"),
        (gzipped(SMALL[:-1]), "ends after 39"),
        (gzipped(SMALL + b"\0"), "goes on after the 40 bytes"),
        (gzipped(SMALL)[:-9], "cut short"),
        (gzipped(SMALL)[:-8] + b"\0" * 8, "damaged"),
        (gzipped(SMALL) + b"junk", "damaged"),
    ],
)
def test_each_kind_of_damage_is_named(content: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        read_bytes(content)
    assert "file.idx" in str(caught.value)


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.idx"):
        with pytest.raises(DataError, match="no such file"):
            read_idx(path)


def test_the_limit_holds_before_anything_is_allocated() -> None:
    promises_4_gb = b"\0\0\x08\x01\xff\xff\xff\xff"
    for content in (promises_4_gb, gzip.compress(promises_4_gb)):
        with pytest.raises(DataError, match=r"4,294,967,303 bytes; at most 1,073,741,824"):
            read_bytes(content)
        with pytest.raises(DataError, match="more than the file can hold"):
            read_bytes(content, max_bytes=2**40)
    assert read_bytes(SMALL, max_bytes=40).shape == (2, 3, 4)
    with pytest.raises(DataError, match="40 bytes; at most 39"):
        read_bytes(SMALL, max_bytes=39)


def test_a_gzip_bomb_is_not_unpacked_beyond_what_its_header_promises(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(SMALL + bytes(64 << 20), compresslevel=1))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="goes on after"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_reading_needs_little_more_than_the_array(tmp_path: Path) -> None:
    path = tmp_path / "large.gz"
    array = np.random.default_rng(0).integers(0, 256, (1 << 23,), dtype=np.uint8)
    path.write_bytes(gzip.compress(idx_bytes(array), compresslevel=1))
    tracemalloc.start()
    try:
        got = read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < array.nbytes + (4 << 20)
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(got, array)


def test_the_hash_is_that_of_the_decompressed_content(tmp_path: Path) -> None:
    array = np.arange(6, dtype="i4").reshape(3, 2)  # of a type whose bytes are swapped after reading
    for path, content in (
        (tmp_path / "a", idx_bytes(array)),
        (tmp_path / "b", gzip.compress(idx_bytes(array))),
    ):
        path.write_bytes(content)
        assert read_idx_and_hash(path)[1] == hashlib.sha256(idx_bytes(array)).hexdigest()


def test_a_file_of_several_gzip_members_is_one_content() -> None:
    got = read_bytes(gzip.compress(SMALL[:20]) + gzip.compress(SMALL[20:]))
    np.testing.assert_array_equal(got.ravel(), np.arange(24))
