"""Activations with parameters: by hand, finite differences, PyTorch; stacked equals alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.helpers import assert_close, cases, tolerance
from tests.oracle import FUNCTIONS
from xpmlp import nn
from xpmlp.backend import Backend
from xpmlp.nn.layer import Layer
from xpmlp.nn.layers import parametric, prelu

RNG = np.random.default_rng(4)
X, UPSTREAM = RNG.normal(size=(3, 5, 4)), RNG.normal(size=(3, 5, 4))
ALPHA = RNG.uniform(0.3, 1.4, size=(3, 1, 4))


def passes(backend: Backend, layer: Layer, alpha: Any, x: Any, upstream: Any) -> tuple[Any, Any, Any]:
    """The value, the derivative by ``x``, and the mean gradient; neither ``x`` nor ``alpha`` may change."""
    a, batch = backend.parameters(np.asarray(alpha)), backend.parameters(np.asarray(x))
    before = backend.to_numpy(batch).copy()
    y, residuals = layer.forward(backend.ops, a, batch, None)
    np.testing.assert_array_equal(backend.to_numpy(batch), before)
    back, factors = layer.backward(backend.ops, a, residuals, backend.parameters(np.asarray(upstream)), True)
    none, same = layer.backward(backend.ops, a, residuals, backend.parameters(np.asarray(upstream)), False)
    assert none is None
    np.testing.assert_array_equal(backend.to_numpy(same), backend.to_numpy(factors))
    return y, back, layer.gradients(backend.ops, factors, np.shape(x)[-2])


def test_by_hand(backend: Backend) -> None:
    # prelu with slopes 1/4 and 1/2 of x = (-4, 2), (2, -4): values (-1, 2), (2, -2).  The upstream is 2 everywhere:
    # back go 2/4, 2 and 2, 2/2; by alpha = 1 - slope: 2 (relu(x) - x) = (8, 0), (0, 8), in the mean (4, 4)
    layer = prelu()(2)
    x, upstream = [[-4.0, 2.0], [2.0, -4.0]], np.full((2, 2), 2.0)
    exact = tolerance(backend, 1e-7, 1e-15)
    y, back, gradient = passes(backend, layer, [[0.75, 0.5]], x, upstream)
    assert_close(y, [[-1, 2], [2, -2]], exact, backend)
    assert_close(back, [[0.5, 2], [2, 1]], exact, backend)
    assert_close(gradient, [[4, 4]], exact, backend)
    parameters = backend.parameters(np.asarray([[0.75, 0.5]]))
    (_, factors) = layer.backward(
        backend.ops,
        parameters,
        layer.forward(backend.ops, parameters, backend.parameters(np.asarray(x)), None)[1],
        backend.parameters(upstream),
        False,
    )
    assert_close(layer.descend(backend.ops, parameters, factors, -0.125), [[-0.25, -0.5]], exact, backend)
    generator = np.random.default_rng(0)
    np.testing.assert_array_equal(layer.init(generator), [[0.75, 0.75]])
    np.testing.assert_array_equal(parametric("mish")(3).init(generator), [[1.0, 1.0, 1.0]])


@pytest.mark.parametrize("name", nn.activations)
def test_finite_differences_and_stacked_runs(backend: Backend, name: str) -> None:
    layer, f, size = parametric(name)(4), FUNCTIONS[name], 1e-6

    def total(alpha: Any, x: Any) -> Any:
        return (x + alpha * (f(x) - x)) * UPSTREAM

    y, back, gradient = passes(backend, layer, ALPHA, X, UPSTREAM)
    close = tolerance(backend, 2e-6, 1e-8)
    assert_close(y, X + ALPHA * (f(X) - X), tolerance(backend, 1e-6, 1e-14), backend)
    assert_close(back, (total(ALPHA, X + size) - total(ALPHA, X - size)) / (2 * size), close, backend)
    slopes = (total(ALPHA + size, X) - total(ALPHA - size, X)) / (2 * size)
    assert_close(gradient, slopes.mean(axis=1, keepdims=True), close, backend)
    for run in range(3):
        alone = passes(backend, layer, ALPHA[run], X[run], UPSTREAM[run])
        for stacked, one in zip((y, back, gradient), alone, strict=True):
            assert_close(stacked[run, ...], backend.to_numpy(one), tolerance(backend, 1e-6, 1e-14), backend)


@pytest.mark.parametrize("backend", cases("torch", dtype="float64"), indirect=True)
def test_against_torch(backend: Backend) -> None:
    import torch
    from torch.nn import functional

    for layer, theirs in (
        (parametric("mish")(4), lambda a, x: x + a * (functional.mish(x) - x)),
        (prelu()(4), lambda a, x: functional.prelu(x, (1 - a)[0])),
    ):
        a, x = torch.tensor(ALPHA[0], requires_grad=True), torch.tensor(X[0], requires_grad=True)
        with torch.enable_grad():
            value = theirs(a, x)
            (value * torch.tensor(UPSTREAM[0])).sum().backward()
        y, back, gradient = passes(backend, layer, ALPHA[0], X[0], UPSTREAM[0])
        assert_close(y, value.detach().numpy(), 1e-14, backend)
        assert_close(back, x.grad.numpy(), 1e-14, backend)
        assert_close(gradient, a.grad.numpy() / 5, 1e-14, backend)


def test_large_numbers_and_nan(backend: Backend) -> None:
    layer = parametric("selu")(3)
    y, back, _ = passes(backend, layer, np.ones((1, 3)), [[np.nan, 1e30, -1e30]], np.ones((1, 3)))
    assert np.isnan(backend.to_numpy(y)).tolist() == [[True, False, False]]
    assert np.isfinite(backend.to_numpy(back)[0, 1:]).all()
