"""Fingerprints of finished parts of a report: the facts that they depend on."""

from __future__ import annotations

from typing import Any

import pytest

from xpmlp.config import Config
from xpmlp.report.fingerprint import fingerprint
from xpmlp.report.parts import PARTS


def fingerprint_on(**backend: Any) -> str:
    config = Config.model_validate({"data": {"name": "digits"}, "backend": backend})
    return fingerprint(PARTS[0], config, True, {})


def test_only_parts_that_numba_computes_depend_on_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    numba = pytest.importorskip("numba")
    fused, plain = fingerprint_on(), fingerprint_on(fused=False)
    monkeypatch.setattr(numba, "__version__", "0.0")
    assert fingerprint_on(fused=False) == plain
    assert fingerprint_on() != fused
