"""A small report, shared by the tests of reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from xpmlp.report import Report, write_report


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A whole report of the small version; tests must not change its folder."""
    return write_report(tmp_path_factory.mktemp("reports") / "quick", quick=True)


@pytest.fixture(scope="session")
def folder(quick: Report) -> Path:
    """Its folder."""
    return quick.page.parent
