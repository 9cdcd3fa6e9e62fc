"""CuPy's fused operations: products by cuBLAS into existing arrays, and a few chains as one kernel each.

A small step on a GPU is bound by the number of kernels.  The sigmoid's two are the definitions' own formulas, which
`cupy.fuse` compiles for each dtype; the others are written out below.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from xpmlp._typing import Array
from xpmlp.backend.cublas import Cublas
from xpmlp.errors import BackendError
from xpmlp.nn import Ops
from xpmlp.nn.ops import one_hot_codes

TOLERANCE = {"float32": 1e-5, "float64": 1e-13}
"""Maximum difference of a fused operation from its definition: products are summed in another order."""

TF32_TOLERANCE = 1e-2
"""Tolerance with TF32, which rounds the factors of a product to 10 bits."""


def with_fused(ops: Ops, cupy: Any, cublas: Cublas) -> Ops:
    """Return ``ops`` with the operations replaced that are faster fused on a GPU."""

    def sigmoid(x: Array) -> Array:
        return 0.5 * cupy.tanh(0.5 * x) + 0.5

    def sigmoid_backward(upstream: Array, activation: Array) -> Array:
        return upstream * activation * (1 - activation)

    xp, rank_one = ops.xp, cupy.ElementwiseKernel(*RANK_ONE)
    return ops._replace(
        gather=partial(_gather, cupy, cupy.ElementwiseKernel(*GATHER)),
        affine=partial(_affine, cupy, cublas),
        sigmoid=cupy.fuse(sigmoid),
        sigmoid_backward=cupy.fuse(sigmoid_backward),
        softmax=partial(_softmax, cupy),
        multiply_transposed=lambda delta, weights: _product(cupy, cublas, delta, xp.matrix_transpose(weights)),
        product_of_factors=lambda activation, delta: _product(cupy, cublas, xp.matrix_transpose(activation), delta),
        add_product=partial(_add_product, cublas, rank_one, ops),
        add_sum=partial(_add_sum, cublas, rank_one, Ones(xp)),
        add_rows=lambda table, codes, rows: _product(
            cupy, cublas, xp.matrix_transpose(one_hot_codes(xp, table, codes)), rows
        ),
    )


GATHER = (
    "raw F features, raw I rows, int64 width, T scale",
    "T x",
    "x = T(features[rows[i / width] * width + i % width]) * scale",
    "xpmlp_gather",
)
"""Rows of row-major features, gathered, converted and scaled in one pass."""

RANK_ONE = "T a, T d, T scale, T w", "T updated", "updated = w + scale * (a * d)", "xpmlp_rank_one"
"""Weight update for a batch of one, whose product has nothing to add up."""

SOFTMAX = r"""
extern "C" __global__ void softmax(const NUMBER* logits, NUMBER* probabilities, const long long rows, const int width) {
    // one warp for each row
    const long long row = (blockIdx.x * (long long)blockDim.x + threadIdx.x) / 32;
    const int lane = threadIdx.x % 32;
    if (row >= rows) return;
    logits += row * width;
    probabilities += row * width;
    NUMBER largest = logits[0], sum = 0;
    bool nan = false;
    for (int j = lane; j < width; j += 32) {
        largest = logits[j] > largest ? logits[j] : largest;
        nan |= logits[j] != logits[j];
    }
    for (int distance = 16; distance; distance /= 2) {
        const NUMBER theirs = __shfl_xor_sync(~0u, largest, distance);
        largest = theirs > largest ? theirs : largest;
    }
    if (__any_sync(~0u, nan)) largest = sqrt((NUMBER)-1);  // as a maximum is of numbers one of which is none
    for (int j = lane; j < width; j += 32) {
        const NUMBER power = exp(logits[j] - largest);
        probabilities[j] = power;
        sum += power;
    }
    for (int distance = 16; distance; distance /= 2) sum += __shfl_xor_sync(~0u, sum, distance);
    for (int j = lane; j < width; j += 32) probabilities[j] /= sum;
}
"""
"""Softmax by the definition's steps, a row in one go."""

THREADS = 128
"""Threads in a block of a kernel: four rows."""

C_NAMES = {"float32": "float", "float64": "double"}


def _gather(cupy: Any, kernel: Any, features: Array, rows: Array, dtype: Any, scale: float) -> Array:
    width = features.shape[1]
    return kernel(features, rows, width, scale, cupy.empty((rows.size, width), dtype))


def _affine(cupy: Any, cublas: Cublas, x: Array, weights: Array, biases: Array) -> Array:
    logits = _product(cupy, cublas, x, weights)
    logits += biases
    return logits


def _product(cupy: Any, cublas: Cublas, a: Array, b: Array) -> Array:
    return cublas.product(a, b, cupy.empty((*a.shape[:-1], b.shape[-1]), a.dtype))


