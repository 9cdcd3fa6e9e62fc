"""Every operation of every backend against its definition in `xpmlp.nn.ops`, run by NumPy in float64."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import array_api_compat.numpy
import numpy as np
import numpy.typing as npt
import pytest

from tests.helpers import assert_close, assert_lives_on, call, eager, tolerance
from xpmlp._typing import Array
from xpmlp.backend import Backend, resolve
from xpmlp.nn import Ops, pure_ops

N_IN, N_OUT = 7, 5
DEFINITIONS = pure_ops(array_api_compat.numpy)

every_shape = pytest.mark.parametrize(
    ("stack", "batch"),
    [((), 1), ((), 32), ((), 200), ((3,), 1), ((3,), 32), ((3,), 200)],
    ids=["one", "batch", "many", "runs-one", "runs-batch", "runs-many"],
)
update = pytest.mark.parametrize("name", ["add_product", "add_sum"])


class Operands(NamedTuple):
    """([runs,] batch, n_in) and so on, as the operations name them."""

    activation: Any
    weights: Any
    biases: Any
    delta: Any
    logits: Any
    scale: Any


ARGUMENTS = {
    "affine": ("activation", "weights", "biases"),
    "sigmoid": ("logits",),
    "sigmoid_backward": ("delta", "logits"),
    "softmax": ("logits",),
    "log_softmax": ("logits",),
    "multiply_transposed": ("delta", "weights"),
    "product_of_factors": ("activation", "delta"),
    "add_product": ("weights", "activation", "delta", "scale"),
    "add_sum": ("biases", "delta", "scale"),
    "sum_over_batch": ("delta",),
}


def random_operands(stack: tuple[int, ...], batch: int) -> Operands:
    rng = np.random.default_rng([batch, *stack])
    return Operands(
        rng.normal(size=(*stack, batch, N_IN)),
        rng.normal(size=(*stack, N_IN, N_OUT)),
        rng.normal(size=(*stack, 1, N_OUT)),
        rng.normal(size=(*stack, batch, N_OUT)),
        4 * rng.normal(size=(*stack, batch, N_OUT)),
        -rng.uniform(0.1, 1.0, size=(*stack, 1, 1)),
    )


def host_arguments(name: str, stack: tuple[int, ...], batch: int) -> list[npt.NDArray[Any]]:
    operands = random_operands(stack, batch)._asdict()
    return [operands[argument] for argument in ARGUMENTS[name]]


def on(backend: Backend, host: list[Any]) -> list[Any]:
    """Operands on the backend's device."""
    return [backend.parameters(one) for one in host]


def defined(name: str, host: list[npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], ...]:
    """Compute an operation by its definition, in float64."""
    return as_tuple(getattr(DEFINITIONS, name)(*map(np.copy, host)))


def as_tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def assert_all_close(actual: Any, expected: tuple[npt.NDArray[Any], ...], backend: Backend) -> None:
    __tracebackhide__ = True
    for one, wanted in zip(as_tuple(actual), expected, strict=True):
        assert_close(one, wanted, tolerance(backend, 1e-6, 1e-14), backend)


@every_shape
@pytest.mark.parametrize("name", ARGUMENTS)
def test_operation_is_what_its_definition_says(name: str, stack: tuple[int, ...], batch: int, backend: Backend) -> None:
    host = host_arguments(name, stack, batch)
    arguments = on(backend, host)
    assert_all_close(call(backend, getattr(backend.ops, name), *arguments), defined(name, host), backend)


def test_every_operation_is_compared() -> None:
    with_tests_of_their_own = {"xp", "gather", "add_rows", "mask", "constant"}
    assert {*with_tests_of_their_own, *ARGUMENTS} == set(Ops._fields)


def test_a_constant_is_its_number(backend: Backend) -> None:
    (array,) = backend.parameters([np.arange(1.0, 7.0).reshape(2, 3)])
    for number in (0.1, 3):
        product = array * backend.ops.constant(number)
        assert product.dtype == array.dtype
        np.testing.assert_array_equal(backend.to_numpy(product), backend.to_numpy(array * number))


