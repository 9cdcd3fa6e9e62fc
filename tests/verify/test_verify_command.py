"""``xpmlp verify``: its output, its files, and its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from tests.cli.conftest import Run, xpmlp  # noqa: F401  (a fixture)
from tests.digits import QUICKSTART
from tests.verify.small import verify_digits
from xpmlp.backend import DTypeName
from xpmlp.nn.activations import activations
from xpmlp.verify import REFERENCE, Verification
from xpmlp.verify.comparison import compare
from xpmlp.verify.quantities import Quantity, quantities_of, relative_difference
from xpmlp.verify.recording import record_reference

OPTIONS = ("--set", "model.hidden_layer_sizes=[6]", "--set", "model.activation=tanh", "--steps", "11")


@pytest.fixture
def command(xpmlp: Run, tmp_path: Path) -> Run:  # noqa: F811
    """``xpmlp verify`` of a small network on the digits, with its files in ``tmp_path / "out"``."""

    def run(*arguments: object) -> Any:
        return xpmlp("verify", QUICKSTART, "--out", tmp_path / "out", *OPTIONS, *arguments)

    return run


def test_all_is_well(command: Run, tmp_path: Path) -> None:
    outcome = command("--backends", "numpy,strict:device1")
    assert (outcome.status, outcome.err) == (0, "")
    for words in (
        "quickstart: 64-6-10, tanh, cross_entropy, adam, 11 steps of 32 examples of digits",
        "float64: relative differences",
        "float32: relative differences",
        "step 1 from the reference",
        "step 11 from the reference, the largest",
        "step 10 from numpy",
        "deltas, layer 1",
        "two runs, equal bits",
        str(tmp_path / "out" / "verify.json"),
        "Verified: all judged differences are within their tolerances.",
    ):
        assert words in outcome.out
    assert "✗" not in outcome.out

    found = json.loads((tmp_path / "out" / "verify.json").read_text())
    assert (found["passed"], found["failure"], found["steps"], found["batch_size"]) == (True, None, 11, 32)
    assert found["layer_sizes"] == [64, 6, 10]
    assert [(one["label"], one["dtype"]) for one in found["backends"]] == [
        (label, dtype) for dtype in ("float64", "float32") for label in ("numpy", "strict:device1")
    ]
    assert all(one["repeatable"] and one["full_products"] and not one["tf32"] for one in found["backends"])
    assert found["backends"][0]["version"].partition("+")[0] == np.__version__  # with Numba's behind it
    assert [layer["layer"] for layer in found["finite_differences"]] == [1, 2]
    # 13 arrays, of three steps, in two dtypes: two backends to the reference, and one to the other
    assert len(found["differences"]) == 13 * 3 * 2 * 3
    first = found["differences"][0]
    assert (first["backend"], first["base"], first["quantity"]) == ("numpy", "reference", "activations of layer 1")
    assert first["value"] <= first["tolerance"] == 1e-12
    assert {curve["label"] for curve in found["curves"]} == {"strict:device1"}
    pixels = imread(tmp_path / "out" / "verify.png")
    assert pixels.shape[1] > 1_000
    assert pixels[..., :3].std() > 0.02


def test_to_the_reference_in_one_dtype(command: Run, tmp_path: Path) -> None:
    outcome = command("--backends", "numpy", "--reference", "--dtype", "float32", "--set", "output.plots=false")
    assert outcome.status == 0
    assert "step 10 from the reference\n" in outcome.out.replace(" \n", "\n").replace("  ", "")
    assert "from numpy" not in outcome.out
    assert "float64: " not in outcome.out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["verify.json"]


@pytest.mark.slow
def test_one_backend_alone_is_compared_with_the_reference(command: Run, tmp_path: Path) -> None:
    outcome = command("--backends", "numpy", "--steps", "1")
    assert (outcome.status, outcome.err) == (0, "")
    assert "adam, 1 step of 32 examples of digits" in outcome.out
    assert "from numpy" not in outcome.out
    found = json.loads((tmp_path / "out" / "verify.json").read_text())
    assert [(curve["base"], len(curve["loss"])) for curve in found["curves"]] == [("reference", 1)] * 2
    assert (tmp_path / "out" / "verify.png").is_file()


@pytest.mark.slow
def test_an_earlier_drawing_does_not_stay(command: Run, tmp_path: Path) -> None:
    for plots in ("true", "false"):
        assert command("--backends", "numpy", "--dtype", "float64", "--set", f"output.plots={plots}").status == 0
        assert (tmp_path / "out" / "verify.png").exists() is (plots == "true")


def test_help_names_the_folder(xpmlp: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("COLUMNS", "200")
    assert "runs/verify/<config name>" in xpmlp("verify", "--help").out
    assert "runs/<config name>" in xpmlp("train", "--help").out


def test_something_differs(command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = activations["tanh"]
    wrong = right._replace(backward=lambda ops, upstream, activation: -right.backward(ops, upstream, activation))
    monkeypatch.setitem(activations._records, "tanh", wrong)
    outcome = command("--backends", "numpy,strict")
    assert outcome.status == 1
    assert outcome.err == (
        "error: numpy and strict in float64 differ from the independent reference, first in the deltas of layer 1 "
        "at step 1: by 2.0e+00 where 1.0e-12 is allowed.\n"
    )
    assert "✗ 2.0e+00" in outcome.out
    assert "Verified" not in outcome.out
    found = json.loads((tmp_path / "out" / "verify.json").read_text())
    assert found["passed"] is False
    assert f"error: {found['failure']}\n" == outcome.err


@pytest.mark.slow
def test_relu_in_float32_is_explained(command: Run) -> None:
    outcome = command("--backends", "numpy", "--reference", "--set", "model.activation=relu")
    assert outcome.status == 0
    assert "In parentheses: not judged" in outcome.out


@pytest.mark.slow
def test_quiet(command: Run, tmp_path: Path) -> None:
    assert command("--backends", "numpy", "--dtype", "float64", "--quiet") == (0, "", "")
    assert (tmp_path / "out" / "verify.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--backends", "numpie"], ["no backend 'numpie'", "numpy, cupy"]),
        (["--backends", "numpy:cuda:0"], ["numpy has no device 'cuda:0'"]),
        (["--backends", "numpy,strict:device7"], ["strict has no device 'device7'"]),
        (["--backends", ""], ["--backends names none"]),
        (["--backends", "numpy", "--steps", "0"], ["0 steps", "at least 1"]),
        (["--backends", "numpy", "--steps", "1000000000000"], ["1000000000000 steps", "at most 100,000"]),
        (["--backends", "numpy", "--set", "grid.runs=2"], ["[grid]"]),
        (["--backends", "strict:no_float64", "--dtype", "float64"], ["has no float64", "--dtype float32"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_bad_arguments(command: Run, tmp_path: Path, arguments: list[str], parts: list[str]) -> None:
    command(*arguments).assert_refused(*parts)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_to(command: Run, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    outcome = command("--backends", "numpy", "--dtype", "float64", "--quiet")
    outcome.assert_refused("out")


def test_backends_have_to_be_named(xpmlp: Run) -> None:  # noqa: F811
    outcome = xpmlp("verify", QUICKSTART)
    assert outcome.status == 2
    assert "--backends" in outcome.err


@pytest.mark.parametrize(
    ("actual", "expected", "difference"),
    [([1.0, 2.0], [1.0, 4.0], 0.5), ([0.5], [0.0], 0.5), ([0.0], [0.0], 0.0), ([-3.0, 0.0], [-2.0, 0.0], 0.5)],
)
def test_relative_difference(actual: list[float], expected: list[float], difference: float) -> None:
    assert relative_difference(np.asarray(actual), np.asarray(expected)) == difference


@pytest.mark.parametrize("broken", [[np.nan, 1.0], [np.inf, 1.0]])
def test_what_is_not_finite_is_no_small_difference(broken: list[float]) -> None:
    for a, b in ((broken, [1.0, 1.0]), ([1.0, 1.0], broken), (broken, broken)):
        assert not relative_difference(np.asarray(a), np.asarray(b)) <= 1e300


def test_a_snapshot_is_in_the_order_of_computation() -> None:
    array = np.zeros((1, 1))
    layers = [(array, array)] * 2
    names = [str(quantity) for quantity in quantities_of([array], array, array, [array] * 2, layers, layers)]
    assert names == [
        "activations of layer 1",
        "logits",
        "loss",
        "deltas of layer 2",
        "deltas of layer 1",
        "gradient by the weights of layer 1",
        "gradient by the biases of layer 1",
        "gradient by the weights of layer 2",
        "gradient by the biases of layer 2",
        "weights of layer 1",
        "biases of layer 1",
        "weights of layer 2",
        "biases of layer 2",
    ]
    assert Quantity("gradients", 2, "biases").row == "gradients, layer 2"


def test_a_kink_of_relu_is_no_failure() -> None:
    """In float32, a unit that is on by rounding alone excuses what follows from it, and nothing before it."""
    trial = verify_digits(changes={"model.activation": "relu"}, steps=1).trial
    reference, flipped = record_reference(trial), record_reference(trial)
    hidden = flipped.quantities[1][Quantity("activations", 1)]
    hidden[tuple(np.argwhere(hidden == 0)[0])] = 1e-9

    def judged(dtype: DTypeName) -> set[str]:
        differences = compare(trial, dtype, "numpy", flipped, REFERENCE, reference)
        return {one.quantity.kind for one in differences if one.tolerance is not None}

    assert judged("float32") == {"activations", "logits", "loss"}
    assert judged("float64") == {"activations", "logits", "loss", "deltas", "gradients", "weights"}


def test_a_reference_whose_derivatives_are_nan_is_wrong() -> None:
    trial = verify_digits(steps=1).trial
    assert Verification(trial, [(0.0, 0.0)]).failure is None
    assert "the reference itself is wrong" in str(Verification(trial, [(0.0, 0.0), (np.nan, 0.0)]).failure)
