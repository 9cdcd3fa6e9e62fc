"""Every number in docs/gradients.md, recomputed in float64: forward with NumPy, derivatives by finite differences.

Nothing of the package is used.  A value is right if the number recomputed here rounds to it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

Floats: TypeAlias = npt.NDArray[np.float64]

DOCUMENT = (Path(__file__).parents[1] / "docs" / "gradients.md").read_text(encoding="utf-8")
NUMBER = r"-?\d+(?:\.\d+)?"


def section(heading: str) -> str:
    """The text below a heading that ends with ``heading``, up to the next."""
    (body,) = re.findall(rf"^#+ [^\n]*{re.escape(heading)}\n(.*?)(?=^#|\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
    return str(body)


def table(text: str) -> dict[str, list[str]]:
    """A table's rows by their first cell, without back-ticks."""
    rows = [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        for line in re.findall(r"^\|.*\|$", text, re.M)
    ]
    return {name: cells for name, *cells in rows}


def value(cell: str) -> Floats:
    """``2``, ``(1, 2)`` or ``(1, 2), (3, 4)`` as an array of 0, 1 or 2 dimensions."""
    rows = [[float(number) for number in row.split(",")] for row in re.findall(r"\(([^)]*)\)", cell)]
    if not rows:
        return np.asarray(float(cell))
    return np.asarray(rows if len(rows) > 1 else rows[0])


def assert_rounds_to(printed: str, expected: Floats | float) -> None:
    """The printed numbers are the expected ones, as far as their digits go (exact to 1e-9 where there are none)."""
    found, exact = value(printed), np.asarray(expected)
    assert found.shape == exact.shape
    digits = max(len(fraction) for fraction in ["", *re.findall(r"\.(\d+)", printed)])
    tolerance = (0.5 * 10.0**-digits if digits else 0.0) + 1e-9
    np.testing.assert_allclose(found, exact, rtol=0, atol=tolerance)


def differences(function: Callable[[Floats], Floats], at: Floats, size: float = 1e-5) -> Floats:
    """The derivative of each of ``function``'s values by each entry of ``at``: shape (values, *at.shape)."""
    columns = []
    for index in np.ndindex(at.shape):
        shift = np.zeros_like(at)
        shift[index] = size
        columns.append((function(at + shift) - function(at - shift)) / (2 * size))
    return np.stack(columns, axis=-1).reshape(-1, *at.shape)


class Example:
    """A worked example: what its table gives, and everything that follows from it."""

    def __init__(self, heading: str) -> None:
        self.rows = table(section(heading))
        self.x, self.W, self.b, self.V, self.c = (self.printed(name) for name in ("x", "W", "b", "V", "c"))
        self.targets = np.atleast_1d(self.printed("target")).astype(int)
        self.x = np.atleast_2d(self.x)

    def printed(self, name: str) -> Floats:
        return value(self.rows[name][-1])

    def forward(self, **changed: Floats) -> dict[str, Floats]:
        """All values, with the given ones replaced by others; ``z_shift``, ``o_shift`` are added to the sums."""
        none = np.zeros(())
        given = {"W": self.W, "b": self.b, "V": self.V, "c": self.c, "z_shift": none, "o_shift": none, **changed}
        z = self.x @ given["W"] + given["b"] + given["z_shift"]
        h = 1 / (1 + np.exp(-z))
        o = h @ given["V"] + given["c"] + given["o_shift"]
        y = np.exp(o) / np.exp(o).sum(axis=1, keepdims=True)
        losses = -np.log(y[np.arange(len(y)), self.targets])
        return {"z": z, "h": h, "o": o, "y": y, "losses": losses}

    def by_parameter(self, name: str) -> Floats:
        """Each example's gradient, (examples, *shape)."""
        return differences(lambda changed: self.forward(**{name: changed})["losses"], getattr(self, name))

    def by_sum(self, name: str) -> Floats:
        """The derivative of each example's loss by its own z or o: a shift of all rows serves all at once."""
        width = self.forward()[name].shape[1]
        return differences(lambda shift: self.forward(**{f"{name}_shift": shift})["losses"], np.zeros(width))

    def expected(self) -> dict[str, Floats]:
        forward = self.forward()
        mean = {f"d{name}": self.by_parameter(name).mean(axis=0) for name in ("W", "b", "V", "c")}
        return forward | mean | {"loss": forward["losses"].mean(), "dz": self.by_sum("z"), "do": self.by_sum("o")}


GIVEN = {"", "---", "x", "target", "W", "b", "V", "c"}


def test_the_courseworks_network() -> None:
    example = Example("the coursework's network")
    expected = example.expected()
    for name in example.rows.keys() - GIVEN:
        of_one = expected[name][0] if name in {"z", "h", "o", "y", "do", "dz"} else expected[name]
        assert_rounds_to(example.rows[name][-1], of_one)
    assert example.rows.keys() - GIVEN == expected.keys() - {"losses"}


def test_the_asymmetric_network() -> None:
    example = Example("an asymmetric network")
    expected = example.expected()
    by_example = example.by_parameter("W")
    expected["dW of the first example"], expected["dW of the second example"] = by_example
    rate = float(re.findall(NUMBER, example.rows["loss after a step"][0])[0])
    stepped = {name: getattr(example, name) - rate * expected[f"d{name}"] for name in ("W", "b", "V", "c")}
    expected["loss after a step"] = example.forward(**stepped)["losses"].mean()
    assert example.rows.keys() - GIVEN == expected.keys()
    for name in expected:
        assert_rounds_to(example.rows[name][-1], expected[name])

    widths = {example.x.shape[1], *example.V.shape}
    assert len(widths) == 3
    assert all(np.abs(expected[f"d{name}"]).min() > 1e-3 for name in ("W", "b", "V", "c"))


