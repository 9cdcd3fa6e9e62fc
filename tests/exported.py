"""Networks of every kind and encodings of tables, with NumPy's numbers, for the tests of export."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tests.nn.layers.cases import CASES
from xpmlp._tree import map_leaves
from xpmlp.backend import resolve
from xpmlp.data import Preprocessing
from xpmlp.data.tables import TableEncoding, TableModel, Target, fit_encoded, infer_schema
from xpmlp.nn import LayerSpec, Network, activations, losses
from xpmlp.nn.layer import Widths
from xpmlp.storage import SavedNetwork
from xpmlp.training.inference import Inference


def expected(
    saved: SavedNetwork, numbers: npt.NDArray[Any], codes: npt.NDArray[Any] | None, dtype: Any = np.float32
) -> npt.NDArray[Any]:
    """NumPy's predictions in float64, with weights in float32 as exported ones are, or in another type."""
    backend = resolve("numpy", None, "float64", fused=False).backend
    rounded = map_leaves(lambda leaf: np.asarray(leaf, dtype).astype(np.float64), saved.parameters)
    with backend.session(8):
        return Inference(saved.network, backend).predict(backend.parameters(rounded), numbers, codes)


def networks() -> Iterator[tuple[str, SavedNetwork]]:
    """A network of every layer, every activation and every loss."""
    dense = {"kind": "dense", "units": 4, "init": "ntk"}
    described: dict[str, Any] = {}
    for name, case in CASES.items():
        layer = {"kind": case.layer.name, **case.layer.settings}
        before = [{"kind": "repeat", "members": 3}] if case.layer.name == "adapters" else []
        described[name] = ({"kind": "chain", "layers": [*before, layer, dense]}, case.widths)
    for name in activations:
        described[f"activation {name}"] = (
            {
                "kind": "chain",
                "layers": [dense, {"kind": "activation", "name": name}, {"kind": "dropout", "rate": 0.5}],
            },
            Widths(3),
        )
    for name, (table, widths) in described.items():
        yield name, random_network(Network(LayerSpec.of(table), widths, losses["squared"], 0.5))
    for name, loss in losses.items():
        yield f"loss {name}", random_network(Network(LayerSpec.of({**dense, "units": 3}), Widths(3), loss))


def random_network(network: Network, seed: int = 3) -> SavedNetwork:
    """A network with its first parameters."""
    parameters = map_leaves(lambda leaf: leaf.astype(np.float32), network.root.init(np.random.default_rng(seed)))
    names = tuple(f"y{place}" for place in range(network.root.width)) if network.loss.targets != "classes" else ()
    classes = np.arange(0 if names else network.root.width)
    return SavedNetwork(parameters, network, classes, Preprocessing(), None, names)


def random_inputs(widths: Widths, rows: int = 4) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any] | None]:
    """Numbers (rows, n) on both sides of all edges, and codes (rows, columns)."""
    rng = np.random.default_rng(1)
    numbers = rng.normal(scale=3, size=(rows, widths.numbers))
    return numbers, np.stack([rng.integers(0, size, rows) for size in widths.codes], axis=1) if widths.codes else None


SHOWN = {"kind": "beside", "layers": [{"kind": "activation", "name": "identity"}, {"kind": "one_hot"}]}
"""Layers that put out the encoded numbers as they are, and codes one-hot."""


def fitted(frame: pl.DataFrame, targets: npt.NDArray[Any], types: Mapping[str, str] | None = None) -> TableEncoding:
    """The encoding of a table, with what is told of its targets."""
    return fit_encoded(frame, infer_schema(frame, types=types), targets)[0]


def showing(encoding: TableEncoding, target: Target | None = None) -> SavedNetwork:
    """A network whose outputs are the encoded numbers, and one-hot codes."""
    widths = Widths(len(encoding.number_names) or 1, encoding.code_counts)
    layers = SHOWN if encoding.code_counts else SHOWN["layers"][0]
    saved = random_network(Network(LayerSpec.of(layers), widths, losses["squared"]))
    model = TableModel(encoding=encoding, target=target or Target(names=("y",), task="values"))
    return saved._replace(sections={"table": json.loads(model.to_json())})


CASED = [
    "İstanbul",
    "i İzmir'i",
    "Diyarbakır'İ",
    "ſo So so",
    "ΟΔΟΣ οδοσ οδος",
    "ΤΟΥΣ'Α Α.Σ.",
    "25 °\u212a Kelvin",
    "straẞe STRASSE",
]
"""Texts with letters whose lower case is another one in their place, two characters, or not what other rules say."""

OTHERWISE_CASED = [
    *("istanbul", "İSTANBUL", "İİ", "xİi", "İzmirİ", "I\u0307zmir", "i\u0307", "Xi XI", "DİYARBAKIR", "diyarbakıri"),
    *("οδοσ", "ΟΔΟΣΑ", "οδος!", "α Σ", "ΣΑΣ", "τους", "ΤΟΥΣ", "ΤΟΥσ", "a\u0345 so", "ſO SO"),
    *("K", "k", "\u212a25", "ẞ", "ß", "strasse", "ǅ ΑΣ'", "\u212b å", "\u2126 ω"),
]
"""Other spellings of their words."""


def paired() -> TableEncoding:
    """The encoding of a table of which two columns, numbers and categories, tell most together."""
    rng = np.random.default_rng(0)
    n = 3_000
    first, second = rng.integers(0, 9, n), rng.choice(list("abcdef"), n)
    y = ((first % 3 == 0) ^ np.isin(second, ["a", "d", "e"])).astype(np.int64)
    return fitted(pl.DataFrame({"first": first.astype(float), "second": second, "third": rng.normal(size=n)}), y)
