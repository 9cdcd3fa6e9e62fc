"""Saved networks for PyTorch: a state_dict, and Python code that computes with it.

The code uses nothing of xpmlp, only PyTorch's equivalent of each layer; one function for each kind of layer writes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._tree import leaves
from xpmlp.export.tree import LayerNode, layer_tree, output_transform
from xpmlp.nn.activations.leaky_relu import SLOPE as LEAKY
from xpmlp.nn.activations.scaled_tanh import HEIGHT, SLOPE
from xpmlp.nn.activations.unbent import BEND, MOST
from xpmlp.storage import SavedNetwork
from xpmlp.training.table_prediction import table_model

MARK = "# Written by `xpmlp export`, which replaces this file."
"""The first line of the code, by which an earlier export is recognised."""

MEAN, STD = "mean", "std"
"""Names of the tensors that standardise inputs."""

ACTIVATIONS = {
    "identity": "{}",
    "sigmoid": "torch.sigmoid({})",
    "tanh": "torch.tanh({})",
    "relu": "F.relu({})",
    "leaky_relu": f"F.leaky_relu({{}}, {LEAKY})",
    "elu": "F.elu({})",
    "selu": "F.selu({})",
    "gelu": 'F.gelu({}, approximate="tanh")',
    "silu": "F.silu({})",
    "mish": "F.mish({})",
    "softplus": "F.softplus({})",
    "scaled_tanh": f"{HEIGHT} * torch.tanh({SLOPE} * {{}})",
    "unbent": f"(lambda z: {BEND} * z / torch.sqrt(({BEND} - z) * ({BEND} + z)))(torch.clamp({{}}, -{MOST}, {MOST}))",
}

TRANSFORMS = {
    "identity": "{}",
    "exp": "torch.exp({})",
    "logistic": "torch.sigmoid({})",
    "softmax": "torch.softmax({}, -1)",
}


class Code:
    """Functions under construction: one for the whole network, and one for each structure among the members of a vote.

    Attributes
    ----------
    tensors : dict
        The state_dict, by names that the functions form from a prefix and their own names.
    functions : dict
        The lines of each function's body, by its name.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, npt.NDArray[Any]] = {}
        self.functions: dict[str, list[str]] = {}

    def function(self, node: LayerNode, prefix: str) -> str:
        """Return the name of the function that computes a layer, given a prefix; layers of the same code share one."""
        body = _Body(self, prefix)
        result = body.layer(node, "x", "")
        lines = [*body.lines, f"return {result}"]
        name = next((name for name, known in self.functions.items() if known == lines), f"layers_{len(self.functions)}")
        self.functions[name] = lines
        return name


class _Body:
    """Lines of a function; the expression for ``x`` is replaced layer by layer."""

    def __init__(self, code: Code, prefix: str) -> None:
        self.code, self.prefix, self.lines, self.count = code, prefix, list[str](), 0

    def layer(self, node: LayerNode, x: str, name: str) -> str:
        """Add a layer, with its tensors below a name; return the expression of its output."""
        return LAYERS[node.kind](self, node, x, name)

    def step(self, expression: str) -> str:
        """Assign an expression to a new variable; return its name."""
        self.count += 1
        self.lines.append(f"x{self.count} = {expression}")
        return f"x{self.count}"

    def entry(self, name: str, array: npt.NDArray[Any]) -> str:
        """Put an array into the state_dict; return the expression that looks it up."""
        self.code.tensors[self.prefix + name] = array
        return f'w[p + "{name}"]'

    def entries(self, node: LayerNode, name: str) -> list[str]:
        """Put a layer's parameters into the state_dict; return their expressions."""
        return [self.entry(one, array) for one, array in leaves(node.parameters, name)]


def _below(name: str, place: int) -> str:
    return f"{name}.{place}" if name else str(place)


def _chain(body: _Body, node: LayerNode, x: str, name: str) -> str:
    for place, one in enumerate(node.layers):
        x = body.layer(one, x, _below(name, place))
    return x


