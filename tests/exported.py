"""Networks of all there is, and their predictions by NumPy: for the forms in which networks are exported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.nn.layers.cases import CASES
from xpmlp._tree import map_leaves
from xpmlp.backend import resolve
from xpmlp.data import Preprocessing
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
