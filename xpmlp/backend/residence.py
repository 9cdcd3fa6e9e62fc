"""Residence of an array: its backend and device."""

from __future__ import annotations

from typing import Any, NamedTuple

import array_api_compat

from xpmlp.errors import BackendError


class Residence(NamedTuple):
    """Names of a backend and a device, as `xpmlp.backend.resolve` takes them."""

    backend: str
    device: str

    def __str__(self) -> str:
        return f"{self.backend} on {self.device}"


HOST = Residence("numpy", "cpu")
"""Residence of NumPy arrays, and of anything that is not an array."""


def residence_of(array: Any) -> Residence:
    """Return the backend and device of an array; the host for anything that is no backend's array, such as a list.

    Raises
    ------
    BackendError
        For an array whose numbers are not in one piece of memory: spread over several devices, deleted, sparse,
        quantized, or an argument of a function that is being traced.
    """
    # only the library of the array's type is asked: another may be broken, or a mere folder
    packages = {parent.__module__.partition(".")[0] for parent in type(array).__mro__}
    if "torch" in packages and array_api_compat.is_torch_array(array):
        return Residence("torch", _device_of_torch(array))
    if packages & {"jax", "jaxlib"} and array_api_compat.is_jax_array(array):
        return Residence("jax", _device_of_jax(array))
    if "cupy" in packages and array_api_compat.is_cupy_array(array):
        return Residence("cupy", f"cuda:{array.device.id}")
    if "array_api_strict" in packages:
        name = str(array.device).split("'")[1]
        return Residence("strict", "cpu" if name == "CPU_DEVICE" else name)
    return HOST


def _device_of_torch(array: Any) -> str:
    layout = "nested" if array.is_nested else str(array.layout).removeprefix("torch.")
    if layout != "strided" or array.is_quantized:
        raise BackendError(
            f"a tensor of PyTorch's is {'quantized' if array.is_quantized else layout}, but networks are computed with "
            "numbers in rows and columns: convert it first, for example with `tensor.to_dense()` or `.dequantize()`."
        )
    return str(array.device)


def _device_of_jax(array: Any) -> str:
    try:
        devices = sorted(array.devices(), key=lambda device: device.id)
    except (RuntimeError, TypeError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise BackendError(f"an array of JAX's cannot be read ({reason}): give one that holds numbers.") from error
    device = devices[0]
    if len(devices) > 1:
        raise BackendError(
            f"an array of JAX's is spread over {len(devices)} devices ({devices[0]} to {devices[-1]}), but one network "
            "is computed on one: gather it first, for example with `jax.device_put(array, jax.devices()[0])`."
        )
    return "cpu" if device.platform == "cpu" and device.id == 0 else f"{device.platform}:{device.id}"
