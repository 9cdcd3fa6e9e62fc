"""Movement of arrays between the user's library and device and the backend's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Array
from xpmlp.backend import HOST, Backend, DTypeName, Residence, residence_of, resolve


@functools.cache
def backend_at(name: str, device: str | None, dtype: DTypeName) -> Backend:
    """Return the backend of that name: always the same object, so that JAX compiles a step once."""
    return resolve(name, device, dtype).backend


Method = TypeVar("Method", bound=Callable[..., Any])


def with_own_settings(method: Method) -> Method:
    """Wrap a method ``(self, X, ...)`` to run with the settings that this program needs of the library of ``X``."""

    @functools.wraps(method)
    def call(self: Any, X: Any, *arguments: Any, **options: Any) -> Any:
        residence = residence_of(X)
        if residence == HOST:
            return method(self, X, *arguments, **options)
        with backend_at(*residence, "float32").settings():
            return method(self, X, *arguments, **options)

    return cast("Method", call)


def unchanged_on_error(method: Method) -> Method:
    """Wrap a fitting method to restore the estimator's attributes if it raises, so that it stays as fitted before."""

    @functools.wraps(method)
    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        before = {name: value[:] if isinstance(value, list) else value for name, value in vars(self).items()}
        try:
            return method(self, *arguments, **options)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return cast("Method", call)


def to_host(array: Any) -> Any:
    """Convert an array of any backend to NumPy; anything else is returned unchanged."""
    residence = residence_of(array)
    return array if residence == HOST else backend_at(*residence, "float32").to_numpy(array)


def residence_of_backend(backend: Backend) -> Residence:
    """Return the residence of a backend's arrays."""
    return residence_of(backend.asarray(np.zeros(1, dtype=backend.dtype_name)))


def placed(array: Any, backend: Backend) -> Array:
    """Move an array of any backend to this one; not copied if it is already there."""
    if residence_of(array) == residence_of_backend(backend):
        return array
    return backend.asarray(to_host(array))


def moved(tree: Any, backend: Backend) -> Any:
    """Copy a tree of arrays of any backend to this one, in its dtype; the fresh arrays may be overwritten."""
    here = residence_of_backend(backend)
    if here != HOST and all(residence_of(leaf) == here and leaf.dtype == backend.dtype for _, leaf in leaves(tree)):
        return backend.copy(tree)
    return backend.parameters(map_leaves(to_host, tree))
