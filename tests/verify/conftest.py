"""Layers made anew for each test, as some tests break them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from xpmlp.nn import network


@pytest.fixture(autouse=True)
def fresh_layers() -> Iterator[None]:
    """Layers that are made of what a test has broken, and none that are left over."""
    network._built.cache_clear()
    yield
    network._built.cache_clear()
