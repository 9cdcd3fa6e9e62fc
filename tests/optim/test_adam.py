"""Features specific to Adam: its three constants, and the digits of the bias corrections in float32."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers import assert_lives_on, cases, tolerance
from tests.networks import kinds_of
from tests.oracle import Floats
from xpmlp.backend import Backend
from xpmlp.nn import DenseParameters, Parameters
from xpmlp.optim import Hyperparameters, adam


def steps_of(backend: Backend, gradients: list[float], **constants: float) -> list[float]:
    """One weight's value after each step, from 0, at a learning rate of 1."""
    optimizer, zero, one = adam(kinds_of(1), **constants), np.zeros((1, 1)), np.ones((1, 1))
    parameters: Parameters = backend.parameters([DenseParameters(zero, zero)])
    state, values = optimizer.init(parameters), []
    for gradient in gradients:
        slopes = backend.parameters([DenseParameters(gradient * one, gradient * one)])
        parameters, state = optimizer.update(backend.ops, parameters, slopes, state, Hyperparameters(1.0))
        for leaf in parameters[0]:
            assert_lives_on(leaf, backend)
            assert leaf.dtype == backend.dtype
        values.append(backend.to_numpy(parameters[0].weights).item())
    return values


def reference(gradients: list[float], beta_1: float, beta_2: float, epsilon: float) -> Floats:
    """Kingma and Ba, algorithm 1 in the order of section 2's end, as plain numbers."""
    w = m = v = 0.0
    values = []
    for t, g in enumerate(gradients, start=1):
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g * g
        w -= (1 - beta_2**t) ** 0.5 / (1 - beta_1**t) * m / (v**0.5 + epsilon)
        values.append(w)
    return np.asarray(values)


GRADIENTS = [3.0, -1.0, 0.0, 2.0, 5.0]


@pytest.mark.parametrize(
    ("beta_1", "beta_2", "epsilon"), [(0.9, 0.999, 1e-8), (0.5, 0.9, 1e-2), (0.0, 0.999, 1e-8), (0.9, 0.0, 1e-3)]
)
def test_constants(backend: Backend, beta_1: float, beta_2: float, epsilon: float) -> None:
    values = steps_of(backend, GRADIENTS, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
    np.testing.assert_allclose(
        values, reference(GRADIENTS, beta_1, beta_2, epsilon), rtol=tolerance(backend, 1e-5, 1e-12)
    )


def test_the_first_step_by_hand(backend: Backend) -> None:
    # m = 0.1 g, v = 0.001 g^2; the corrections make of them g and g^2, and epsilon is 1e-8 / sqrt(0.001) = 3.2e-7
    # of what is divided by: the weight goes by the learning rate, against the sign of g.
    wanted = 1 / (1 + 1e-8 / 0.001**0.5)
    assert steps_of(backend, [-1.0])[0] == pytest.approx(wanted, rel=tolerance(backend, 1e-6, 1e-12))


@pytest.mark.parametrize("backend", cases(dtype="float32"), indirect=True)
def test_bias_correction_keeps_its_digits_in_float32(backend: Backend) -> None:
    # 1 - 0.999**1, reckoned in float32, would be off by 1e-5
    values = steps_of(backend, [1.0], epsilon=1e-30)
    assert values[0] == pytest.approx(-1, abs=3e-7)
