"""The proofs of every layer: by hand, by finite differences, by PyTorch; on every library, alone and stacked."""

from __future__ import annotations

import json
from typing import Any

import array_api_compat.numpy
import numpy as np
import pytest

from tests.helpers import assert_close, call, cases, eager, tolerance
from tests.nn.layers.cases import CASES, LayerCase, Worked, passes
from xpmlp._tree import leaves, map_leaves
from xpmlp.backend import Backend
from xpmlp.nn import LayerSpec, pure_ops
from xpmlp.nn.layer import KINDS, Inputs, Tree
from xpmlp.nn.layers import layers

OPS = pure_ops(array_api_compat.numpy)

every_layer = pytest.mark.parametrize("name", CASES)
float64 = pytest.mark.parametrize("backend", cases("numpy", "torch", "jax", dtype="float64"), indirect=True)

RUNS = 3


def host(value: Any) -> Any:
    return np.asarray(value, dtype=np.float64)


def on(backend: Backend, x: Inputs) -> Inputs:
    """Inputs of the host as the backend's arrays."""
    codes = None if x.codes is None else backend.asarray(np.asarray(x.codes, np.int32))
    return Inputs(backend.asarray(host(x.numbers), backend.dtype), codes)


def on_host(case: LayerCase, runs: int = RUNS, divisor: Any = 1) -> tuple[Any, ...]:
    """By NumPy in float64."""
    return passes(OPS, case.layer, case.parameters(runs), case.inputs(runs), case.upstream(runs), divisor)


def assert_trees_close(actual: Tree, expected: Tree, accuracy: float, backend: Backend) -> None:
    __tracebackhide__ = True
    assert [name for name, _ in leaves(actual)] == [name for name, _ in leaves(expected)]
    for (_, one), (_, wanted) in zip(leaves(actual), leaves(expected), strict=True):
        assert_close(one, wanted, accuracy, backend)


@every_layer
def test_kinds_of_parameters_are_known(name: str) -> None:
    assert {kind for _, kind in leaves(CASES[name].layer.kinds)} <= {*KINDS, "state"}


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.worked])
@pytest.mark.parametrize("runs", [0, 2], ids=["no runs axis", "2 runs"])
def test_worked_by_hand(name: str, runs: int, backend: Backend) -> None:
    worked = CASES[name].worked
    assert isinstance(worked, Worked)

    def stacked(values: Any) -> Any:
        values = host(values)
        return np.stack([values] * runs) if runs else values

    def trees(tree: Any) -> Any:
        if hasattr(tree, "_fields"):
            return type(tree)(*map(trees, tree))
        return tuple(map(trees, tree)) if isinstance(tree, tuple) else stacked(tree)

    layer = worked.maker(worked.widths)
    x = Inputs(stacked(worked.numbers), None if worked.codes is None else stacked(worked.codes).astype(np.int32))
    parameters, upstream = backend.parameters((trees(worked.parameters), stacked(worked.upstream)))

    def compute(parameters: Tree, x: Inputs, upstream: Any) -> Any:
        return passes(backend.ops, layer, parameters, x, upstream)

    y, back, gradients = call(backend, compute, parameters, on(backend, x), upstream)
    accuracy = tolerance(backend, 1e-6, 1e-15)
    assert_close(y, stacked(worked.y), accuracy, backend)
    assert_trees_close(gradients, trees(worked.gradients), accuracy, backend)
    assert (back is None) == (worked.back is None)
    if back is not None:
        assert_close(back, stacked(worked.back), accuracy, backend)


def derivative(loss: Any, array: np.ndarray, step: float = 2e-6) -> np.ndarray:
    """Central differences."""
    result = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        before = array[place]
        losses = []
        for shifted in (before + step, before - step):
            array[place] = shifted
            losses.append(loss())
        array[place], result[place] = before, (losses[0] - losses[1]) / (2 * step)
    return result


