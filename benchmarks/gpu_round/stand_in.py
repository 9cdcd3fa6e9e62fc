"""A stand-in in CuPy's place for a whole process: the round without a GPU.

As a plugin of pytest, too: ``-p benchmarks.gpu_round.stand_in`` puts it there, in the processes of ``-n`` as well.
"""

from __future__ import annotations

from types import ModuleType

MEMORY = 2**30
"""Bytes of the pretended GPU."""


def put_in_place() -> None:
    """Have CuPy's backend compute with NumPy, through the stand-in of the tests, until the process ends."""
    import array_api_compat.numpy
    import pytest

    from tests.backend.cupy_stand_in import put_in_place as put
    from tests.backend.cupy_stand_in import stand_in

    module = ModuleType("cupy")  # hashable, as the real one
    module.__dict__.update(vars(stand_in(1, memory=MEMORY)))
    put(module, array_api_compat.numpy, pytest.MonkeyPatch())


def pytest_configure() -> None:
    """Put it in place before anything is collected."""
    put_in_place()
