"""Malicious files and files found by fuzzing: each is refused in one sentence, or read as its format says."""

from __future__ import annotations

import gzip
import json
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from tests.helpers import MEBIBYTE, at_most
from xpmlp._csv import csv_text
from xpmlp._text import printable
from xpmlp.data.csv_file import MAX_BYTES, MAX_COLUMNS, read_csv_table
from xpmlp.data.messages import did_you_mean, listed
from xpmlp.data.numpy_file import read_npy, read_npz_features, read_npz_table
from xpmlp.errors import DataError, RunFolderError
from xpmlp.nn import losses
from xpmlp.storage import load_network, newest_checkpoint, write_sealed
from xpmlp.storage.checkpoints import FORMAT as CHECKPOINT_FORMAT
from xpmlp.storage.network import FORMAT, MAX_LAYERS, OLD_FORMAT
from xpmlp.storage.run_folder import RUNS, remove_members


def npy(header: object, content: bytes = b"", version: bytes = b"\1\0") -> bytes:
    """An npy file with any header."""
    text = (header if isinstance(header, str) else repr(header)).encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + content


def described(shape: object, description: object = "<f8", order: object = False) -> dict[str, object]:
    return {"descr": description, "fortran_order": order, "shape": shape}


def zip_of(path: Path, method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (npy(described((2**40,))), "promises 8,796,093,022,208 bytes, but it holds 0"),
        (npy(described((2**31, 2**31, 2**31))), "promises"),
        (npy(described((2**64,))), "promises"),  # NumPy: OverflowError
        (npy(described((2**70, 2**70), "|u1")), "promises"),
        (npy(described((2**62,), "<U0")), "promises 0 bytes"),
        (npy(described((-1,))), "gives the shape"),
        (npy(described((2,)), bytes(15)), "promises 16 bytes, but it holds 15"),
        (npy(described((2,)), bytes(17)), "promises 16 bytes, but it holds 17"),
        (npy(described((1.5,))), "not a readable npy file"),
        (npy(described((2,), 7), bytes(16)), "not a readable npy file"),  # NumPy: TypeError
        (npy(described((2,), "|O"), bytes(16)), "never unpickled"),
        (npy("(" * 5000), "not a readable npy file"),
        (npy("9" * 5000), "not a readable npy file"),
        (npy("__import__('os').abort()"), "not a readable npy file"),
        (npy(described((2,)), bytes(16), b"\7\0"), r"version 7\.0"),
        (b"\x93NUMPY\1\0\xff\xff{", "not a readable npy file"),
        (b"", "signature is missing"),
        (b"\x80\x04\x95", "signature is missing"),
    ],
)
def test_a_header_is_checked_before_anything_is_allocated(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with at_most(8 * MEBIBYTE), pytest.raises(DataError, match=says) as caught:
        read_npy(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f8", ">i2", "|b1", "<U3", "<M8[s]"])
def test_honest_arrays_are_read(tmp_path: Path, order: Any, kind: str) -> None:
    array = np.asarray(np.arange(12).reshape(2, 3, 2).astype(kind), order=order)
    path = tmp_path / "x.npy"
    np.save(path, array)
    np.testing.assert_array_equal(read_npy(path), array, strict=True)
    np.savez_compressed(tmp_path / "x.npz", features=array)
    np.testing.assert_array_equal(read_npz_features(tmp_path / "x.npz", "features"), array, strict=True)


def test_what_python_2_has_written_is_read_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2L,), }", np.arange(2.0).tobytes()))
    np.testing.assert_array_equal(read_npy(path), [0, 1])


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_npz_members_are_stored_or_deflated(tmp_path: Path, method: int) -> None:
    """Damaged LZMA made zipfile raise an LZMAError; NumPy writes neither."""
    path = zip_of(tmp_path / "x.npz", method, features=npy(described((1, 1)), bytes(8)))
    with pytest.raises(DataError, match="a method that NumPy does not use"):
        read_npz_features(path, "features")


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """Behind an honest little array, or promised in full: neither is decompressed."""
    bomb = npy(described((1, 1)), bytes(8)) + bytes(64 * MEBIBYTE)
    for content, says in ((bomb, "promises 8 bytes, but it holds 67,"), (bomb[:9], "not a readable npz")):
        path = zip_of(tmp_path / "x.npz", features=content)
        with at_most(4 * MEBIBYTE), pytest.raises(DataError, match=says):
            read_npz_features(path, "features")