@pytest.mark.parametrize("changing", [False, True], ids=["one rate", "rates by step"])
def test_masks_are_the_definition_to_the_bit(changing: bool, backend: Backend) -> None:
    rng = np.random.default_rng(3)
    rows, columns = (rng.integers(-(2**31), 2**31, size, np.int32) for size in ((4, 2, 5), 37))
    least: Any = rng.integers(-(2**31), 2**31, (4, 2, 1, 1), np.int32) if changing else -(2**29)
    factor: Any = rng.uniform(1, 2, (4, 2, 1, 1)).astype(backend.dtype_name) if changing else 1 / 0.7
    wanted = DEFINITIONS.mask(rows, columns, least, factor, np.dtype(backend.dtype_name))
    assert 0.2 < (wanted == 0).mean() < 0.8
    sent = [
        backend.asarray(one.copy()) if isinstance(one, np.ndarray) else one for one in (rows, columns, least, factor)
    ]
    found = backend.ops.mask(*sent, backend.dtype)
    assert found.dtype == backend.dtype
    np.testing.assert_array_equal(backend.to_numpy(found), wanted)


@pytest.mark.parametrize("rows", [1, 300], ids=["one row", "300 rows"])
@pytest.mark.parametrize("stored", ["uint8", "int16", "float32"])
def test_gathers_rows_converted_and_scaled(stored: str, rows: int, backend: Backend) -> None:
    features = np.random.default_rng(rows).integers(0, 256, size=(20, N_IN)).astype(stored)
    numbers = np.random.default_rng(stored == "uint8").integers(0, 20, size=rows)
    on_device = backend.asarray(features), backend.asarray(numbers, backend.index_dtype)
    for scale in (1.0, 0.25):
        x = backend.ops.gather(*on_device, backend.dtype, scale)
        if backend.name == "numpy":  # which may leave it to the step
            x = np.asarray(x)
        assert x.dtype == backend.dtype
        assert_lives_on(x, backend)
        np.testing.assert_array_equal(backend.to_numpy(x), scale * features[numbers].astype(backend.dtype_name))
        if backend.name != "jax":
            x *= 0.0
    np.testing.assert_array_equal(backend.to_numpy(on_device[0]), features)


@pytest.mark.parametrize("name", ["affine", "softmax", "log_softmax", "multiply_transposed", "product_of_factors"])
def test_operation_leaves_its_arguments_alone(name: str, backend: Backend) -> None:
    arguments = backend.parameters(host_arguments(name, (3,), 4))
    before = [backend.to_numpy(argument) for argument in arguments]
    results = as_tuple(getattr(backend.ops, name)(*arguments))
    for result in results:
        if backend.name != "jax":
            result *= 0.0
    for argument, old in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(backend.to_numpy(argument), old)


@eager()
@every_shape
@update
def test_update_writes_over_its_first_argument(name: str, stack: tuple[int, ...], batch: int, backend: Backend) -> None:
    host = host_arguments(name, stack, batch)
    target, *others = on(backend, host)
    result = getattr(backend.ops, name)(target, *others)
    assert result is target
    assert_all_close(target, defined(name, host), backend)


def column_major(backend: Backend, array: Array) -> Array:
    """The same values with the last two axes stored the other way round."""
    transpose = backend.xp.matrix_transpose
    return transpose(backend.parameters(np.swapaxes(array, -1, -2)))


def every_other(backend: Backend, array: Array) -> Array:
    """The same values as every other column of a wider array: contiguous in neither order."""
    return backend.parameters(np.repeat(array, 2, axis=-1))[..., ::2]


