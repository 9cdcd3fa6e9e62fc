"""Activations: values and derivatives, also at the edges of their domain: no overflow, no warning, no lost NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.special
from array_api_compat import numpy as xp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from tests.helpers import assert_close, cases, tolerance
from xpmlp import nn
from xpmlp.backend import Backend
from xpmlp.data.tables.features import Feature

Floats = npt.NDArray[np.float64]

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


def elu(z: Floats) -> Floats:
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


def gelu_argument(z: Floats) -> Floats:
    return np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)


def log_one_plus_exp(z: Floats) -> Floats:
    return np.logaddexp(0, z)


FUNCTIONS = {
    "identity": np.array,
    "sigmoid": scipy.special.expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": elu,
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * elu(z)),
    "gelu": lambda z: z * scipy.special.expit(2 * gelu_argument(z)),
    "silu": lambda z: z * scipy.special.expit(z),
    "mish": lambda z: z * np.tanh(log_one_plus_exp(z)),
    "softplus": log_one_plus_exp,
    "scaled_tanh": lambda z: 1.7159 * np.tanh(2 * z / 3),
    "unbent": lambda z: np.clip(z, -2.85, 2.85) / np.sqrt(1 - np.clip(z, -2.85, 2.85) ** 2 / 9),
}
TORCH = {
    "identity": lambda functional, z: z + 0,
    "softplus": lambda functional, z: functional.softplus(z, threshold=1000),
    "gelu": lambda functional, z: functional.gelu(z, approximate="tanh"),
    "scaled_tanh": lambda functional, z: 1.7159 * functional.tanh(2 * z / 3),
    "unbent": lambda functional, z: (
        functional.hardtanh(z, -2.85, 2.85) * ((1 - functional.hardtanh(z, -2.85, 2.85) ** 2 / 9).rsqrt())
    ),
}

# At z = ln 2, where e^z = 2, and at z = -ln 2, where e^z = 1/2: the value and the derivative, in fractions of these.
#
# sigmoid: 2/3 and 1/3; s (1 - s) = 2/9.        tanh: (4 - 1) / (4 + 1) = 3/5; 1 - 9/25 = 16/25.
# elu: 1/2 - 1 = -1/2; e^z = 1/2.                softplus: ln 3 and ln 3/2; the sigmoid.
# silu: z s; s + z s (1 - s) = s + 2/9 z.
# mish: n = e (e + 2) = 8 and 5/4, n / (n + 2) = 4/5 and 5/13; (n + 4 z e (e + 1) / (n + 2)) / (n + 2)
#       = (8 + 24 z / 10) / 10 = 4/5 + 6/25 z, and (5/4 + 3 z 4/13) 4/13 = 5/13 + 48/169 z.
# scaled_tanh at 3/2 of these places, gelu at 0 and far away: see below.
L = float(np.log(2))
BY_HAND = {
    "identity": ((L, 1), (-L, 1)),
    "sigmoid": ((2 / 3, 2 / 9), (1 / 3, 2 / 9)),
    "tanh": ((3 / 5, 16 / 25), (-3 / 5, 16 / 25)),
    "relu": ((L, 1), (0, 0)),
    "leaky_relu": ((L, 1), (-L / 100, 1 / 100)),
    "elu": ((L, 1), (-1 / 2, 1 / 2)),
    "selu": ((1.0507009873554805 * L, 1.0507009873554805), (-0.8790496, 0.8790496)),
    "silu": ((2 / 3 * L, 2 / 3 + 2 / 9 * L), (-L / 3, 1 / 3 - 2 / 9 * L)),
    "mish": ((4 / 5 * L, 4 / 5 + 6 / 25 * L), (-5 / 13 * L, 5 / 13 - 48 / 169 * L)),
    "softplus": ((np.log(3), 2 / 3), (np.log(3 / 2), 1 / 3)),
}


def on_device(backend: Backend, values: Any) -> Any:
    return backend.parameters(np.asarray(values, dtype=np.float64))


def both(backend: Backend, name: str, z: Any, upstream: Any = 1.0) -> tuple[Any, Any]:
    """The value and ``upstream`` times the derivative."""
    activation = nn.activations[name]
    y, kept = activation.forward(backend.ops, on_device(backend, z))
    before = [backend.to_numpy(array).copy() for array in (y, *kept)]
    delta = activation.backward(backend.ops, on_device(backend, np.broadcast_to(upstream, np.shape(z)).copy()), kept)
    # the value is a factor of the next layer's gradient: the backward pass may not have touched it
    for array, wanted in zip((y, *kept), before, strict=True):
        np.testing.assert_array_equal(backend.to_numpy(array), wanted)
    return y, delta


@pytest.mark.parametrize("name", nn.activations)
def test_function_and_derivative(backend: Backend, name: str) -> None:
    z, upstream = np.linspace(-6, 6, 26).reshape(2, 13), np.linspace(1, 2, 26).reshape(2, 13)
    y, delta = both(backend, name, z, upstream)
    assert_close(y, FUNCTIONS[name](z), tolerance(backend, 5e-7, 1e-15), backend)
    size = 1e-5
    slope = (FUNCTIONS[name](z + size) - FUNCTIONS[name](z - size)) / (2 * size)
    assert_close(delta, upstream * slope, tolerance(backend, 5e-7, 1e-9), backend)


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(backend: Backend, name: str) -> None:
    y, delta = both(backend, name, [L, -L])
    values, slopes = zip(*BY_HAND[name], strict=True)
    accuracy = 1e-7 if name == "selu" else 1e-15  # whose constants are given in eight digits
    assert_close(y, values, tolerance(backend, 3e-7, accuracy), backend)
    assert_close(delta, slopes, tolerance(backend, 3e-7, accuracy), backend)


def test_scaled_tanh_and_gelu_by_hand(backend: Backend) -> None:
    y, delta = both(backend, "scaled_tanh", [1.5 * L, -1.5 * L])
    assert_close(y, [1.7159 * 3 / 5, -1.7159 * 3 / 5], tolerance(backend, 3e-7, 1e-15), backend)
    assert_close(delta, [1.7159 * 2 / 3 * 16 / 25] * 2, tolerance(backend, 3e-7, 1e-15), backend)
    y, delta = both(backend, "gelu", [0.0, 9.0, -9.0])
    assert_close(y, [0, 9, 0], tolerance(backend, 1e-7, 1e-15), backend)
    assert_close(delta, [1 / 2, 1, 0], tolerance(backend, 1e-7, 1e-15), backend)


@pytest.mark.parametrize("name", nn.activations)
@pytest.mark.parametrize("backend", cases("torch", dtype="float64"), indirect=True)
def test_against_torch(backend: Backend, name: str) -> None:
    import torch
    from torch.nn import functional

    z = np.concatenate([np.linspace(-9, 9, 41)[:-1], [-300.0, -40.0, -20.0, 20.0, 40.0, 300.0]])
    theirs = torch.tensor(z, requires_grad=True)
    with torch.enable_grad():
        value = TORCH.get(name, lambda functional, z: getattr(functional, name)(z))(functional, theirs)
        value.sum().backward()
    y, delta = both(backend, name, z)
    assert_close(y, value.detach().numpy(), 1e-14, backend)
    assert_close(delta, theirs.grad.numpy(), 1e-14, backend)


def test_unbent_by_hand(backend: Backend) -> None:
    """At 9/5 the root is 4/5; it is the inverse of the bend by which tables are encoded."""
    y, delta = both(backend, "unbent", [9 / 5, -9 / 5, 3.0])
    assert_close(y, [9 / 4, -9 / 4, 2.85 / np.sqrt(1 - 0.95**2)], tolerance(backend, 1e-6, 1e-14), backend)
    assert_close(delta, [125 / 64, 125 / 64, 0], tolerance(backend, 1e-6, 1e-14), backend)
    raw = np.linspace(-9, 9, 19)
    bent = np.asarray([Feature(name="x", bent=True).apply(raw.copy())]).ravel()
    assert_close(both(backend, "unbent", bent)[0], raw, tolerance(backend, 1e-5, 1e-13), backend)


def test_relu_has_no_slope_at_zero(backend: Backend) -> None:
    assert_close(both(backend, "relu", np.zeros(3))[1], np.zeros(3), 0, backend)


@pytest.mark.parametrize("name", nn.activations)
def test_large_numbers(backend: Backend, name: str) -> None:
    z = np.asarray([-0.99 * LARGEST, -1e30, -1e10, -1e4, -100, 100, 1e4, 1e10, 1e30, 0.5 * LARGEST])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, delta = both(backend, name, z)
    near = np.where(np.abs(z) > 1e4, 1e4 * np.sign(z), z)  # where all are as straight as they become
    size = 1.0
    slope = (FUNCTIONS[name](near + size) - FUNCTIONS[name](near - size)) / (2 * size)
    host = backend.to_numpy(y)
    wanted = np.where(np.abs(z) > 1e4, FUNCTIONS[name](near) + slope * (z - near), FUNCTIONS[name](z))
    np.testing.assert_allclose(host, wanted, rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(backend.to_numpy(delta), slope, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("name", ["elu", "selu", "silu", "mish", "softplus", "leaky_relu"])
def test_small_values_have_all_their_digits(backend: Backend, name: str) -> None:
    z = np.asarray([-25.0, -12.0, -3.0, -1e-3, -1e-6, 1e-6, 1e-3, 3.0])
    y, _ = both(backend, name, z.astype(backend.dtype_name))
    wanted = FUNCTIONS[name](z.astype(backend.dtype_name).astype(np.float64))
    np.testing.assert_allclose(backend.to_numpy(y), wanted, rtol=tolerance(backend, 1e-6, 1e-14))


@pytest.mark.parametrize("name", nn.activations)
def test_nan_stays_nan(backend: Backend, name: str) -> None:
    # a divergence has to reach the loss, where training looks for it
    output, _ = both(backend, name, [np.nan, 0.0])
    assert np.isnan(backend.to_numpy(output)).tolist() == [True, False]


def test_every_record_says_what_it_is() -> None:
    assert all(key == record.name and record.formula for key, record in nn.activations.items())
