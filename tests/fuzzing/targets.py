"""Targets of fuzzing: for each reader its input files, the way to read them, and the criterion for the result."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tests.fuzzing import checkpoint, config, idx, network, npz, table
from xpmlp.errors import XpmlpError

FEATURE_NAMES = ("a", "b", "c", "d")
"""The columns of the network that predicts; its classes are strings."""


LONGEST_MESSAGE = 20_000
"""A config may have many mistakes, each with a sentence; nothing of a file is quoted in full."""


class Target(NamedTuple):
    """A reader.

    Attributes
    ----------
    name : str
    make : (random) -> (ending of the file's name, content)
    read : (path) -> what the program makes of it
    check : (path, content, read) -> None
        Raises AssertionError if the reading is not right.
    at_the_header : (error) -> bool
        Whether a refusal came from the file's header, before its content was looked at.
    """

    name: str
    make: Callable[[Random], tuple[str, bytes]]
    read: Callable[[Path], Any]
    check: Callable[[Path, bytes, Any], None]
    at_the_header: Callable[[XpmlpError], bool]


class Attempt(NamedTuple):
    """One of the two outcomes that are allowed, and whether the input got past its header."""

    outcome: Literal["read", "refused"]
    past_header: bool


def attempt(target: Target, folder: Path, random: Random) -> Attempt:
    """Make a file, have it read, and judge the outcome; whatever is neither allowed outcome is raised."""
    ending, content = target.make(random)
    path = folder / f"fuzzed{ending}"
    path.write_bytes(content)
    try:
        read = target.read(path)
    except XpmlpError as error:
        refusal = error
    else:
        target.check(path, content, read)
        return Attempt("read", True)
    assert refusal.exit_status == 2
    assert 0 < len(str(refusal)) < LONGEST_MESSAGE
    return Attempt("refused", not target.at_the_header(refusal))


def _says(*words: str) -> Callable[[XpmlpError], bool]:
    """Whether an error has one of these in its message."""
    pattern = re.compile("|".join(words))
    return lambda error: pattern.search(str(error)) is not None


_IDX_HEADER = ("not an IDX file", "dimensions; 1 to", "its header", "holds nothing", "gzip file")
_NUMPY_HEADER = (
    *("not a readable np[yz]", "has no array", "never unpickled", "promises", "single array", "several arrays"),
    *("is not an array", "no such file", "cannot be read", "bytes"),
)
_CSV_HEADER = (
    *("well-formed", "is empty", "begin with a header", "no name in the header", "the header names", "has no column"),
    *("no feature columns", "cannot be read", "compressed", "lacks", "numbers only", "not UTF-8", "columns; at most"),
)

_TABLE_HEADER = ("is empty", "more than once", "no name in the header", "is it text", "is encoded", "packed", "no rows")


def _same(actual: npt.NDArray[Any], expected: npt.NDArray[Any]) -> None:
    assert actual.dtype.isnative
    np.testing.assert_array_equal(actual, expected)


def _check_npz(path: Path, content: bytes, read: Any) -> None:
    features, labels = (npz.independent_npz(content, name) for name in ("features", "target"))
    _same(read.features, features.reshape(len(features), -1))
    _same(read.labels, labels[:, 0] if labels.shape[1:] == (1,) else labels)


def _read_npz(path: Path) -> Any:
    from xpmlp.data.numpy_file import read_npz_table

    return read_npz_table(path, "features", "target")


def _read_csv(path: Path) -> Any:
    from xpmlp.data.csv_file import read_csv_table

    return read_csv_table(path, "target")


def _check_csv(path: Path, content: bytes, read: Any) -> None:
    header, rows = table.independent(content)
    place = header.index("target")
    assert list(read.feature_names) == [name for name in header if name != "target"]
    _same(read.features, _numbers(rows, [index for index in range(len(header)) if index != place]))
    labels = [row[place] for row in rows]
    if read.labels.dtype.kind == "U":
        assert read.labels.tolist() == labels
    else:
        _same(read.labels, np.array([table.numeric(label) for label in labels]))


def _read_raw_table(path: Path) -> Any:
    from xpmlp.data.tables import read_table

    return read_table(path)


def _check_raw_table(path: Path, content: bytes, read: Any) -> None:
    """The same in batches; and where nothing was found out about the file, as the standard library reads it."""
    import polars as pl

    from xpmlp.data.tables import read_batches

    assert read.data.height
    assert set(read.data.dtypes) == {pl.String}
    _, batches = read_batches(path)
    assert pl.concat(batches).equals(read.data)
    if not read.notes and b'"' not in content:
        header, rows = table.independent(content)
        assert read.data.columns == header
        cells = [[(cell or "").strip() for cell in row] for row in read.data.rows()]
        assert [row for row in cells if any(row)] == [row for row in rows if any(row)]


def _numbers(rows: list[list[str]], columns: list[int]) -> npt.NDArray[np.float64]:
    return np.array([[table.numeric(row[index]) for index in columns] for row in rows]).reshape(len(rows), len(columns))


def _read_network(path: Path) -> Any:
    from xpmlp.storage import load_network

    return load_network(path)


def _check_network(path: Path, content: bytes, read: Any) -> None:
    arrays = network.independent(content)
    assert len(arrays) == 2 * len(read.parameters)
    for index, layer in enumerate(read.parameters):
        for name, array in zip(("weights", "biases"), layer, strict=True):
            np.testing.assert_array_equal(array, arrays[f"layers.{index}.{name}"])


def _at_safetensors_header(error: XpmlpError) -> bool:
    from safetensors import SafetensorError

    return isinstance(error.__cause__, SafetensorError)


def _read_config(path: Path) -> Any:
    from xpmlp.config import load_config

    return load_config(path)


def _check_config(path: Path, content: bytes, read: Any) -> None:
    again = path.with_name("again.toml")
    again.write_text(read.to_toml(), encoding="utf-8")
    assert _read_config(again) == read


@cache
def _run_folder() -> Path:
    """The folder of a network of four features that predicts one of three labels."""
    import atexit
    import shutil
    import tempfile

    from xpmlp.data import Preprocessing
    from xpmlp.nn import DenseParameters, Network, Widths, losses, mlp
    from xpmlp.storage import SavedNetwork, save_network

    folder = Path(tempfile.mkdtemp(prefix="fuzzing-run-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "config.toml").write_text('[data]\nname = "csv"\npath = "none.csv"\n[backend]\nthreads = 1\n')
    rng = np.random.default_rng(0)
    layers = [DenseParameters(rng.normal(size=(4, 3)), rng.normal(size=(1, 3)))]
    labels = np.array(["=ant", "<b>", "cat"])
    save_network(
        folder / "weights.safetensors",
        SavedNetwork(
            layers, Network(mlp([3], ()), Widths(4), losses[next(iter(losses))]), labels, Preprocessing(), FEATURE_NAMES
        ),
    )
    return folder


def _make_prediction_input(random: Random) -> tuple[str, bytes]:
    shape = (random.randint(1, 4), *random.choice(((4,), (4,), (2, 2), (3,), (4, 1, 1))))
    match random.randrange(4):
        case 0:
            return random.choice((".idx", ".idx.gz", "-ubyte")), idx.make(random, shape)
        case 1:
            return ".npy", npz.npy(random, shape)
        case 2:
            return ".npz", npz.npz(random, shape)
        case _:
            return ".csv", table.make(random, FEATURE_NAMES if random.random() < 0.8 else None)


def _predict(path: Path) -> Any:
    from xpmlp.training import predict_file

    output = path.with_name("out.csv")
    output.unlink(missing_ok=True)
    predict_file(_run_folder(), path, output)
    return output


def _check_prediction(path: Path, content: bytes, read: Any) -> None:
    from xpmlp.storage import load_network

    ((weights, biases),) = load_network(_run_folder() / "weights.safetensors").parameters
    features = _independent_features(path, content).reshape(-1, 4).astype(np.float32)
    logits = features @ weights.astype(np.float32) + biases.astype(np.float32)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    scale = max(1.0, float(np.abs(logits).max()))
    with read.open(newline="") as file:
        _, *rows = csv.reader(file)
    np.testing.assert_allclose(np.array([row[1:] for row in rows], dtype=float), expected, atol=1e-6 * scale)
    assert {row[0] for row in rows} <= {"'=ant", "<b>", "cat"}


def _independent_features(path: Path, content: bytes) -> npt.NDArray[Any]:
    match path.suffix:
        case ".npy":
            return npz.independent_npy(content)
        case ".npz":
            return npz.independent_npz(content, "features")
        case ".csv":
            header, rows = table.independent(content)
            return _numbers(rows, [header.index(name) for name in FEATURE_NAMES])
        case _:
            return idx.independent(content)


def _targets() -> Iterator[Target]:
    yield Target(
        "idx",
        lambda random: (random.choice((".idx", ".gz")), idx.make(random)),
        idx.read,
        lambda _, content, read: _same(read, idx.independent(content)),
        _says(*_IDX_HEADER),
    )
    shapes = ((3, 2), (1, 1), (4, 2, 3), (2, 3), (5, 1, 1), (5,), (2, 0))
    yield Target(
        "npz",
        lambda random: (".npz", npz.npz(random, random.choice(shapes))),
        _read_npz,
        _check_npz,
        _says(*_NUMPY_HEADER),
    )
    yield Target("csv", lambda random: (".csv", table.make(random)), _read_csv, _check_csv, _says(*_CSV_HEADER))
    yield Target(
        "table",
        lambda random: (".csv", table.make(random)),
        _read_raw_table,
        _check_raw_table,
        _says(*_TABLE_HEADER),
    )
    yield Target(
        "network",
        lambda random: (".safetensors", network.make(random)),
        _read_network,
        _check_network,
        _at_safetensors_header,
    )
    yield Target(
        "checkpoint",
        lambda random: (".safetensors", checkpoint.make(random)),
        checkpoint.read,
        checkpoint.check,
        _says("whole safetensors", "its checksum"),
    )
    yield Target(
        "config",
        lambda random: (".toml", config.make(random)),
        _read_config,
        _check_config,
        _says("not valid TOML", "not a text file", "nested", "thousands of digits", "larger than"),
    )
    yield Target(
        "predict",
        _make_prediction_input,
        _predict,
        _check_prediction,
        _says(*_IDX_HEADER, *_NUMPY_HEADER, *_CSV_HEADER),
    )


TARGETS = {target.name: target for target in _targets()}