def _parts(body: _Body, node: LayerNode, x: str, name: str) -> list[str]:
    return [body.layer(one, x, _below(name, place)) for place, one in enumerate(node.layers)]


def _beside(body: _Body, node: LayerNode, x: str, name: str) -> str:
    return body.step(f"torch.cat([{', '.join(_parts(body, node, x, name))}], -1)")


def _vote(body: _Body, node: LayerNode, x: str, name: str) -> str:
    members = []
    for place, one in enumerate(node.layers):
        prefix = f"{_below(name, place)}."
        function = body.code.function(one, body.prefix + prefix)
        members.append(f'{function}(w, p + "{prefix}", {x}, codes)')
    return body.step(f"torch.cat([{', '.join(members)}])")


def _dense(body: _Body, node: LayerNode, x: str, name: str) -> str:
    weights, biases = body.entries(node, name)
    scale = node.settings["scale"]
    return body.step(f"{x if scale == 1 else f'{scale} * {x}'} @ {weights} + {biases}")


def _adapters(body: _Body, node: LayerNode, x: str, name: str) -> str:
    weights, inputs, outputs, biases = body.entries(node, name)
    adapted = f"{x}.unflatten(0, ({node.settings['members']}, -1)) * {inputs}[:, None]"
    return body.step(f"({adapted} @ {weights} * {outputs}[:, None] + {biases}[:, None]).flatten(0, 1)")


def _normalisation(body: _Body, node: LayerNode, x: str, name: str) -> str:
    scales, biases = body.entries(node, name)
    return body.step(f"F.layer_norm({x}, {x}.shape[-1:], {scales}[0], {biases}[0], {node.settings['epsilon']})")


def _parametric(body: _Body, node: LayerNode, x: str, name: str) -> str:
    (alphas,) = body.entries(node, name)
    return body.step(f"{x} + {alphas} * ({ACTIVATIONS[node.settings['name']].format(x)} - {x})")


def _by_feature(body: _Body, values: str, weights: str, biases: str) -> str:
    """Add a separate dense layer for each feature's values (n, features, values)."""
    x = body.step(values)
    stacked = f"{weights}.view({x}.shape[1], {x}.shape[2], -1)"
    return body.step(f'(torch.einsum("nfv,fvo->nfo", {x}, {stacked}) + {biases}).flatten(1)')


def _periodic(body: _Body, node: LayerNode, x: str, name: str) -> str:
    frequencies, phases, weights, biases = body.entries(node, name)
    return _by_feature(body, f"torch.cos(2 * torch.pi * {x}[..., None] * {frequencies} + {phases})", weights, biases)


def _piecewise_linear(body: _Body, node: LayerNode, x: str, name: str) -> str:
    begins, slopes, lower, upper, weights, biases = body.entries(node, name)
    free = f"({x}[..., None] - {begins}) * {slopes}"
    return _by_feature(body, f"torch.clamp({free}, {lower}, {upper})", weights, biases)


def _embedding(body: _Body, node: LayerNode, x: str, name: str) -> str:
    (rows,) = body.entries(node, name)
    columns, firsts = node.settings["columns"], node.settings["firsts"]
    return body.step(f"{rows}[codes[:, {columns}] + codes.new_tensor({firsts})].flatten(1)")


def _one_hot(body: _Body, node: LayerNode, x: str, name: str) -> str:
    spread, plus, minus = body.entries(node, name)
    codes = body.step(f"codes[:, {spread}.argmax(0)]")
    return body.step(f"({codes} == {plus}).to({x}.dtype) - ({codes} == {minus}).to({x}.dtype)")


