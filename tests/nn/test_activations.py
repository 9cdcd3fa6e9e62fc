"""Activations at the edges of their domain: no overflow, no warning, no lost NaN."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from array_api_compat import numpy as xp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from tests.helpers import assert_close, tolerance
from xpmlp import nn
from xpmlp.backend import Backend

LARGEST = float(np.finfo(np.float32).max)
TINIEST = float(np.finfo(np.float32).smallest_subnormal)

EDGES = [0.0, TINIEST, 1e-8, 0.1, 1.0, 10.0, 17.0, 88.0, 89.0, 104.0, 1e4, LARGEST, float("inf")]
EDGES = [-edge for edge in EDGES] + EDGES


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(data=st.data())
def test_sigmoid_of_any_float32(dtype: str, data: st.DataObject) -> None:
    elements = st.floats(width=32, allow_nan=False)
    x = data.draw(hypothesis_numpy.arrays(np.float32, st.integers(1, 20), elements=elements)).astype(dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        result = nn.pure_ops(xp).sigmoid(x.copy())
    assert result.dtype == x.dtype
    assert np.all((result >= 0) & (result <= 1))
    np.testing.assert_allclose(result, scipy.special.expit(x.astype(np.float64)), rtol=0, atol=np.finfo(dtype).eps)


def test_sigmoid_at_the_edges(backend: Backend) -> None:
    x = backend.asarray(EDGES, backend.dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        result = backend.ops.sigmoid(x)
    assert_close(result, scipy.special.expit(np.asarray(EDGES)), tolerance(backend, 1.2e-7, 2.3e-16), backend)


FUNCTIONS = {"sigmoid": scipy.special.expit, "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0), "identity": np.array}
DERIVATIVES = {
    "sigmoid": lambda z: scipy.special.expit(z) * scipy.special.expit(-z),
    "tanh": lambda z: 1 / np.cosh(z) ** 2,
    "relu": lambda z: np.where(z > 0, 1.0, 0.0),
    "identity": np.ones_like,
}


@pytest.mark.parametrize("name", nn.activations)
def test_function_and_derivative(backend: Backend, name: str) -> None:
    z, upstream = np.linspace(-6, 6, 26).reshape(2, 13), np.linspace(1, 2, 26).reshape(2, 13)
    activation = nn.activations[name]
    output = activation.function(backend.ops, backend.parameters(z))
    accuracy = tolerance(backend, 5e-7, 1e-15)
    assert_close(output, FUNCTIONS[name](z), accuracy, backend)
    delta = activation.backward(backend.ops, backend.parameters(upstream), output)
    assert_close(delta, upstream * DERIVATIVES[name](z), accuracy, backend)
    # the output is a factor of the next layer's gradient: the backward pass may not have touched it
    assert_close(output, FUNCTIONS[name](z), accuracy, backend)


def test_relu_has_no_slope_at_zero(backend: Backend) -> None:
    relu = nn.activations["relu"]
    output = relu.function(backend.ops, backend.parameters(np.zeros(3)))
    assert_close(relu.backward(backend.ops, backend.parameters(np.ones(3)), output), np.zeros(3), 0, backend)


@pytest.mark.parametrize("name", nn.activations)
def test_nan_stays_nan(backend: Backend, name: str) -> None:
    # a divergence has to reach the loss, where training looks for it
    output = nn.activations[name].function(backend.ops, backend.parameters(np.asarray([np.nan, 0.0])))
    assert np.isnan(backend.to_numpy(output)).tolist() == [True, False]