def _with_size(path: Path, size: int) -> None:
    """Write another decompressed size into the archive's directory and the member's own header."""
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        place = content.index(signature) + offset
        content[place : place + 4] = size.to_bytes(4, "little")
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("size", "says"), [(2**31, "at most 1,073,741,824 are allowed"), (2**29, "more than the file can hold")]
)
def test_a_member_may_promise_only_what_can_be_in_it(tmp_path: Path, size: int, says: str) -> None:
    path = zip_of(tmp_path / "x.npz", features=npy(described((size // 8 - 16, 1)), bytes(800)))
    _with_size(path, size)
    with at_most(4 * MEBIBYTE), pytest.raises(DataError, match=says):
        read_npz_features(path, "features")


def test_a_member_that_ends_before_its_declared_size(tmp_path: Path) -> None:
    header = npy(described((100_000, 1)))
    path = zip_of(tmp_path / "x.npz", features=header + bytes(8_000))
    _with_size(path, len(header) + 800_000)
    with at_most(4 * MEBIBYTE), pytest.raises(DataError, match=r"x\.npz: array 'features'"):
        read_npz_features(path, "features")


def test_names_in_an_archive_are_no_paths(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../escaped.npy", "/tmp/escaped.npy", "features.npy"):
            archive.writestr(name, npy(described((2, 1)), bytes(16)))
        archive.writestr("target.npy", npy(described((2,)), np.arange(2.0).tobytes()))
    assert read_npz_table(path, "features", "target").features.shape == (2, 1)
    assert read_npz_table(path, "../escaped", "target").features.shape == (2, 1)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "in", path]


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], Any]:
    def read(content: bytes) -> Any:
        path = tmp_path / "x.csv"
        path.write_bytes(content)
        return read_csv_table(path, "target")

    return read


def test_a_header_that_looks_like_zlib_is_text(read: Callable[[bytes], Any]) -> None:
    """polars took ``x^`` for zlib and gave a column with the name "1r\\x02T1r2"."""
    table = read(b"x^2,target\n1,a\n4,b\n")
    assert table.feature_names == ("x^2",)
    assert table.features.tolist() == [[1.0], [4.0]]


@pytest.mark.parametrize("start", [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"x\x01", b"x\x9c", b"x\xda"])
def test_a_compressed_table_is_not_unpacked(read: Callable[[bytes], Any], start: bytes) -> None:
    with pytest.raises(DataError, match="is compressed; decompress it first"):
        read(start + gzip.compress(bytes(MEBIBYTE))[2:])


def test_a_table_of_absurd_size_is_not_read(read: Callable[[bytes], Any], tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(DataError, match="at most 4,294,967,296 can be read as CSV: save it as npz"):
        read_csv_table(path, "target")


def test_columns_without_end_are_refused_soon(read: Callable[[bytes], Any]) -> None:
    begun = time.monotonic()
    with pytest.raises(DataError, match=r"has 100,000 columns; at most 50,000"):
        read(b",".join(b"x%d" % index for index in range(2 * MAX_COLUMNS)) + b"\n")
    assert time.monotonic() - begun < 5.0


def test_a_long_field_is_not_quoted_in_full(read: Callable[[bytes], Any]) -> None:
    with pytest.raises(DataError) as caught:
        read(b"x,target\n" + b"y" * MEBIBYTE + b",1\n")
    assert len(str(caught.value)) < 500
    assert len(listed(["x" * MEBIBYTE])) < 500
    assert len(did_you_mean("y" * MEBIBYTE, ["x" * MEBIBYTE] * 10_000)) < 1000


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_text_is_a_formula(start: str) -> None:
    assert csv_text([[f"{start}1+1"]]).strip('"\n').startswith("'")


@pytest.mark.parametrize("text", ["+", "-", "=", "@", "--", "+/-", "-1", "+1", "-.5", "+1e-3", "- ", "1-1", ">50K"])
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    assert csv_text([[text, "a"]]) == f"{text},a\n"


@pytest.mark.parametrize("text", ["-1+1", "+ve", "-a", "=A1", "@SUM(1)", "-1%", "=-1", "+\u0661", "- 1"])
def test_a_sign_does_not_hide_a_formula(text: str) -> None:
    assert csv_text([[text]]) == f"'{text}\n"


def test_numbers_are_written_as_they_are() -> None:
    numbers = [-1, -0.5, np.float32(-0.25), np.float64(-1e-300), float("-inf"), True, None]
    assert csv_text([numbers]) == "-1,-0.5,-0.25,-1e-300,-inf,True,\n"
    assert csv_text([["a", "1-1", "<b>", ""]]) == "a,1-1,<b>,\n"


def test_a_terminal_gets_no_commands() -> None:
    assert printable("\x1b[31mred\x07\x9b2J\u202e[red]é大\n") == "\\u001b[31mred\\u0007\\u009b2J\\u202e[red]é大\n"


def layers(units: Any, *before: Any, **settings: Any) -> Any:
    """The table of a dense layer, and of those before it."""
    return {"kind": "chain", "layers": [*before, {"kind": "dense", "units": units, **settings}]}


def network(path: Path, shape: tuple[int, int] = (2, 2), **changes: Any) -> Path:
    """A saved network of one layer, its description with some changes."""
    description = {
        "format": FORMAT,
        "layers": layers(shape[1]),
        "widths": {"numbers": shape[0], "codes": []},
        "loss": next(iter(losses)),
        "loss_settings": {},
        "hidden": [],  # of the old format
        "classes": [0] * shape[1],
        "preprocessing": {"mean": None, "std": None, "scale": 1.0},
        "feature_names": None,
        "target_names": [],
    }
    tensors = {"layers.0.weights": np.zeros(shape), "layers.0.biases": np.zeros((1, shape[1]))}
    path.write_bytes(save(tensors, metadata={"xpmlp": json.dumps(description | changes)}))
    return path


HUGE = 10**400  # of JSON's numbers, Python reads it, but no float holds it


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"preprocessing": {"mean": None, "std": None, "scale": HUGE}}, "too large"),
        ({"preprocessing": {"mean": [HUGE, 1], "std": [1, 1], "scale": 1.0}}, "too large"),
        ({"shape": (2, 0)}, "a layer 'dense' has no setting units = 0"),  # a network that says nothing
        ({"shape": (0, 2)}, "nothing reaches a dense layer"),
        ({"shape": (2, 0), "format": OLD_FORMAT}, r"layers.0.weights has the shape \(2, 0\)"),
        ({"classes": [HUGE, 1]}, "no labels"),
        ({"classes": [[0], [1]]}, "no labels"),
        ({"classes": {"a": 0, "b": 1}}, "no list"),
        ({"classes": ["x" * 100_000, *["y"] * 100_000], "shape": (1, 100_001)}, "too long"),  # 40 GB as an array
        ({"feature_names": {"a": 1, "b": 2}}, "no list of strings"),
        ({"target_names": [1, 2]}, "no list of strings"),
        ({"format": OLD_FORMAT, "hidden": "tanh"}, "no list of strings"),
        ({"format": OLD_FORMAT, "hidden": ["x" * 1_000_000]}, "no activation"),
        ({"layers": None}, "not a network"),
        ({"layers": []}, "not a network"),
        ({"layers": {"kind": "dens", "units": 2}}, "there is no layer 'dens'"),
        ({"layers": {"kind": ["dense"], "units": 2}}, "not a network"),
        ({"layers": layers(2, {"kind": "activation", "name": "x" * 1_000_000})}, "not a network"),
        ({"layers": layers(2, *[{"kind": "activation", "name": "relu"}] * MAX_LAYERS)}, "has more than 10,000 layers"),
        ({"layers": layers(2**31)}, "a layer 'dense' has no setting units = 2147483648"),
        ({"layers": layers(2**31 - 1)}, r"its layer wants \(2, 2147483647\)|2147483647 outputs"),
        ({"layers": layers(HUGE)}, "a layer 'dense' has units above 2,147,483,648"),
        ({"layers": layers(2, init=7)}, "a layer 'dense' has no setting init = 7"),
        ({"layers": layers(2, init="x")}, "not a network"),
        ({"layers": layers("x" * 1_000_000)}, "a layer 'dense' has no setting units = xxx"),
        ({"layers": layers(2, depth=1)}, "a layer 'dense' has no setting depth = 1"),
        ({"layers": layers(2, {"kind": "repeat", "members": 10**6})}, "repeats a row .* more than 10,000 times"),
        ({"layers": layers(2, {"kind": "repeat", "members": 0})}, "a layer 'repeat' has no setting members = 0"),
        ({"layers": layers(2, *[{"kind": "repeat", "members": 2**31 - 1}] * 9_000)}, "repeats a row"),
        ({"layers": layers(2, {"kind": "piecewise_linear", "bins": 2**31})}, "there is no array"),
        ({"layers": layers(2, {"kind": "piecewise_linear", "bins": [[0, HUGE]] * 2})}, "has no setting bins"),
        ({"layers": layers(2, {"kind": "periodic", "waves": 2**31 - 1, "width": 2**31 - 1})}, "there is no array"),
        ({"layers": layers(2, {"kind": "adapters", "units": 2**31 - 1, "members": 2**31 - 1})}, "its layer wants"),
        ({"widths": {"numbers": 2, "codes": [2**31]}, "layers": layers(2, {"kind": "one_hot"})}, "there is no array"),
        ({"widths": {"numbers": 2, "codes": [2**31] * 9_999}, "layers": layers(2, {"kind": "categories"})}, "array"),
        ({"widths": {"numbers": HUGE, "codes": []}}, "no sizes"),
        ({"widths": {"numbers": 2, "codes": [-1]}}, "no sizes"),
        ({"loss": "quantile", "loss_settings": {"quantiles": "x"}}, "not a network"),
        ({"loss": "squared", "loss_settings": {"x": [[1]]}}, "no parameter 'x'"),
    ],
)
def test_a_network_that_cannot_be(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    path, begun = network(tmp_path / "weights", **changes), time.monotonic()
    with at_most(64 * MEBIBYTE), pytest.raises(RunFolderError, match=says) as caught:
        load_network(path)
    assert time.monotonic() - begun < 10.0
    assert len(str(caught.value)) < 1000
    assert "\n" not in str(caught.value)


def test_layers_within_layers_end(tmp_path: Path) -> None:
    path = network(tmp_path / "weights", layers="@")
    content, depth = path.read_bytes(), 10_000
    size = int.from_bytes(content[:8], "little")
    within = json.dumps('{"kind": "chain", "layers": [' * depth + "]}" * depth).encode().strip(b'"')
    header = content[8 : 8 + size].replace(rb"\"@\"", within)
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + size :])
    with pytest.raises(RunFolderError, match="is not a network that xpmlp has saved"):
        load_network(path)


