"""Saved networks: safetensors files with arbitrary header, JSON, shapes and numbers."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.fuzzing.mutations import cut_or_extended, damaged, json_with_a_change, number

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "|u1", "BOOL": "|b1"}
VALID = 100
"""How many valid files there are to begin with: to write one takes longer than to read many."""

ODD_DTYPES = {**dict.fromkeys(DTYPES, 0), "BF16": 2, "F8_E4M3": 1, "C64": 8, "U16": 2, "F7": 0, "": 0, "O": 0}
"""Types, and for those that the valid files never have the bytes of a number, by which the shape is made to fit."""


def make(random: Random) -> bytes:
    """A file of a network with random sizes, and perhaps something wrong with it."""
    return with_a_change(_valid(random.randrange(VALID)), random, "xpmlp")


@cache
def _valid(seed: int) -> bytes:
    """A file as the program writes it."""
    from xpmlp.data import Preprocessing
    from xpmlp.nn import DenseParameters, Network, Widths, losses, mlp
    from xpmlp.storage import SavedNetwork, save_network

    random = Random(seed)
    sizes = [random.randint(1, 5) for _ in range(random.randint(2, 4))]
    generator = np.random.default_rng(random.getrandbits(32))
    dtype = random.choice(("float32", "float64"))
    parameters = [
        DenseParameters(
            generator.normal(size=(n_in, n_out)).astype(dtype), generator.normal(size=(1, n_out)).astype(dtype)
        )
        for n_in, n_out in pairwise(sizes)
    ]
    moments = (np.arange(sizes[0]) / 3, np.arange(sizes[0]) + 0.5) if random.random() < 0.5 else (None, None)
    classes = random.choice((np.arange(sizes[-1]), np.array([f"<label {index}>" for index in range(sizes[-1])])))
    names = tuple(f"x{index}" for index in range(sizes[0])) if random.random() < 0.5 else None
    hidden = tuple(random.choice(("tanh", "relu", "sigmoid")) for _ in sizes[1:-1])
    loss = losses[next(iter(losses))]
    perceptron = Network(mlp(sizes[1:], hidden), Widths(sizes[0]), loss, 0.5)
    network = SavedNetwork(parameters, perceptron, classes, Preprocessing(*moments, scale=0.5), names)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights"
        save_network(path, network)
        return path.read_bytes()


def with_a_change(content: bytes, random: Random, key: str) -> bytes:
    """A safetensors file with a change to its header, to the JSON under ``key`` in its metadata, or to any byte."""
    header, data = taken_apart(content)
    metadata = header["__metadata__"]
    match random.randrange(10):
        case 0 | 1 | 2:
            description = json.loads(metadata[key])
            for _ in range(random.randint(1, 2)):
                description = json_with_a_change(description, random)
            metadata[key] = json.dumps(description)
        case 3:
            metadata[key] = random.choice(("", "[" * 3000, "9" * 5000, "{", "\ud800", metadata[key][:-1]))
        case 4 | 5:
            entry = header[random.choice([name for name in header if name != "__metadata__"])]
            match random.randrange(4):
                case 0:
                    entry["shape"] = random.choice((entry["shape"][::-1], [*entry["shape"], 1], [], [0, 2**40]))
                case 1:
                    entry["shape"] = [abs(number(random)) for _ in range(random.randrange(1, 4))]
                case 2:
                    entry["dtype"] = random.choice(tuple(ODD_DTYPES))
                    start, end = entry["data_offsets"]
                    if size := ODD_DTYPES[entry["dtype"]]:
                        entry["shape"] = [(end - start) // size]
                case _:
                    entry["data_offsets"] = [abs(number(random)), abs(number(random))]
        case 6:
            name = random.choice(list(header))
            header[random.choice(("layers.0.weights", "../../x", "", "layers.9.biases", "é"))] = header.pop(name)
        case 7:
            data = damaged(data, random)[: len(data)].ljust(len(data), b"\0")
        case 8:
            return damaged(content, random) if random.random() < 0.5 else cut_or_extended(content, random)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def taken_apart(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the data of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def independent(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a safetensors file, by NumPy from the format's description."""
    header, data = taken_apart(content)
    header.pop("__metadata__")
    return {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], DTYPES[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
    }
