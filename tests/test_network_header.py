"""The header of a safetensors file, checked before the arrays are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import MEBIBYTE, at_most
from xpmlp.errors import RunFolderError
from xpmlp.nn import losses
from xpmlp.storage import load_network, newest_checkpoint
from xpmlp.storage.network import FORMAT, OLD_FORMAT

DENSE = {"kind": "dense", "units": 2}

DESCRIBED = {
    "format": FORMAT,
    "layers": {"kind": "chain", "layers": [DENSE]},
    "widths": {"numbers": 2**22, "codes": []},
    "loss": next(iter(losses)),
    "loss_settings": {},
    "classes": [0, 1],
    "preprocessing": {"mean": None, "std": None, "scale": 1.0},
    "feature_names": None,
    "target_names": [],
}

OLD = {key: value for key, value in DESCRIBED.items() if key not in ("layers", "widths", "loss_settings")} | {
    "format": OLD_FORMAT,
    "hidden": [],
}

WIDE = {"layers.0.weights": ("F32", [2**22, 2], 2**25), "layers.0.biases": ("F32", [1, 2], 8)}


def with_header(path: Path, arrays: dict[str, tuple[str, list[int], int]], description: Any, missing: int = 0) -> Path:
    """A safetensors file whose arrays, by name (type, shape, bytes), take room on paper but hardly any on the disk."""
    header: dict[str, Any] = {"__metadata__": {"xpmlp": json.dumps(description)}}
    end = 0
    for name, (kind, shape, size) in arrays.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end - missing)
    return path


@pytest.mark.parametrize(
    ("arrays", "changes", "missing", "says"),
    [
        ({"momentum": ("F32", [2**23], 2**25)}, {}, 0, "unexpected array 'momentum'"),
        ({"layers.0.weights": ("F32", [2**23], 2**25)}, {}, 0, r"0.weights has the shape \(8388608,\), and"),
        ({"layers.0.weights": ("F32", [2**21, 4], 2**25)}, {}, 0, r"\(2097152, 4\), .* wants \(4194304, 2\)"),
        ({"layers.0.biases": ("F32", [2, 1], 8)}, {}, 0, r"0.biases has the shape \(2, 1\), and"),
        ({"layers.0.weights": ("F64", [2**22, 2], 2**26)}, {}, 0, "its parameters have numbers of types F32 and F64"),
        ({"layers.0.weights": ("I32", [2**22, 2], 2**25)}, {}, 0, "layers.0.weights has numbers of type I32"),
        ({"layers.0.weights": ("BF16", [2**22, 2], 2**24)}, {}, 0, "layers.0.weights has numbers of type BF16"),
        ({}, {"layers": {"kind": "chain", "layers": [DENSE, DENSE]}}, 0, "there is no array 'layers.1.weights'"),
        ({}, {"widths": {"numbers": 2**22 + 1, "codes": []}}, 0, r"its layer wants \(4194305, 2\)"),
        ({}, {"feature_names": ["x"]}, 0, "its 4194304 inputs have 1 names"),
        ({}, {"classes": [0, 1, 2]}, 0, "it has 2 outputs but 3 classes"),
        ({}, {"format": "xpmlp weights 9"}, 0, "its format is"),
        ({"layers.0.weights": ("F32", [2**23], 2**25)}, OLD, 0, r"its layers have weights \(8388608,\)"),
        ({"layers.0.weights": ("F64", [2**22, 2], 2**26)}, OLD, 0, "its parameters have numbers of types F32 and F64"),
        ({"layers.0.biases": ("F32", [2, 1], 8)}, OLD, 0, r"0.biases has the shape \(2, 1\), and"),
        ({}, OLD | {"hidden": ["relu"]}, 0, "layers.1.weights"),
        ({}, {}, 1, "damaged"),
        ({}, {}, 2**25, "damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_array_of_a_network_that_cannot_be_is_read(
    tmp_path: Path, arrays: dict[str, Any], changes: dict[str, Any], missing: int, says: str
) -> None:
    """The whole file was read first, whatever it said."""
    path = with_header(tmp_path / "weights", WIDE | arrays, DESCRIBED | changes, missing)
    with at_most(8 * MEBIBYTE), pytest.raises(RunFolderError, match=says) as caught:
        load_network(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("description", [DESCRIBED, OLD], ids=["new", "old"])
def test_a_network_so_large_is_read_if_it_can_be(tmp_path: Path, description: dict[str, Any]) -> None:
    path = with_header(tmp_path / "weights", WIDE, description)
    assert load_network(path).parameters[0][0].shape == (2**22, 2)


def test_members_without_rows_are_refused(tmp_path: Path) -> None:
    arrays = {f"layers.0.{name}": ("F32", [2, 2], 16) for name in ("weights", "inputs", "outputs", "biases")}
    adapters = {"kind": "chain", "layers": [{"kind": "adapters", "units": 2, "members": 2}]}
    description = DESCRIBED | {"widths": {"numbers": 2, "codes": []}, "layers": adapters}
    with pytest.raises(RunFolderError, match="its members need more rows of each example"):
        load_network(with_header(tmp_path / "weights", arrays, description))


def test_a_foreign_file_is_no_checkpoint_before_its_arrays_are_read(tmp_path: Path) -> None:
    with_header(tmp_path / "step-000000000001.safetensors", WIDE, DESCRIBED)
    with at_most(8 * MEBIBYTE), pytest.raises(RunFolderError, match="every checkpoint"):
        newest_checkpoint(tmp_path, lambda _: None)


@pytest.mark.slow
def test_names_without_end_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is safetensors that would take its time: seconds for some hundred thousand."""
    path = with_header(tmp_path / "weights", {f"a{index}": ("F32", [0], 0) for index in range(100_001)}, DESCRIBED)
    monkeypatch.setattr("safetensors.safe_open", None)
    with pytest.raises(RunFolderError, match=r"its header has 100,001 arrays; at most 100,000 are allowed"):
        load_network(path)