@pytest.mark.parametrize(("kind", "shape"), [("F8_E4M3", [8]), ("F8_E5M2", [2, 4]), ("F4", [16]), ("BF16", [4])])
def test_numbers_of_a_type_that_numpy_lacks(tmp_path: Path, kind: str, shape: list[int]) -> None:
    header = {"__metadata__": {"xpmlp": "{}"}, "x": {"dtype": kind, "shape": shape, "data_offsets": [0, 8]}}
    text = json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + bytes(8)
    path = tmp_path / "step-000000000001.safetensors"
    path.write_bytes(content)
    with pytest.raises(RunFolderError, match="is not a network that xpmlp has saved"):
        load_network(path)
    with pytest.raises(RunFolderError, match="is damaged"):
        newest_checkpoint(tmp_path, lambda _: None)


def test_an_honest_network_of_that_kind_is_read(tmp_path: Path) -> None:
    assert load_network(network(tmp_path / "weights")).classes.tolist() == [0, 0]


def test_a_label_as_long_as_a_text_is_refused(read: Callable[[bytes], Any]) -> None:
    """As an array every label takes as much memory as the longest: 100,000 rows took 20 GB."""
    with pytest.raises(DataError, match="row 3, column 'target' has a label of 50,000 characters; at most 256"):
        read(b"x,target\n1,a\n1,b\n1," + b"c" * 50_000 + b"\n" + b"1,a\n" * 1000)


