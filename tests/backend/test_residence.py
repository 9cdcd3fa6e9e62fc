"""The place of an array, as the names of a backend and a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.helpers import cases
from xpmlp.backend import HOST, Backend, residence_of, resolve


@pytest.mark.parametrize("backend", cases(dtype="float32"), indirect=True)
def test_what_it_names_is_where_the_array_is(backend: Backend) -> None:
    array = backend.asarray(np.zeros(2, dtype=np.float32))
    residence = residence_of(array)
    assert residence.backend == backend.name
    assert resolve(*residence).backend.device == backend.device


@pytest.mark.parametrize("thing", [[1, 2], 3.0, None, np.float64(1.0), "text"], ids=repr)
def test_what_is_no_backends_array_is_on_the_host(thing: Any) -> None:
    assert residence_of(thing) == HOST == ("numpy", "cpu")
