"""The data of the small grids."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.grid.small import write_data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data file of this test's own, in a folder that its grids' processes may leave marks in."""
    return write_data(tmp_path / "data.npz")
