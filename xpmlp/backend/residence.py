"""Where an array lives: the backend whose arrays it is one of, and the device."""

from __future__ import annotations

from typing import Any, NamedTuple

import array_api_compat


class Residence(NamedTuple):
    """A backend's name and a device's, as `xpmlp.backend.resolve` takes them."""

    backend: str
    device: str

    def __str__(self) -> str:
        return f"{self.backend} on {self.device}"


HOST = Residence("numpy", "cpu")
"""Where NumPy's arrays live, and what is no array at all."""


def residence_of(array: Any) -> Residence:
    """The backend and device of an array; the host's for anything that is no backend's array, such as a list."""
    if array_api_compat.is_torch_array(array):
        return Residence("torch", str(array.device))
    if array_api_compat.is_jax_array(array):
        (device,) = array.devices()
        first_cpu = device.platform == "cpu" and device.id == 0
        return Residence("jax", "cpu" if first_cpu else f"{device.platform}:{device.id}")
    if array_api_compat.is_cupy_array(array):
        return Residence("cupy", f"cuda:{array.device.id}")
    if type(array).__module__.partition(".")[0] == "array_api_strict":
        name = str(array.device).split("'")[1]
        return Residence("strict", "cpu" if name == "CPU_DEVICE" else name)
    return HOST
