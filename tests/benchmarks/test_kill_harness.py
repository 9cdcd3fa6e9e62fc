"""The kill harness in small: three trainings killed, one of them while it writes a checkpoint."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.kill_harness import main

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")


@pytest.mark.slow
def test_three_kills(tmp_path: Path) -> None:
    assert main(["--kills", "3", "--within-writing", "1", "--out", str(tmp_path)]) == 0
    log = json.loads((tmp_path / "kill_harness.json").read_text())
    assert len(log["kills"]) == 3
    assert log["kills"][0]["while_writing"]
    assert not any(kill["different"] for kill in log["kills"])
    assert "**3 of 3** ended bitwise" in (tmp_path / "kill_harness.md").read_text()
