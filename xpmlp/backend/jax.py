"""JAX: the fold compiled as one program, with the state's buffers donated."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._tree import map_leaves
from xpmlp._typing import Array, Namespace
from xpmlp.backend.base import Backend
from xpmlp.backend.fold import Fold, Step
from xpmlp.backend.host_memory import Memory
from xpmlp.errors import BackendError
from xpmlp.nn import Ops
from xpmlp.nn.ops import rows_below_each_other

PROCESS = os.getpid()
"""Id of the process with JAX's threads."""

_NO_PLATFORM = RuntimeError, AssertionError
"""JAX's errors for a platform that is missing or disabled."""


def _refuse_fork() -> None:
    """Raise a `BackendError` in a process forked from the one with JAX's threads, where it would wait for them."""
    if os.getpid() != PROCESS:
        raise BackendError(
            "backend jax does not work in a process that was forked from one that has used it: start processes by "
            'multiprocessing.get_context("spawn"), or choose backend numpy.'
        )


class JaxBackend(Backend):
    """JAX on ``cpu``, ``gpu:N`` (also written ``cuda:N``) or ``tpu:N``.

    Two runs give the same bits on a CPU.  On a GPU, XLA times several kernels when it compiles and takes the fastest,
    so that another process may round differently: ``XLA_FLAGS=--xla_gpu_deterministic_ops=true`` forbids that.
    """

    name = "jax"
    index_dtype_name = "int32"  # JAX has no int64 outside its 64-bit mode

    def _start(self, device: str | None) -> None:
        _refuse_fork()
        import jax
        import jax.numpy as jnp

        self._jax, self.xp, self.version = jax, jnp, jax.__version__
        self.device = self._find_device(device)
        self.is_accelerator = self.device.platform != "cpu"
        self.device_name = self.device.device_kind if self.is_accelerator else "cpu"
        self.memory = JaxMemory(jax, self.device)
        self._no_mesh = jax.sharding.Mesh(np.empty((), dtype=object), ())
        self._copied = jax.jit(partial(map_leaves, jnp.copy))
        self._compiled: dict[Step, Any] = {}
        self._whole: dict[Fold, Step] = {}
        self._outputs: tuple[Array, ...] = ()
        with self._precision():
            if jnp.zeros(1, dtype=self.dtype_name, device=self.device).dtype != self.dtype_name:
                raise BackendError(
                    "backend jax cannot do float64 in this process: "
                    'its 64-bit mode is refused; set backend.dtype to "float32".'
                )

    def devices(self) -> list[str]:
        """Return the names of the devices that this JAX can use."""
        names = ["cpu"]
        with contextlib.suppress(*_NO_PLATFORM):
            names += [f"gpu:{device.id}" for device in self._jax.devices("gpu")]
        return names

    def _find_device(self, device: str | None) -> Any:
        kind, _, index = (device or "cpu").partition(":")
        try:
            found = {str(device.id): device for device in self._jax.devices("gpu" if kind == "cuda" else kind)}
            return found[index or "0"]
        except (*_NO_PLATFORM, KeyError) as error:
            chosen = self._jax.config.jax_platforms
            if chosen and kind not in chosen.split(","):
                raise BackendError(
                    f"backend jax has no device {device or 'cpu'!r} here, as JAX is set to the platforms {chosen!r}: "
                    f"unset JAX_PLATFORMS, or make it '{chosen},{kind}'."
                ) from error
            raise BackendError(
                f"backend jax has no device {device!r} here; it has {', '.join(self.devices())}."
            ) from error

    def _fused_ops(self) -> Ops:
        ops, barrier = _with_contractions(super()._fused_ops()), self._jax.lax.optimization_barrier
        if self.is_accelerator:
            return ops
        return ops._replace(add_product=_add_product(ops, barrier), add_rows=partial(_add_rows, ops.xp))

    @contextlib.contextmanager
    def settings(self) -> Iterator[None]:
        """Compile for one device, and allow every promotion, transfer and non-finite value.

        A training checks for non-finite values itself.
        """
        jax = self._jax
        promotion = jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard")
        checks = jax.transfer_guard("allow"), jax.debug_nans(False), jax.debug_infs(False)
        with contextlib.ExitStack() as stack:
            for setting in (*promotion, *checks, jax.disable_jit(False), jax.set_mesh(self._no_mesh)):
                stack.enter_context(setting)
            yield

    @contextlib.contextmanager
    def _precision(self) -> Iterator[None]:
        """Enter JAX's 64-bit mode for float64: everything that touches an array has to run inside it."""
        with self.settings(), self._jax.enable_x64(self.dtype_name == "float64"):
            yield

    @contextlib.contextmanager
    def session(self, batch_size: int, predicted: int | None = None) -> Iterator[None]:
        """Use the configured device, with 64-bit mode and TF32 only if asked for."""
        _refuse_fork()
        products = "tensorfloat32" if self.tf32 and self.device.platform == "gpu" else "highest"
        jax = self._jax
        with (
            self._precision(),
            jax.default_matmul_precision(products),
            jax.default_device(self.device),
            np.errstate(all="ignore"),
        ):
            yield

    def asarray(self, host: npt.ArrayLike, dtype: Any = None) -> Array:
        """Move a host array to the device."""
        with self._precision():
            return self._jax.device_put(np.asarray(host, dtype), self.device, may_alias=False)

    def adopt(self, array: Array) -> Array:
        """Convert an array that is already on an accelerator, in the right mode for float64."""
        with self._precision():
            return super().adopt(array)

    def copy(self, tree: Any) -> Any:
        """Copy every array of a tree, by one compiled program."""
        with self._precision():
            return self._copied(tree)

    def to_numpy(self, array: Array) -> npt.NDArray[Any]:
        """Copy an array to the host."""
        with self.settings():
            return np.array(array)

    def scan(self, step: Step, state: Any, batches: Any, constants: Any) -> tuple[Any, tuple[Array, ...]]:
        """Fold ``step`` over ``batches`` in one compiled program for each step function and each shape.

        Within another step it becomes a part of that step's program.
        """
        state, outputs = self.compiled(step)(state, batches, constants)
        if not any(isinstance(output, self._jax.core.Tracer) for output in outputs):
            self._outputs = outputs
        return state, outputs

    def fold(
        self, fold: Fold, state: Any, batches: tuple[Array, ...], constants: Any, ahead: int
    ) -> tuple[Any, tuple[Array, ...]]:
        """Fold a step in one compiled program, which fuses preparation and conclusion with the step."""
        if fold not in self._whole:

            def whole(state: Any, batch: tuple[Array, ...], constants: Any) -> Any:
                prepared = fold.prepare(batch, constants)
                state, outputs = fold.step(state, prepared, constants)
                return state, fold.conclude(batch, outputs, constants)

            self._whole[fold] = whole
        return self.scan(self._whole[fold], state, batches, constants)

    def compiled(self, step: Step) -> Any:
        """Return the jitted fold of ``step``; its ``_cache_size()`` is the number of shapes it was compiled for."""
        if step not in self._compiled:
            jax = self._jax

            def fold(state: Any, batches: tuple[Array, ...], constants: Any) -> Any:
                return jax.lax.scan(lambda carry, batch: step(carry, batch, constants), state, batches)

            self._compiled[step] = jax.jit(fold, donate_argnums=0)
        return self._compiled[step]

    def threads_in_use(self) -> int | None:
        """Return the number of the machine's cores, which JAX does not let one change."""
        return os.cpu_count()

    def synchronize(self) -> None:
        """Wait until the last fold is done."""
        # its outputs, since its state may have been donated to another fold by now
        self._jax.block_until_ready(self._outputs)


