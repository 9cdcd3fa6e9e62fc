"""A stand-in for CuPy throughout a process, for a round without a GPU.

Also a plugin of pytest: ``-p benchmarks.gpu_round.stand_in`` puts it in place, in the processes of ``-n``, too.
"""

from __future__ import annotations

from types import ModuleType

MEMORY = 2**30
"""Memory of the simulated GPU in bytes."""


def put_in_place() -> None:
    """Make CuPy's backend compute with NumPy, through the tests' stand-in, until the process ends."""
    import array_api_compat.numpy
    import pytest

    from tests.backend.cupy_stand_in import put_in_place as put
    from tests.backend.cupy_stand_in import stand_in

    module = ModuleType("cupy")  # hashable, like the real one
    module.__dict__.update(vars(stand_in(1, memory=MEMORY)))
    put(module, array_api_compat.numpy, pytest.MonkeyPatch())


def pytest_configure() -> None:
    """Put it in place before tests are collected."""
    put_in_place()