@eager()
@every_shape
@pytest.mark.parametrize("layout", [column_major, every_other])
def test_no_update_is_lost_in_weights_that_are_not_row_major(
    layout: Callable[[Backend, Array], Array], stack: tuple[int, ...], batch: int, backend: Backend
) -> None:
    host = host_arguments("add_product", stack, batch)
    weights = layout(backend, host[0])
    _, activation, delta, scale = on(backend, host)
    result = backend.ops.add_product(weights, activation, delta, scale)
    expected = defined("add_product", host)
    assert_all_close(result, expected, backend)
    assert_all_close(weights, expected, backend)


@every_shape
def test_update_takes_factors_of_any_layout(stack: tuple[int, ...], batch: int, backend: Backend) -> None:
    host = host_arguments("add_product", stack, batch)
    weights = backend.parameters(host[0])
    activation, delta = column_major(backend, host[1]), every_other(backend, host[2])
    result = call(backend, backend.ops.add_product, weights, activation, delta, *on(backend, host[3:]))
    assert_all_close(result, defined("add_product", host), backend)


@pytest.mark.parametrize("batch", [32, 100])
@pytest.mark.parametrize("stack", [(), (3,)], ids=["one", "runs"])
def test_extreme_values_stay_finite(stack: tuple[int, ...], batch: int, backend: Backend) -> None:
    host = host_arguments("softmax", stack, batch)
    extreme = [1e4 * np.sign(host[0])]
    (logits,) = backend.parameters(extreme)
    for name in ("softmax", "log_softmax"):
        assert_all_close(call(backend, getattr(backend.ops, name), logits), defined(name, extreme), backend)
    assert_all_close(call(backend, backend.ops.sigmoid, logits), (np.where(host[0] > 0, 1.0, 0.0),), backend)


def test_not_a_number_passes_through(backend: Backend) -> None:
    """A divergence has to be seen, whichever operation meets it first."""
    host = [np.full((2, 3), np.nan) for _ in range(2)]
    for name in ("softmax", "log_softmax", "sigmoid"):
        arguments = backend.parameters(host[: len(ARGUMENTS[name])])
        for result in as_tuple(call(backend, getattr(backend.ops, name), *arguments)):
            assert np.isnan(backend.to_numpy(result)).all()


@pytest.mark.parametrize("name", ["numpy", "strict", "torch", "jax"])
def test_not_fused_are_the_definitions(name: str, get_backend: Callable[..., Backend]) -> None:
    plain = get_backend(name, fused=False)
    for actual, definition in zip(plain.ops, pure_ops(plain.xp), strict=True):
        assert getattr(actual, "func", actual) is getattr(definition, "func", definition)
        assert getattr(actual, "args", None) == getattr(definition, "args", None)


@pytest.mark.parametrize(
    ("name", "replaced"),
    [
        ("numpy", {"gather", *ARGUMENTS} - {"affine"}),
        ("torch", {"gather", *ARGUMENTS}),
        ("jax", {"add_product", "multiply_transposed", "product_of_factors"}),
    ],
)
def test_fused_by_default(
    name: str, replaced: set[str], get_backend: Callable[..., Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the comparisons above compare something."""
    get_backend(name)  # skips, where it is not installed
    monkeypatch.setitem(sys.modules, "numba", None)  # with Numba all are replaced
    fused, plain = resolve(name).backend.ops, get_backend(name, fused=False).ops
    differ = {
        field
        for field in ("gather", *ARGUMENTS)
        if getattr(getattr(fused, field), "func", getattr(fused, field))
        is not getattr(getattr(plain, field), "func", getattr(plain, field))
    }
    assert differ == replaced


def test_torch_keeps_matrices_column_by_column_on_a_cpu(get_backend: Callable[..., Backend]) -> None:
    """Weights, and gradients with them: passing over both in different orders would take several times as long."""
    backend = get_backend("torch")
    weights, activation, delta = backend.parameters([np.ones((4, 3)), np.ones((2, 4)), np.ones((2, 3))])
    for matrix in (weights, backend.copy(weights[...]), backend.ops.product_of_factors(activation, delta)):
        assert matrix.T.is_contiguous()
    assert backend.to_numpy(weights).flags.c_contiguous