def _softmax(cupy: Any, logits: Array) -> Array:
    logits = cupy.ascontiguousarray(logits)
    probabilities, width = cupy.empty_like(logits), logits.shape[-1]
    rows = logits.size // max(width, 1)
    kernel = _softmax_kernel(cupy, logits.dtype.name)
    kernel((-(-rows * 32 // THREADS),), (THREADS,), (logits, probabilities, np.int64(rows), np.int32(width)))
    return probabilities


@cache
def _softmax_kernel(cupy: Any, dtype_name: str) -> Any:
    return cupy.RawKernel(SOFTMAX.replace("NUMBER", C_NAMES[dtype_name]), "softmax")


def _add_product(
    cublas: Cublas, rank_one: Any, ops: Ops, weights: Array, activation: Array, delta: Array, scale: Array
) -> Array:
    transposed = ops.xp.matrix_transpose(activation)
    if activation.shape[-2] == 1:
        rank_one(transposed, delta, scale, weights, weights)
    elif not weights.flags.c_contiguous:
        weights += scale * (transposed @ delta)
    else:
        _scaled_product(cublas, transposed, delta, weights, scale)
    return weights


def _scaled_product(cublas: Cublas, a: Array, delta: Array, out: Array, scale: Array) -> Array:
    """Compute ``out + scale * a @ delta`` into ``out``: cuBLAS reads one number on the GPU, but not one per run."""
    if scale.size == 1:
        return cublas.product(a, delta, out, scale, 1.0)
    return cublas.product(a, scale * delta, out, 1.0, 1.0)


class Ones:
    """Rows of ones that turn sums over a batch into products; kept, since making one takes a launch."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp
        self._made: dict[tuple[int, ...], Array] = {}

    def __call__(self, like: Array) -> Array:
        """Return ones (1, batch) for a delta ([runs,] batch, width), the same for every run."""
        *runs, batch, _ = like.shape
        key = *runs, batch
        if key not in self._made:
            ones = self._xp.ones((1, batch), dtype=like.dtype)
            self._made[key] = self._xp.broadcast_to(ones, (*runs, 1, batch))
        return self._made[key]


def _add_sum(cublas: Cublas, rank_one: Any, ones: Ones, biases: Array, delta: Array, scale: Array) -> Array:
    if delta.shape[-2] == 1:
        rank_one(1.0, delta, scale, biases, biases)
    else:
        _scaled_product(cublas, ones(delta), delta, biases, scale)
    return biases


Moves = tuple[Callable[..., Array], Callable[[Array], Any]]
"""(from the host to the GPU, and back)."""


def check(ops: Ops, definitions: Ops, tolerance: float, dtype_name: str, moves: Moves) -> None:
    """Check every fused operation against its definition on this GPU, since compilers and drivers differ.

    Parameters
    ----------
    ops, definitions : Ops
    tolerance : float
    dtype_name : "float32" or "float64"
    moves : Moves

    Raises
    ------
    BackendError
        If one differs; the message says how to train without them.
    """
    asarray, to_numpy = moves
    for stack, batch in itertools.product(((), (2,)), (4, 1)):
        for name, operands in _examples(ops.xp, dtype_name, asarray, stack, batch).items():
            found, defined = (
                getattr(which, name)(*(one.copy() if isinstance(one, type(operands[0])) else one for one in operands))
                for which in (ops, definitions)
            )
            if found.dtype != defined.dtype or to_numpy(ops.xp.max(ops.xp.abs(found - defined))) > tolerance:
                raise BackendError(
                    f"CuPy's fused {name} is not what its definition gives on this GPU: set backend.fused = false."
                )


def _examples(
    xp: Any, dtype_name: str, asarray: Callable[..., Array], stack: tuple[int, ...], batch: int
) -> dict[str, tuple[Any, ...]]:
    """Return example arguments of each fused operation."""
    rng, dtype = np.random.default_rng(0), getattr(xp, dtype_name)

    def array(*shape: int) -> Array:
        return asarray(rng.uniform(-1.0, 1.0, (*stack, *shape)), dtype)

    weights, biases, x, delta = array(5, 3), array(1, 3), array(batch, 5), array(batch, 3)
    scale = array(1, 1)
    codes = asarray(rng.integers(0, 5, (*stack, batch)), xp.int32)
    features, rows = asarray(rng.integers(0, 256, (6, 5)), xp.uint8), asarray(rng.integers(0, 6, batch))
    return {
        "gather": (features, rows, dtype, 0.5),
        "affine": (x, weights, biases),
        "sigmoid": (delta,),
        "sigmoid_backward": (delta, array(batch, 3)),
        "softmax": (delta,),
        "multiply_transposed": (delta, weights),
        "product_of_factors": (x, delta),
        "add_product": (weights, x, delta, scale),
        "add_sum": (biases, delta, scale),
        "add_rows": (weights, codes, delta),
    }
