"""The kill harness on a small scale: two killed trainings, one of them killed while it writes a checkpoint."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.kill_harness import main

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")


@pytest.mark.slow
def test_two_kills(tmp_path: Path) -> None:
    assert main(["--kills", "2", "--within-writing", "1", "--out", str(tmp_path)]) == 0
    log = json.loads((tmp_path / "kill_harness.json").read_text())
    assert len(log["kills"]) == 2
    assert log["kills"][0]["while_writing"]
    assert not any(kill["different"] for kill in log["kills"])
    assert "**2 of 2** ended bitwise" in (tmp_path / "kill_harness.md").read_text()