class JaxMemory(Memory):
    """Memory of an accelerator reserved by JAX, or the host's."""

    def __init__(self, jax: Any, device: Any) -> None:
        self._jax, self._device = jax, device

    def free(self) -> int | None:
        """Return the free bytes, for an accelerator by JAX's statistics."""
        if self._device.platform == "cpu":
            return super().free()
        statistics = self._device.memory_stats()
        return int(statistics["bytes_limit"] - statistics["bytes_in_use"]) if statistics else None

    def is_exhausted(self, error: BaseException) -> bool:
        """Recognize the status code in the text of JAX's only error class."""
        said = isinstance(error, self._jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
        return said or super().is_exhausted(error)


def _with_contractions(ops: Ops) -> Ops:
    """Replace products by einsums: XLA copies a transposed array whose runs axis has length one."""
    product_of_factors = partial(ops.xp.einsum, "...bi,...bo->...io")

    def add_product(weights: Array, activation: Array, delta: Array, scale: Array) -> Array:
        return weights + scale * product_of_factors(activation, delta)

    return ops._replace(
        multiply_transposed=partial(ops.xp.einsum, "...bo,...io->...bi"),
        product_of_factors=product_of_factors,
        add_product=add_product,
    )


NARROW = 32
"""Maximum width at which a delta is transposed for its product.

XLA's CPU runtime is faster with that than with the layer's inputs transposed, which are not copied but read across.
"""


def _add_product(ops: Ops, barrier: Callable[[Array], Array]) -> Callable[..., Array]:
    def add_product(weights: Array, activation: Array, delta: Array, scale: Array) -> Array:
        if math.prod(weights.shape[:-2]) > 1 or weights.shape[-1] > NARROW:
            return ops.add_product(weights, activation, delta, scale)
        transposed = barrier(barrier(delta.mT) @ activation)  # without the barriers XLA would turn it round again
        return weights + scale * transposed.mT

    return add_product


def _add_rows(xp: Namespace, table: Array, codes: Array, rows: Array) -> Array:
    """Add one row after another, on a CPU; on GPUs the order would vary, so they keep the definition."""
    below, numbers = rows_below_each_other(xp, table, codes)
    return xp.zeros_like(below).at[numbers].add(rows.reshape(len(numbers), -1)).reshape(table.shape)