LAYERS: dict[str, Callable[[_Body, LayerNode, str, str], str]] = {
    "chain": _chain,
    "add": lambda body, node, x, name: body.step(" + ".join(_parts(body, node, x, name))),
    "beside": _beside,
    "vote": _vote,
    "plus": lambda body, node, x, name: body.step(f"{x} + {body.layer(node.layers[0], x, name)}"),
    "repeat": lambda body, node, x, name: body.step(f"{x}.repeat({node.settings['members']}, 1)"),
    "dropout": lambda body, node, x, name: x,
    "activation": lambda body, node, x, name: body.step(ACTIVATIONS[node.settings["name"]].format(x)),
    "dense": _dense,
    "adapters": _adapters,
    "scaling": lambda body, node, x, name: body.step(f"{x} * {body.entries(node, name)[0]}"),
    "normalisation": _normalisation,
    "parametric": _parametric,
    "periodic": _periodic,
    "piecewise_linear": _piecewise_linear,
    "embedding": _embedding,
    "one_hot": _one_hot,
}


def torch_state(saved: SavedNetwork, file: str) -> tuple[dict[str, npt.NDArray[Any]], str]:
    """Return a network's state_dict, and Python code that loads it from a file and computes the outputs.

    Parameters
    ----------
    saved : SavedNetwork
    file : str
        Name of the file, in the folder of the code.

    Returns
    -------
    tensors : dict
        In float32; `MEAN` and `STD`, if the inputs are standardised, in float64.
    code : str

    Raises
    ------
    NotExportableError
        If the network has a part from outside the package.
    """
    network, code = saved.network, Code()
    transform = TRANSFORMS[output_transform(saved)]
    root = code.function(layer_tree(network, saved.parameters), "")
    tensors = {name: np.asarray(array, np.float32) for name, array in code.tensors.items()}
    x = "numbers"
    if saved.preprocessing.mean is not None:
        tensors |= {MEAN: np.asarray(saved.preprocessing.mean), STD: np.asarray(saved.preprocessing.std)}
        x = f'(numbers.double() - w["{MEAN}"]) / w["{STD}"]'
        x = f"({x})"
    x = f"{x}.float()" if network.input_scale == 1 else f"{x}.float() * {network.input_scale}"
    y = transform.format(f'{root}(w, "", {x}, codes)')
    if network.root.repeats > 1:
        y = f"{y}.unflatten(0, ({network.root.repeats}, -1)).mean(0)"
    y = _in_units(saved, y)
    lines = [MARK, "from pathlib import Path", "", "import torch", "import torch.nn.functional as F"]
    lines += ["from safetensors.torch import load_file", "", f"w = load_file(Path(__file__).with_name({file!r}))"]
    for name, body in code.functions.items():
        lines += ["", "", f"def {name}(w, p, x, codes):", *(f"    {line}" for line in body)]
    lines += ["", "", "def outputs(numbers, codes=None):", f'    """{_about(saved)}"""', f"    return {y}"]
    return tensors, "\n".join([*lines, ""])


def _in_units(saved: SavedNetwork, y: str) -> str:
    """Return the expression of values in the units of a table's target; that of probabilities is unchanged."""
    model = table_model(saved)
    if model is None or model.target.task == "classes":
        return y
    target = model.target
    if target.centers:
        times = saved.network.root.width // len(target.centers)
        scales, centers = (np.repeat(one, times).tolist() for one in (target.scales, target.centers))
        y = f"{y}.double() * torch.tensor({scales}, dtype=torch.float64) + torch.tensor({centers}, dtype=torch.float64)"
    return f"torch.exp({y})" if target.log else y


def _about(saved: SavedNetwork) -> str:
    """Return the docstring of the written function: its inputs and outputs."""
    widths, is_table = saved.network.widths, "table" in (saved.sections or {})
    numbers = f"{'A table as xpmlp.TableEncoder encodes it' if is_table else 'Raw features'}, (n, {widths.numbers})"
    codes = f", and codes of categories, (n, {len(widths.codes)})" if widths.codes else ""
    kind = "values" if saved.network.loss.targets == "values" else "probabilities"
    return f"{numbers}{codes}, to {kind}, (n, {saved.network.root.width})."
