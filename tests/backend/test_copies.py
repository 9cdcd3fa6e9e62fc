"""Arrays that share memory, arrays that must not, and values that survive a transfer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.helpers import assert_close, assert_lives_on, eager
from xpmlp.backend import Backend
from xpmlp.nn import DenseParameters

HOST = [DenseParameters(np.arange(6.0).reshape(2, 3), np.arange(3.0)[None, :])]


def layouts() -> dict[str, Any]:
    """Host arrays as users have them, all of the same values."""
    values = np.arange(6.0).reshape(2, 3)
    read_only = values.copy()
    read_only.flags.writeable = False
    wide = np.zeros((4, 6))
    wide[::2, ::2] = values
    return {
        "row-major": values,
        "column-major": np.asfortranarray(values),
        "strided": wide[::2, ::2],
        "read-only": read_only,
        "backwards": values[::-1, ::-1].copy()[::-1, ::-1],
        "float16": values.astype(np.float16),
        "int64": values.astype(np.int64),
        "big-endian": values.astype(">f8"),
        "list": values.tolist(),
    }


@pytest.mark.parametrize("layout", [name for name in layouts() if name != "list"])
def test_parameters_from_any_layout(backend: Backend, layout: str) -> None:
    # values only: that updates of them are not lost is in test_fused_ops
    assert_close(backend.parameters(layouts()[layout]), HOST[0].weights, 0, backend)


@pytest.mark.parametrize("layout", layouts())
def test_asarray_of_any_layout(backend: Backend, layout: str) -> None:
    assert_close(backend.asarray(layouts()[layout], backend.dtype), HOST[0].weights, 0, backend)


@eager()
def test_parameters_share_no_memory_with_the_host(backend: Backend) -> None:
    host = [DenseParameters(*(leaf.astype(backend.dtype_name) for leaf in HOST[0]))]
    (layer,) = backend.parameters(host)
    for leaf in layer:
        leaf += 1
    for leaf, expected in zip(host[0], HOST[0], strict=True):
        np.testing.assert_array_equal(leaf, expected)


def test_one_host_array_twice_becomes_two(backend: Backend) -> None:
    # JAX refuses to donate a buffer twice; elsewhere an update would count double
    zero = np.zeros((1, 2))
    state = backend.parameters([zero, zero])
    (first, second), _ = backend.scan(add_batch, state, (backend.parameters(np.ones((3, 1, 2))),), None)
    assert_close(first, [[3, 3]], 0, backend)
    assert_close(second, [[-3, -3]], 0, backend)


def add_batch(state: list[Any], batch: tuple[Any], _: None) -> tuple[list[Any], tuple[()]]:
    first, second = state
    first += batch[0]
    second -= batch[0]
    return [first, second], ()


def test_a_copy_survives_what_happens_to_the_original(backend: Backend) -> None:
    state = backend.parameters([np.zeros((1, 2)), np.ones((1, 2))])
    kept = backend.copy(state)
    backend.scan(add_batch, state, (backend.parameters(np.ones((3, 1, 2))),), None)
    assert_close(kept[0], [[0, 0]], 0, backend)
    assert_close(kept[1], [[1, 1]], 0, backend)


def test_a_copy_has_the_same_structure(backend: Backend) -> None:
    parameters = backend.parameters(HOST)
    copy = backend.copy(parameters)
    assert isinstance(copy, list)
    assert isinstance(copy[0], DenseParameters)
    assert_close(copy[0].weights, HOST[0].weights, 0, backend)
    index = backend.copy(backend.asarray(np.arange(3), backend.index_dtype))
    assert_lives_on(index, backend)
    assert index.dtype == backend.index_dtype


def test_to_numpy_copies(backend: Backend) -> None:
    array = backend.parameters(np.zeros(3))
    host = backend.to_numpy(array)
    assert type(host) is np.ndarray
    assert host.dtype == backend.dtype_name
    host += 1
    assert_close(array, np.zeros(3), 0, backend)
    if backend.name != "jax":
        array += 5
        assert host.tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
def test_data_keep_their_storage_type(backend: Backend, dtype: str) -> None:
    host = np.frombuffer(bytes([0, 1, 1, 0]), dtype=np.uint8).astype(dtype)
    host.flags.writeable = False
    array = backend.asarray(host)
    assert_lives_on(array, backend)
    assert array.dtype == getattr(backend.xp, dtype)
    assert backend.to_numpy(array).dtype == dtype
    assert_close(backend.xp.astype(array, backend.dtype), [0, 1, 1, 0], 0, backend)