GARBLED = (
    b'"target",\x03x0"\n"1_0000","0.1"\n"ant","1e3"\n"ant","5."\n"ant\x02\0"0"\n'
    b'"ant","007"\n"ant","1e3"\n"bee","-2.5"\n'
)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'"target","x"\r\n"<b>"\0\0"=a","-2.5"\r\n"a","1"\r\n', "row 1, column 'target' has a label with control"),
        (b"target,x\ny\r1.0,.5\r", "row 1, column 'target' has a label with control"),
        (GARBLED, "column 2 has control characters in its name"),
    ],
)
def test_a_table_that_is_no_text_is_refused(read: Callable[[bytes], Any], content: bytes, says: str) -> None:
    """polars joined rows and labels across the control characters."""
    with pytest.raises(DataError, match=says):
        read(content)


@pytest.mark.parametrize("seal", [[-(2**63) - 1, ""], [2**64, ""], [-1, ""], [1.5, ""], [None, None], "ab", {}, [1]])
def test_a_seal_that_cannot_be(tmp_path: Path, seal: Any) -> None:
    """Of a checkpoint whose checksum is right: the first one was an OverflowError."""
    path = tmp_path / "step-000000000001.safetensors"
    write_sealed(path, {"format": CHECKPOINT_FORMAT, "losses": [seal]}, {})
    (tmp_path / "losses-0.f64").write_bytes(bytes(16))
    told: list[str] = []
    with pytest.raises(RunFolderError, match="every checkpoint"):
        newest_checkpoint(tmp_path, told.append)
    assert len(told) == 1


def test_a_run_folder_does_not_lead_elsewhere(tmp_path: Path) -> None:
    """``--overwrite`` in a folder from a stranger, whose ``runs`` is a link."""
    kept = tmp_path / "elsewhere" / "1"
    kept.mkdir(parents=True)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / RUNS).symlink_to(kept.parent)
    remove_members(folder)
    assert kept.is_dir()
    assert list(folder.iterdir()) == []
