"""array-api-strict: the newest standard that it knows and nothing else, with devices that refuse to mix.

For checking, not for speed.  ``device1`` imitates a GPU: its arrays refuse to become NumPy arrays by themselves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._typing import Array
from xpmlp.backend.base import Backend
from xpmlp.errors import BackendError


class StrictBackend(Backend):
    """array-api-strict on ``cpu``, ``device1``, ``device2``, ``no_float64`` or ``no_x64``."""

    name = "strict"
    index_dtype_name = "int32"  # the device no_x64 has no int64

    def _start(self, device: str | None) -> None:
        import array_api_strict as xp

        self.xp, self.version = xp, xp.__version__
        self._host = xp.Device("CPU_DEVICE")
        known = self.devices()
        if (device or "cpu") not in known:
            raise BackendError(f"backend strict has no device {device!r}; it has {', '.join(known)}.")
        self.device_name = device or "cpu"
        self.device = self._host if self.device_name == "cpu" else xp.Device(self.device_name)
        try:
            xp.zeros(1, dtype=self.dtype, device=self.device)
        except ValueError as error:
            raise BackendError(
                f'device {device!r} of backend strict has no {self.dtype_name}: set backend.dtype to "float32".'
            ) from error

    def devices(self) -> list[str]:
        """Return the names of the devices that array-api-strict simulates."""
        names = [str(device).split("'")[1] for device in self.xp.__array_namespace_info__().devices()]
        return ["cpu" if name == "CPU_DEVICE" else name for name in names]

    @contextlib.contextmanager
    def session(self, batch_size: int, predicted: int | None = None) -> Iterator[None]:
        """Exclude the optional parts of the standard: boolean indexing, data-dependent shapes, extensions.

        Overflows and underflows are ignored as on other backends: the training loop checks for non-finite values.
        """
        minimal = self.xp.ArrayAPIStrictFlags(
            boolean_indexing=False, data_dependent_shapes=False, enabled_extensions=()
        )
        with minimal, np.errstate(all="ignore"):
            yield

    def to_numpy(self, array: Array) -> npt.NDArray[Any]:
        """Copy an array to the host."""
        return np.array(array.to_device(self._host))
