"""Our CUDA sources, run on the CPU: the elements that each thread reads and writes, for any shape."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import array_api_compat.numpy
import numpy as np
import pytest

from tests.backend.cuda_on_cpu import CudaOnCpu, compiler, sparse
from tests.backend.cupy_stand_in import Cublas
from xpmlp.backend.cupy_ops import GATHER, RANK_ONE, THREADS, TOLERANCE, _gather, _softmax, check, with_fused
from xpmlp.nn import Ops, pure_ops

pytestmark = [
    pytest.mark.slow,  # a program is compiled for each
    pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler: none of c++, g++, clang++ is there"),
]

both = pytest.mark.parametrize("dtype", ["float32", "float64"])

OPS = pure_ops(array_api_compat.numpy)


@pytest.fixture(scope="module")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> CudaOnCpu:
    return CudaOnCpu(tmp_path_factory.mktemp("cuda"))


@pytest.fixture
def cuda(compiled_once: CudaOnCpu) -> CudaOnCpu:
    compiled_once.blocks = None
    return compiled_once


@pytest.fixture
def fused(cuda: CudaOnCpu) -> Ops:
    return with_fused(OPS, cuda, Cublas(cuda, tf32=False))


@both
def test_fused_operations_are_their_definitions(fused: Ops, dtype: str) -> None:
    check(fused, OPS, TOLERANCE[dtype], dtype, (np.asarray, np.asarray))


@both
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 10), (3, 10), (4, 10), (5, 31), (9, 32), (2, 33), (3, 100), (2, 3, 10), (0, 10)], ids=str
)
def test_softmax_of_any_shape(fused: Ops, shape: tuple[int, ...], dtype: str) -> None:
    logits = np.random.default_rng(0).normal(scale=5, size=shape).astype(dtype)
    found = fused.softmax(logits)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, OPS.softmax(logits.astype("float64")), rtol=0, atol=TOLERANCE[dtype])


@both
def test_softmax_of_transposed_logits(fused: Ops, dtype: str) -> None:
    logits = np.random.default_rng(0).normal(size=(10, 6)).astype(dtype).T
    np.testing.assert_allclose(fused.softmax(logits), OPS.softmax(logits), rtol=0, atol=TOLERANCE[dtype])


@both
@pytest.mark.parametrize("place", [0, 5, 31, 32, 39])
def test_a_row_with_nan_is_nan_and_the_others_are_not(fused: Ops, place: int, dtype: str) -> None:
    logits = np.random.default_rng(0).normal(size=(6, 40)).astype(dtype)
    expected = OPS.softmax(logits)
    logits[2, place], expected[2] = np.nan, np.nan
    np.testing.assert_allclose(fused.softmax(logits), expected, rtol=0, atol=TOLERANCE[dtype])


@both
def test_softmax_of_extreme_logits(fused: Ops, dtype: str) -> None:
    logits = np.asarray([[1e30, 0.0, -1e30], [-np.inf, 3.0, 3.0], [-1e30, -1e30, -1e30]], dtype)
    expected = [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(fused.softmax(logits), expected, rtol=0, atol=TOLERANCE[dtype])


def test_softmax_beyond_the_integers_of_32_bits(cuda: CudaOnCpu) -> None:
    rows, width = 40_000, 70_000
    assert rows * width > 2**31
    logits = sparse((rows, width), np.dtype("float32"))
    logits[-1, :3] = [400.0, 401.0, 400.0]
    last = (rows - 1) * 32 // THREADS
    cuda.blocks = range(last, last + 1)
    found = _softmax(cuda, logits)
    expected = OPS.softmax(np.asarray([[400.0, 401.0, 400.0]]))
    np.testing.assert_allclose(found[-1, :3], expected[0], rtol=0, atol=1e-5)
    assert not found[-1, 3:].any()
    assert not found[0].any(), "nobody was asked to write here"


@pytest.mark.parametrize("stored", ["uint8", "float32", "float64"])
@both
def test_gather(cuda: CudaOnCpu, stored: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    features, rows = rng.integers(0, 256, (9, 7)).astype(stored), rng.integers(0, 9, 20)
    rows[:2] = 0, 8
    found = _gather(cuda, cuda.ElementwiseKernel(*GATHER), features, rows, dtype, 1 / 255)
    assert found.dtype == dtype
    np.testing.assert_allclose(
        found, features[rows].astype("float64") / 255, rtol=1e-6 if dtype == "float32" else 1e-15
    )


@pytest.mark.parametrize(("rows", "width"), [(0, 7), (1, 1), (5, 1)])
def test_gather_of_few(cuda: CudaOnCpu, rows: int, width: int) -> None:
    features = np.arange(5 * width, dtype=np.uint8).reshape(5, width)
    numbers = np.arange(rows)[::-1].copy()
    found = _gather(cuda, cuda.ElementwiseKernel(*GATHER), features, numbers, "float32", 1.0)
    np.testing.assert_array_equal(found, features[numbers])


def test_gather_beyond_the_integers_of_32_bits(cuda: CudaOnCpu) -> None:
    features = sparse((3_000_000, 784), np.dtype("uint8"))
    assert features.size > 2**31
    features[-1], features[0] = np.arange(784) % 256, 3
    rows = np.asarray([len(features) - 1, 0])
    found = _gather(cuda, cuda.ElementwiseKernel(*GATHER), features, rows, "float32", 1.0)
    np.testing.assert_array_equal(found, features[rows])


@both
@pytest.mark.parametrize("runs", [(), (3,)], ids=str)
def test_update_for_a_batch_of_one(fused: Ops, runs: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    array = partial(_array, rng, dtype)
    weights, biases = array(*runs, 5, 3), array(*runs, 1, 3)
    x, delta, rate = array(*runs, 1, 5), array(*runs, 1, 3), array(*runs, 1, 1)
    expected = weights - rate * (x.swapaxes(-1, -2) * delta), biases - rate * delta
    found = fused.add_product(weights, x, delta, -rate), fused.add_sum(biases, delta, -rate)
    assert found[0] is weights
    for one, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, wanted, rtol=0, atol=TOLERANCE[dtype])


def _array(rng: np.random.Generator, dtype: str, *shape: int) -> Any:
    return rng.normal(size=shape).astype(dtype)


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        (GATHER, ("i % width", "i / width")),
        (GATHER, ("rows[i / width] * width", "rows[i / width]")),
        (RANK_ONE, ("a * d", "a + d")),
    ],
    ids=["column", "row", "product"],
)
def test_wrong_arithmetic_would_be_found(
    source: tuple[str, ...], wrong: tuple[str, str], cuda: CudaOnCpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xpmlp.backend import cupy_ops
    from xpmlp.errors import BackendError

    inputs, outputs, operation, name = source
    changed = inputs, outputs, operation.replace(*wrong), name
    monkeypatch.setattr(cupy_ops, "GATHER" if source is GATHER else "RANK_ONE", changed)
    with pytest.raises(BackendError, match="is not what its definition gives"):
        check(
            with_fused(OPS, cuda, Cublas(cuda, tf32=False)),
            OPS,
            TOLERANCE["float32"],
            "float32",
            (np.asarray, np.asarray),
        )


def test_sources_are_compiled_as_they_are(tmp_path: Path) -> None:
    """The softmax is the one that the backend hands to CuPy, not a copy."""
    cuda = CudaOnCpu(tmp_path)
    _softmax(cuda, np.ones((1, 2)))
    from xpmlp.backend.cupy_ops import SOFTMAX

    (source,) = tmp_path.glob("*.cpp")
    assert SOFTMAX.replace("NUMBER", "double") in source.read_text()