@every_layer
def test_finite_differences(name: str) -> None:
    case = CASES[name]
    layer, parameters, x, upstream = case.layer, case.parameters(2), case.inputs(2, known=1), case.upstream(2)

    def loss() -> float:
        return float(np.sum(layer.forward(OPS, parameters, x, ())[0] * upstream))

    _, back, gradients = passes(OPS, layer, parameters, x, upstream.copy())
    if back is not None:
        np.testing.assert_allclose(back, derivative(loss, x.numbers), rtol=0, atol=1e-8)
    kinds = [kind for _, kind in leaves(layer.kinds)]
    for kind, (place, leaf), (_, slope) in zip(kinds, leaves(parameters), leaves(gradients), strict=True):
        expected = leaf if kind == "state" else derivative(loss, leaf)
        np.testing.assert_allclose(slope, expected, rtol=0, atol=1e-8, err_msg=place)


@every_layer
def test_is_what_pytorch_computes_and_differentiates(name: str, get_backend: Any) -> None:
    get_backend("torch")  # skips, where it is not installed
    import torch

    case = CASES[name]
    x, parameters, upstream = case.inputs(RUNS), case.parameters(RUNS), case.upstream(RUNS)
    y, back, gradients = on_host(case, divisor=4)
    kinds = [kind for _, kind in leaves(case.layer.kinds)]
    with torch.enable_grad():
        for run in range(RUNS):
            tensors = map_leaves(lambda leaf, run=run: torch.tensor(leaf[run], requires_grad=True), parameters)
            numbers = torch.tensor(x.numbers[run], requires_grad=True)
            output = case.torch(tensors, numbers, torch.tensor(x.codes[run]).long())
            np.testing.assert_allclose(y[run], output.detach().numpy(), rtol=0, atol=1e-13)
            if output.requires_grad:
                output.backward(torch.tensor(upstream[run]))
            if back is not None:
                np.testing.assert_allclose(back[run], numbers.grad.numpy(), rtol=0, atol=1e-12)
            for kind, (_, tensor), (_, slope) in zip(kinds, leaves(tensors), leaves(gradients), strict=True):
                expected = tensor.detach() if kind == "state" else tensor.grad / 4
                np.testing.assert_allclose(slope[run], expected.numpy(), rtol=0, atol=1e-12)


@every_layer
def test_every_library_computes_the_same(name: str, backend: Backend) -> None:
    case = CASES[name]
    layer, rates = case.layer, np.reshape([0.5, 0.25, 2.0], (RUNS, 1, 1))

    def everything(parameters: Tree, x: Inputs, upstream: Any, divisor: Any) -> tuple[Any, ...]:
        y, residuals = layer.forward(backend.ops, parameters, x, ())
        y = backend.xp.asarray(y, copy=True)
        back, factors = layer.backward(backend.ops, parameters, residuals, upstream, True)
        gradients = layer.gradients(backend.ops, factors, divisor)
        return y, back, gradients, layer.descend(backend.ops, parameters, factors, -divisor)

    parameters, upstream, divisor = backend.parameters((case.parameters(RUNS), case.upstream(RUNS), rates))
    actual = call(backend, everything, parameters, on(backend, case.inputs(RUNS)), upstream, divisor)
    y, back, gradients = on_host(case, divisor=rates)
    sums = (sum_ for _, sum_ in leaves(on_host(case)[2]))
    kinds = (kind for _, kind in leaves(layer.kinds))
    descended = map_leaves(
        lambda leaf: leaf if next(kinds) == "state" and next(sums) is not None else leaf - rates * next(sums),
        case.parameters(RUNS),
    )
    assert_trees_close(actual, (y, back, gradients, descended), tolerance(backend, 2e-5, 1e-13), backend)


@every_layer
@float64
def test_stacked_equals_alone(name: str, backend: Backend) -> None:
    case = CASES[name]
    x, upstream, parameters = case.inputs(RUNS), case.upstream(RUNS), case.parameters(RUNS)

    def compute(parameters: Tree, x: Inputs, upstream: Any) -> Any:
        return passes(backend.ops, case.layer, parameters, x, upstream)

    stacked = call(backend, compute, *_on(backend, parameters, x, upstream))
    # a run of one, and without a runs axis, which on JAX would be one more program
    for place in (slice(1, 2), *([2] if backend.name != "jax" else [])):
        alone = map_leaves(lambda leaf, place=place: leaf[place], (parameters, x, upstream))
        expected = map_leaves(lambda leaf, place=place: backend.to_numpy(leaf)[place], stacked)
        assert_trees_close(call(backend, compute, *_on(backend, *alone)), expected, 1e-13, backend)


