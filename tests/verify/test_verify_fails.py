"""Formulas broken on purpose: `verify` has to find each, and to name the first quantity that differs."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from tests.verify.small import verify_digits
from xpmlp import nn
from xpmlp.backend.numpy import NumpyBackend
from xpmlp.nn import ops
from xpmlp.nn.activations import activations
from xpmlp.optim import Optimizer, optimizers
from xpmlp.verify import formulas

ADAM = importlib.import_module("xpmlp.optim.adam")  # the module; in its package, the name is the function's
dense = importlib.import_module("xpmlp.nn.layers.dense")

BY_ALL = "numpy and strict in float64 differ from the independent reference, first in the "


def failure(**changes: Any) -> str:
    """Verify the digits on numpy and strict, and return the sentence about the failure."""
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    sentence = verify_digits("numpy,strict", dotted).failure
    assert sentence is not None
    return sentence


def define(monkeypatch: pytest.MonkeyPatch, right: Any, wrong: Any) -> None:
    """Put a wrong definition of an operation in the place of the right one."""
    monkeypatch.setattr(ops, "_DEFINITIONS", tuple(wrong if one is right else one for one in ops._DEFINITIONS))


def test_a_wrong_sign_in_the_backward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    right = activations["tanh"]
    wrong = right._replace(backward=lambda ops, upstream, activation: -right.backward(ops, upstream, activation))
    monkeypatch.setitem(activations._records, "tanh", wrong)
    assert failure().startswith(BY_ALL + "deltas of layer 2 at step 1: by 2.0e+00 where 1.0e-12 is allowed.")


def test_a_forgotten_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    define(monkeypatch, ops.affine, lambda xp, x, weights, biases: x @ weights)
    assert failure(backend__fused=False).startswith(BY_ALL + "activations of layer 1 at step 1")


def test_a_forgotten_gradient_of_the_biases(monkeypatch: pytest.MonkeyPatch) -> None:
    define(monkeypatch, ops.add_sum, lambda xp, biases, *_: biases)
    sentence = failure(backend__fused=False, train__optimizer="sgd")
    assert sentence.startswith(BY_ALL + "biases of layer 1 at step 1")


def test_a_gradient_that_is_a_sum_and_not_a_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    right = dense.gradients

    def summed(ops: Any, factors: Any, divisor: Any) -> Any:
        return right(ops, factors, 1)

    monkeypatch.setattr(dense, "gradients", summed)
    sentence = failure(train__optimizer="momentum")
    assert sentence.startswith(BY_ALL + "gradient by the weights of layer 1 at step 1: by 1.5e+01")


def test_an_update_without_the_batch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    right = optimizers["sgd"]

    def make(*arguments: Any, **constants: Any) -> Optimizer:
        rule = right.make(*arguments, **constants)

        def update(*arguments: Any) -> Any:
            *others, hyper = arguments
            return rule.update_from_factors(*others, hyper._replace(descent=16 * hyper.descent))

        return rule._replace(update_from_factors=update)

    monkeypatch.setitem(optimizers._records, "sgd", right._replace(make=make))
    assert failure(train__optimizer="sgd").startswith(BY_ALL + "weights of layer 1 at step 1")


def test_adam_without_its_bias_correction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ADAM, "one_minus_power", lambda ops, beta, step: ops.xp.ones_like(step))
    assert failure(train__optimizer="adam").startswith(BY_ALL + "weights of layer 1 at step 1")


def test_adam_that_does_not_count_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ADAM.one_minus_power
    monkeypatch.setattr(ADAM, "one_minus_power", lambda ops, beta, step: right(ops, beta, ops.xp.ones_like(step)))
    assert failure(train__optimizer="adam").startswith(BY_ALL + "activations of layer 1 at step 10")


def test_one_backends_own_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    right = NumpyBackend._fused_ops

    def wrong(self: NumpyBackend) -> nn.Ops:
        ops = right(self)
        return ops._replace(softmax=lambda logits: ops.softmax(logits) * (1 + 1e-9))

    monkeypatch.setattr(NumpyBackend, "_fused_ops", wrong)
    assert failure().startswith("numpy in float64 differs from the independent reference, first in the deltas of layer")


def test_an_operation_that_is_wrong_in_float32_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    right = NumpyBackend._fused_ops

    def wrong(self: NumpyBackend) -> nn.Ops:
        ops = right(self)
        if self.dtype_name == "float64":
            return ops

        def in_half_precision(delta: Any, weights: Any) -> Any:
            return ops.multiply_transposed(delta, weights).astype(np.float16).astype(np.float32)

        return ops._replace(multiply_transposed=in_half_precision)

    monkeypatch.setattr(NumpyBackend, "_fused_ops", wrong)
    sentence = verify_digits("strict,numpy", {"model.activation": "relu"}, dtype=None).failure
    assert sentence is not None
    assert sentence.startswith(
        "numpy in float32 differs from the independent reference, first in the deltas of layer 2"
    )


def test_a_backend_that_gives_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    right = NumpyBackend._fused_ops
    monkeypatch.setattr(
        NumpyBackend, "_fused_ops", lambda self: right(self)._replace(softmax=lambda logits: logits * np.nan)
    )
    assert "first in the deltas of layer 3 at step 1: by nan where" in failure()


def test_a_reference_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    right = formulas.ACTIVATIONS["tanh"]
    wrong = right._replace(derivative=lambda z: right.derivative(z) + 0.01)
    monkeypatch.setitem(formulas.ACTIVATIONS, "tanh", wrong)
    assert failure().startswith("the reference's gradients of layer 1 differ from finite differences of its loss by")
