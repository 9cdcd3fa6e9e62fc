"""Backends to verify, as named by ``--backends``: array libraries, each optionally with a device."""

from __future__ import annotations

from typing import NamedTuple

from xpmlp._records import is_outside
from xpmlp.backend import Backend, DTypeName, backends, check_name
from xpmlp.config import BackendConfig, Config
from xpmlp.errors import ConfigError
from xpmlp.training.trainer import resolve_configured


class Candidate(NamedTuple):
    """Backend to verify.

    Attributes
    ----------
    name : str
        A key of `xpmlp.backend.backends`, or ``module:object``.
    device : str or None
        In the library's notation; ``None`` for its default.
    """

    name: str
    device: str | None

    @property
    def label(self) -> str:
        """The user's notation: ``strict`` or ``strict:device1``."""
        return self.name if self.device is None else f"{self.name}:{self.device}"

    def named_in(self, config: Config) -> Config:
        """Return the config with this backend."""
        return config.replaced(backend=self._asdict())

    def resolve(self, settings: BackendConfig, dtype: DTypeName) -> Backend:
        """Return the backend, with a config's other settings.

        Raises
        ------
        BackendError
            If the library, the device or the dtype is not available.
        """
        changes = {"name": self.name, "device": self.device, "dtype": dtype}
        return resolve_configured(settings.model_copy(update=changes)).backend


def parse_candidates(text: str) -> list[Candidate]:
    """Parse a list of backends such as ``numpy,strict:device1,torch:cuda:0``.

    Raises
    ------
    BackendError
        If there is no such backend.
    ConfigError
        If no backend is named, or one is named twice.
    """
    candidates = []
    for item in filter(None, map(str.strip, text.split(","))):
        name, _, device = item.partition(":")
        if name not in backends and is_outside(outside := ":".join(item.split(":")[:2])):
            name, device = outside, item[len(outside) + 1 :]
        check_name(name, option="--backends: ")
        candidate = Candidate(name, device or None)
        if candidate in candidates:
            raise ConfigError(f"--backends names {candidate.label} twice: name each backend and device once.")
        candidates.append(candidate)
    if not candidates:
        raise ConfigError("--backends names none: give a list, as --backends numpy,torch,jax.")
    return candidates
