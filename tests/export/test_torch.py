"""Networks for PyTorch: the code written beside a state_dict loads it and gives NumPy's numbers, for every layer."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.exported import expected, networks, random_inputs, random_network
from xpmlp.data import Preprocessing
from xpmlp.export.torch_code import torch_state
from xpmlp.nn import LayerSpec, Network, losses
from xpmlp.nn.layer import Widths
from xpmlp.storage import SavedNetwork
from xpmlp.storage.sealed import write_arrays

torch = pytest.importorskip("torch", reason="needs PyTorch")

ALL = dict(networks())


def computed(
    saved: SavedNetwork, folder: Path, numbers: npt.NDArray[Any], codes: npt.NDArray[Any] | None
) -> npt.NDArray[Any]:
    """The outputs of the written code for some inputs, in a namespace of its own."""
    tensors, code = torch_state(saved, "net.safetensors")
    write_arrays(folder / "net.safetensors", tensors, {"format": "pt"})
    (folder / "net.py").write_text(code, encoding="utf-8")
    outputs = runpy.run_path(str(folder / "net.py"))["outputs"]
    given = () if codes is None else (torch.asarray(codes),)
    found: npt.NDArray[Any] = outputs(torch.asarray(numbers), *given).numpy()
    return found


@pytest.mark.parametrize("name", ALL)
def test_every_layer_activation_and_loss_gives_numpys_outputs(name: str, tmp_path: Path) -> None:
    saved = ALL[name]
    numbers, codes = random_inputs(saved.network.widths)
    found = computed(saved, tmp_path, numbers, codes)
    np.testing.assert_allclose(found, expected(saved, numbers, codes), rtol=1e-5, atol=2e-6)


def test_members_that_are_alike_share_a_function(tmp_path: Path) -> None:
    layers = [{"kind": "dense", "units": 4}, {"kind": "activation", "name": "relu"}, {"kind": "dense", "units": 3}]
    member = {"kind": "chain", "layers": layers}
    vote = LayerSpec.of({"kind": "vote", "layers": [member, member, member]})
    saved = random_network(Network(vote, Widths(3), losses["cross_entropy"], 0.5))
    saved = saved._replace(preprocessing=Preprocessing(np.asarray([5.0, 0.0, 1.0]), np.asarray([2.0, 1.0, 9.0]), 0.5))
    tensors, code = torch_state(saved, "net.safetensors")
    assert code.count("def layers_") == 2
    assert len(tensors) == 2 + 3 * 4
    numbers, _ = random_inputs(Widths(3))
    found = computed(saved, tmp_path, numbers, None)
    np.testing.assert_allclose(found, expected(saved, saved.preprocessing.apply(numbers), None), rtol=1e-5)


def test_a_perceptron_takes_ten_lines() -> None:
    layers = [{"kind": "dense", "units": 4}, {"kind": "activation", "name": "relu"}, {"kind": "dense", "units": 3}]
    saved = random_network(Network(LayerSpec.of({"kind": "chain", "layers": layers}), Widths(3), losses["squared"]))
    _, code = torch_state(saved, "net.safetensors")
    assert code == (
        "# Written by `xpmlp export`, which replaces this file.\n"
        "from pathlib import Path\n\nimport torch\nimport torch.nn.functional as F\n"
        "from safetensors.torch import load_file\n\n"
        "w = load_file(Path(__file__).with_name('net.safetensors'))\n\n\n"
        "def layers_0(w, p, x, codes):\n"
        '    x1 = x @ w[p + "0.weights"] + w[p + "0.biases"]\n'
        "    x2 = F.relu(x1)\n"
        '    x3 = x2 @ w[p + "2.weights"] + w[p + "2.biases"]\n'
        "    return x3\n\n\n"
        "def outputs(numbers, codes=None):\n"
        '    """Raw features, (n, 3), to values, (n, 3)."""\n'
        '    return layers_0(w, "", numbers.float(), codes)\n'
    )
