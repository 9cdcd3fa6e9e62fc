"""Backends by name: lookup, automatic choice and availability."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from xpmlp._optional import Library, NotInstalledError
from xpmlp._records import RecordTable, is_outside
from xpmlp.backend.base import Backend, DTypeName
from xpmlp.errors import BackendError, ConfigError


class BackendRecord(NamedTuple):
    """A backend's description, without its library.

    Attributes
    ----------
    sentence : str
        For the documentation.
    load : () -> type of Backend
        Imports the library.
    library : Library, optional
        The library, if it may be missing.
    keys : tuple of str
        The keys of ``[backend]`` that it uses, among those that not every backend uses.
    listed : bool
        Whether users are told of it; the one for tests is not listed.
    """

    sentence: str
    load: Callable[[], type[Backend]]
    library: Library | None = None
    keys: tuple[str, ...] = ()
    listed: bool = True


def _class(module: str, name: str) -> Callable[[], type[Backend]]:
    return lambda: getattr(importlib.import_module(f"xpmlp.backend.{module}"), name)


_CUPY = Library("cupy", "CuPy", "'xpmlp[cuda13]'", " (or cuda12, as your driver allows)")
_TORCH = Library("torch", "PyTorch", "'xpmlp[torch]'")
_JAX = Library("jax", "JAX", "'xpmlp[jax]'")
_STRICT = Library("array_api_strict", "array-api-strict", "array-api-strict")

backends = RecordTable(
    "backend",
    BackendRecord,
    {
        "numpy": BackendRecord("NumPy on the CPU.", _class("numpy", "NumpyBackend"), None, ("threads",)),
        "cupy": BackendRecord("CuPy on an NVIDIA GPU.", _class("cupy", "CupyBackend"), _CUPY, ("tf32",)),
        "torch": BackendRecord(
            "PyTorch on CPUs and GPUs.", _class("torch", "TorchBackend"), _TORCH, ("threads", "tf32")
        ),
        "jax": BackendRecord("JAX on CPUs and GPUs.", _class("jax", "JaxBackend"), _JAX, ("tf32",)),
        "strict": BackendRecord(
            "array-api-strict, for tests.", _class("strict", "StrictBackend"), _STRICT, listed=False
        ),
    },
)

NAMES = tuple(backends)
"""Names of the backends in a config."""

LISTED = tuple(name for name in NAMES if backends[name].listed)
"""Names of the backends that users are told of."""


class Choice(NamedTuple):
    """A backend and, for ``auto``, the reason for its choice.

    Attributes
    ----------
    backend : Backend
    reason : str or None
        One sentence, or ``None`` if the user chose.
    """

    backend: Backend
    reason: str | None


class Availability(NamedTuple):
    """A line of ``xpmlp backends``.

    Attributes
    ----------
    name, version : str
    devices : list of str
        Empty if the backend cannot be used.
    float64 : bool
        Whether its first device has float64.
    problem : str or None
        The reason that it cannot be used here.
    """

    name: str
    version: str
    devices: list[str]
    float64: bool
    problem: str | None


def resolve(
    name: str = "numpy",
    device: str | None = None,
    dtype: DTypeName = "float32",
    *,
    fused: bool = True,
    threads: int | None = None,
    tf32: bool = False,
) -> Choice:
    """Find the backend named by a config.

    Parameters
    ----------
    name : str
        One of `backends`, or ``auto``: CuPy, PyTorch or JAX on a GPU if there is one, in this order, else NumPy.
    device : str, optional
        As the library names it; its default if not given.
    dtype : "float32" or "float64"
    fused : bool
        Use the backend's faster versions of the hot operations.
    threads : int, optional
        Threads of CPU libraries.
    tf32 : bool
        Let a GPU that has TensorFloat-32 round the factors of float32 products to it.

    Returns
    -------
    choice : Choice

    Raises
    ------
    BackendError
        If the backend is unknown, its library not installed or broken, or it has no such device or dtype.  Nothing
        falls back silently.
    """
    if name == "auto":
        return _choose(device, dtype, fused=fused, threads=threads, tf32=tf32)
    check_name(name, "auto")
    with _library_of(name):
        options: dict[str, Any] = {"fused": fused, "threads": threads, "tf32": tf32}
        backend = backends[name].load()(device, dtype, **options)
        backend.recipe = found_again, (name, {"device": device, "dtype": dtype, **options})
        if is_outside(name):
            backend.name = name  # so that it is found again
        backend.to_numpy(backend.asarray([0.0], backend.dtype))  # fails in a library that was built for another NumPy
    return Choice(backend, None)


def check_name(name: str, *besides: str, option: str = "") -> None:
    """Raise an error for an unknown backend, with the names of the known ones and ``besides``.

    Raises
    ------
    BackendError
    """
    if name not in backends and not is_outside(name):
        raise BackendError(f"{option}there is no backend {name!r}; there are {', '.join([*besides, *LISTED])}.")


def _library_of(name: str) -> AbstractContextManager[None]:
    """Turn any failure of a backend's library, at start or in its search for devices, into a one-sentence error."""
    library = backends[name].library
    return nullcontext() if library is None else library.needed_by(f"backend {name}")


def found_again(name: str, recipe: dict[str, Any]) -> Backend:
    """Recreate a pickled backend from the arguments of `resolve`; if unavailable, return NumPy's with a warning."""
    try:
        return resolve(name, **recipe).backend
    except (BackendError, ConfigError) as error:
        warnings.warn(f"{error} The backend is NumPy now.", stacklevel=2)
        return resolve("numpy", **(recipe | {"device": None})).backend


def _choose(device: str | None, dtype: DTypeName, **options: Any) -> Choice:
    if device is not None:
        raise BackendError(f"backend auto chooses the device itself, but {device!r} was given: name the backend, too.")
    passed_over = []
    for name in ("cupy", "torch", "jax"):
        report = probe(name)
        gpus = [found for found in report.devices if found != "cpu"]
        if not gpus:
            passed_over.append(f"{name}: {_without_advice(report.problem or 'no GPU')}")
            continue
        try:
            backend = resolve(name, gpus[0], dtype, **options).backend
        except BackendError as error:  # a GPU without float64
            passed_over.append(f"{name}: {_without_advice(str(error))}")
        else:
            return Choice(backend, f"backend auto: {name} on {gpus[0]} ({backend.device_name}).")
    backend = resolve("numpy", None, dtype, **options).backend
    return Choice(backend, f"backend auto: numpy on cpu ({'; '.join(passed_over)}).")


def _without_advice(problem: str) -> str:
    """Strip the advice from a problem: a user who left the choice to the program has no mistake to correct."""
    return (problem.rpartition(": ")[0] or problem).rstrip(".")


def probe(name: str) -> Availability:
    """Try a backend and report its availability here."""
    try:
        with _library_of(name):
            backend = resolve(name).backend
            devices = backend.devices()
    except BackendError as error:
        missing = isinstance(error, NotInstalledError)
        return Availability(name, "", [], False, "not installed" if missing else str(error))
    return Availability(name, backend.version, devices, _has_float64(name), None)


def _has_float64(name: str) -> bool:
    try:
        resolve(name, None, "float64")
    except BackendError:
        return False
    return True