def _on(backend: Backend, parameters: Tree, x: Inputs, upstream: Any) -> tuple[Tree, Inputs, Any]:
    return backend.parameters(parameters), on(backend, x), backend.parameters([upstream])[0]


@every_layer
def test_what_is_not_wanted_changes_nothing_else(name: str) -> None:
    case = CASES[name]
    parameters, x = case.parameters(RUNS), case.inputs(RUNS)
    _, residuals = case.layer.forward(OPS, parameters, x, ())
    _, factors = case.layer.backward(OPS, parameters, residuals, case.upstream(RUNS), False)
    for (_, one), (_, wanted) in zip(
        leaves(case.layer.gradients(OPS, factors, 1)), leaves(on_host(case)[2]), strict=True
    ):
        np.testing.assert_array_equal(one, wanted)


@every_layer
def test_inputs_and_parameters_are_left_alone(name: str) -> None:
    """In evaluation the batch is the same memory for all runs."""
    case = CASES[name]
    parameters, one = case.parameters(RUNS), case.inputs(1)
    x = map_leaves(lambda array: np.broadcast_to(array, (RUNS, *array.shape[1:])), one)
    for _, leaf in leaves((parameters, x)):
        leaf.flags.writeable = False
    y, _, _ = passes(OPS, case.layer, parameters, x, case.upstream(RUNS))
    for run in range(RUNS):
        own = map_leaves(lambda leaf, run=run: leaf[run], parameters)
        alone = case.layer.forward(OPS, own, map_leaves(lambda array: array[0], one), ())[0]
        np.testing.assert_allclose(y[run], alone, rtol=0, atol=1e-13)


@every_layer
@eager()
def test_nan_stays_in_its_example_and_does_not_vanish(name: str, backend: Backend) -> None:
    case = CASES[name]
    x = case.inputs(RUNS)
    x.numbers[1, 2, :] = np.nan
    y, _ = case.layer.forward(backend.ops, backend.parameters(case.parameters(RUNS)), on(backend, x), ())
    found = backend.to_numpy(y).reshape(RUNS, case.layer.repeats, 6, -1)
    assert np.isfinite(np.delete(found, 2, axis=2)).all()
    assert np.isfinite(found[[0, 2]]).all()
    if name not in ("embedding", "one_hot"):
        # the rows of codes are not numbers' and stay what they are
        reached = found[1, :, 2, -case.widths.numbers :] if name == "first layers" else found[1, :, 2]
        assert np.isnan(reached).all()


@every_layer
@eager()
def test_large_numbers_give_finite_ones(name: str, backend: Backend) -> None:
    case = CASES[name]
    x = case.inputs(RUNS)
    x = x._replace(numbers=x.numbers * 1e12)
    parameters, upstream = backend.parameters((case.parameters(RUNS), case.upstream(RUNS)))
    for _, leaf in leaves(passes(backend.ops, case.layer, parameters, on(backend, x), upstream)):
        assert np.isfinite(backend.to_numpy(leaf)).all()


@every_layer
def test_the_record_says_what_the_layer_is(name: str) -> None:
    case = CASES[name]
    layer, parameters = case.layer, case.layer.init(np.random.default_rng(0))
    for (place, slot), (name, leaf) in zip(leaves(layer.slots), leaves(parameters), strict=True):
        assert (place, (slot.rows, slot.columns), np.float64) == (name, leaf.shape, leaf.dtype)
    table = json.loads(json.dumps({"kind": layer.name, **layer.settings}))
    assert LayerSpec.of(table).table() == table
    again = LayerSpec.of(table).maker()(case.widths)
    assert (again.settings, again.slots, again.repeats) == (layer.settings, layer.slots, layer.repeats)
    for (_, one), (_, other) in zip(leaves(again.init(np.random.default_rng(0))), leaves(parameters), strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_maker_has_a_case() -> None:
    kinds = {inner for case in CASES.values() for inner in _kinds(case.layer.settings, case.layer.name)}
    without = {"dense", "dropout", "categories", "prelu"}  # of the network's tests, and made of others
    assert kinds | without == layers.keys()


def _kinds(settings: dict[str, Any], kind: str) -> set[str]:
    inner = settings.get("layers", [])
    return {kind, *(name for one in inner for name in _kinds(one, one["kind"]))}