PREDICTIONS: dict[str, Callable[[float], float]] = {
    "logistic": lambda o: 1 / (1 + math.exp(-o)),
    "squared": lambda o: o,
    "poisson": math.exp,
    "absolute": lambda o: o,
    "huber": lambda o: o,
    "quantile": lambda o: o,
}
LOSSES: dict[str, Callable[[float, float], float]] = {
    "logistic": lambda t, y: -math.log(y if t else 1 - y),
    "squared": lambda t, y: (y - t) ** 2 / 2,
    "poisson": lambda t, y: (t * math.log(t / y) if t else 0.0) - t + y,
    "absolute": lambda t, y: abs(y - t),
    "huber": lambda t, y: (y - t) ** 2 / 2 if abs(y - t) < 1 else abs(y - t) - 1 / 2,
    "quantile": lambda t, y: max((t - y) / 4, 3 * (y - t) / 4),
}


def test_the_other_losses() -> None:
    lines = [line for line in section("The other losses").splitlines() if re.match(r"\| `\w+` \| [\d.]+ \|", line)]
    names = []
    for line in lines:
        name, target, logit, *printed = (cell.strip(" `") for cell in line.strip("|").split("|"))
        t = float(target)

        def loss(o: Floats, name: str = name, t: float = t) -> Floats:
            return np.asarray(LOSSES[name](t, PREDICTIONS[name](float(o))))

        o = np.asarray(float(logit))
        slope = differences(loss, o)[0]
        for cell, expected in zip(printed, (PREDICTIONS[name](float(o)), loss(o), slope), strict=True):
            assert_rounds_to(cell, expected)
        names.append(name)
    expected_names = ["logistic"] * 2 + ["squared"] + ["poisson"] * 2 + ["absolute"] + ["huber"] * 2 + ["quantile"] * 2
    assert names == expected_names


def _normalisation(x: Floats) -> Floats:
    return (x - x.mean()) / np.sqrt(x.var() + 1) * [1, 3] + [0, 1]


LAYERS: dict[str, Callable[[Floats], Floats]] = {
    "scaling": lambda x: x * [2, -1],
    "normalisation": _normalisation,
    "periodic": lambda x: np.cos(2 * math.pi * x * np.asarray([1, 2]) + [0, 1]),
    "piecewise linear": lambda x: np.asarray([min(x[0], 1), max((x[0] - 1) / 2, 0)]),
    "adapters": lambda x: ((x * [1, -2]) @ np.asarray([[1, 2], [3, 4]])) * [2, 1] + [1, 0],
}


def test_the_other_layers() -> None:
    rows = table(section("Layers of other kinds"))
    for name, layer in LAYERS.items():
        _, x, y, slope = rows[name]
        at = np.atleast_1d(value(x))
        assert_rounds_to(y, layer(at))
        assert_rounds_to(slope, np.asarray([1, 2]) @ differences(layer, at))
    assert rows.keys() - {"layer", "---"} == LAYERS.keys()


@pytest.mark.parametrize(("column", "dtype"), [(0, np.float32), (1, np.float64)])
def test_the_range_of_the_exponential(column: int, dtype: type[np.floating]) -> None:
    limits = {
        name: float(cells[column]) for name, cells in table(section("Without overflow")).items() if "exp(x)" in name
    }
    largest, smallest = limits["largest x with a finite exp(x)"], limits["smallest x with a positive exp(x)"]
    with np.errstate(over="ignore", under="ignore"):
        assert np.isfinite(np.exp(dtype(largest)))
        assert np.isinf(np.exp(dtype(largest + 0.01)))
    # by logarithms: half the smallest number is where rounding begins to give zero
    boundary = math.log2(float(np.finfo(dtype).tiny)) - np.finfo(dtype).nmant - 1
    assert boundary * math.log(2) < smallest < boundary * math.log(2) + 0.01


def test_three_ways_to_compute_the_loss() -> None:
    text = section("Without overflow")
    (logits,) = re.findall(r"For the logits (\([^)]*\))", text)
    o = value(logits)
    with np.errstate(all="ignore"):
        direct = -np.log(np.exp(o) / np.exp(o).sum())
        shifted = np.exp(o - o.max())
        by_softmax = -np.log(shifted / shifted.sum())
        by_log_sum_exp = np.log(shifted.sum()) - (o - o.max())
    rows = table(text)
    for target in (0, 1):
        printed = [float(cell) for cell in rows[str(target)]]
        np.testing.assert_array_equal(printed, [direct[target], by_softmax[target], by_log_sum_exp[target]])


def test_decimals_in_the_prose_come_from_the_tables() -> None:
    lines = DOCUMENT.splitlines()
    in_tables = [float(n) for line in lines if line.startswith("|") for n in re.findall(NUMBER, line)]
    in_prose = [n for line in lines if not line.startswith("|") for n in re.findall(r"\d+\.\d+", line)]
    assert in_prose
    for number in in_prose:
        digits = len(number.partition(".")[2])
        assert any(f"{abs(known):.{digits}f}" == number for known in in_tables), number
